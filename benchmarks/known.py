"""What a run with known failures costs, against the same run without them.

    python benchmarks/known.py [--entries 200] [--examples 20]

Tests of the documented behaviours run in float32 on an engine that forgets gradients, until so many of them
fail; then the same tests run again with their failures known. Printed: the programs that the engine was
given, and the seconds of processor time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from typing import Any

from gradconform.cases import CaseResult
from gradconform.engines.torch import TorchEngine
from gradconform.execution.host import InProcess
from gradconform.execution.interpreter import Detail
from gradconform.known_failures.changes import compared
from gradconform.pinning import Knowns
from gradconform.plan import Settings, Task, tasks_of
from gradconform.program.library import load_library
from gradconform.program.steps import Program
from gradconform.session import Session
from gradconform.spec.corpus import corpus_files
from gradconform.trace import Trace


class Forgets(TorchEngine):
    """Leaves no gradient in the leaves that a root is computed from directly."""

    def backward(self, *arguments: Any, **options: Any) -> None:
        """As torch, and then forgets."""
        super().backward(*arguments, **options)
        for node, _ in getattr(arguments[0].grad_fn, "next_functions", ()):
            if hasattr(node, "variable"):
                node.variable.grad = None


class Counting(InProcess):
    """Counts the programs that the engine is given."""

    programs = 0

    def run(self, program: Program, device: str, detail: Detail) -> Trace:
        """As in process."""
        self.programs += 1
        return super().run(program, device, detail)


def measured(tasks: Iterable[Task], settings: Settings, most: int) -> tuple[list[CaseResult], list[Task]]:
    """Runs tests until so many have failed, and prints what that took. Returns the cases and the tests."""
    host = Counting(Forgets())
    session = Session(host, settings)
    cases: list[CaseResult] = []
    done: list[Task] = []
    failed = 0
    start = time.process_time()
    for task in tasks:
        found = list(session.check(task))
        cases += found
        done.append(task)
        failed += any(case.verdict.kind in {"diverges", "crashed"} for case in found)
        if failed == most:
            break
    seconds = time.process_time() - start
    known = sum(case.is_known for case in cases)
    told = f"{len(done)} tests, {failed} fail, {known} of them as known"
    print(f"{told}: {host.programs} programs, {seconds:.1f} s")
    return cases, done


def main() -> None:
    """Prints the two lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=200)
    parser.add_argument("--examples", type=int, default=20)
    asked = parser.parse_args()
    settings = Settings(dtypes=("float32",), examples=asked.examples)
    tasks = tasks_of(load_library(corpus_files("documented")), ("cpu",), ("float32",))
    cases, done = measured(tasks, settings, asked.entries)
    entries = compared(None, cases, {}).edits.added
    pinned = Knowns((), {entry.id: entry for entry in entries}).pinned(done)
    measured(pinned, settings, asked.entries)


if __name__ == "__main__":
    main()
