"""From a scenario to verdicts: draw, bind, run on both engines, judge; and, on a failure, the smallest
program."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from functools import partial

import torch

from gradconform.cases import CaseResult
from gradconform.engines.torch import TorchEngine
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.host import Host, Lost, OutOfTime
from gradconform.execution.interpreter import Detail, run
from gradconform.known_failures.entries import Pin
from gradconform.known_failures.replay import replay
from gradconform.oracle.declared import Declarations
from gradconform.oracle.devices import attributed
from gradconform.oracle.judge import judge
from gradconform.plan import Settings, Task
from gradconform.program.bind import bind
from gradconform.program.parse import Template
from gradconform.program.steps import Program
from gradconform.randomize import draws, with_hypothesis
from gradconform.randomize.chooser import Chooser, raised_at
from gradconform.randomize.corners import corners
from gradconform.randomize.derivations import applicable, in_turn
from gradconform.randomize.direct import DirectChooser
from gradconform.randomize.reduce import reduce
from gradconform.report.example import make_example
from gradconform.sources import Given, Samples
from gradconform.spec.relations import fit
from gradconform.spec.shapes import MAX_ELEMENTS
from gradconform.trace import Trace
from gradconform.verdict import (
    Conforms,
    Crashed,
    Declared,
    Diverges,
    Inconclusive,
    OracleDisputed,
    TimedOut,
    Unsupporting,
    Verdict,
)

DERIVED = 3
"""For so many random draws the documented example runs once more, under a derivation."""

_PASSING = (Conforms, Declared, Unsupporting, Inconclusive)


class Failed(Exception):  # noqa: N818 - carries a verdict through the search for a smaller one
    """A case that did not conform."""

    def __init__(self, program: Program, verdict: Verdict) -> None:
        self.program = program
        self.verdict = verdict
        super().__init__(verdict.kind)


class _ReportFailed(BaseException):
    """Carries an exception of a report past hypothesis, which would take an Exception for a failing test."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__()


class _Ended(BaseException):
    """Carries a program that cost the engine's process past hypothesis, which would run ever more like it."""

    def __init__(self, program: Program, verdict: Verdict) -> None:
        self.program = program
        self.verdict = verdict
        super().__init__()


