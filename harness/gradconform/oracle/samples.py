"""Torch's own rounding error, sampled: a program and its neighbours, each run in its dtype and in float64.

Runs are made when they are first needed, and shared by all numbers of one program.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import torch

from gradconform.oracle.opinions import Rerun
from gradconform.oracle.precision import (
    casts_down,
    coarsest,
    default_dtype,
    finest,
    is_inexact,
    is_widest,
    narrower,
    nearby,
    unit,
    wider,
)
from gradconform.oracle.spots import NumericMiss, numbers_at
from gradconform.oracle.tolerance import distance
from gradconform.program.steps import Program
from gradconform.trace import Trace

SAMPLES = 7
REACHES = (64.0, 2.0**18)
"""The two neighbourhoods, in units of roundoff; neither reaches further than FURTHEST of an input."""
FURTHEST = 2.0**-6


class Samples:
    """The float64 truth of one program, and what torch's rounding makes of its neighbours.

    widest: whether the program is in float64 already, and casts nothing down; its neighbours are then run in
    float32 and float64, and `scale` is the ratio of the rounding units (1 otherwise).
    """

    def __init__(self, program: Program, rerun: Rerun) -> None:
        self.widest = is_widest(program) and not casts_down(program)
        self.scale = unit(torch.float64) / unit(torch.float32) if self.widest else 1.0
        self._program = program
        self._rerun = rerun
        self._drawn: list[tuple[tuple[Trace, Trace], ...]] = []

    def truth(self, miss: NumericMiss) -> torch.Tensor | None:
        """The same place in float64; torch's own answer where the program is in float64. None: it is not
        there."""
        return miss.expected if self.widest else _shown(self._wide, miss)

    def errors(self, miss: NumericMiss) -> Iterator[torch.Tensor | None]:
        """For each of SAMPLES, |in the dtype - in float64| (neighbourhoods x the shape of the miss), as an
        error of the miss's own dtype; None where the neighbours do not show that place."""
        for sample in self._samples():
            pairs = [(_shown(run, miss), _shown(truth, miss)) for run, truth in sample]
            errors = [distance(a, b) * self.scale for a, b in pairs if a is not None and b is not None]
            yield torch.stack(errors) if len(errors) == len(pairs) else None

    @cached_property
    def _wide(self) -> Trace:
        return self._run_wide(self._program)

    def _run_wide(self, program: Program) -> Trace:
        with default_dtype(torch.float64):
            return self._rerun(wider(program))

    def _samples(self) -> Iterator[tuple[tuple[Trace, Trace], ...]]:
        """For each sample a pair (in the dtype, in float64) for each neighbourhood."""
        yield from self._drawn
        base = narrower(self._program) if self.widest else self._program
        reaches = self._reaches(base)
        for number in range(len(self._drawn), SAMPLES):
            close = [nearby(base, number, reach) for reach in reaches]
            sample = tuple((self._rerun(program), self._run_wide(program)) for program in close)
            self._drawn.append(sample)
            yield sample

    def _reaches(self, program: Program) -> tuple[float, ...]:
        """How far inputs move in each neighbourhood: by REACHES of their own unit of roundoff, and where the
        program casts down, by the first of them in the unit of the casts, which others would not shake up."""
        own = finest(program)
        found = [reach * own for reach in REACHES]
        if casts_down(program):
            found.append(REACHES[0] * coarsest(program))
        return tuple(dict.fromkeys(min(reach, FURTHEST) for reach in found))


def _shown(trace: Trace, miss: NumericMiss) -> torch.Tensor | None:
    """The same place in another run; None where it is not there, has another shape or is of another kind."""
    value = numbers_at(trace, miss.step, miss.spot)
    if value is None or value.shape != miss.expected.shape or not is_inexact(value):
        return None
    return value if value.is_complex() == miss.expected.is_complex() else None
