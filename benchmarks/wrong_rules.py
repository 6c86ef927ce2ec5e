"""Plant wrong rows in refgrad's table of derivatives, one at a time: which of them does the corpus notice?

Usage: python benchmarks/wrong_rules.py [--rows NAME ...] [--every N] [--jobs N] [--limit N]
       [--examples N] [--reach] [--write]

For every row, and every slip that can be made in its formulas (a factor or a term dropped, a sign, a conj, a
mask, an index off by one, two formulas swapped, zeros), the scenarios that reach the row are run as
`gradconform run refgrad` runs them, until one diverges. Formulas that give the same gradients for all numbers
are told apart from survivors, and not counted. `--write` writes docs/wrong-rules.md. Why a fault survives is
told in docs/wrong-rules.yaml; an explanation of one that does not fails the run.
"""

# ruff: noqa: E402 - the path is mended before a package is imported from it

from __future__ import annotations

import argparse
import os
import pickle
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# A script beside this one has the name of a package, and Python looks beside a script first.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]
sys.path.append(str(ROOT / "tests" / "meta"))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import yaml
from wrong_rules import hunt  # type: ignore[import-not-found]

from gradconform.plan import Settings, Task, tasks_of
from gradconform.program.library import load_library
from gradconform.spec.corpus import all_files
from refgrad.rules import TABLE

PAGE = ROOT / "docs" / "wrong-rules.md"
REASONS = ROOT / "docs" / "wrong-rules.yaml"
FORK = get_context("fork")

_hunter: Any
"""What worker processes have from the one that they were forked from."""


def learn(tasks: Sequence[Task]) -> bytes:
    """Which rows the tests reach; calls that cannot be sent to another process are left out.

    It is pickled here, since a pool would send each tensor as an open file, and there are too many.
    """
    reach = hunt.Reach()
    reach.learn(tasks)
    reach.calls = {
        name: {key: call for key, call in calls.items() if hunt.sendable(call)}
        for name, calls in reach.calls.items()
    }
    return pickle.dumps(reach)


def row(number: int, name: str) -> list[hunt.Found]:
    """What becomes of the faults of a row."""
    return _hunter.row(name, number)  # type: ignore[no-any-return]


def reached(tasks: Sequence[Task], jobs: int) -> hunt.Reach:
    """Which rows all of these tests reach."""
    reach = hunt.Reach()
    with ProcessPoolExecutor(jobs, mp_context=FORK) as pool:
        for part in pool.map(learn, [tasks[start::64] for start in range(64)]):
            reach.add(pickle.loads(part))  # noqa: S301 - what a worker of ours has pickled
    return reach


def hunted(rows: Sequence[str], hunter: hunt.Hunter, jobs: int) -> Iterator[list[hunt.Found]]:
    """What becomes of the faults of these rows, row by row."""
    global _hunter  # noqa: PLW0603 - what is forked has to be global
    _hunter = hunter
    with ProcessPoolExecutor(jobs, mp_context=FORK) as pool:
        yield from pool.map(row, range(len(rows)), rows)


def reasons() -> dict[str, str]:
    """Why faults survive, by the fault as it is printed; and why rows are not reached, by their name."""
    return yaml.safe_load(REASONS.read_text("utf-8")) or {}


def outdated(found: Sequence[hunt.Found], why: Mapping[str, str]) -> list[str]:
    """The faults that are explained though they did not survive, and such rows though they are reached."""
    told = {str(each.fault): each.reach and not (each.by or each.equal) for each in found}
    told |= {each.fault.row: not each.reach for each in found}
    return [fault for fault in why if not told.get(fault, True)]


