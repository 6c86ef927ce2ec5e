"""The third stage: is the engine further from the float64 truth than torch's own rounding puts torch?

The truth is torch's answer to the same program in float64. The engine may be off it, element by element, by
FACTOR times torch's own error in the dtype, plus one rounding unit of the truth (the final rounding that
nobody escapes).

How large torch's own error is cannot be read off one run, where it may be zero by luck. So it is the largest
over SAMPLES programs close by, each against a float64 truth of its own, in each of two neighbourhoods: the
first keeps the conditioning of the program, the second also shakes up roundings in which the inputs are small
beside other numbers. Inputs move by a share of themselves, so a zero that sits on a kink stays there, in both
precisions. With FACTOR 8 an engine that merely rounds differently is not blamed (a sum in another order or in
float64, a fused multiply-add, a function that is one unit off), while a factor of 1.0005 is 4000 rounding
units of float32.

The anchor has a say only where torch itself stands within the same allowance. Where it does not, rounding has
put the two precisions on different sides of a kink, and the float64 answer is not the truth of this program.

What remains beyond the allowance, but is no more than DUST rounding units of the largest number in the
tensor, may be what a cancellation leaves that no sample happened to show: the anchor is then unsure, and
nobody is blamed.

A program that is in float64 already has no wider one. There torch's own answer is the anchor, and its error
is what float32 shows on the inputs rounded to float32, times the ratio of the rounding units: to first order
rounding errors are proportional to the unit (Higham, Accuracy and Stability of Numerical Algorithms, chapter
3).

A program that casts to a narrower dtype on purpose is anchored with the casts left out, and the rounding that
they bring counts as torch's own error. Where that error leaves no digit to compare (the allowance exceeds
LAST_DIGIT of the largest number in the tensor), as with ties that only the cast makes, the anchor has nothing
to say.

Measured on 200 random programs of eight steps for each dtype (torch 2.13), engines that round differently
were never blamed in float32 and float64, and a factor of 1.0005 was never excused there. In half precision
some still are blamed, where a program divides a number by itself: torch's gradient is then exactly zero, or a
unit of terms that cancelled and that no tensor shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch

from gradconform.oracle.precision import (
    casts_down,
    default_dtype,
    is_inexact,
    is_widest,
    narrower,
    nearby,
    unit,
    wider,
)
from gradconform.oracle.spots import NumericMiss, numbers_at
from gradconform.oracle.tolerance import distance, is_finite, modulus, parts, unravel, within
from gradconform.program.steps import Program
from gradconform.trace import Trace

FACTOR = 8.0
SAMPLES = 7
REACHES = (64.0, 2.0**18)
"""The two neighbourhoods, in units of roundoff; neither reaches further than FURTHEST of an input."""
FURTHEST = 2.0**-6
LAST_DIGIT = 1 / 16
DUST = 16.0
ENOUGH = 2
GROSS = 2.0**14
"""An error of so many times what the first ENOUGH samples show anywhere in the tensor needs no further
samples."""

Rerun = Callable[[Program], Trace]
"""Runs a program on torch, on the device of the case, and traces every step."""

Vote = Literal["for", "against", "torch is off", "unsure", "none"]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a second opinion says of the engine's numbers, and why. "torch is off": torch itself misses the
    truth; "unsure": the miss is too small to tell; "none": nothing could be found out."""

    vote: Vote
    reason: str = ""


