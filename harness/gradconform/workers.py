"""Running the tests of a plan in several processes, with the results of one.

Each worker process makes the engine and loads the specs for itself, and is told numbers of tests; seeds
depend on tests alone, so what comes out does not depend on how many workers there are. Results are handed on
in the order of the plan.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self

import torch

from gradconform.cases import CaseResult
from gradconform.engines.registry import find_engine
from gradconform.errors import EngineError, GradconformError
from gradconform.plan import Plan, Task, plan
from gradconform.prepare import origins_of, settings_of
from gradconform.session import Session
from gradconform.settings import Options

FEW = 100
"""So many tests are run sooner in one process than workers are started."""


def jobs_of(options: Options, tasks: int) -> int:
    """How many processes run the tests: as many as asked for, or one for each core where there are many."""
    if options.jobs:
        return min(options.jobs, max(tasks, 1))
    return 1 if tasks < FEW else _cores()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes that are started here never see Ctrl-C, not even while they import torch; one that comes
    meanwhile is told to this process afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Workers:
    """Runs tests as a session does, in other processes, all of them at once from the start.

    target: the engine as `find_engine` takes it. planned: the plan that `options` give here and in the
    workers alike.
    """

    def __init__(self, target: str, options: Options, planned: Plan, jobs: int) -> None:
        self._pool = ProcessPoolExecutor(
            jobs,
            mp_context=get_context("spawn"),
            initializer=_start,
            initargs=(target, options, list(sys.path), max(torch.get_num_threads() // jobs, 1)),
        )
        others = set(active_children())
        try:
            with _without_interrupts():
                self._futures: dict[str, Future[bytes]] = {
                    task.id: self._pool.submit(_run, number) for number, task in enumerate(planned.tasks)
                }
        except BaseException:  # what nobody will leave is shut down here, or it would run to its end
            self._end(others)
            raise
        self._others = others

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(self._others)

    def _end(self, others: set[BaseProcess]) -> None:
        """Ends the workers, in the middle of a test if need be. others: processes that are none of them."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - others:
            process.terminate()

    def run(self, task: Task, report: Callable[[CaseResult], None]) -> None:
        """As `Session.run`, with all results of the test at once.

        Raises GradconformError as a session does, and EngineError where a worker has died.
        """
        try:
            cases, message = pickle.loads(self._futures.pop(task.id).result())  # noqa: S301 - our own workers'
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


def _start(target: str, options: Options, path: list[str], threads: int) -> None:
    """What a worker does first. Ctrl-C is the affair of the process that started it."""
    global _session, _tasks  # noqa: PLW0603 - a worker process has one session
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.path[:] = path
    torch.set_num_threads(threads)
    settings = settings_of(options)
    _session = Session(find_engine(target), settings)
    _tasks = plan(origins_of(options), settings).tasks


def _end_with_parent() -> None:
    """A worker does not outlive the process that started it, however that one ends."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(number: int) -> bytes:
    """The results of one test and the message of the error that ended it, or None."""
    cases: list[CaseResult] = []
    message = None
    try:
        _session.run(_tasks[number], cases.append)
    except GradconformError as error:
        message = str(error)
    # Pickled here: tensors between processes would otherwise share memory that goes with the worker.
    return pickle.dumps((cases, message))
