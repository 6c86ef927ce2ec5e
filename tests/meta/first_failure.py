"""Tests of the corpus up to their first failure, which is not made smaller."""

from __future__ import annotations

from gradconform.engines.base import Engine
from gradconform.engines.refgrad import RefgradEngine
from gradconform.errors import GradconformError
from gradconform.execution.host import InProcess
from gradconform.execution.interpreter import Detail
from gradconform.plan import Settings, Task
from gradconform.program.steps import Program
from gradconform.session import Session
from gradconform.verdict import Crashed, Diverges, Verdict


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
        try:
            self.run(task, lambda _: None)
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
