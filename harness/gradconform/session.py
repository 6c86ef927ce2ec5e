"""From a scenario to verdicts: draw, bind, run on both engines, judge; and, on a failure, the smallest
program."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Iterator
from dataclasses import replace

from gradconform.cases import CaseResult, Example
from gradconform.engines.base import Engine
from gradconform.engines.torch import TorchEngine
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.interpreter import Detail, run
from gradconform.oracle.judge import judge
from gradconform.plan import Settings, Task
from gradconform.program.bind import bind
from gradconform.program.render import torch_script
from gradconform.program.steps import Program
from gradconform.randomize import draws, with_hypothesis
from gradconform.randomize.chooser import Chooser, raised_at
from gradconform.randomize.reduce import reduce
from gradconform.report.listing import program_lines
from gradconform.verdict import Conforms, Crashed, Diverges, Inconclusive, Unsupporting, Verdict

_PLACE = re.compile(r"[a-z]\w*(\.\w+)*", re.IGNORECASE)


class Failed(Exception):  # noqa: N818 - carries a verdict through the search for a smaller one
    """A case that did not conform."""

    def __init__(self, program: Program, verdict: Verdict) -> None:
        self.program = program
        self.verdict = verdict
        super().__init__(verdict.kind)


class Session:
    """Checks one engine against torch."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self.torch = TorchEngine()

    def check(self, task: Task) -> Iterator[CaseResult]:
        """The documented example first, then random draws up to the first failure, which is shrunk.

        Raises AdapterError where the adapter breaks its contract, and SpecError where a draw cannot be bound.
        """
        scenario = task.template.scenario
        program = bind(task.template, draws.example(scenario, task.dtype))
        yield self._result(task, 0, program, self.judge(program, task.device))
        if not scenario.let or self.settings.examples == 0:
            return
        drawn: list[CaseResult] = []
        shrinking = False

        def test(chooser: Chooser) -> None:
            nonlocal shrinking
            program = bind(task.template, draws.draw(scenario, chooser, task.dtype))
            verdict = self.judge(program, task.device)
            if not isinstance(verdict, Conforms | Unsupporting | Inconclusive):
                shrinking = True
                raise Failed(program, verdict)
            if not shrinking:  # what passes on the way to a smaller failure is no case of its own
                drawn.append(self._result(task, len(drawn) + 1, program, verdict))

        failure = with_hypothesis.search(
            test, examples=self.settings.examples, seed=self.seed(task), origin=_origin
        )
        yield from drawn
        if failure is None:
            return
        if isinstance(failure.exception, Failed):
            verdict = failure.exception.verdict
            yield self._result(task, len(drawn) + 1, failure.exception.program, verdict)
        elif failure.flaky:
            raise AdapterError(
                f"engine {self.engine.name}: one case of {task.id}, run twice, gave two answers: "
                f"{failure.exception}"
            )
        else:
            raise failure.exception

    def judge(self, program: Program, device: str, detail: Detail = Detail.CHANGES) -> Verdict:
        """Runs a program on torch and on the engine, and compares."""
        expected = run(program, self.torch, device, detail)
        try:
            got = run(program, self.engine, device, detail)
        except Unsupported as lack:
            return Unsupporting(lack.feature)
        except (SystemExit, GeneratorExit) as error:
            return Crashed(f"{type(error).__name__}: {error}")
        return judge(program, expected, got, device=device, torch_errors=self.engine.torch_errors)

    def seed(self, task: Task) -> int:
        """A seed for a task that does not depend on which other tasks run."""
        digest = hashlib.sha256(f"{self.settings.seed}/{task.id}".encode()).digest()
        return int.from_bytes(digest[:6])

    def _result(self, task: Task, draw: int, program: Program, verdict: Verdict) -> CaseResult:
        example = None
        if isinstance(verdict, Diverges):
            program, verdict = self._smallest(program, verdict, task.device)
        if not isinstance(verdict, Conforms | Unsupporting):
            example = make_example(program, verdict, task.device, self.engine.name)
        scenario = task.template.scenario
        return CaseResult(
            scenario.id, scenario.feature, scenario.level, task.device, task.dtype, draw, verdict, example
        )

    def _smallest(self, program: Program, verdict: Diverges, device: str) -> tuple[Program, Verdict]:
        """Steps that the failure does not need are left out; then every step is traced, to name the first
        that differs."""
        cause = _cause(verdict)

        def fails(candidate: Program) -> bool:
            found = self.judge(candidate, device)
            return isinstance(found, Diverges) and _cause(found) == cause

        program = reduce(program, fails)
        for detail in (Detail.STEPS, Detail.CHANGES):
            again = self.judge(program, device, detail)
            if isinstance(again, Diverges):
                return program, again
        return program, _unsteady(verdict)


def _origin(exception: Exception) -> Hashable:
    """Keeps the search for a smaller failure to the failure it started from."""
    if not isinstance(exception, Failed):
        return raised_at(exception)
    verdict = exception.verdict
    return verdict.kind, _cause(verdict) if isinstance(verdict, Diverges) else None


def _unsteady(verdict: Diverges) -> Diverges:
    """A divergence that did not come back when its program was run again."""
    first, *rest = verdict.divergences
    detail = "; ".join(filter(None, (first.detail, "seen once, and not when the program was run again")))
    return Diverges((replace(first, detail=detail), *rest))


def _cause(verdict: Diverges) -> tuple[str, str]:
    first = verdict.divergences[0]
    return first.what, first.where


def make_example(program: Program, verdict: Verdict, device: str, engine: str) -> Example:
    """The program of a verdict, as text and as a script that prints the places that differ."""
    remarks: dict[str, str] = {}
    if isinstance(verdict, Diverges):
        for difference in verdict.divergences:
            place = _printable(difference.where)
            if place:
                remark = f"torch: {difference.expected}; {engine}: {difference.got}".replace("\n", " ")
                remarks.setdefault(place, remark)  # the first is the one to understand first
    return Example(
        program, "\n".join(program_lines(program)), torch_script(program, device, tuple(remarks), remarks)
    )


def _printable(where: str) -> str:
    """A place of a divergence as an expression that a torch script can print, or ""."""
    if where == "is_grad_enabled()":
        return f"torch.{where}"
    return where if _PLACE.fullmatch(where) else ""
