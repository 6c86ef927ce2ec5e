"""Do verdicts depend on the seed? Engines that lie in one known way, torch and refgrad, each with many seeds.

Usage: python benchmarks/seeds.py [--engines NAME ...] [--seeds N] [--first N] [--select WHAT ...]
       [--dtype NAME ...] [--examples N] [--jobs N] [--write]

Each engine runs the selected scenarios once for each seed, with the draws of `gradconform run` and up to the
first failure of each scenario, which is not made smaller. With every seed the same scenarios should diverge:
one that diverges with some seeds and not with others has too few draws, or too wide a domain, for the lie. Of
torch and refgrad none should. `--write` keeps what was measured in docs/seeds.jsonl, beside what is there of
other engines and selections, and writes docs/seeds.md.
"""

# ruff: noqa: E402 - the path is mended before a package is imported from it

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A script beside this one has the name of a package, and Python looks beside a script first.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]
sys.path.append(str(ROOT / "tests" / "meta"))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import liars  # type: ignore[import-not-found]
import torch
from first_failure import Judge  # type: ignore[import-not-found]
from forks import several  # type: ignore[import-not-found]

from gradconform.engines.registry import find_engine
from gradconform.plan import Settings, Task, plan
from gradconform.program.library import load_library
from gradconform.spec.corpus import all_files

PAGE = ROOT / "docs" / "seeds.md"
KEPT = ROOT / "docs" / "seeds.jsonl"

HONEST = ("torch", "refgrad")
LIARS = tuple(
    f"liars:{name}"
    for name, found in vars(liars).items()
    if name.islower() and isinstance(found, type) and issubclass(found, liars.Liar)
)
"""The engines of tests/meta/liars.py."""


@dataclass(frozen=True, slots=True)
class Run:
    """One engine with one seed. setting: what was run. diverging: the scenarios that diverge."""

    engine: str
    setting: str
    seed: int
    diverging: tuple[str, ...]
    seconds: float


def diverging(engine: str, tasks: Iterable[Task], settings: Settings) -> tuple[str, ...]:
    """The scenarios that diverge, each of them run up to its first failure, in the order of the corpus."""
    judge = Judge(find_engine(engine), settings)
    found: dict[str, None] = {}
    for task in tasks:
        if task.origin.id not in found and judge.failure(task):
            found[task.origin.id] = None
    return tuple(found)


def measured(
    engines: Sequence[str], seeds: Sequence[int], tasks: Sequence[Task], settings: Settings, jobs: int
) -> Iterator[tuple[str, int, tuple[str, ...], float]]:
    """Engine, seed, the scenarios that diverge and the CPU time, in the order in which they are done.

    Raises SystemExit for an engine that takes its process down.
    """

    def work(item: tuple[str, int], _tell: object) -> tuple[str, ...]:
        torch.set_num_threads(1)
        engine, seed = item
        return diverging(engine, tasks, Settings(examples=settings.examples, seed=seed))

    for (engine, seed), ended in several(product(engines, seeds), work, jobs):
        if ended.result is None:
            sys.exit(f"{engine} with seed {seed}: {ended.death}")
        yield engine, seed, ended.result, ended.seconds


def page(runs: Sequence[Run], version: str) -> Iterator[str]:
    """The page: a table with a row for each engine and setting, then what is not the same with all seeds."""
    yield "# Verdicts and seeds"
    yield ""
    yield "Written by `python benchmarks/seeds.py --write`: engines that lie in one known way"
    yield "(`tests/meta/liars.py`), torch itself and refgrad, each run once for each seed. The same scenarios"
    yield "should diverge with every seed, and none of torch and refgrad."
    yield ""
    yield f"torch {version}."
    yield ""
    yield "| engine | run | seeds | diverge with every seed | with some | CPU seconds a seed |"
    yield "|---|---|---|---|---|---|"
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.engine, run.setting), []).append(run)
    for (engine, setting), group in groups.items():
        counts = Counter(name for run in group for name in run.diverging)
        always = sum(count == len(group) for count in counts.values())
        seconds = sum(run.seconds for run in group) / len(group)
        yield (
            f"| `{engine}` | {setting} | {len(group)} | {always} | {len(counts) - always} | {seconds:.0f} |"
        )
    yield ""
    yield "## Scenarios that diverge with some seeds"
    yield ""
    some = False
    for (engine, setting), group in groups.items():
        counts = Counter(name for run in group for name in run.diverging)
        for name, count in counts.items():
            if count < len(group):
                some = True
                yield f"- `{name}`: {count} of {len(group)} seeds (`{engine}`, {setting})"
    if not some:
        yield "None."


def read() -> dict[tuple[str, str], list[Run]]:
    """What is kept, by engine and setting."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for line in KEPT.read_text("utf-8").splitlines() if KEPT.exists() else ():
        told = json.loads(line)
        run = Run(**{**told, "diverging": tuple(told["diverging"])})
        groups.setdefault((run.engine, run.setting), []).append(run)
    return groups


def main() -> None:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--engines",
        nargs="+",
        default=[*LIARS, *HONEST],
        metavar="NAME",
        help="(default: the liars, torch, refgrad)",
    )
    parser.add_argument("--seeds", type=int, default=20, help="how many (default: 20)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument(
        "--select",
        nargs="+",
        default=[],
        metavar="WHAT",
        help="ids, globs, features or levels (default: all)",
    )
    parser.add_argument(
        "--dtype", nargs="+", default=[], metavar="NAME", help="(default: those of each scenario)"
    )
    parser.add_argument("--examples", type=int, default=Settings().examples, help="random draws of each test")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    settings = Settings(dtypes=tuple(options.dtype), select=tuple(options.select), examples=options.examples)
    tasks = plan(load_library(all_files()), settings).tasks
    setting = ", ".join(
        filter(None, (" ".join(options.select) or "all", *options.dtype, f"{options.examples} draws"))
    )
    start = time.monotonic()
    seeds = range(options.first, options.first + options.seeds)
    groups = read()
    new: dict[tuple[str, str], list[Run]] = {}
    for engine, seed, found, seconds in measured(options.engines, seeds, tasks, settings, options.jobs):
        new.setdefault((engine, setting), []).append(Run(engine, setting, seed, found, round(seconds, 1)))
        print(f"{engine} seed {seed}: {len(found)} diverge, {seconds:.0f} s", flush=True)
    groups |= {key: sorted(group, key=lambda run: run.seed) for key, group in new.items()}
    runs = [run for group in (groups if options.write else new).values() for run in group]
    text = "\n".join(page(runs, torch.__version__.partition("+")[0])) + "\n"
    if options.write:
        KEPT.write_text("".join(f"{json.dumps(asdict(run))}\n" for run in runs), encoding="utf-8")
        PAGE.write_text(text, encoding="utf-8")
    print(f"\n{text}\n{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