class Session:
    """Checks one engine against torch."""

    def __init__(self, host: Host, settings: Settings) -> None:
        self.host = host
        self.settings = settings
        self.torch = TorchEngine()
        self.declarations = Declarations(host.name, host.policies)

    def check(self, task: Task) -> Iterator[CaseResult]:
        """As `run`, with the results when all of them are there."""
        results: list[CaseResult] = []
        self.run(task, results.append)
        return iter(results)

    def run(self, task: Task, report: Callable[[CaseResult], None]) -> None:
        """The documented example first, then the corners and random draws up to the first failure, which is
        made small.

        Each result is reported when it is known; an exception that `report` raises ends the task.
        Raises AdapterError where the adapter breaks its contract, and SpecError where a draw cannot be bound.
        """

        def told(result: CaseResult) -> None:
            try:
                report(result)
            except Exception as error:
                raise _ReportFailed(error) from error

        try:
            self._run(task, told)
        except _ReportFailed as failed:
            raise failed.error from None
        except AdapterError as error:
            raise AdapterError(f"{error} (in {task.id})") from error

    def _run(self, task: Task, report: Callable[[CaseResult], None]) -> None:
        if task.pin is not None and self._replayed(task, task.pin, report):
            return
        if isinstance(task.origin, Template):
            self._drawn(task, task.origin, report)
        else:
            self._given(task, task.origin, report)

    def _replayed(self, task: Task, pin: Pin, report: Callable[[CaseResult], None]) -> bool:
        """Runs the program of a known failure once. Returns whether it still fails: where it does not, the
        rest of the test tells what will come of it without the entry."""
        case = self.replay(task, pin)
        report(case)
        return case.known is None or case.known.standing != "conforms"

    def replay(self, task: Task, pin: Pin) -> CaseResult:
        """The result of the program of a known failure, and how it stands to its entry.

        One that is known to end the engine's process, or to hang, runs in a process of its own: what is known
        must not end the run. Raises EngineError where the engine cannot be started there.
        """
        session = Session(self.host.apart(), self.settings) if pin.entry.manner.is_fatal else self
        verdict, known = replay(pin, lambda program, detail: session.judge(program, task.device, detail))
        return replace(self._result(task, 0, pin.program, verdict), known=known)

    def _given(self, task: Task, samples: Samples, report: Callable[[CaseResult], None]) -> None:
        """Every program, whatever comes of those before it: where the adapter fails, that one has crashed."""
        for given in samples.programs(task.dtype, task.device, self.seed(task)):
            verdict: Verdict
            try:
                verdict = self._whole(given, task.device)
            except AdapterError as error:
                verdict = Crashed(str(error))
            report(self._result(task, given.sample, given.program, verdict, given.part))

    def _whole(self, given: Given, device: str) -> Verdict:
        """The verdict on a program as it is given."""
        if given.lack:
            return Unsupporting(given.lack)
        verdict = self.judge(given.program, device, Detail.END)
        return self.located(given.program, verdict, device) if isinstance(verdict, Diverges) else verdict

    def _drawn(self, task: Task, template: Template, report: Callable[[CaseResult], None]) -> None:
        scenario = template.scenario
        if scenario.torch is not None and _version(torch.__version__) < _version(scenario.torch):
            program = Program((), (), scenario.id)
            lack = Unsupporting(f"torch {scenario.torch}; here is {torch.__version__}")
            report(self._result(task, 0, program, lack))
            return
        program = bind(template, draws.example(scenario, task.dtype))
        shown = self._smallest(task, 0, program, self.judge(program, task.device))
        report(shown)
        if self.settings.examples == 0:
            return
        if not scenario.let and not isinstance(shown.verdict, _PASSING):
            return  # what is derived from it would fail the same way
        count = self._cornered(task, template, report)
        if count is not None and scenario.let:
            count = self._random(task, template, count, report)
        if count is not None:
            self._derived(task, template, count, report)

    def _random(
        self, task: Task, template: Template, count: int, report: Callable[[CaseResult], None]
    ) -> int | None:
        """The random draws, up to the first failure, which is made small; `count` is the number before.
        Returns that of the last one, or None after a failure. Nothing else depends on the seed."""
        scenario = template.scenario
        shrinking = False

        def test(chooser: Chooser) -> None:
            nonlocal count, shrinking
            program = bind(template, draws.draw(scenario, chooser, task.dtype))
            verdict = self.judge(program, task.device)
            if isinstance(verdict, Crashed | TimedOut):
                raise _Ended(program, verdict)
            if not isinstance(verdict, _PASSING):
                shrinking = True
                raise Failed(program, verdict)
            if not shrinking:  # what passes on the way to a smaller failure is no case of its own
                count += 1
                report(self._result(task, count, program, verdict))

        try:
            failure = with_hypothesis.search(
                test, examples=scenario.draws(self.settings.examples), seed=self.seed(task), origin=_origin
            )
        except _Ended as ended:
            report(self._result(task, count + 1, ended.program, ended.verdict))
            return None
        if failure is None:
            return count
        if isinstance(failure.exception, Failed):
            verdict = failure.exception.verdict
            report(self._smallest(task, count + 1, failure.exception.program, verdict))
            return None
        if failure.flaky:
            raise AdapterError(
                f"engine {self.host.name}: one case of {task.id}, run twice, gave two answers: "
                f"{failure.exception}"
            )
        raise failure.exception

    def _cornered(self, task: Task, template: Template, report: Callable[[CaseResult], None]) -> int | None:
        """The corners of the scenario, up to the first failure. Returns how many conform, or None after a
        failure. Nothing of this depends on the seed."""
        count = 0
        for corner in template.scenario.share([*corners(template.scenario, task.dtype)], _number(task.id)):
            program = bind(template, corner.draw)
            verdict = self.judge(program, task.device)
            count += 1
            report(replace(self._smallest(task, count, program, verdict), corner=corner.name))
            if not isinstance(verdict, _PASSING):
                return None
        return count

    def _derived(
        self, task: Task, template: Template, draw: int, report: Callable[[CaseResult], None]
    ) -> None:
        """The documented example under derivations, up to the first failure; `draw` is the number before.

        Nothing of this depends on the seed. A derivation is passed over where the program does not allow it,
        torch does not run what comes out, or the engine lacks what it needs; and where it leaves the domains
        that the scenario states for its inputs, since beyond them some of torch's kernels end the process.
        """
        scenario = template.scenario
        wanted = round(scenario.draws(self.settings.examples) / DERIVED)
        example = bind(template, draws.example(scenario, task.dtype))
        for name in in_turn(task.id):
            if wanted == 0:
                return
            program = applicable(example, name, DirectChooser(_number(f"{task.id}/{name}")))
            if program is None or not fit(scenario.let, _sizes(program)):
                continue
            verdict = self.judge(program, task.device)
            if isinstance(verdict, OracleDisputed | Unsupporting):
                continue
            wanted, draw = wanted - 1, draw + 1
            report(replace(self._smallest(task, draw, program, verdict), derivation=name))
            if not isinstance(verdict, Conforms | Declared | Inconclusive):
                return

    def judge(
        self, program: Program, device: str, detail: Detail = Detail.CHANGES, *, hasty: bool = False
    ) -> Verdict:
        """Runs a program on torch and on the engine, and compares. hasty: asks for no second opinion."""
        detail = self.host.detail(detail)
        try:
            expected = self.expected(program, device, detail)
        except Unsupported as lack:
            return Unsupporting(f"{lack.feature}, in torch {torch.__version__} itself")
        try:
            got = self.host.run(program, device, detail)
        except Unsupported as lack:
            return Unsupporting(str(lack.feature), lack.shim)
        except Lost as lost:
            return Crashed(lost.reason)
        except OutOfTime as limit:
            return TimedOut(limit.seconds)
        errors = self.host.torch_errors
        verdict = judge(program, expected, got, device=device, torch_errors=errors, hasty=hasty)
        verdict = self.declarations.verdict(
            verdict, program, expected, got, device=device, detail=detail, torch_errors=errors, hasty=hasty
        )
        if hasty:
            return verdict
        on_cpu = partial(run, program, self.torch, "cpu", detail)
        return attributed(verdict, program, expected, got, on_cpu, device=device, torch_errors=errors)

    def expected(self, program: Program, device: str, detail: Detail) -> Trace:
        """What torch does. Raises Unsupported where this version lacks something that the program needs."""
        return run(program, self.torch, device, detail)

    def seed(self, task: Task) -> int:
        """A seed for a task that does not depend on which other tasks run."""
        return _number(f"{self.settings.seed}/{task.id}")

    def _result(
        self, task: Task, draw: int, program: Program, verdict: Verdict, part: str = ""
    ) -> CaseResult:
        example = None
        if not isinstance(verdict, Conforms | Unsupporting) and _is_readable(program):
            example = make_example(program, verdict, task.device, self.host.name)
        about = task.subject
        return CaseResult(
            about.id, about.feature, about.level, task.device, task.dtype, draw, verdict, example, part
        )

    def _smallest(self, task: Task, draw: int, program: Program, verdict: Verdict) -> CaseResult:
        if isinstance(verdict, Diverges):
            program, verdict = self._reduced(program, verdict, task.device)
        return self._result(task, draw, program, verdict)

    def _reduced(self, program: Program, verdict: Diverges, device: str) -> tuple[Program, Verdict]:
        """Steps that the failure does not need are left out; then every step is traced, to name the first
        that differs."""
        cause = _causes(verdict)[0]

        def fails(candidate: Program) -> bool:
            try:
                found = self.judge(candidate, device)
            except (AdapterError, Unsupported):  # torch, or the adapter, cannot run what was left
                return False
            return isinstance(found, Diverges) and cause in _causes(found)

        program = reduce(program, fails)
        return program, self.located(program, verdict, device)

    def located(self, program: Program, verdict: Diverges, device: str) -> Diverges:
        """The divergence with every step traced, which names the first that differs."""
        for detail in (Detail.STEPS, Detail.CHANGES):
            again = self.judge(program, device, detail)
            if isinstance(again, Diverges):
                return again
        return _unsteady(verdict)


def _number(text: str) -> int:
    """A number that the text decides, the same in every process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])


def _sizes(program: Program) -> dict[str, tuple[int, ...]]:
    return {item.name: tuple(item.data.shape) for item in program.inputs}


def _origin(exception: Exception) -> Hashable:
    """Keeps the search for a smaller failure to the failure it started from."""
    if not isinstance(exception, Failed):
        return raised_at(exception)
    verdict = exception.verdict
    return verdict.kind, _causes(verdict)[0] if isinstance(verdict, Diverges) else None


def _is_readable(program: Program) -> bool:
    """Whether a program's inputs are few enough to be written out; those of scenarios are."""
    return sum(item.data.numel() for item in program.inputs) <= MAX_ELEMENTS


def _version(text: str) -> tuple[int, ...]:
    """The first two numbers of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _unsteady(verdict: Diverges) -> Diverges:
    """A divergence that did not come back when its program was run again."""
    first, *rest = verdict.divergences
    detail = "; ".join(filter(None, (first.detail, "seen once, and not when the program was run again")))
    return Diverges((replace(first, detail=detail), *rest))


def _causes(verdict: Diverges) -> list[tuple[str, str]]:
    return [(difference.what, difference.where) for difference in verdict.divergences]
