"""Work in forked processes, one for each piece: what is loaded once is there in all of them, what one of them
breaks is broken there alone, and one that dies or does not end is an answer too.

torch's backward must not have run in the process that is forked: its own threads are not there in the forks,
and where a backward starts others in turn (a reentrant one) the fork dies.
"""

from __future__ import annotations

import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

FORK = get_context("fork")
CPU = 3600
"""Seconds of CPU time that are far more than any work takes that ends."""

PATIENCE = 10
"""A process that gets nothing done, waiting for itself, is ended after so many times its CPU time."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ended(Generic[Result]):
    """What became of one piece of work.

    result: what it returned; None where the process did not live to the end, and `death` says how it ended
    then. last: what it told last. seconds: of CPU time, up to there where it died.
    """

    result: Result | None
    death: str
    last: str
    seconds: float


@dataclass(slots=True)
class _Running(Generic[Item]):
    item: Item
    process: BaseProcess
    ends: float
    last: str = ""
    result: object = None
    seconds: float = 0.0
    done: bool = False
    failure: str = ""


def several(
    items: Iterable[Item], work: Callable[[Item, Tell], Result], jobs: int, cpu: int = CPU
) -> Iterator[tuple[Item, Ended[Result]]]:
    """The work on each item, in the order in which they end. cpu: seconds of CPU time for each.

    Raises RuntimeError, with the traceback, where the work raises an exception.
    """
    waiting = iter(items)
    running: dict[Connection, _Running[Item]] = {}
    while True:
        while len(running) < jobs:
            item = next(waiting, None)
            if item is None:
                break
            here, there = FORK.Pipe(duplex=False)
            process = FORK.Process(target=_child, args=(item, work, there, cpu))
            process.start()
            there.close()
            running[here] = _Running(item, process, time.monotonic() + PATIENCE * cpu)
        if not running:
            return
        for ready in wait([*running], timeout=1.0):
            assert isinstance(ready, Connection)
            if not _heard(ready, running[ready]):
                one = running.pop(ready)
                yield one.item, _ended(one)
        for one in running.values():
            if time.monotonic() > one.ends:
                one.process.kill()


def _child(item: Item, work: Callable[[Item, Tell], Result], pipe: Connection, cpu: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    start = time.process_time()

    def send(kind: str, what: object) -> None:
        pipe.send((kind, what, time.process_time() - start))

    try:
        send("done", work(item, lambda text: send("told", text)))
    except Exception:  # noqa: BLE001 - it is raised where the work was asked for
        send("failed", traceback.format_exc())
    pipe.close()
    sys.stdout.flush()
    os._exit(0)  # nothing that the work has broken is asked to tidy up


def _heard(pipe: Connection, one: _Running[Item]) -> bool:
    """Takes what a process says; False once it has nothing more to say."""
    try:
        kind, what, one.seconds = pipe.recv()
    except EOFError:
        return False
    match kind:
        case "told":
            one.last = what
        case "failed":
            one.failure = what
        case _:
            one.result, one.done = what, True
    return True


def _ended(one: _Running[Item]) -> Ended[Result]:
    one.process.join()
    if one.failure:
        raise RuntimeError(f"at {one.last or one.item}:\n{one.failure}")
    code = one.process.exitcode
    death = "" if one.done else "it did not end" if code in {-9, -24} else f"the process died, exit {code}"
    return Ended(one.result, death, one.last, one.seconds)  # type: ignore[arg-type]
