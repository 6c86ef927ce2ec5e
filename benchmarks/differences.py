"""How often finite differences have an opinion on the gradients of the corpus, and whether torch shares it.

Usage: python benchmarks/differences.py [--select PREFIX]... [--every N] [--draws N] [--seed N]

Every scenario in float64 and complex128, as far as it has these dtypes: its documented example and random
draws of it. After each backward call the gradients that stand there are estimated
(`gradconform.oracle.differences`) and held against torch's. An estimate that contradicts torch is a mistake
of the one or a quirk of the other: it is printed, and where no registered quirk explains it, the exit code
is 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from gradconform.engines.torch import TorchEngine
from gradconform.errors import Unsupported
from gradconform.execution.interpreter import Detail, run
from gradconform.oracle.differences import Abstention, Estimate, estimates
from gradconform.oracle.precision import default_dtype, wider
from gradconform.oracle.spots import Spot, numbers_at
from gradconform.oracle.tolerance import TOLERANCES, distance, is_finite, modulus, parts
from gradconform.program.bind import bind
from gradconform.program.library import load_library
from gradconform.program.parse import Template
from gradconform.program.steps import Backward, Grad, Program
from gradconform.randomize import draws
from gradconform.randomize.direct import DirectChooser
from gradconform.spec.corpus import all_files
from gradconform.spec.quirks import quirks

DTYPES = ("float64", "complex128")
FORWARD = "-forward-mode"
REASONS = 12
"""So many reasons for abstaining are printed."""


@dataclass
class Survey:
    """What was found. said: gradients of which all, some or no elements were told. abstained: programs at a
    backward call, by the reason. apart: estimates that contradict torch, by their scenario."""

    programs: int = 0
    said: Counter[str] = field(default_factory=Counter)
    abstained: Counter[str] = field(default_factory=Counter)
    apart: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, program: Program, name: str) -> None:
        """One program, at each of its backward calls; all of it in float64, as differences are taken."""
        program = wider(program)
        try:
            with default_dtype(torch.float64):
                trace = run(program, TorchEngine(), detail=Detail.STEPS)
        except Unsupported:
            return
        self.programs += 1
        steps = dict(program.walk())
        for state in trace.states[:-1]:
            if isinstance(steps[state.step], Backward | Grad):
                start = time.process_time()
                found = estimates(program, state.step)
                self.seconds += time.process_time() - start
                for spot, estimate in found.items():
                    self._count(name, spot, estimate, numbers_at(trace, state.step, spot))

    def _count(
        self, name: str, spot: Spot, estimate: Estimate | Abstention, theirs: torch.Tensor | None
    ) -> None:
        if isinstance(estimate, Abstention):
            self.abstained[estimate.reason] += 1
        elif theirs is not None and theirs.numel():
            known = estimate.known
            self.said["all" if bool(known.all()) else "some" if bool(known.any()) else "none"] += 1
            rtol, atol = TOLERANCES[theirs.dtype]
            allowed = estimate.error + rtol * modulus(parts(estimate.value)) + atol
            wrong = known & is_finite(theirs) & ~(distance(theirs, estimate.value) <= allowed)
            if bool(wrong.any()):
                ours, torchs = (numbers[wrong][:3].tolist() for numbers in (estimate.value, theirs))
                self.apart.setdefault(name, f"{spot}: differences {ours}, torch {torchs}")


def excused() -> frozenset[str]:
    """Scenarios whose gradients a registered quirk concerns."""
    return frozenset(
        scenario.removesuffix(FORWARD)
        for quirk in quirks()
        if quirk.holds_for(torch.__version__)
        for scenario in quirk.scenarios
    )


def programs(templates: Iterable[Template], count: int, seed: int) -> Iterator[tuple[str, Program]]:
    """The documented example of each scenario and `count` draws of it, in each dtype."""
    for template in templates:
        scenario = template.scenario
        for dtype in sorted({*DTYPES} & {*scenario.dtypes}, reverse=True):
            yield template.id, bind(template, draws.example(scenario, dtype))
            for number in range(count if scenario.let else 0):
                chooser = DirectChooser(seed + number)
                yield template.id, bind(template, draws.draw(scenario, chooser, dtype))


def survey(templates: Iterable[Template], count: int = 0, seed: int = 0) -> Survey:
    """What differences say of these scenarios."""
    found = Survey()
    for name, program in programs(templates, count, seed):
        found.add(program, name)
    return found


def lines(found: Survey) -> Iterator[str]:
    """The survey, for a person."""
    said = sum(found.said.values())
    yield f"{found.programs} programs, {found.seconds:.0f} s of CPU time"
    counts = ", ".join(f"{which} {found.said[which]}" for which in ("all", "some", "none"))
    yield f"of {said} gradients, elements that are told: {counts}"
    yield f"abstained at {sum(found.abstained.values())} backward calls:"
    yield from (f"  {count:5}  {reason}" for reason, count in found.abstained.most_common(REASONS))
    others = len(found.abstained) - REASONS
    if others > 0:
        yield f"         and for {others} other reasons"
    for name, text in found.apart.items():
        yield f"{'quirk' if name in excused() else 'APART'}: {name}: {text}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the survey; 1 where differences contradict torch and no quirk explains it."""
    parser = argparse.ArgumentParser(
        description="What finite differences say of the gradients of the corpus."
    )
    parser.add_argument("--select", action="append", metavar="PREFIX", help="scenarios whose ids start so")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each Nth scenario alone")
    parser.add_argument("--draws", type=int, default=0, metavar="N", help="random draws of each scenario")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    chosen = tuple(options.select or ("",))
    templates = [template for template in load_library(all_files()) if template.id.startswith(chosen)]
    found = survey(templates[:: options.every], options.draws, options.seed)
    print("\n".join(lines(found)))
    return 1 if found.apart.keys() - excused() else 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
