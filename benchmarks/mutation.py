"""Source mutation of refgrad: small slips in its own text, one at a time; does the corpus notice?

Usage: python benchmarks/mutation.py [--mutants N] [--seed N] [--files GLOB ...] [--jobs N] [--examples N]
       [--limit N] [--keep FILE] [--write]

First it is recorded which scenario runs which lines of refgrad, at its documented example. Then a sample of
mutants is drawn by the seed, and each meets the scenarios that run its line, those that run the fewest lines
first, at their examples and then with random draws, up to the first that diverges; a mutant that takes its
process down, or does not end, is caught. The table of derivatives has a benchmark of its own, wrong_rules.py.
`--write` writes docs/mutation.md, and the score into docs/detection.md. Why a mutant survives is told in
docs/mutation.yaml; an explanation of one that does not fails the run. `--keep` keeps what was recorded in a
file, and reads it where it is there: for several runs on one state of refgrad and of the specs. An interrupt
ends the run early, with what is known.
"""

# ruff: noqa: E402 - the path is mended before a package is imported from it

from __future__ import annotations

import argparse
import os
import pickle
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]
# A script beside this one has the name of a package, and Python looks beside a script first.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]
sys.path.append(str(ROOT / "tests" / "meta"))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import yaml
from detection.cells import read  # type: ignore[import-not-found]
from detection.page import page as detection_page  # type: ignore[import-not-found]
from mutation.hunt import LIMIT, Found, Hunter, all_mutations, lines_of_loading  # type: ignore[import-not-found]
from mutation.page import page, summary  # type: ignore[import-not-found]
from reach import Key, recorded_lines  # type: ignore[import-not-found]
from reach.tests import Record, Test, of_tasks, records  # type: ignore[import-not-found]
from zoo import ALL  # type: ignore[import-not-found]

from gradconform.plan import Settings, tasks_of
from gradconform.program.library import load_library
from gradconform.spec.corpus import all_files

PAGE = ROOT / "docs" / "mutation.md"
REASONS = ROOT / "docs" / "mutation.yaml"
DETECTION = ROOT / "docs" / "detection.md"
CELLS = ROOT / "docs" / "detection.jsonl"

Recorded = tuple[list[Record], frozenset[Key]]


def recorded(tests: Sequence[Test], jobs: int, keep: Path | None) -> Recorded:
    """What each test runs, and what is run while refgrad is loaded."""
    if keep is not None and keep.exists():
        return pickle.loads(keep.read_bytes())  # type: ignore[no-any-return]  # noqa: S301 - our own file
    found = records(tests, recorded_lines, jobs), lines_of_loading()
    if keep is not None:
        keep.write_bytes(pickle.dumps(found))
    return found


def reasons() -> dict[str, str]:
    """Why mutants survive, or are not reached, by the mutant as it is printed."""
    return (yaml.safe_load(REASONS.read_text("utf-8")) or {}) if REASONS.exists() else {}


def main() -> None:
    """Record, draw, hunt, and print or write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutants", type=int, default=300, help="how many are drawn (default: 300)")
    parser.add_argument("--seed", type=int, default=0, help="which are drawn (default: 0)")
    parser.add_argument("--files", nargs="+", default=["*"], help="files of refgrad, or globs (default: all)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument(
        "--examples", type=int, default=Settings().examples, help="draws of each test that is tried again"
    )
    parser.add_argument("--limit", type=int, default=LIMIT, help="tests tried for one mutant")
    parser.add_argument("--keep", type=Path, help="a file for what the tests run")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    tasks = tasks_of(load_library(all_files()), ("cpu",), ())
    tests = of_tasks(tasks, Settings(examples=0))
    drawn = {test.name: test for test in of_tasks(tasks, Settings(examples=options.examples))}
    found, loading = recorded(tests, options.jobs, options.keep)
    pairs = [(test, record) for test, record in zip(tests, found, strict=True) if record.sound]
    print(f"{len(pairs)} tests recorded, {time.monotonic() - start:.0f} s", flush=True)
    mutations = [one for one in all_mutations() if any(fnmatchcase(one.path, glob) for glob in options.files)]
    sample = Random(options.seed).sample(mutations, min(options.mutants, len(mutations)))  # noqa: S311 - for tests
    hunter = Hunter(pairs, drawn, loading, options.limit)
    outcomes: list[Found] = []
    with suppress(KeyboardInterrupt):
        for each in hunter.hunted(sample, options.jobs):
            outcomes.append(each)
            said = each.by or ("SURVIVED" if each.reach else "not reached")
            print(f"{each.mutation} | {said} {each.how}".rstrip(), flush=True)
    why = reasons()
    version = torch.__version__.partition("+")[0]
    setting = f"--mutants {len(outcomes)} --seed {options.seed} --examples {options.examples}"
    text = "\n".join(page(outcomes, len(mutations), setting, why, version)) + "\n"
    print(f"\n{text}\n{time.monotonic() - start:.0f} s")
    if options.write:
        PAGE.write_text(text, encoding="utf-8")
        lines = detection_page(ALL, read(CELLS), version, summary(text))
        DETECTION.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if gone := [str(each.mutation) for each in outcomes if each.by and str(each.mutation) in why]:
        sys.exit(f"{REASONS.relative_to(ROOT)} explains what does not survive: {'; '.join(gone)}")


if __name__ == "__main__":
    main()
