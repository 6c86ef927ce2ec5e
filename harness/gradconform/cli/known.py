"""`gradconform known`: the known failures of an engine, how they stand, and the update of their file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gradconform.cases import CaseResult
from gradconform.cli.group import INTERRUPTED
from gradconform.cli.progress import output
from gradconform.cli.run import Campaign, runner
from gradconform.errors import UsageError
from gradconform.execution.host import Host
from gradconform.hosts import find_host
from gradconform.known_failures.changes import Found, compared
from gradconform.known_failures.entries import Entry, KnownFile
from gradconform.known_failures.read import read_known
from gradconform.known_failures.write import write_known
from gradconform.pinning import Knowns, knowns_of, pinned, refuse_unknown
from gradconform.plan import plan
from gradconform.prepare import head_of, listed, origins_of, settings_of, shown
from gradconform.report.failure import outcome
from gradconform.report.lines import Line
from gradconform.results import Head, Results, read_results
from gradconform.session import Session
from gradconform.settings import Options

USUAL = Path("gradconform-known.yaml")
"""The file where none is named."""


def known_command(target: str, options: Options, *, update: bool, source: Path | None) -> int:
    """Lists the known failures of the engine that `target` names, or updates their file. Returns the exit
    code: 1 where an entry does not stand as it says, 130 where interrupted.

    source: the results of a whole run to update from. Raises UsageError for a part of a run, and as `run`.
    """
    if options.corpus == "opinfo":
        raise UsageError("known failures are of scenarios; PyTorch's operator samples are none")
    options = replace(options, known=options.known or (USUAL,), fail_fast=False)
    with find_host(target, options.isolation) as host:
        if update:
            return _update(host, target, options, source)
        return _list(host, options)


def _list(host: Host, options: Options) -> int:
    knowns = knowns_of(options, host.name)
    refuse_unknown(knowns, options)
    out = output()
    if not knowns.entries:
        out.lines([Line(knowns.foreign(host.name) or f"no failures of {host.name} are known")])
        return 0
    scenarios = tuple(dict.fromkeys(entry.scenario for entry in knowns.entries.values()))
    settings = settings_of(replace(options, select=scenarios))
    tasks = knowns.pinned(plan(origins_of(replace(options, select=scenarios)), settings).tasks)
    session = Session(host, settings)
    cases: dict[str, list[CaseResult]] = {name: [] for name in knowns.entries}
    for task in tasks:
        if task.pin is not None:
            cases[task.pin.entry.id].append(session.replay(task, task.pin))
    for name, entry in knowns.entries.items():
        out.lines(_entry_lines(entry, cases[name]))
    good = [_stands(entry, cases[name]) for name, entry in knowns.entries.items()]
    out.lines([Line(f"{sum(good)} of {len(good)} known failures of {host.name} stand as their entries say")])
    return 0 if all(good) else 1


def _stands(entry: Entry, cases: Sequence[CaseResult]) -> bool:
    return not entry.expired and all(case.is_known for case in cases)


def _entry_lines(entry: Entry, cases: Sequence[CaseResult]) -> Iterator[Line]:
    tests = f"{len(cases)} {'test' if len(cases) == 1 else 'tests'}"
    how = f"fails as known in {tests}" if cases else "of no test that runs here"
    yield Line(f"{entry.id}: {entry.manner}; {how}", "text" if _stands(entry, cases) else "bad")
    yield Line(f"  {' '.join(entry.reason.split()) or 'no reason yet'}", "faint")
    if entry.link:
        yield Line(f"  {entry.link}", "faint", whole=True)
    if entry.expired:
        yield Line(f"  expired on {entry.expires}", "bad")
    for case in cases:
        if not case.is_known:
            yield Line(f"  {case.id}: {outcome(case)}", "bad")


def _update(host: Host, target: str, options: Options, source: Path | None) -> int:
    path, known = _file(options, host.name)
    options = replace(options, known=(path,) if known else ())
    begun = read_results(source) if source else None  # before the corpus is read, which takes longer
    knowns = knowns_of(options, host.name)
    refuse_unknown(knowns, options)
    if source and begun:
        _same_run(source, begun.head, host, options)
    results = begun or _run(host, target, options, knowns)
    if results is None:
        return INTERRUPTED
    what = str(source) if source else "this run"
    dtypes = {row.id: row.dtypes for row in listed(options)}
    _require_whole(what, results, known, dtypes)
    found = compared(known, results.cases, dtypes)
    write_known(path, host.name, known, found.edits)
    output().lines(_told(path, found, results, known))
    return 0


def _file(options: Options, engine: str) -> tuple[Path, KnownFile | None]:
    """The file of the engine, and what stands in it. Raises UsageError where that is not clear."""
    there = {path: read_known(path) for path in options.known if path.exists()}
    mine = [path for path, file in there.items() if file.engine == engine]
    new = [path for path in options.known if path not in there]
    if len(mine) == 1:
        return mine[0], there[mine[0]]
    if not mine and len(new) == 1:
        return new[0], None
    names = ", ".join(map(shown, mine or new or options.known))
    why = "are all for it" if mine else "could be for it" if new else f"are of {_engines(there)}"
    raise UsageError(f"which file holds the known failures of {engine}? {names} {why}; name one with --known")


def _engines(files: Mapping[Path, KnownFile]) -> str:
    return ", ".join(dict.fromkeys(file.engine for file in files.values()))


def _run(host: Host, target: str, options: Options, knowns: Knowns) -> Results | None:
    """A whole run; None where it was interrupted."""
    planned = pinned(plan(origins_of(options), settings_of(options)), knowns)
    head = head_of(host, target, options, planned)
    with runner(host, target, options, planned) as run:
        results = Campaign(run, head, planned.tasks, options).run(output())
    return None if results.end is None or results.end.interrupted else results


def _same_run(source: Path, head: Head, host: Host, options: Options) -> None:
    """Raises UsageError where results are not of this engine, or of another part of the specs."""
    wanted = (
        ("engine", head.engine, host.name),
        ("engine version", head.engine_version, host.version),
        ("--select", ", ".join(head.select) or "nothing", ", ".join(options.select) or "nothing"),
        ("corpus", head.corpus, options.corpus),
        ("--specs", ", ".join(head.specs), ", ".join(map(shown, options.specs))),
    )
    for name, theirs, mine in wanted:
        if theirs != mine:
            raise UsageError(f"--from: {source} is of {name} {theirs}, and this project runs {name} {mine}")


def _require_whole(
    what: str, results: Results, known: KnownFile | None, dtypes: Mapping[str, Sequence[str]]
) -> None:
    """Raises UsageError for results that do not tell of all tests, or not of each entry."""
    end = results.end
    if end is None or end.interrupted or end.tasks < results.head.tasks:
        done = f"{end.tasks} of {results.head.tasks} tests" if end else "a part of its tests"
        raise UsageError(
            f"{what} ended after {done}: what the others do is not known; finish it with `run --resume`"
        )
    replayed = {case.known.entry: case.known for case in results.cases if case.known is not None}
    for entry in known.entries if known else ():
        ran = {case.dtype for case in results.cases if case.scenario == entry.scenario}
        missing = set(dtypes.get(entry.scenario, ())) - ran if entry.id == entry.scenario else set()
        if entry.id not in replayed or missing:
            lacking = f" in {', '.join(sorted(missing))}" if entry.id in replayed else ""
            raise UsageError(
                f"{what} tells nothing of the known failure {entry.id}{lacking}: run all devices, dtypes and "
                f"scenarios of the entries, with --known {shown(Path(known.path)) if known else ''}"
            )
    written = {entry.id: str(entry.manner) for entry in (known.entries if known else ())}
    for name, one in replayed.items():
        if written.get(name) != one.expected:
            raise UsageError(
                f"{what} is of other known failures than the file has now: {name} was edited since"
            )


def _told(path: Path, found: Found, results: Results, known: KnownFile | None) -> Iterator[Line]:
    edits = found.edits
    for entry in edits.added:
        yield Line(f"added {entry.id}: {entry.manner}")
    for name, entry in edits.changed.items():
        yield Line(f"changed {name}: {entry.manner}; see whether its reason is still right", "bad")
    for name in edits.dropped:
        yield Line(f"dropped {name}")
    for test in found.unwritten:
        yield Line(f"not added, since its program cannot be written: {test}", "bad")
    disputed = {case.scenario for case in results.cases if case.verdict.kind == "oracle-disputed"}
    for scenario in sorted(disputed):
        yield Line(f"not added, since the engine is not to blame: {scenario}")
    count = f"{len(found.kept)} kept, {len(edits.changed)} changed"
    yield Line(f"{shown(path)}: {len(edits.added)} added, {len(edits.dropped)} dropped, {count}")
    before = [entry for entry in (known.entries if known else ()) if entry.id not in edits.dropped]
    bare = sum(not entry.reason for entry in (*before, *edits.added))
    if bare:
        count = "entry has" if bare == 1 else "entries have"
        yield Line(f'{bare} {count} no reason yet: fill in reason: ""', "bad")
