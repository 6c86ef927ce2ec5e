"""Random whole programs on engines that are right: does anything diverge?

Usage: python benchmarks/false_alarms.py [--engines NAME ...] [--programs N] [--seed N] [--jobs N] [--write]

Torch against itself, refgrad against torch, and torch with another but correct rounding (sums from the other
end, fused products) against torch, in all real and complex dtypes. What diverges is told with its smallest
program, and the exit code is 1: it is a defect of the harness, of refgrad or of torch itself, which belongs
into the registry of quirks. `--write` keeps what was counted in docs/false-alarms.jsonl, beside what is there
of other engines, and writes docs/false-alarms.md. The shares of the engines are those of SHARES: an engine
that rounds otherwise is judged number by number, which takes longer.
"""

# ruff: noqa: E402 - the path is mended before a package is imported from it

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
# A script beside this one has the name of a package, and Python looks beside a script first.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]
sys.path.append(str(ROOT / "tests" / "meta"))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from gradconform.engines.registry import find_engine
from gradconform.execution.host import InProcess
from gradconform.exploration.explorer import Explorer, batches_in
from gradconform.exploration.finds import Database
from gradconform.exploration.rounds import Wanted
from gradconform.plan import Settings
from gradconform.processes import cores
from gradconform.report.failure import summary
from gradconform.session import Session

PAGE = ROOT / "docs" / "false-alarms.md"
KEPT = ROOT / "docs" / "false-alarms.jsonl"
KINDS = ("conforms", "diverges", "inconclusive", "oracle-disputed")
DTYPES = ("float32", "float64", "float16", "bfloat16", "complex64", "complex128")
SHARES = {"torch": 4, "refgrad": 4, "rounding:sums_backwards": 1, "rounding:fuses_multiply_add": 1}
SAYS = {
    "torch": "torch itself",
    "refgrad": "refgrad",
    "rounding:sums_backwards": "torch, sums and matrix products from the other end",
    "rounding:fuses_multiply_add": "torch, sums with products rounded once",
}


ABOUT = (
    "Random whole programs (`gradconform explore`) on engines that are right, in "
    f"{', '.join(DTYPES)}: a program that diverges here is a defect of the harness, of refgrad, or of torch. "
    "Written by `python benchmarks/false_alarms.py --write`."
)
DISPUTED = (
    "*Torch disputed*: torch raises an error of its own that the registry of quirks knows "
    "(`harness/gradconform/spec/quirks.yaml`), stands alone against the engine and finite differences, or "
    "does not do again what it did while the program was written, when each tensor was looked at after each "
    "step."
)


@dataclass(frozen=True, slots=True)
class Count:
    """What came of the random programs of one engine. kinds: of verdicts."""

    engine: str
    programs: int
    seed: int
    torch: str
    kinds: Mapping[str, int]


def main() -> int:
    """Explores each engine and prints what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--engines", nargs="+", default=[*SHARES], choices=SHARES, metavar="NAME", help="(default: all)"
    )
    parser.add_argument("--programs", type=int, default=1000, help="of all engines together (default: 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=cores())
    parser.add_argument("--write", action="store_true", help="write docs/false-alarms.md")
    options = parser.parse_args()
    counts = read()
    finds = 0
    for target in options.engines:
        programs = -(-options.programs * SHARES[target] // sum(SHARES.values()))
        explorer, seconds = explored(target, programs, options.seed, options.jobs)
        finds += len(explorer.finds) + explorer.unsteady
        progress = explorer.progress
        counts[target] = Count(
            target, progress.programs, options.seed, torch.__version__, dict(sorted(progress.kinds.items()))
        )
        print(f"{row(counts[target])} ({seconds:.0f} s)", flush=True)
        for find in explorer.finds.values():
            print(f"  {summary(find.case.verdict)}")
            print("    " + (find.case.example.text.replace("\n", "\n    ") if find.case.example else ""))
        for text in progress.undecided:
            print(f"  no verdict: {text}")
        if options.write:
            kept = [counts[engine] for engine in SHARES if engine in counts]
            KEPT.write_text("".join(f"{json.dumps(asdict(count))}\n" for count in kept), encoding="utf-8")
            PAGE.write_text(page(kept), encoding="utf-8")
    return 1 if finds else 0


def read() -> dict[str, Count]:
    """What is kept, by engine."""
    lines = KEPT.read_text("utf-8").splitlines() if KEPT.exists() else ()
    return {count.engine: count for count in (Count(**json.loads(line)) for line in lines)}


def explored(target: str, programs: int, seed: int, jobs: int) -> tuple[Explorer, float]:
    """An exploration of an engine, and how long it took."""
    start = time.monotonic()
    with TemporaryDirectory(prefix="gradconform-") as folder:
        session = Session(InProcess(find_engine(target)), Settings(seed=seed))
        wanted = Wanted(seed=seed, programs=programs, dtypes=DTYPES)
        explorer = Explorer(target, session, wanted, Database(Path(folder)))
        with batches_in(jobs, explorer) as run:
            explorer.explore(run, lambda _: None)
    return explorer, time.monotonic() - start


def row(count: Count) -> str:
    """A line of the table."""
    told = [count.kinds.get(kind, 0) for kind in KINDS]
    numbers = " | ".join(f"{number:,}" for number in (count.programs, *told, count.programs - sum(told)))
    return f"| {SAYS[count.engine]} | {numbers} | {count.seed} | {count.torch} |"


def page(counts: Iterable[Count]) -> str:
    """The document."""
    counts = [*counts]
    head = "| engine | programs | conform | diverge | inconclusive | torch disputed | other | seed | torch |"
    return "\n".join(
        (
            "# False alarms",
            "",
            ABOUT,
            "",
            head,
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
            *map(row, counts),
            "",
            f"{sum(count.programs for count in counts):,} programs in all. {DISPUTED}",
            "",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
