"""The columns of the kill matrix: what `gradconform` has, and what people use today.

Most are a list of tests. Each of these is run on refgrad once, and it is recorded which of the lines that
the bugs change it reaches, how many programs it runs and how long it takes. A bug then meets those that reach
what it changes, up to the first failure: the others go as they went before, and their programs and times are
counted as they were recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

# The folder above is on the path wherever this package can be imported.
from reach import Key, Watch  # type: ignore[import-not-found]
from reach import tests as runs
from reach.tests import Record, Test  # type: ignore[import-not-found]

from gradconform.engines.base import Engine
from gradconform.engines.refgrad import RefgradEngine
from gradconform.execution.host import InProcess
from gradconform.exploration.batches import run_batch
from gradconform.exploration.rounds import Progress, Wanted
from gradconform.exploration.smaller import smallest
from gradconform.plan import Settings, Task
from gradconform.program.steps import flatten
from gradconform.randomize.explore.table import rows
from gradconform.session import Session

if TYPE_CHECKING:
    from forks import Tell  # type: ignore[import-not-found]
    from today.base import Check  # type: ignore[import-not-found]
    from today.functions import Function  # type: ignore[import-not-found]


@dataclass(frozen=True, slots=True)
class Column:
    """A way of testing. setting: how it is run. catch: runs it on an engine up to the first failure that
    refgrad does not have, given what the engine changes of refgrad, or None for anything."""

    name: str
    setting: str
    catch: Callable[[Engine, frozenset[Key] | None, Tell], First]


@dataclass(frozen=True, slots=True)
class First:
    """The first test that a bug fails, "" where it fails none; how; and the programs and the seconds up to
    there. left: seconds of tests that were not run, less those that something else took. steps: as in the
    cell."""

    test: str
    how: str
    programs: int
    left: float
    steps: int | None = None


def of_tasks(name: str, tasks: Sequence[Task], settings: Settings, watch: Watch, jobs: int) -> Column:
    """Scenarios in the order of a run, with the draws of `gradconform run`."""
    tests = runs.of_tasks(tasks, settings)
    setting = f"{len(tests)} tests, --examples {settings.examples} --seed {settings.seed}"
    return Column(name, setting, partial(first, _sound(tests, watch, jobs)))


def of_check(check: Check, every: int, watch: Watch, jobs: int) -> Column:
    """A check of today on all of its functions, or on one of so many, as far as torch itself passes it."""
    functions = [*check.functions()][::every]

    def work(part: range, tell: Tell) -> list[Any]:
        del tell
        return [check.way(functions[number]) for number in part]

    def run(function: Function, way: Any, engine: Engine) -> tuple[str, int]:
        return check.heard(function, way, engine), 1

    ways = runs.in_parts(len(functions), work, jobs)
    pairs = [(function, way) for function, way in zip(functions, ways, strict=True) if way is not None]
    tests = [Test(function.name, partial(run, function, way)) for function, way in pairs]
    return Column(
        check.name, f"{len(tests)} functions at a point", partial(first, _sound(tests, watch, jobs))
    )


def of_programs(name: str, programs: int) -> Column:
    """So many random programs of `gradconform explore`, as one that never ends would write them."""
    rows()  # once for all forks

    def catch(engine: Engine, _touched: frozenset[Key] | None, tell: Tell) -> First:
        return first_program(engine, Wanted(programs=programs), tell)

    return Column(name, f"--programs {programs} --seed 0", catch)


def _sound(tests: Sequence[Test], watch: Watch, jobs: int) -> tuple[tuple[Test, Record], ...]:
    """The tests that refgrad passes, with their records."""
    pairs = zip(tests, runs.records(tests, watch, jobs), strict=True)
    return tuple((test, record) for test, record in pairs if record.sound)


def first_program(engine: Engine, wanted: Wanted, tell: Tell) -> First:
    """Explores up to the first failure, and makes that small."""
    sessions = [Session(InProcess(one), Settings(seed=wanted.seed)) for one in (engine, RefgradEngine())]
    progress = Progress()
    while batches := [*progress.round(wanted)]:
        profile = progress.profile(wanted)
        for numbers in batches:
            tell(f"programs {numbers.start} to {numbers.stop - 1}")
            batch = run_batch(sessions[0], profile, wanted.seed, numbers, wanted.device)
            for failing in batch.failing:
                alone = range(failing.number, failing.number + 1)
                if not run_batch(sessions[1], profile, wanted.seed, alone, wanted.device).failing:
                    how = " ".join(filter(None, (failing.cause.what, failing.cause.verb)))
                    start = time.process_time()
                    small = smallest(sessions[0], profile, failing, wanted.device)
                    steps = len([*flatten(small.program.steps)]) if small else None
                    spent = time.process_time() - start
                    return First(f"program {failing.number}", how, failing.number + 1, -spent, steps)
            progress.add(batch)
        progress.rounds += 1
    return First("", "", progress.programs, 0.0)


def first(
    pairs: Sequence[tuple[Test, Record]], engine: Engine, touched: frozenset[Key] | None, tell: Tell
) -> First:
    """Runs the tests that reach what was touched, all of them where it is None, up to one that fails."""
    programs, left = 0, 0.0
    for test, record in pairs:
        if touched is not None and not touched & record.reach:
            programs += record.programs
            left += record.seconds
            continue
        tell(test.name)
        how, count = test.run(engine)
        programs += count
        if how:
            return First(test.name, how, programs, left)
    return First("", "", programs, left)