class Anchor:
    """The float64 anchor of one program; runs are made when they are first needed."""

    def __init__(self, program: Program, rerun: Rerun) -> None:
        self._program = program
        self._rerun = rerun
        self._widest = is_widest(program)
        self._casts_down = casts_down(program)
        self._drawn: list[tuple[tuple[Trace, Trace], ...]] = []

    def opinion(self, miss: NumericMiss) -> Opinion:
        """Whether the engine's numbers are as near to the truth as torch's own rounding allows."""
        wrong = ~within(miss.expected, miss.got)
        if not bool((is_finite(miss.expected) & is_finite(miss.got))[wrong].all()):
            return Opinion("against", "rounding makes no nan or infinity, and takes none away")
        truth = self._truth(miss)
        if truth is None:
            return Opinion("none", "the program in float64 does not show this value")
        off = distance(miss.got, truth)
        floor = unit(miss.expected.dtype) * modulus(parts(truth))
        errors: list[torch.Tensor] = []
        for count, samples in enumerate(self._samples(), 1):
            error = self._errors(miss, samples)
            if error is None:
                return Opinion("none", "the program close by does not show this value")
            errors.append(error)
            if count == ENOUGH and self._is_gross(off, wrong, torch.stack(errors), floor):
                break
        return self._vote(miss, truth, FACTOR * _largest(torch.stack(errors).flatten(0, 1)) + floor)

    def _vote(self, miss: NumericMiss, truth: torch.Tensor, allowed: torch.Tensor) -> Opinion:
        wrong = ~within(miss.expected, miss.got)
        if not bool(allowed.isfinite()[wrong].all()):
            return Opinion("none", "most programs close by have no finite value there")
        off = distance(miss.got, truth)
        torch_off = distance(miss.expected, truth)
        worst = unravel((off - allowed).where(wrong, float("-inf")))
        where = f" at {list(worst)}" if worst else ""
        reason = (
            f"off the float64 truth by {float(off[worst]):.2g}{where}, torch by "
            f"{float(torch_off[worst]):.2g}, where rounding explains {float(allowed[worst]):.2g}"
        )
        largest = float(modulus(parts(truth)).nan_to_num(nan=0.0, posinf=0.0).max())
        if self._casts_down and bool((allowed > LAST_DIGIT * largest)[wrong].any()):
            return Opinion("none", "the program's own casts leave no digit to compare")
        torch_near, near = torch_off <= allowed, off <= allowed
        if bool((torch_near & near)[wrong].all()):
            return Opinion("for", reason)
        left = wrong & ~(torch_near & near)
        if bool(
            (distance(miss.expected, miss.got) <= DUST * unit(miss.expected.dtype) * largest)[left].all()
        ):
            return Opinion("unsure", f"{reason}; small beside the largest number of the tensor")
        return Opinion("against" if bool(torch_near[wrong].all()) else "torch is off", reason)

    def _truth(self, miss: NumericMiss) -> torch.Tensor | None:
        if self._widest:
            return miss.expected
        return _shown(self._wide, miss)

    @cached_property
    def _wide(self) -> Trace:
        return self._run_wide(self._program)

    def _run_wide(self, program: Program) -> Trace:
        with default_dtype(torch.float64):
            return self._rerun(wider(program))

    def _samples(self) -> Iterator[tuple[tuple[Trace, Trace], ...]]:
        """For each sample a pair (in the dtype, in float64) for each neighbourhood."""
        yield from self._drawn
        for number in range(len(self._drawn), SAMPLES):
            base = narrower(self._program) if self._widest else self._program
            close = [nearby(base, number, reach) for reach in self._reaches(base)]
            sample = tuple((self._rerun(program), self._run_wide(program)) for program in close)
            self._drawn.append(sample)
            yield sample

    @staticmethod
    def _reaches(program: Program) -> Iterator[float]:
        finest = min((unit(item.data.dtype) for item in program.inputs if is_inexact(item.data)), default=0.0)
        return (min(reach * finest, FURTHEST) for reach in REACHES)

    def _errors(self, miss: NumericMiss, samples: tuple[tuple[Trace, Trace], ...]) -> torch.Tensor | None:
        """|in the dtype - in float64| for each neighbourhood, as an error of the miss's own dtype."""
        scale = unit(torch.float64) / unit(torch.float32) if self._widest else 1.0
        errors = []
        for run, truth in samples:
            a, b = _shown(run, miss), _shown(truth, miss)
            if a is None or b is None:
                return None
            errors.append(distance(a, b) * scale)
        return torch.stack(errors)

    @staticmethod
    def _is_gross(off: torch.Tensor, wrong: torch.Tensor, errors: torch.Tensor, floor: torch.Tensor) -> bool:
        known = errors.max() + floor.max()
        return bool((off.where(wrong, 0.0) > GROSS * known).any())


def _largest(errors: torch.Tensor) -> torch.Tensor:
    """errors: runs x shape. The largest finite error of each element; inf where most runs have none."""
    finite = errors.isfinite()
    enough = 2 * finite.sum(0) >= len(errors)
    return errors.where(finite, 0.0).amax(0).where(enough, float("inf"))


def _shown(trace: Trace, miss: NumericMiss) -> torch.Tensor | None:
    """The same place in another run; None where it is not there or has another shape, or is not of that
    kind."""
    value = numbers_at(trace, miss.step, miss.spot)
    if value is None or value.shape != miss.expected.shape or not is_inexact(value):
        return None
    return value if value.is_complex() == miss.expected.is_complex() else None
