"""Running the tests of a plan in several processes, with the results of one.

Each worker process makes the engine and loads the specs for itself, and is told numbers of tests; seeds
depend on tests alone, so what comes out does not depend on how many workers there are. Results are handed on
in the order of the plan.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Self

from gradconform.cases import CaseResult
from gradconform.errors import EngineError, GradconformError
from gradconform.hosts import find_host
from gradconform.pinning import knowns_of
from gradconform.plan import Plan, Task, plan
from gradconform.prepare import origins_of, settings_of
from gradconform.processes import Processes, cores
from gradconform.session import Session
from gradconform.settings import Options

FEW = 100
"""So many tests are run sooner in one process than workers are started."""


def jobs_of(options: Options, tasks: int) -> int:
    """How many processes run the tests: as many as asked for, or one for each core where there are many."""
    if options.jobs:
        return min(options.jobs, max(tasks, 1))
    return 1 if tasks < FEW else cores()


class Workers:
    """Runs tests as a session does, in other processes, all of them at once from the start.

    target: the engine as `find_engine` takes it. planned: the plan that `options` give here and in the
    workers alike. over: so many of its tests are over, the first ones, and are not run.
    """

    def __init__(self, target: str, options: Options, planned: Plan, jobs: int, over: int = 0) -> None:
        self._processes = Processes(jobs, _start, target, options)
        self._futures: dict[str, Future[bytes]] = {
            task.id: self._processes.submit(_run, number)
            for number, task in enumerate(planned.tasks)
            if number >= over
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.__exit__(kind, value, trace)

    def run(self, task: Task, report: Callable[[CaseResult], None]) -> None:
        """As `Session.run`, with all results of the test at once.

        Raises GradconformError as a session does, and EngineError where a worker has died.
        """
        try:
            cases, message = Processes.result(self._futures.pop(task.id))
        except BrokenProcessPool:
            raise EngineError(
                f"a worker process died at {task.id} or at a test that ran beside it; `--jobs 1 --select "
                f"{task.origin.id}` runs it alone"
            ) from None
        for case in cases:
            report(case)
        if message is not None:
            raise GradconformError(message)


_session: Session
_tasks: tuple[Task, ...]


def _start(target: str, options: Options) -> None:
    """What a worker makes first."""
    global _session, _tasks  # noqa: PLW0603 - a worker process has one session
    settings = settings_of(options)
    host = find_host(target, options.isolation)
    _session = Session(host, settings)
    _tasks = knowns_of(options, host.name).pinned(plan(origins_of(options), settings).tasks)


def _run(number: int) -> tuple[list[CaseResult], str | None]:
    """The results of one test and the message of the error that ended it, or None."""
    cases: list[CaseResult] = []
    message = None
    try:
        _session.run(_tasks[number], cases.append)
    except GradconformError as error:
        message = str(error)
    return cases, message
