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

A program that is in float64 already, and casts nothing down, has no wider one. There torch's own answer is
the anchor, and its error is what float32 shows on the inputs rounded to float32, times the ratio of the
rounding units: to first order rounding errors are proportional to the unit (Higham, Accuracy and Stability of
Numerical Algorithms, chapter 3). Where float32 keeps no digit at all, that foretells nothing, and within its
error the anchor is unsure.

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

import torch

from gradconform.oracle.opinions import Opinion, Rerun
from gradconform.oracle.precision import casts_down, unit
from gradconform.oracle.samples import Samples
from gradconform.oracle.spots import NumericMiss
from gradconform.oracle.tolerance import distance, is_finite, modulus, parts, unravel, within
from gradconform.program.steps import Program

FACTOR = 8.0
LAST_DIGIT = 1 / 16
DUST = 16.0
ENOUGH = 2
GROSS = 2.0**14
"""An error of so many times what the first ENOUGH samples show anywhere in the tensor needs no further
samples."""


class Anchor:
    """The float64 anchor of one program."""

    def __init__(self, program: Program, rerun: Rerun) -> None:
        self._samples = Samples(program, rerun)
        self._casts_down = casts_down(program)

    def opinion(self, miss: NumericMiss) -> Opinion:
        """Whether the engine's numbers are as near to the truth as torch's own rounding allows."""
        wrong = ~within(miss.expected, miss.got)
        if not bool((is_finite(miss.expected) & is_finite(miss.got))[wrong].all()):
            return Opinion("against", "rounding makes no nan or infinity, and takes none away")
        truth = self._samples.truth(miss)
        if truth is None:
            return Opinion("none", "the program in float64 does not show this value")
        floor = unit(miss.expected.dtype) * modulus(parts(truth))
        off = distance(miss.got, truth).where(wrong, 0.0)
        errors: list[torch.Tensor] = []
        for error in self._samples.errors(miss):
            if error is None:
                return Opinion("none", "the program close by does not show this value")
            errors.append(error)
            if len(errors) == ENOUGH and bool(
                (off > GROSS * (torch.stack(errors).max() + floor.max())).any()
            ):
                break
        typical = _largest(torch.stack(errors).flatten(0, 1))
        if not bool(typical.isfinite()[wrong].all()):
            return Opinion("none", "most programs close by have no finite value there")
        return self._vote(miss, truth, typical, FACTOR * typical + floor)

    def _vote(
        self, miss: NumericMiss, truth: torch.Tensor, typical: torch.Tensor, allowed: torch.Tensor
    ) -> Opinion:
        """typical: torch's own error, allowed: what may be off the truth; of the shape of the miss."""
        wrong = ~within(miss.expected, miss.got)
        off, torch_off = distance(miss.got, truth), distance(miss.expected, truth)
        sizes = modulus(parts(truth))
        largest = float(sizes.where(sizes.isfinite(), 0.0).max())
        if self._casts_down and bool((allowed > LAST_DIGIT * largest)[wrong].any()):
            return Opinion("none", "the program's own casts leave no digit to compare")
        reason = _reason(off, torch_off, allowed, wrong)
        torch_near, near = torch_off <= allowed, off <= allowed
        left = wrong & ~(torch_near & near)
        if not bool(left.any()):
            return Opinion("for", reason)
        apart, unit_of_largest = distance(miss.expected, miss.got), unit(miss.expected.dtype) * largest
        if bool((apart <= DUST * unit_of_largest)[left].all()):
            return Opinion("unsure", f"{reason}; small beside the largest number of the tensor")
        in_float32 = typical / self._samples.scale
        blind = (in_float32 > LAST_DIGIT * sizes) & (off <= in_float32)
        if self._samples.widest and bool(blind[left].all()):
            return Opinion("unsure", f"{reason}; float32 keeps no digit to foretell the rounding of float64")
        return Opinion("against" if bool(torch_near[wrong].all()) else "torch is off", reason)


def _reason(off: torch.Tensor, torch_off: torch.Tensor, allowed: torch.Tensor, wrong: torch.Tensor) -> str:
    worst = unravel((off - allowed).where(wrong, float("-inf")))
    where = f" at {list(worst)}" if worst else ""
    ours, theirs, explained = (f"{float(error[worst]):.2g}" for error in (torch_off, off, allowed))
    return f"off the float64 truth by {theirs}{where}, torch by {ours}, where rounding explains {explained}"


def _largest(errors: torch.Tensor) -> torch.Tensor:
    """errors: runs x shape. The largest finite error of each element; inf where most runs have none."""
    finite = errors.isfinite()
    enough = 2 * finite.sum(0) >= len(errors)
    return errors.where(finite, 0.0).amax(0).where(enough, float("inf"))
