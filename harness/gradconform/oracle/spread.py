"""The last stage: how far torch's own answer moves when each input moves by one unit in the last place.

A program on a kink, or an ill-conditioned one, turns a rounding in its forward values into a large difference
of its gradients. The stage is open only where the engine's forward values already differ in bits from torch's
(`gradconform.oracle.forward`): where they are equal there is no rounding to excuse, the choice at a kink is a
convention, and torch's answer is the fact.

An element is excused where it lies in the range of torch's answers to RUNS such programs, widened by the
range's own width on either side, since the coins tossed for the inputs seldom find the worst case; a nan or
an infinity where torch itself shows the same. An element that is not excused counts against the engine where
torch's answers agree among themselves within the tolerance; where they do not, nothing can be said.
"""

from __future__ import annotations

import torch

from gradconform.oracle.opinions import Opinion, Rerun
from gradconform.oracle.precision import one_ulp_away
from gradconform.oracle.spots import NumericMiss, numbers_at
from gradconform.oracle.tolerance import parts, within
from gradconform.program.steps import Program
from gradconform.trace import Trace

RUNS = 8


class Spread:
    """The one-ulp spread of one program; the runs are made when first needed."""

    def __init__(self, program: Program, rerun: Rerun) -> None:
        self._program = program
        self._rerun = rerun
        self._runs: list[Trace] = []

    def opinion(self, miss: NumericMiss) -> Opinion:
        """Whether the engine's numbers lie where torch's own might."""
        if not self._runs:
            self._runs = [self._rerun(one_ulp_away(self._program, seed)) for seed in range(RUNS)]
        answers = [miss.expected]
        for run in self._runs:
            value = numbers_at(run, miss.step, miss.spot)
            if (
                value is not None
                and value.shape == miss.expected.shape
                and value.dtype == miss.expected.dtype
            ):
                answers.append(value)
        if len(answers) <= RUNS // 2:
            return Opinion("none", "torch does not show this value under one-ulp changes of the inputs")
        wrong = ~within(miss.expected, miss.got)
        excused = _excused(torch.stack([parts(answer) for answer in answers]), parts(miss.got))
        left = wrong & ~excused
        if not bool(left.any()):
            return Opinion("for", "within torch's own spread under one-ulp changes of the inputs")
        steady = torch.stack([within(miss.expected, answer) for answer in answers]).all(0)
        if bool(steady[left].any()):
            return Opinion("against", "torch's own answer does not move under one-ulp changes of the inputs")
        return Opinion(
            "none", "ill-conditioned: torch's own answers move as far under one-ulp changes of the inputs"
        )


def _excused(answers: torch.Tensor, got: torch.Tensor) -> torch.Tensor:
    """answers: runs x shape x parts. got: shape x parts. Returns bool, of the shape."""
    finite = answers.isfinite()
    low = answers.where(finite, float("inf")).amin(0)
    high = answers.where(finite, float("-inf")).amax(0)
    width = high - low
    inside = (low - width <= got) & (got <= high + width)
    alike = ((answers == got) | (answers.isnan() & got.isnan())).any(0)
    return (alike | (inside & got.isfinite() & finite.any(0))).all(-1)
