"""How many programs a second go through the worker protocol: 8 operations, to a trivial worker and back.

Usage: python benchmarks/protocol.py [--json] [--check] [--programs N] [--rounds N]

The worker has no engine, so that what is measured is the protocol: a program becomes a document and a line,
the line goes through a pipe, and the answer through another one, is read and becomes a trace. One worker
answers with an empty state, and one with a tensor, exact in base64. In each round both take turns with
the bare pipe: lines of the same lengths, which nobody makes or reads.

The best round is printed, and the median. Two processes take turns here, so others that want the same cores
cost more than their share; the harness's own processor time for a program is printed beside.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

# A script beside this one has the name of a package, and Python looks beside a script first.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from gradconform.execution.interpreter import Detail  # noqa: E402 - the path is mended before
from gradconform.program.steps import Program  # noqa: E402
from gradconform.protocol.client import WorkerHost  # noqa: E402
from gradconform.protocol.messages import line_of, run_message  # noqa: E402
from gradconform.protocol.pipes import Limits, Pipes  # noqa: E402
from gradconform.randomize.direct import DirectChooser  # noqa: E402
from gradconform.randomize.programs import random_program  # noqa: E402

GOAL = 3000
"""Programs a second with the trivial worker."""

HELLO = {"type": "hello", "protocol": 1, "engine": "trivial", "capabilities": {"details": ["end"]}}
STATES = {
    "an empty state": {"live": {}},
    "a tensor of nine numbers": {
        "live": {"y": {"dtype": "float32", "shape": [3, 3], "data": "AACAPwAAAEAAAEBA" * 3}}
    },
}
WORKER = """
import json, sys
hello, state = sys.argv[1:]
for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "hello":
        sys.stdout.write(hello + "\\n")
    elif message["type"] == "run":
        sys.stdout.write('{"type":"trace","id":%d,"trace":{"states":[%s]}}\\n' % (message["id"], state))
    else:
        break
    sys.stdout.flush()
"""
ECHO = """
import sys
answer = sys.argv[1] + "\\n"
for line in sys.stdin:
    sys.stdout.write(answer)
    sys.stdout.flush()
"""


def programs(count: int) -> list[Program]:
    """Random programs: eight operations on 3x3 floats, a sum and a backward."""
    chooser = DirectChooser(0)
    return [random_program(chooser) for _ in range(count)]


Rate = tuple[float, float]
"""Programs a second by the clock, and microseconds of the harness's processor time for one."""


def rate(count: int, run: Callable[[], None]) -> Rate:
    """How fast so many are run."""
    begun, before = time.perf_counter(), time.process_time()
    run()
    return count / (time.perf_counter() - begun), (time.process_time() - before) / count * 1e6


def measure(made: list[Program], rounds: int) -> dict[str, list[Rate]]:
    """The rates of the rounds, for each worker and for the bare pipe."""
    rates: dict[str, list[Rate]] = {}
    limits = Limits()
    lines = [line_of(run_message(number, program, "cpu", Detail.END)) for number, program in enumerate(made)]
    hosts = {
        name: WorkerHost((sys.executable, "-c", WORKER, json.dumps(HELLO), json.dumps(state)), limits)
        for name, state in STATES.items()
    }
    echo = Pipes(
        (sys.executable, "-c", ECHO, json.dumps({"type": "trace", "id": 1, "trace": {"states": []}}))
    )
    echo.exchange(lines[0], 60.0, limits)
    try:
        for _ in range(rounds):
            for name, host in hosts.items():
                rates.setdefault(name, []).append(rate(len(made), partial(through, host, made)))
            rates.setdefault("the bare pipe", []).append(rate(len(made), partial(bare, echo, lines, limits)))
    finally:
        echo.close()
        for host in hosts.values():
            host.close()
    return rates


def through(host: WorkerHost, made: list[Program]) -> None:
    """All programs, one after the other."""
    for program in made:
        host.run(program, "cpu", Detail.END)


def bare(echo: Pipes, lines: list[bytes], limits: Limits) -> None:
    """As many lines there and back."""
    for line in lines:
        echo.exchange(line, 60.0, limits)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the rates. Returns 1 with --check where the goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--check", action="store_true", help=f"fail where the best round is below {GOAL} programs a second"
    )
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args(arguments)
    made = programs(given.programs)
    steps = statistics.mean(len(program.steps) for program in made)
    rates = measure(made, given.rounds)
    found: dict[str, dict[str, float]] = {
        name: {
            "best": max(each for each, _ in several),
            "median": statistics.median(each for each, _ in several),
            "processor": statistics.median(each for _, each in several),
        }
        for name, several in rates.items()
    }
    if given.json:
        told: dict[str, Any] = {"steps": steps, "programs": len(made), "rates": found}
        print(json.dumps(told, indent=1))
    else:
        print(f"{len(made)} programs of {steps:.1f} steps, {given.rounds} rounds, programs a second")
        for name, each in found.items():
            clock = f"best {each['best']:8,.0f}   median {each['median']:8,.0f}"
            print(
                f"  {name:26} {clock}   {each['processor']:5.0f} us of the harness's processor time for one"
            )
    missed = given.check and found["an empty state"]["best"] < GOAL
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
