"""`gradconform show`: a scenario as it stands in its file, and what torch does, step by step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gradconform.cli.progress import output
from gradconform.engines.torch import TorchEngine
from gradconform.errors import UsageError, did_you_mean
from gradconform.execution.interpreter import Detail, run
from gradconform.oracle.judge import judge
from gradconform.plan import present_devices, unfit
from gradconform.prepare import listed, templates_of
from gradconform.program.bind import bind
from gradconform.randomize import draws
from gradconform.report.failure import summary
from gradconform.report.lines import Line
from gradconform.report.steps import trace_lines
from gradconform.settings import Options
from gradconform.verdict import Conforms

if TYPE_CHECKING:
    from gradconform.spec.index import Row
    from gradconform.spec.scenario import Scenario


def show_command(id: str, device: str, dtype: str | None, options: Options) -> int:
    """Prints a scenario and torch's trace of its documented example. Returns the exit code.

    Raises UsageError for an unknown id, dtype or device.
    """
    full = find(listed(options), id).id
    (template,) = (one for one in templates_of(replace(options, select=(full,))) if one.id == full)
    scenario = template.scenario
    kind = dtype or scenario.dtypes[0]
    if kind not in scenario.dtypes:
        hint = did_you_mean(kind, scenario.dtypes) or f"its dtypes are {', '.join(scenario.dtypes)}"
        raise UsageError(f"{scenario.id} has no dtype '{kind}'; {hint}")
    (device,), _ = present_devices((device,))
    out = output()
    left_out = unfit((template,), (device,), (kind,))
    if left_out:
        out.lines([*_spec(scenario), Line(""), *(Line(f"not run: {reason}", "bad") for reason in left_out)])
        return 0
    program = bind(template, draws.example(scenario, kind))
    trace = run(program, TorchEngine(), device, Detail.STEPS)
    verdict = judge(program, trace, trace, device=device)
    out.lines(_spec(scenario))
    out.lines([Line(""), Line(f"torch on the documented example, {device}, {kind}", "title"), Line("")])
    out.lines(trace_lines(program, trace))
    kept = "torch keeps all of it" if isinstance(verdict, Conforms) else summary(verdict)
    out.lines([Line(""), Line(kept, "good" if isinstance(verdict, Conforms) else "bad")])
    return 0


def find(rows: tuple[Row, ...], id: str) -> Row:
    """The scenario with an id or a former id. Raises UsageError, with the nearest ids, where there is
    none."""
    known = {name: row for row in rows for name in row.aliases}
    known |= {row.id: row for row in rows}
    if id not in known:
        hint = did_you_mean(id, known) or _of_feature(id, rows) or "`gradconform list` shows all of them"
        raise UsageError(f"there is no scenario '{id}'; {hint}")
    return known[id]


def _of_feature(id: str, rows: tuple[Row, ...]) -> str:
    feature = id.partition("/")[0]
    ids = [row.id for row in rows if row.feature == feature]
    return f"the scenarios of {feature} are {', '.join(ids)}" if ids else ""


def _spec(scenario: Scenario) -> Iterator[Line]:
    yield Line(f"{scenario.place.file}:{scenario.place.line}", "faint")
    yield from (Line(text, whole=True) for text in entry_lines(scenario))


def entry_lines(scenario: Scenario) -> tuple[str, ...]:
    """The lines of a scenario's file that hold it, without their common indentation."""
    lines = Path(scenario.place.file).read_text(encoding="utf-8-sig").splitlines()
    start = scenario.place.line - 1
    while start > 0 and not re.match(r"\s*- ", lines[start]):
        start -= 1
    indent = len(lines[start]) - len(lines[start].lstrip())
    end = start + 1
    while end < len(lines) and (
        not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent
    ):
        end += 1
    return tuple(line[indent:].rstrip() for line in "\n".join(lines[start:end]).rstrip().split("\n"))
