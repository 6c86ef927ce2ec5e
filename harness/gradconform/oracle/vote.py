"""The vote of finite differences where torch and an engine have two gradients for one program.

It is asked for after the numerical policy has refused the engine's numbers, and only of gradients. Where it
agrees with the engine and clearly contradicts torch, it is not the engine that is wrong. Everywhere else the
engine stays the one that diverges: at kinks and borders the differences abstain, since there torch's answer
is the convention, and of nan and infinity they know nothing.

What they tell is the gradient of the program in float64. For a program in another dtype it counts only where
torch's own answer in float64 is that in the dtype, but for the tolerance; where it is not, rounding has put
the two on different sides of something.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from gradconform.oracle.differences import Abstention, Differences
from gradconform.oracle.opinions import Rerun
from gradconform.oracle.precision import default_dtype, wider
from gradconform.oracle.spots import NumericMiss, numbers_at
from gradconform.oracle.text import at_places
from gradconform.oracle.tolerance import TOLERANCES, distance, is_finite, modulus, parts, within
from gradconform.program.steps import Program
from gradconform.trace import Trace

AGREES, CONTRADICTS = 4.0, 16.0
"""An answer agrees with the differences where it is off them by at most AGREES times the tolerance for its
dtype and their own error, and contradicts them where it is off by CONTRADICTS times as much."""

_DIGITS = {torch.float64: torch.float32, torch.complex128: torch.complex64}
"""What differences are written in: they are not good for more digits."""

Side = Literal["engine", "torch", "neither", "none"]


@dataclass(frozen=True, slots=True)
class Vote:
    """Whose answer differences agree with; "none" where they say nothing.

    text: that, in words, or why they say nothing.
    """

    side: Side
    text: str

    @property
    def told(self) -> str:
        """What is told of it beside a divergence, or ""."""
        return "" if self.side == "none" else self.text


class Ballot:
    """The votes on the numbers of one program. rerun: runs a program on torch."""

    def __init__(self, program: Program, rerun: Rerun) -> None:
        self._program = program
        self._rerun = rerun
        self._differences = Differences(program)
        self._wide: Trace | None = None

    def vote(self, miss: NumericMiss) -> Vote:
        """The vote on numbers beyond the tolerance."""
        wrong = ~within(miss.expected, miss.got)
        if not bool((is_finite(miss.expected) & is_finite(miss.got))[wrong].all()):
            return Vote("none", "of nan and infinity differences know nothing")
        estimate = self._differences.estimate(miss.spot, miss.step)
        if isinstance(estimate, Abstention):
            return Vote("none", estimate.reason)
        value, error = estimate.value, estimate.error
        if value.shape != miss.expected.shape or not bool(error.isfinite()[wrong].all()):
            return Vote("none", "not smooth there")
        if not self._steady(miss, wrong):
            return Vote("none", "in float64 torch's own answer is another one")
        rtol, atol = TOLERANCES[miss.expected.dtype]
        allowed = error + rtol * modulus(parts(value)) + atol
        ours, theirs = ((distance(answer, value) / allowed)[wrong] for answer in (miss.expected, miss.got))
        shown = at_places(value.to(_DIGITS.get(miss.expected.dtype, miss.expected.dtype)), wrong)
        if bool((theirs <= AGREES).all() and (ours > CONTRADICTS).any()):
            return Vote("engine", f"finite differences, {shown}, agree with the engine")
        if bool((ours <= AGREES).all() and (theirs > CONTRADICTS).any()):
            return Vote("torch", "finite differences agree with torch")
        if bool((ours > CONTRADICTS).any() and (theirs > CONTRADICTS).any()):
            return Vote("neither", f"finite differences, {shown}, agree with neither")
        return Vote("none", "too close to tell")

    def _steady(self, miss: NumericMiss, wrong: torch.Tensor) -> bool:
        """Whether torch itself answers in float64 what it answers in the dtype."""
        if self._wide is None:
            with default_dtype(torch.float64):
                self._wide = self._rerun(wider(self._program))
        truth = numbers_at(self._wide, miss.step, miss.spot)
        if truth is None or truth.shape != miss.expected.shape:
            return False
        rtol, atol = TOLERANCES[miss.expected.dtype]
        allowed = AGREES * (rtol * modulus(parts(truth)) + atol)
        return bool((distance(miss.expected, truth) <= allowed)[wrong].all())
