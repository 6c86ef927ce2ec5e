"""An engine behind a worker: programs go out as lines, traces come back, and what goes wrong costs one case.

A worker that dies, hangs, says what is no answer or takes too much is ended with all that it started, and the
next program finds a new one.
"""

from __future__ import annotations

import shlex
import weakref
from collections.abc import Sequence
from dataclasses import replace

from gradconform.errors import AdapterError, EngineError, Unsupported
from gradconform.execution.host import Host, Lost, OutOfTime
from gradconform.execution.interpreter import Detail
from gradconform.execution.meta import is_meta
from gradconform.program.steps import Apply, Mutate, Program
from gradconform.protocol.memory import GIB
from gradconform.protocol.messages import (
    ANY,
    SHUTDOWN,
    Capabilities,
    Hello,
    ProtocolError,
    hello_message,
    line_of,
    message_of,
    read_answer,
    read_hello,
    run_message,
)
from gradconform.protocol.pipes import Gone, Late, Limits, Pipes, shortened
from gradconform.spec.shapes import MAX_ELEMENTS, MAX_RANK
from gradconform.trace import Trace

ATTEMPTS = 3
"""So often in a row a worker that ran before may fail to start again."""

WEIGHED = 64
"""After so many programs the memory of a worker is looked at."""


class Worker:
    """A process that has said hello. called: how messages call it.

    Raises EngineError where it cannot be started or says something else.
    """

    def __init__(self, command: Sequence[str], called: str, limits: Limits) -> None:
        self.programs = 0
        self.pipes = Pipes(command)
        line = b""
        try:
            line = self.pipes.exchange(line_of(hello_message()), limits.start, limits)
            self.hello = read_hello(message_of(line))
        except Late:
            words = self.pipes.last_words()
            self.pipes.close()
            raise EngineError(f"{called} did not say hello within {limits.start:g} s{words}") from None
        except Gone as gone:
            self.pipes.close()
            raise EngineError(f"{called} did not say hello: it {gone}") from None
        except EngineError as error:
            self.pipes.close()
            raise EngineError(f"{called}: {error}") from None
        except ProtocolError as error:
            self.pipes.close()
            raise EngineError(f"{called}: {error}; its first line is {quoted(line)}") from None
        except BaseException:
            self.pipes.close()
            raise


class WorkerHost(Host):
    """Runs programs on a worker.

    command: what starts it. called: how messages call it.
    Raises EngineError where it cannot be started, says no hello, or speaks another version of the protocol.
    """

    def __init__(
        self,
        command: Sequence[str],
        limits: Limits | None = None,
        *,
        called: str = "",
    ) -> None:
        self.limits = limits or Limits()
        self.seconds, self.memory = self.limits.seconds, self.limits.memory
        self._command = tuple(command)
        self._called = called or f"worker `{shlex.join(command)}`"
        self._number = 0
        self._before = ""
        self._worker: Worker | None = self._started()
        self.hello = self._worker.hello
        self.name, self.version = self.hello.engine, self.hello.version
        self.torch_errors = self.hello.torch_errors
        self._known = self.hello.capabilities
        self.details = self._known.details
        self.features = declared(self.hello)
        self.policies, self.composed = self.hello.policies, self.hello.composed

    def run(self, program: Program, device: str, detail: Detail) -> Trace:
        """As `Host.run`. Raises EngineError where the worker cannot be started again, too."""
        lack = lacking(program, device, self._known)
        if lack:
            raise Unsupported(lack)
        worker = self._ready()
        self._number += 1
        question = line_of(run_message(self._number, program, device, detail))
        before, self._before = self._before, program.scenario
        line = b""
        try:
            line = worker.pipes.exchange(question, self.limits.seconds, self.limits)
            last = sum(1 for _ in program.walk()) - 1
            trace = read_answer(message_of(line), self._number, engine=self.name, device=device, last=last)
        except (Unsupported, AdapterError):
            raise
        except Late:
            self._end()
            raise OutOfTime(self.limits.seconds) from None
        except Gone as gone:
            early = worker.pipes.ended and worker.pipes.unread() >= len(question)
            self._end()
            after = f", after that of {before}" if before else ""
            was = f"was gone before this program{after}: it " if early else ""
            raise Lost(f"the worker {was}{gone}") from None
        except ProtocolError as error:
            self._end()
            raise Lost(f"the worker answered with {quoted(line)}: {error}") from None
        except BaseException:  # in the middle of a program it is of no more use
            self._end()
            raise
        worker.programs += 1
        self._retire(worker)
        return trace

    def try_all(self) -> None:
        super().try_all()
        self._known = replace(self._known, operators=None, dtypes=None)

    def close(self) -> None:
        """Ends the worker; it has a moment to end by itself."""
        self._end(line_of(SHUTDOWN))

    def _started(self) -> Worker:
        worker = Worker(self._command, self._called, self.limits)
        self._finalizer = weakref.finalize(self, worker.pipes.close)
        return worker

    def _ready(self) -> Worker:
        """The worker, or a new one in its place."""
        attempts = 0
        while self._worker is None:
            attempts += 1
            try:
                self._worker = self._started()
            except EngineError as error:
                if attempts == ATTEMPTS:
                    raise EngineError(f"{error} (started again {ATTEMPTS} times in vain)") from None
                continue
            if self._worker.hello != self.hello:
                self._end()
                raise EngineError(f"{self._called} says another hello than when it was started first")
        return self._worker

    def _retire(self, worker: Worker) -> None:
        """A worker that holds half of what it may between programs is ended: one that grows slowly is then
        no fault of the program at which it reaches the limit."""
        most = self.limits.memory
        if most is not None and worker.programs % WEIGHED == 0 and worker.pipes.memory() > most * GIB / 2:
            self.close()

    def _end(self, farewell: bytes = b"") -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            self._finalizer.detach()
            worker.pipes.close(farewell)


def declared(hello: Hello) -> dict[str, frozenset[str]] | None:
    """What a worker declares that its engine has, by kinds of features; None where it does not."""
    known = hello.capabilities
    kinds = {"operator": known.operators, "dtype": known.dtypes}
    return {kind: names for kind, names in kinds.items() if names is not None} or None


def lacking(program: Program, device: str, known: Capabilities) -> str:
    """What a program needs and a worker does not declare, or "". Also what cannot be sent to any worker.

    known: what it declares.
    """
    for item in program.inputs:
        if item.data.numel() > MAX_ELEMENTS:
            return f"inputs of more than {MAX_ELEMENTS} numbers in a process of its own"
        if item.data.dim() > MAX_RANK:
            return f"inputs of more than {MAX_RANK} dimensions in a process of its own"
    if is_meta(device):
        return "device meta in a process of its own: traces hold numbers"
    if not {device, device.partition(":")[0], ANY} & known.devices:
        return f"device {device}"
    if known.dtypes is not None:
        for item in program.inputs:
            name = str(item.data.dtype).removeprefix("torch.")
            if name not in known.dtypes:
                return f"dtype {name}"
    if known.operators is not None:
        for _, step in program.walk():
            if isinstance(step, Apply | Mutate) and step.operator not in known.operators:
                return f"operator {step.operator}"
    return ""


def quoted(line: bytes) -> str:
    """The beginning of a line that a worker wrote, for a message."""
    return repr(shortened(line.decode(errors="replace").strip()))