def report(found: Sequence[hunt.Found], every: int, why: Mapping[str, str]) -> Iterator[str]:
    """The page. every: of so many faults of a row one was planted. why: the reasons of survivors."""
    reached = [each for each in found if each.reach]
    counted = [each for each in reached if not each.equal]
    caught = [each for each in counted if each.by]
    survivors = [each for each in counted if not each.by]
    rows = {each.fault.row for each in found}
    unreached = sorted(rows - {each.fault.row for each in reached})
    share = 100 * len(caught) / max(len(counted), 1)
    yield "# Wrong rows of the derivative table"
    yield ""
    yield "Written by `python benchmarks/wrong_rules.py --write`: faults planted in refgrad's rows one at"
    yield "a time, and whether the corpus notices, with the draws of `gradconform run refgrad`."
    if every > 1:
        yield f"A sample: of {every} faults of a row one was planted (`--every {every}`)."
    yield ""
    what = "were sampled" if every > 1 else "have formulas to plant faults in"
    yield f"torch {torch.__version__.partition('+')[0]}. {len(rows)} rows {what};"
    yield f"scenarios reach {len(rows) - len(unreached)} of them."
    yield f"**{len(caught)} of {len(counted)} faults in these are caught, {share:.1f} %.**"
    same = len(reached) - len(counted)
    yield f"Another {same} give the same gradients as the right formula for all numbers that were tried, real"
    yield "and complex, and are not counted."
    yield ""
    yield "| fault | planted | caught |"
    yield "|---|---|---|"
    kinds = Counter(each.fault.kind for each in counted)
    hits = Counter(each.fault.kind for each in caught)
    yield from (f"| {kind} | {count} | {hits[kind]} |" for kind, count in sorted(kinds.items()))
    yield ""
    yield "## Survivors"
    yield ""
    if not survivors:
        yield "None."
    else:
        yield "| row | fault | formula | tests tried | tests that reach the row | why it survives |"
        yield "|---|---|---|---|---|---|"
    for each in survivors:
        formula = "; ".join(f"{tensor}: `{text}`" for tensor, text in each.fault.formulas.items())
        formula = formula.replace("|", "\\|") + (" in forward mode" if each.fault.forward_mode else "")
        unsound = f", {each.unsound} of them without it too" if each.unsound else ""
        reason = why.get(str(each.fault), f"not explained{unsound}")
        yield (
            f"| `{each.fault.row}` | {each.fault.kind} | {formula} | {each.tried} | {each.reach} | {reason} |"
        )
    yield ""
    yield "## Rows that no scenario reaches"
    yield ""
    if not unreached:
        yield "None."
    yield from (f"- `{name}`: {why.get(name, 'not explained')}" for name in unreached)


def main() -> None:
    """Plant, hunt, and print or write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", default=["*"], help="names of rows, or globs (default: all)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--limit", type=int, default=hunt.LIMIT, help="tests tried for one fault")
    parser.add_argument(
        "--examples", type=int, help="random draws of each test (default: those of `gradconform run`)"
    )
    parser.add_argument(
        "--every", type=int, default=1, help="plant one fault of so many of a row (default: 1)"
    )
    parser.add_argument("--reach", action="store_true", help="plant nothing: tell which tests reach each row")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tasks = tasks_of(load_library(all_files()), ("cpu",), ())
    rows = [name for name in TABLE if any(fnmatchcase(name, glob) for glob in options.rows)]
    start = time.monotonic()
    found: list[hunt.Found] = []
    reach = reached(tasks, options.jobs)
    if options.reach:
        counts = hunt.rows_of(reach)
        for name in sorted(rows, key=lambda name: (counts[name], name)):
            print(f"{counts[name]:5} {name}: {', '.join(test.id for test in reach.tasks(name, tasks)[:3])}")
        return
    settings = hunt.DEFAULT if options.examples is None else Settings(examples=options.examples)
    hunter = hunt.Hunter(tasks, reach, options.limit, options.every, settings)
    for each in hunted(rows, hunter, options.jobs):
        found += each
        for one in each:
            said = one.by or (
                "the same gradients" if one.equal else "SURVIVED" if one.reach else "not reached"
            )
            print(f"{one.fault} | {said} {one.how}".rstrip(), flush=True)
    why = reasons()
    page = "\n".join(report(found, options.every, why)) + "\n"
    print(f"\n{page}\n{time.monotonic() - start:.0f} s")
    if options.write:
        PAGE.write_text(page, encoding="utf-8")
    if gone := [*outdated(found, why)]:
        sys.exit(f"{REASONS.relative_to(ROOT)} explains what does not survive: {'; '.join(gone)}")


if __name__ == "__main__":
    main()
