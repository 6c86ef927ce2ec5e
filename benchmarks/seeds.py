"""Do verdicts depend on the seed? Engines that lie in one known way, torch and refgrad, each with many seeds.

Usage: python benchmarks/seeds.py [--engines NAME ...] [--seeds N] [--first N] [--corpus NAME]
       [--select WHAT ...] [--dtype NAME ...] [--examples N] [--jobs N] [--write]

With every seed the same scenarios should diverge: one that diverges with some seeds and not with others has
too few draws, or too wide a domain, for the lie. Of torch and refgrad none should.

Of a test only its random draws depend on the seed. So each engine runs the rest of the selected tests once
(the documented example, the corners and the derivations), and the draws of those that pass with each seed:
the same draws for all engines, made once and run on torch once, with the draws of `gradconform run`, each
engine up to its first failure, which is not made smaller. `--write` keeps what was measured in
docs/seeds.jsonl after each seed, beside what is there of other engines, selections and seeds, and writes
docs/seeds.md.
"""

# ruff: noqa: E402 - the path is mended before a package is imported from it

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A script beside this one has the name of a package, and Python looks beside a script first.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]
sys.path.append(str(ROOT / "tests" / "meta"))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

import liars  # type: ignore[import-not-found]
import torch
from first_failure import Seedless, Together  # type: ignore[import-not-found]
from forks import Tell, several  # type: ignore[import-not-found]

from gradconform.engines.registry import find_engine
from gradconform.plan import Settings, Task, plan
from gradconform.program.library import load_library
from gradconform.spec.corpus import corpus_files

PAGE = ROOT / "docs" / "seeds.md"
KEPT = ROOT / "docs" / "seeds.jsonl"

HONEST = ("torch", "refgrad")
LIARS = tuple(
    f"liars:{name}"
    for name, found in vars(liars).items()
    if name.islower() and isinstance(found, type) and issubclass(found, liars.Liar)
)
"""The engines of tests/meta/liars.py."""

CORPORA = ("shipped", "documented", "operators")


@dataclass(frozen=True, slots=True)
class Found:
    """One engine with some seeds. run: what was run. scenarios: how many. always: those that diverge whatever
    is drawn. drawn: those that only random draws show, each with the seeds whose draws do."""

    engine: str
    run: str
    scenarios: int
    seeds: tuple[int, ...]
    always: tuple[str, ...]
    drawn: Mapping[str, tuple[int, ...]]

    @property
    def unsteady(self) -> dict[str, int]:
        """The scenarios that diverge with some seeds and not with all, and with how many."""
        return {name: len(seeds) for name, seeds in self.drawn.items() if len(seeds) < len(self.seeds)}

    def also(self, seed: int, diverging: Iterable[str]) -> Found:
        """With one seed more."""
        drawn = dict(self.drawn)
        for name in diverging:
            drawn[name] = tuple(sorted({*drawn.get(name, ()), seed}))
        return replace(self, seeds=tuple(sorted({*self.seeds, seed})), drawn=drawn)


Groups = dict[tuple[str, str], Found]
"""By engine and run."""


def seedless(
    engine: str, tasks: Iterable[Task], settings: Settings, deadly: Sequence[str], tell: Tell
) -> tuple[str, ...]:
    """The scenarios that an engine fails whatever is drawn, in the order of the corpus. deadly: what is known
    to take its process down. tell: told of each scenario before it is run."""
    judge = Seedless(find_engine(engine), settings)
    found: dict[str, None] = {}
    for task in tasks:
        name = task.origin.id
        if name in deadly:
            found[name] = None
        elif name not in found:
            tell(name)
            if judge.failure(task):
                found[name] = None
    return tuple(found)


def drawn(
    known: Mapping[str, Iterable[str]], tasks: Iterable[Task], settings: Settings
) -> dict[str, tuple[str, ...]]:
    """By engine, the scenarios that the draws of one seed show; not those that are known to fail without."""
    together = Together({name: find_engine(name) for name in known}, settings)
    failed = {name: {*ids} for name, ids in known.items()}
    found: dict[str, list[str]] = {name: [] for name in known}
    for task in tasks:
        asked = [name for name in known if task.origin.id not in failed[name]]
        for name in together.failing(task, asked):
            failed[name].add(task.origin.id)
            found[name].append(task.origin.id)
    return {name: tuple(ids) for name, ids in found.items()}


