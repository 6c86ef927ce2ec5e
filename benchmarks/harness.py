"""Time the harness against the engines that it runs: random 8-step programs on 3x3 floats, in one thread.

Usage: python benchmarks/harness.py [--json] [--check] [--rounds N]

The floor is the bare cost of the same programs on both engines, torch and refgrad: a loop that calls their
own functions, leaves and backward included, with nothing drawn, bound, looked at or compared. The harness
draws each program, runs it on both engines and compares every number, flag and gradient, what is one object
and what shares memory. Its cost is a multiple of the floor's of the same round, and the median of these is
printed: ratios travel between machines, times do not.

Last, two processes are held against one, by the clock on the wall: the programs that both get done while
both run, over those that one gets done alone. The machine must have two cores that nobody else uses.
"""

# ruff: noqa: E402 - the path is mended before a package is imported from it

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

# A script beside this one has the name of a package that is measured, and Python looks beside a script first.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import refgrad
from gradconform.engines.refgrad import RefgradEngine
from gradconform.program.names import refs
from gradconform.program.steps import Apply, Program
from gradconform.randomize import with_hypothesis
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.direct import DirectChooser
from gradconform.randomize.programs import random_program
from gradconform.volume import Pair, search

PROGRAMS = 100
"""Programs in a round."""

BOUNDS = {"direct": 1.6, "hypothesis": 8.0}
"""The multiples of the floor that must not be exceeded."""

SCALING = 1.9
"""What two processes must reach, as a multiple of one."""

REFGRAD = RefgradEngine()
PAIR = Pair(REFGRAD)


def check(chooser: Chooser) -> None:
    """One example: a program is drawn, run on both engines and compared."""
    program = random_program(chooser)
    if not PAIR.agree(program):
        raise AssertionError(program)


def direct(seed: int) -> Callable[[], None]:
    """A round through the direct backend."""

    def run() -> None:
        for _, program in search(PAIR, random_program, DirectChooser(seed), PROGRAMS):
            raise AssertionError(program)

    return run


def through_hypothesis(seed: int) -> Callable[[], None]:
    """A round through hypothesis."""

    def run() -> None:
        failure = with_hypothesis.search(check, examples=PROGRAMS, seed=seed)
        if failure is not None:
            raise failure.exception

    return run


def drawing(seed: int) -> Callable[[], None]:
    """A round of the direct backend that only draws."""

    def run() -> None:
        chooser = DirectChooser(seed)
        for _ in range(PROGRAMS):
            chooser = chooser.fresh()
            random_program(chooser)

    return run


def drawn_direct(seed: int) -> list[Program]:
    """The programs of a round of the direct backend."""
    chooser = DirectChooser(seed)
    return [random_program(chooser.fresh()) for _ in range(PROGRAMS)]


def drawn_by_hypothesis(seed: int) -> list[Program]:
    """The programs of a round of hypothesis: it draws the same ones for the same seed."""
    programs: list[Program] = []
    with_hypothesis.search(
        lambda chooser: programs.append(random_program(chooser)), examples=PROGRAMS, seed=seed
    )
    return programs


Call = tuple[Callable[..., Any], int, int]
"""A function and the places of its operands; the second is -1 where there is one operand."""


def floor(programs: Sequence[Program]) -> Callable[[], None]:
    """A round of the bare engines on these programs."""
    mine = [bare(program, refgrad, REFGRAD.from_torch) for program in programs]
    theirs = [bare(program, torch, lambda data: data) for program in programs]
    runs = [run for pair in zip(theirs, mine, strict=True) for run in pair]

    def run() -> None:
        for one in runs:
            one()

    return run


def bare(program: Program, module: Any, from_torch: Callable[[torch.Tensor], Any]) -> Callable[[], None]:
    """The program as calls of the module's functions on a list of values."""
    places = {item.name: place for place, item in enumerate(program.inputs)}
    calls: list[Call] = []
    for step in program.steps[:-2]:
        if not (isinstance(step, Apply) and isinstance(step.target, str)):
            raise TypeError(f"no operator of a random program: {step}")
        operands = [places[name] for argument in step.arguments for name in refs(argument)]
        calls.append((getattr(module, step.operator), *(*operands, -1)[:2]))
        places[step.target] = len(places)
    data = [item.data for item in program.inputs]

    def run() -> None:
        values = [from_torch(one.clone()).requires_grad_() for one in data]
        for function, first, second in calls:
            values.append(function(values[first]) if second < 0 else function(values[first], values[second]))
        values[-1].sum().backward()

    return run


