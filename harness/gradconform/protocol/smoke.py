"""Checks of a worker: does it keep the protocol, whatever its engine computes?

Nothing here asks whether the engine is right: for that there is `gradconform run`. A check that the engine
gives no occasion for, since it lacks an operator or a dtype, is not applicable.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.interpreter import Detail
from gradconform.program.steps import Program
from gradconform.protocol.client import Worker, lacking, quoted
from gradconform.protocol.messages import (
    SHUTDOWN,
    Hello,
    ProtocolError,
    line_of,
    message_of,
    read_answer,
    run_message,
)
from gradconform.protocol.pipes import Gone, Late, Limits
from gradconform.trace import Trace

Outcome = Literal["passed", "failed", "not applicable"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a check. detail: what was expected and got, or why there was nothing to check."""

    name: str
    outcome: Outcome
    detail: str = ""


class Failing(Exception):  # noqa: N818 - how a check ends, and no error of the harness
    """The worker does not keep the protocol. The text says what was expected and what it did."""


class Inapplicable(Exception):  # noqa: N818 - how a check ends, and no error of the harness
    """The engine gives no occasion for a check. The text says why."""


class Partner:
    """A worker that is spoken to in the middle of a check. A new one is started where the last one is gone.
    number: of the last question.

    Raises EngineError where it cannot be started or does not say hello.
    """

    def __init__(self, command: Sequence[str], limits: Limits) -> None:
        self._command, self.limits = tuple(command), limits
        self.number = 0
        self._worker: Worker | None = self._started()
        self.hello: Hello = self._worker.hello

    def _started(self) -> Worker:
        return Worker(self._command, f"worker `{shlex.join(self._command)}`", self.limits)

    def ask(
        self, program: Program, detail: Detail = Detail.END, *, more: Mapping[str, Any] | None = None
    ) -> Trace:
        """The trace of a program. more: fields of the message that no version has.

        Raises Failing for anything but an answer, Inapplicable where the engine lacks something.
        """
        lack = lacking(program, "cpu", self.hello.capabilities)
        if lack:
            raise Inapplicable(f"the worker does not declare {lack}")
        line = self.answer(program, detail, more=more)
        last = sum(1 for _ in program.walk()) - 1
        try:
            return read_answer(
                message_of(line), self.number, engine=self.hello.engine, device="cpu", last=last
            )
        except Unsupported as unsupported:
            raise Inapplicable(f"the worker says that it does not support {unsupported.feature}") from None
        except AdapterError as error:
            raise Failing(f"the worker answers with an error of its own: {error}") from None
        except ProtocolError as error:
            raise Failing(f"the answer {quoted(line)} is none: {error}") from None

    def answer(
        self, program: Program, detail: Detail = Detail.END, *, more: Mapping[str, Any] | None = None
    ) -> bytes:
        """The line that the worker answers with. Raises Failing where there is none."""
        worker = self._worker = self._worker or self._started()
        self.number += 1
        question = {**run_message(self.number, program, "cpu", detail), **(more or {})}
        try:
            return worker.pipes.exchange(line_of(question), self.limits.seconds, self.limits)
        except Gone as gone:
            self.close()
            raise Failing(f"expected an answer; the worker {gone}") from None
        except Late:
            self.close()
            raise Failing(f"expected an answer within {self.limits.seconds:g} s") from None

    def finish(self, *, politely: bool, seconds: float) -> tuple[int | None, bytes]:
        """Says goodbye, or only closes the pipe, and waits for the worker's end: its exit code, or None, and
        what it wrote without being asked."""
        self._worker = self._worker or self._started()
        try:
            return self._worker.pipes.finish(line_of(SHUTDOWN) if politely else b"", seconds)
        finally:
            self.close()

    def close(self) -> None:
        """Ends the worker."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.pipes.close()


Check = Callable[[Partner], str]
"""A check of a worker: returns what is to be said beside its passing. Raises Failing and Inapplicable."""


def checked(name: str, check: Check, partner: Partner) -> Checked:
    """The outcome of one check."""
    try:
        return Checked(name, "passed", check(partner))
    except Failing as failing:
        return Checked(name, "failed", str(failing))
    except Inapplicable as reason:
        return Checked(name, "not applicable", str(reason))
