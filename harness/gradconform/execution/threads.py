"""`with thread():` and `with concurrently():`: blocks of a program that run in threads of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradconform.execution.compile import Block, Environment, Machine, Run


class _Work(threading.Thread):
    """Runs something in a new thread, and keeps what it raises for the thread that waits for it."""

    def __init__(self, task: Callable[[], None]) -> None:
        super().__init__(name="gradconform program", daemon=True)
        self.task = task
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.task()
        except BaseException as error:  # noqa: BLE001 - raised again where the block ends
            self.error = error


class Threads:
    """The threads of one program. machine: the run that they are part of."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._together: list[_Work] | None = None

    def thread(self, block: Block) -> Run:
        """A block that runs in a thread while this one waits; what it raises is raised here."""

        def run(environment: Environment) -> None:
            work = _Work(lambda: self.machine.execute(block, environment))
            if self._together is not None:
                self._together.append(work)
            else:
                _finish([work])

        return run

    def concurrently(self, block: Block) -> Run:
        """Threads that are started together and waited for together; the first error in their order is
        raised."""

        def run(environment: Environment) -> None:
            works: list[_Work] = []
            self._together = works
            try:
                self.machine.execute(block, environment)
            finally:
                self._together = None
            _finish(works)

        return run


def _finish(works: list[_Work]) -> None:
    for work in works:
        work.start()
    for work in works:
        work.join()
    for work in works:
        if work.error is not None:
            raise work.error
