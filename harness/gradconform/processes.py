"""Worker processes: a pool that ends with whoever started it, and that Ctrl-C is told of once."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from types import TracebackType
from typing import Any, Self

import torch


def cores() -> int:
    """The processor cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


class Processes:
    """So many worker processes. Each calls `start(*arguments)` first, which makes what its tasks need.

    A context manager: at its end the workers are ended, in the middle of a task if need be.
    """

    def __init__(self, jobs: int, start: Callable[..., None], *arguments: object) -> None:
        self._pool = ProcessPoolExecutor(
            jobs,
            mp_context=get_context("spawn"),
            initializer=_start,
            initargs=(list(sys.path), max(torch.get_num_threads() // jobs, 1), start, arguments),
        )
        self._others = set(active_children())

    def submit(self, function: Callable[..., object], *arguments: object) -> Future[bytes]:
        """Hands a task to the workers; `result` unpacks what comes of it. Both must be module-level names."""
        try:
            with _without_interrupts():
                return self._pool.submit(_call, function, arguments)
        except BaseException:  # what nobody will leave is shut down here, or it would run to its end
            self._end()
            raise

    @staticmethod
    def result(future: Future[bytes]) -> Any:
        """What a task returned. Raises what it raised, and BrokenProcessPool where a worker has died."""
        return pickle.loads(future.result())  # noqa: S301 - our own workers'

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - self._others:
            process.terminate()


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


def _start(path: list[str], threads: int, start: Callable[..., None], arguments: tuple[object, ...]) -> None:
    """What a worker does first. Ctrl-C is the affair of the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.path[:] = path
    torch.set_num_threads(threads)
    start(*arguments)


def _end_with_parent() -> None:
    """A worker does not outlive the process that started it, however that one ends."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(function: Callable[..., object], arguments: tuple[object, ...]) -> bytes:
    # Pickled here: tensors between processes would otherwise share memory that goes with the worker.
    return pickle.dumps(function(*arguments))