def measure(rounds: int) -> dict[str, Any]:
    """The median time of a program in microseconds, and the median multiple of its floor."""
    ways: dict[str, tuple[Callable[[int], Callable[[], None]], Callable[[int], list[Program]]]] = {
        "direct": (direct, drawn_direct),
        "hypothesis": (through_hypothesis, drawn_by_hypothesis),
        "drawing": (drawing, drawn_direct),
    }
    # A few seeds take turns, and their first rounds, which fill caches, are not counted.
    pairs = [
        {name: (way(seed), floor(drawn(seed))) for name, (way, drawn) in ways.items()} for seed in range(5)
    ]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(-len(pairs), rounds):
        for name, (run, bottom) in pairs[number % len(pairs)].items():
            elapsed = timed(run), timed(bottom)
            if number >= 0:
                times[name].append(elapsed)
    return {
        name: {
            "us": statistics.median(mine for mine, _ in seen),
            "floor_us": statistics.median(bottom for _, bottom in seen),
            "ratio": statistics.median(mine / bottom for mine, bottom in seen),
            "bound": BOUNDS.get(name),
        }
        for name, seen in times.items()
    }


def timed(run: Callable[[], None]) -> float:
    """Microseconds a program."""
    start = time.process_time()
    run()
    return (time.process_time() - start) / PROGRAMS * 1e6


STRETCH = 10
"""Rounds that a process runs at a time."""


def work(orders: Connection) -> None:
    """A process of its own: for each order, it runs a stretch of rounds and answers with the seconds."""
    torch.set_num_threads(1)
    run = direct(0)
    run()  # what is not counted: caches are filled
    while orders.recv():
        start = time.perf_counter()
        for _ in range(STRETCH):
            run()
        orders.send(time.perf_counter() - start)


def scaling(rounds: int) -> dict[str, float]:
    """The median rates of one process and of two, in programs a second, and the median of their ratios."""
    context = get_context("spawn")
    pipes = [context.Pipe() for _ in range(2)]
    processes = [context.Process(target=work, args=(theirs,), daemon=True) for _, theirs in pipes]
    orders = [ours for ours, _ in pipes]
    for process in processes:
        process.start()

    def rate(connections: Sequence[Connection]) -> float:
        for connection in connections:
            connection.send(True)
        seconds: list[float] = [connection.recv() for connection in connections]
        return sum(STRETCH * PROGRAMS / one for one in seconds)

    rate(orders)  # which waits until both have started
    rates = [(rate(orders[number % 2 :][:1]), rate(orders)) for number in range(rounds)]
    for connection, process in zip(orders, processes, strict=True):
        connection.send(False)
        process.join()
    return {
        "one": statistics.median(one for one, _ in rates),
        "two": statistics.median(two for _, two in rates),
        "ratio": statistics.median(two / one for one, two in rates),
        "bound": SCALING,
    }


def main() -> int:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--check", action="store_true", help="end with 1 where a bound is not kept")
    parser.add_argument("--rounds", type=int, default=60, help=f"rounds of {PROGRAMS} programs (default: 60)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = measure(options.rounds)
    results["processes"] = scaling(max(options.rounds // 6, 1))
    versions = {"torch": torch.__version__, "python": sys.version.split()[0]}
    if options.json:
        print(json.dumps({**versions, **results}, indent=1))
    else:
        print(f"torch {versions['torch']}, Python {versions['python']}, one thread, {options.rounds} rounds")
        for name, row in results.items():
            print(f"{name:10} {line(row)}")
    kept = all(results[name]["ratio"] <= bound for name, bound in BOUNDS.items())
    return int(options.check and not (kept and results["processes"]["ratio"] >= SCALING))


def line(row: dict[str, Any]) -> str:
    """One figure in words."""
    if "one" in row:
        return (
            f"{row['one']:7.0f} programs a second in one process; {row['two']:.0f} in two; "
            f"ratio {row['ratio']:.2f} (at least {row['bound']:.1f})"
        )
    bound = "part of direct" if row["bound"] is None else f"at most {row['bound']:.1f}"
    return (
        f"{row['us']:7.1f} us a program; both engines bare {row['floor_us']:6.1f} us; "
        f"ratio {row['ratio']:.2f} ({bound})"
    )


if __name__ == "__main__":
    sys.exit(main())
