"""`with thread():` and `with concurrently():`: blocks of a program that run in threads of their own.

What the threads of `concurrently` record comes into the log in the order of their blocks, whichever of them
was quicker.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradconform.execution.limits import MAX_RECORDED, MAX_THREADS, LimitExceeded

if TYPE_CHECKING:
    from gradconform.execution.compile import Block, Environment, Machine, Run


class _Work(threading.Thread):
    """Runs something in a new thread, and keeps what it raises for the thread that waits for it.

    log: what it has recorded.
    """

    def __init__(self, task: Callable[[_Work], None]) -> None:
        super().__init__(name="gradconform program", daemon=True)
        self.task = task
        self.log: list[Any] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.task(self)
        except BaseException as error:  # noqa: BLE001 - raised again where the block ends
            self.error = error


class _Here(threading.local):
    """What belongs to one thread: its log, and the threads that it gathers to start them together."""

    log: list[Any] | None = None
    together: list[_Work] | None = None


class Threads:
    """The threads of one program. machine: the run that they are part of."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._here = _Here()
        self._free = threading.Semaphore(MAX_THREADS)

    def record(self, value: Any) -> None:
        """`record(value)`. Raises LimitExceeded."""
        log = self._log()
        if len(log) >= MAX_RECORDED:
            raise LimitExceeded(f"more than {MAX_RECORDED} values are recorded")
        log.append(self.machine.entry(value))

    def thread(self, block: Block) -> Run:
        """A block that runs in a thread while this one waits; what it raises is raised here."""

        def run(environment: Environment) -> None:
            def task(work: _Work) -> None:
                self._here.log = work.log
                self.machine.execute(block, environment)

            work = _Work(task)
            if self._here.together is not None:
                self._here.together.append(work)
            else:
                self._finish([work])

        return run

    def concurrently(self, block: Block) -> Run:
        """Threads that are started together and waited for together; the first error in their order is
        raised."""

        def run(environment: Environment) -> None:
            works: list[_Work] = []
            self._here.together = works
            try:
                self.machine.execute(block, environment)
            finally:
                self._here.together = None
            self._finish(works)

        return run

    def _log(self) -> list[Any]:
        return self.machine.log if self._here.log is None else self._here.log

    def _finish(self, works: list[_Work]) -> None:
        """Starts threads and waits for them. Raises LimitExceeded where they are too many."""
        started: list[_Work] = []
        try:
            for work in works:
                if not self._free.acquire(blocking=False):
                    raise LimitExceeded(f"more than {MAX_THREADS} threads run at one time")
                work.start()
                started.append(work)
        finally:
            for work in started:
                work.join()
                self._free.release()
                self._log().extend(work.log)
        for work in works:
            if work.error is not None:
                raise work.error
