"""`gradconform validate`: torch must keep every scenario, or the scenario is wrong."""

from __future__ import annotations

from dataclasses import replace

from gradconform.cli.progress import output
from gradconform.cli.run import Campaign, runner
from gradconform.engines.torch import TorchEngine
from gradconform.execution.host import InProcess
from gradconform.plan import plan
from gradconform.prepare import head_of, settings_of, templates_of
from gradconform.report.lines import Line
from gradconform.report.terminal import not_run, run_report
from gradconform.settings import Options


def validate_command(options: Options) -> int:
    """Runs torch as oracle and as engine. Returns 1 where a case does anything but conform, 130 where
    interrupted.

    Raises SpecError where a file cannot be used.
    """
    options = replace(options, known=())  # those of engines: torch is held against the specs alone
    planned = plan(templates_of(options), settings_of(options))
    host = InProcess(TorchEngine())
    head = head_of(host, "torch", options, planned)
    out = output()
    with runner(host, "torch", options, planned) as run:
        results = Campaign(run, head, planned.tasks, options).run(out)
    # What this torch is too old for, the specs say themselves.
    bad = tuple(case for case in results.cases if case.verdict.kind not in {"conforms", "unsupported"})
    if bad or results.end is None or results.end.interrupted:
        out.lines(run_report(results))
        return 130 if results.end is None or results.end.interrupted else 1
    kept = [case for case in results.cases if case.verdict.kind == "conforms"]
    scenarios = len({case.scenario for case in kept})
    what = "the scenario" if scenarios == 1 else f"all {scenarios} scenarios"
    text = f"torch {head.torch} keeps {what} ({len(kept)} cases, seed {head.seed})"
    older = sorted({case.scenario for case in results.cases if case.verdict.kind == "unsupported"})
    if older:
        text += f"; it is too old for {len(older)} more: {', '.join(older)}"
    out.lines([Line(text, "good"), *not_run(head)])
    return 0
