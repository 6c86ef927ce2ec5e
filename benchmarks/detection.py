"""The kill matrix: engines with one bug each, against gradconform and against what people use today.

Usage: python benchmarks/detection.py [--bugs ID ...] [--columns NAME ...] [--jobs N] [--examples N]
       [--programs N] [--every N] [--write]

Each bug of tests/meta/zoo/ meets each column in a process of its own, up to the first failure: which program
notices it, how many were run by then, and how much CPU time that took. Tests that reach nothing of what a bug
changes are counted and not run. The column `draws` meets the bugs that the examples in those before it do not
catch. `--write` keeps the cells that were measured in docs/detection.jsonl, beside those that are there, and
writes docs/detection.md, which also tells the score of docs/mutation.md (mutation.py).
"""

# ruff: noqa: E402 - the path is mended before a package is imported from it

from __future__ import annotations

import argparse
import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A script beside this one has the name of a package, and Python looks beside a script first.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]
sys.path.append(str(ROOT / "tests" / "meta"))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

import torch
from detection.cells import Cell, Cells, merged, read, write  # type: ignore[import-not-found]
from detection.columns import Column, First, of_check, of_programs, of_tasks  # type: ignore[import-not-found]
from detection.page import COLUMNS, DRAWS, EXAMPLES, is_caught, page  # type: ignore[import-not-found]
from forks import Ended, Tell, several  # type: ignore[import-not-found]
from mutants.copies import changed, sources  # type: ignore[import-not-found]
from mutation.hunt import lines_of_loading  # type: ignore[import-not-found]
from mutation.page import summary  # type: ignore[import-not-found]
from reach import Key, Watch, touched  # type: ignore[import-not-found]
from today import CHECKS  # type: ignore[import-not-found]
from zoo import ALL, BUGS  # type: ignore[import-not-found]

from gradconform.plan import Settings, tasks_of
from gradconform.program.library import load_library
from gradconform.spec.corpus import all_files

PAGE = ROOT / "docs" / "detection.md"
CELLS = ROOT / "docs" / "detection.jsonl"
MUTANTS = ROOT / "docs" / "mutation.md"
PROGRAMS = 20_000

_TABLES = ("operators/", "points/")


def columns(names: Sequence[str], settings: Settings, watch: Watch, options: Namespace) -> Iterator[Column]:
    """The columns of these names, ready to run. watch: of what the bugs change."""
    every, jobs = options.every, options.jobs
    if {*EXAMPLES, DRAWS} & {*names}:
        tasks = tasks_of(load_library(all_files()), ("cpu",), ())
        examples = replace(settings, examples=0)
        for name, derived, drawn in (
            ("documented", False, examples),
            ("operators", True, examples),
            (DRAWS, False, settings),
        ):
            if name in names:
                own = [task for task in tasks if task.origin.id.startswith(_TABLES) == derived]
                yield of_tasks(name, own[::every], drawn, watch, jobs)
    if "explore" in names:
        yield of_programs("explore", options.programs)
    for check in CHECKS:
        if check.name in names:
            yield of_check(check, every, watch, jobs)


def changes(bug: str, loading: frozenset[Key]) -> frozenset[Key] | None:
    """The lines and rows of refgrad that a bug changes, or None for what may matter to everything. loading:
    the lines that run while refgrad is imported, as what they make may matter anywhere."""
    edits = BUGS[bug].make.edits
    found: set[Key] = set()
    for path in {edit.path for edit in edits}:
        text = (sources() / path).read_text("utf-8")
        keys = touched(path, text, changed(text, [edit for edit in edits if edit.path == path]))
        if keys is None or keys & loading:
            return None
        found |= keys
    return frozenset(found)


def cell(bug: str, column: Column, ended: Ended[First]) -> Cell:
    """What came of a bug in a column; an engine that took its process down was caught by what ran last."""
    if ended.result is None:
        seconds = round(ended.seconds, 1)
        return Cell(bug, column.name, column.setting, ended.last or "start", ended.death, 0, seconds)
    found = ended.result
    seconds = round(ended.seconds + found.left, 1)
    return Cell(bug, column.name, column.setting, found.test, found.how, found.programs, seconds, found.steps)


Changes = Mapping[str, frozenset[Key] | None]


def measured(bugs: Sequence[str], column: Column, changed_by: Changes, jobs: int) -> Iterator[Cell]:
    """The cells of these bugs in a column, in the order in which they are done."""

    def work(bug: str, tell: Tell) -> First:
        torch.set_num_threads(1)
        return column.catch(BUGS[bug](), changed_by[bug], tell)

    for bug, ended in several(bugs, work, jobs):
        yield cell(bug, column, ended)


def meeting(column: str, bugs: Sequence[str], cells: Cells) -> list[str]:
    """The bugs that a column meets: all, or those that no example catches."""
    if column != DRAWS:
        return [*bugs]
    return [bug for bug in bugs if not any(is_caught(cells.get((bug, other))) for other in EXAMPLES)]


def main() -> None:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--bugs", nargs="+", choices=[*BUGS], default=[*BUGS], metavar="ID", help="(default: all)"
    )
    parser.add_argument(
        "--columns", nargs="+", choices=COLUMNS, default=COLUMNS, metavar="NAME", help=", ".join(COLUMNS)
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument(
        "--examples", type=int, default=Settings().examples, help=f"random draws of each test in {DRAWS}"
    )
    parser.add_argument(
        "--programs", type=int, default=PROGRAMS, help=f"random programs of explore (default: {PROGRAMS})"
    )
    parser.add_argument("--every", type=int, default=1, help="run one test of so many (default: 1)")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    known = read(CELLS)
    new: dict[tuple[str, str], Cell] = {}
    settings = Settings(examples=options.examples)
    loading = lines_of_loading()
    changed_by = {bug: changes(bug, loading) for bug in BUGS}
    watch = Watch([key for keys in changed_by.values() for key in keys or ()])
    for column in columns(options.columns, settings, watch, options):
        print(f"{column.name}: {column.setting}, {time.monotonic() - start:.0f} s", flush=True)
        bugs = meeting(column.name, options.bugs, {**known, **new})
        for one in measured(bugs, column, changed_by, options.jobs):
            new[one.bug, one.column] = one
            said = f"{one.by} {one.how}" if one.by else "MISSED"
            said += f", shown by {one.steps} steps" if one.steps else ""
            print(f"{one.bug} {one.column}: {said} | {one.programs} programs, {one.seconds} s", flush=True)
            if options.write:
                write(CELLS, sorted_cells(merged(known, new)))
    version = torch.__version__.partition("+")[0]
    mutants = summary(MUTANTS.read_text("utf-8"))
    text = "\n".join(page(ALL, merged(known, new), version, mutants)) + "\n"
    if options.write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(f"\n{text}")


def sorted_cells(cells: dict[tuple[str, str], Cell]) -> list[Cell]:
    """The cells in the order of the zoo and of the columns."""
    return [cells[bug, column] for bug in BUGS for column in COLUMNS if (bug, column) in cells]


if __name__ == "__main__":
    main()
