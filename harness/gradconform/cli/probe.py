"""`gradconform probe`: what an engine has, by tiny programs, beside what it declares."""

from __future__ import annotations

from pathlib import Path

from gradconform.cli.progress import output
from gradconform.engines.capabilities import by_kind, capabilities_text, read_capabilities
from gradconform.errors import UsageError
from gradconform.hosts import find_host
from gradconform.plan import Settings
from gradconform.prepare import templates_of
from gradconform.probing import Probing, differing, probes_of
from gradconform.report.features import declaration_lines, failure_lines, feature_lines, summary_line
from gradconform.report.lines import Line
from gradconform.session import Session
from gradconform.settings import Isolation, Options


def probe_command(target: str, declared: Path | None, write: Path | None, isolation: Isolation) -> int:
    """Probes the engine that `target` names, against the declaration in the file `declared`, or the engine's
    own. Returns 1 where it has something else than is declared.

    write: where to write what was found, as a declaration. isolation: how the engine runs. Raises
    GradconformError as `run` does.
    """
    if write and not write.parent.is_dir():
        raise UsageError(f"{write}: the file cannot be written: there is no folder {write.parent}")
    said = read_capabilities(declared) if declared else None
    with find_host(target, isolation) as host:
        declaration = host.features if said is None else said
        host.try_all()
        probing = Probing(Session(host, Settings()), probes_of(templates_of(Options())))
        for _ in probing.run():
            pass
        called = f"{host.name} {host.version}" if host.version else host.name
    found = probing.found
    untrue, unsaid = differing(found, declaration or {})
    out = output()
    out.lines(feature_lines(found))
    out.lines([Line("")])
    out.lines(declaration_lines(untrue, unsaid))
    out.lines(failure_lines(probing.failures))
    out.lines([summary_line(called, found)])
    if write:
        has = by_kind(feature for feature, finding in found.items() if finding != "missing")
        text = capabilities_text(has, f"What {called} has, as `gradconform probe {target}` found it.")
        try:
            write.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{write}: the file cannot be written: {error.strerror}") from None
        out.lines([Line(f"written to {write}")])
    return 1 if untrue or (unsaid and declaration is not None) else 0
