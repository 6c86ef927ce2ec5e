"""Tests, and what each of them reaches and costs on refgrad as it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

# The folder above is on the path wherever this package can be imported.
from first_failure import Judge  # type: ignore[import-not-found]
from forks import Tell, several  # type: ignore[import-not-found]

from gradconform.engines.base import Engine
from gradconform.engines.refgrad import RefgradEngine
from gradconform.plan import Settings, Task

from .recording import Key

PART = 500
"""Tests, or whatever else, that one process takes."""

Run = Callable[[Engine], tuple[str, int]]
"""Runs a test on an engine: the first thing that was wrong, or "", and the number of programs."""


@dataclass(frozen=True, slots=True)
class Test:
    """A test, before it has been recorded."""

    name: str
    run: Run


@dataclass(frozen=True, slots=True)
class Record:
    """What a test does on refgrad. sound: whether refgrad passes it."""

    sound: bool
    reach: frozenset[Key]
    programs: int
    seconds: float


Recorder = Callable[[set[Key]], AbstractContextManager[None]]
"""Adds what runs inside to a set."""

Result = TypeVar("Result")


def of_tasks(tasks: Sequence[Task], settings: Settings) -> list[Test]:
    """Scenarios with the draws of `gradconform run`, each up to its first failure."""

    def run(task: Task, engine: Engine) -> tuple[str, int]:
        judge = Judge(engine, settings)
        try:
            how = judge.failure(task)
        except Exception as error:  # noqa: BLE001 - an engine may break what looks at it
            how = f"{type(error).__name__}: {error}"
        return how, judge.programs

    return [Test(task.id, partial(run, task)) for task in tasks]


def records(tests: Sequence[Test], recorder: Recorder, jobs: int) -> list[Record]:
    """What each test does on refgrad."""

    def work(part: range, tell: Tell) -> list[Record]:
        return [_record(tests[number], recorder, tell) for number in part]

    return in_parts(len(tests), work, jobs)


def _record(test: Test, recorder: Recorder, tell: Tell) -> Record:
    tell(test.name)
    keys: set[Key] = set()
    start = time.process_time()
    with recorder(keys):
        how, programs = test.run(RefgradEngine())
    return Record(not how, frozenset(keys), programs, time.process_time() - start)


def in_parts(count: int, work: Callable[[range, Tell], list[Result]], jobs: int) -> list[Result]:
    """What work gives for each of so many numbers, in processes of their own: see `forks` for why torch's
    autograd must not run in this one.

    Raises RuntimeError where one of them dies.
    """
    parts = [range(start, min(start + PART, count)) for start in range(0, count, PART)]
    found: dict[int, list[Result]] = {}
    for part, ended in several(parts, work, jobs):
        if ended.result is None:
            raise RuntimeError(f"without any bug, at {ended.last}: {ended.death}")
        found[part.start] = ended.result
    return [*_joined(found[part.start] for part in parts)]


def _joined(several_: Iterator[list[Result]]) -> Iterator[Result]:
    for each in several_:
        yield from each
