"""Tests of the corpus up to their first failure, which is not made smaller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from gradconform.cases import CaseResult
from gradconform.engines.base import Engine
from gradconform.engines.refgrad import RefgradEngine
from gradconform.engines.torch import TorchEngine
from gradconform.errors import GradconformError
from gradconform.execution.host import InProcess
from gradconform.execution.interpreter import Detail
from gradconform.plan import Settings, Task
from gradconform.program.parse import Template
from gradconform.program.steps import Program
from gradconform.session import Session
from gradconform.trace import Trace
from gradconform.verdict import Conforms, Crashed, Diverges, Verdict


class _CaughtError(BaseException):
    """Ends a test at its first failure, unshrunk; hypothesis lets it through."""


class Judge(Session):
    """Counts the programs that it judges, and stops at one that does not conform."""

    programs = 0

    def __init__(self, engine: Engine, settings: Settings) -> None:
        super().__init__(InProcess(engine), settings)

    def judge(
        self, program: Program, device: str, detail: Detail = Detail.CHANGES, **options: bool
    ) -> Verdict:
        """The verdict, where it is no failure."""
        self.programs += 1
        verdict = super().judge(program, device, detail, **options)
        if isinstance(verdict, Diverges | Crashed):
            raise _CaughtError(_told(verdict))
        return verdict

    def failure(self, task: Task) -> str:
        """How the engine fails a test; "" where it does not."""
        return _failure(lambda: self.run(task, lambda _: None))

    def failure_of(self, program: Program, device: str, detail: Detail) -> str:
        """How the engine fails one program; "" where it does not."""
        return _failure(lambda: self.judge(program, device, detail))


class Seedless(Judge):
    """Leaves out the random draws: nothing else of a test depends on the seed."""

    def _random(
        self, task: Task, template: Template, count: int, report: Callable[[CaseResult], None]
    ) -> int | None:
        return count


class Together(Session):
    """Judges the same random draws for several engines, each of them up to its first failure: the draws are
    made once, and run on torch once. They depend on the test and the seed, and not on what comes of them."""

    def __init__(self, engines: Mapping[str, Engine], settings: Settings) -> None:
        super().__init__(InProcess(TorchEngine()), settings)
        self._judges = {name: _Following(self, engine) for name, engine in engines.items()}
        self._left: dict[str, Judge] = {}
        self._last: tuple[Program, str, Detail, Trace] | None = None

    def failing(self, task: Task, engines: Iterable[str]) -> frozenset[str]:
        """Those of these engines that fail a random draw."""
        if not isinstance(task.origin, Template) or not task.origin.scenario.let:
            return frozenset()
        self._left = {name: self._judges[name] for name in engines}
        asked = frozenset(self._left)
        if self._left:
            self._random(task, task.origin, 0, lambda _: None)
        return asked - frozenset(self._left)

    def judge(
        self, program: Program, device: str, detail: Detail = Detail.CHANGES, *, hasty: bool = False
    ) -> Verdict:
        """Tells nothing of what came of it, which would end the draws."""
        for name, judge in [*self._left.items()]:
            if judge.failure_of(program, device, detail):
                del self._left[name]
        return Conforms("bits")

    def expected(self, program: Program, device: str, detail: Detail) -> Trace:
        """What torch does, run once for all."""
        if self._last is None or self._last[0] is not program or self._last[1:3] != (device, detail):
            self._last = program, device, detail, super().expected(program, device, detail)
        return self._last[3]


class _Following(Judge):
    """Judges by what torch does for another session."""

    def __init__(self, session: Session, engine: Engine) -> None:
        super().__init__(engine, session.settings)
        self._session = session

    def expected(self, program: Program, device: str, detail: Detail) -> Trace:
        return self._session.expected(program, device, detail)


def _failure(run: Callable[[], object]) -> str:
    try:
        run()
    except _CaughtError as caught:
        return str(caught)
    except GradconformError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _told(verdict: Diverges | Crashed) -> str:
    if isinstance(verdict, Crashed):
        return verdict.reason
    first = verdict.divergences[0]
    return f"{first.where}: {first.what}"


def failure(task: Task, settings: Settings) -> str:
    """How refgrad fails a test, with the draws of `gradconform run`; "" where it does not."""
    return Judge(RefgradEngine(), settings).failure(task)