def measured(
    engines: Sequence[str], seeds: Sequence[int], tasks: Sequence[Task], examples: int, *, run: str, jobs: int
) -> Iterator[list[Found]]:
    """What is known of each engine, after each seed. A scenario that takes the engine's process down
    diverges. Raises SystemExit where a random draw does that."""
    deadly: dict[str, list[str]] = {name: [] for name in engines}
    known: dict[str, tuple[str, ...]] = {}

    def without(engine: str, tell: Tell) -> tuple[str, ...]:
        torch.set_num_threads(1)
        return seedless(engine, tasks, Settings(examples=examples), deadly[engine], tell)

    while left := [name for name in engines if name not in known]:
        for engine, ended in several(left, without, jobs):
            if ended.result is None:
                deadly[engine].append(ended.last)
                print(f"{engine}: {ended.death}, at {ended.last}", flush=True)
                continue
            known[engine] = ended.result
            count = len(known[engine])
            print(f"{engine}: {count} diverge whatever is drawn, {ended.seconds:.0f} s", flush=True)

    def of_draws(seed: int, _tell: object) -> dict[str, tuple[str, ...]]:
        torch.set_num_threads(1)
        return drawn(known, tasks, Settings(examples=examples, seed=seed))

    scenarios = len({task.origin.id for task in tasks})
    found = {name: Found(name, run, scenarios, (), known[name], {}) for name in engines}
    for seed, ended in several(seeds, of_draws, jobs):
        if ended.result is None:
            sys.exit(f"seed {seed}: {ended.death}")
        found = {name: one.also(seed, ended.result[name]) for name, one in found.items()}
        count = sum(map(len, ended.result.values()))
        print(f"seed {seed}: {count} more by its draws, {ended.seconds:.0f} s", flush=True)
        yield [*found.values()]


def merged(groups: Groups, new: Iterable[Found]) -> Groups:
    """What was known, and what is: seeds are added to those of the same engine and run, unless something else
    diverges whatever is drawn, when what was known is of no use any more."""
    result = dict(groups)
    for found in new:
        one, before = found, result.get((found.engine, found.run))
        if before is not None and (before.scenarios, before.always) == (one.scenarios, one.always):
            for seed in set(before.seeds) - set(one.seeds):
                one = one.also(seed, (name for name, seeds in before.drawn.items() if seed in seeds))
        result[one.engine, one.run] = one
    return result


def page(groups: Groups, version: str) -> Iterator[str]:
    """The page: a table with a row for each engine and run, then what is not the same with all seeds."""
    yield "# Verdicts and seeds"
    yield ""
    yield "Written by `python benchmarks/seeds.py --write`: engines that lie in one known way"
    yield "(`tests/meta/liars.py`), torch itself and refgrad, with many seeds. The same scenarios should"
    yield "diverge with every seed, and none of torch and refgrad."
    yield ""
    yield "Only the random draws of a test depend on the seed. A scenario diverges *always*, whatever is"
    yield "drawn, where its documented example, a corner or a derivation fails; the others meet the draws of"
    yield "each seed, those of `gradconform run`."
    yield ""
    yield f"torch {version}."
    yield ""
    yield "| engine | run | scenarios | diverge always | by draws of every seed | of some | seeds |"
    yield "|---|---|---|---|---|---|---|"
    for (engine, run), one in groups.items():
        every = len(one.drawn) - len(one.unsteady)
        yield (
            f"| `{engine}` | {run} | {one.scenarios} | {len(one.always)} | {every} | {len(one.unsteady)} "
            f"| {len(one.seeds)} |"
        )
    yield ""
    yield "## Scenarios that diverge with some seeds"
    yield ""
    lines = [
        f"- `{name}`: {count} of {len(one.seeds)} seeds (`{engine}`, {run})"
        for (engine, run), one in groups.items()
        for name, count in one.unsteady.items()
    ]
    yield from lines or ["None."]
    yield ""
    yield "## Scenarios that only random draws show"
    yield ""
    names = Counter(name for one in groups.values() for name in one.drawn.keys() - one.unsteady.keys())
    yield from [f"- `{name}`" for name in sorted(names)] or ["None."]


def read() -> Groups:
    """What is kept."""
    groups: Groups = {}
    for line in KEPT.read_text("utf-8").splitlines() if KEPT.exists() else ():
        told = json.loads(line)
        seeds = {name: tuple(some) for name, some in told["drawn"].items()}
        one = Found(
            **{**told, "seeds": tuple(told["seeds"]), "always": tuple(told["always"]), "drawn": seeds}
        )
        groups[one.engine, one.run] = one
    return groups


def write(groups: Groups, text: str) -> None:
    """Keeps it."""
    KEPT.write_text("".join(f"{json.dumps(asdict(one))}\n" for one in groups.values()), encoding="utf-8")
    PAGE.write_text(text, encoding="utf-8")


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
    parser.add_argument("--corpus", choices=CORPORA, default="shipped", help="(default: shipped)")
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
    settings = Settings(dtypes=tuple(options.dtype), select=tuple(options.select))
    tasks = plan(load_library(corpus_files(options.corpus)), settings).tasks
    what = " ".join(options.select) or f"{options.corpus} corpus"
    run = ", ".join((what, *options.dtype, f"{options.examples} draws"))
    start = time.monotonic()
    seeds = range(options.first, options.first + options.seeds)
    groups = read() if options.write else {}
    text = ""
    for found in measured(options.engines, seeds, tasks, options.examples, run=run, jobs=options.jobs):
        groups = merged(groups, found)
        text = "\n".join(page(groups, torch.__version__.partition("+")[0])) + "\n"
        if options.write:
            write(groups, text)
    print(f"\n{text}\n{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
