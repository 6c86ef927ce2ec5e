"""The numerical policy: when an engine's numbers are as good as torch's. It reads from top to bottom.

Two tensors of one shape and dtype, torch's and the engine's, go through these stages, and the first that
knows decides. What each of them allows comes from outside of this project:

0. `shapes`: tensors on the device `meta` have no numbers. Shape and dtype are all that there is; that stage
   says nothing about numbers, and it is counted apart.
1. `bits`: the same numbers. nan equals nan, +0 equals -0.
   *Source:* IEEE 754, where +0 and -0 compare equal; nan as with `equal_nan=True` of `torch.testing`.
2. `tolerance`: |got - expected| <= atol + rtol * |expected|; nan and infinities match place by place;
   integers and booleans have no tolerance.
   *Source:* the defaults of `torch.testing.assert_close`, dtype by dtype (`tolerance.TOLERANCES`).
3. `anchor`: the engine is off the float64 truth by no more than 8 times torch's own error in the dtype.
   *Source:* torch holds its compiler to its eager mode by the same rule, with factors from 2 to 10
   (`torch._dynamo.utils.same`, the argument `fp64_ref`). That rounding errors are proportional to the unit
   roundoff, by which float32 foretells float64: Higham, Accuracy and Stability of Numerical Algorithms,
   chapter 3.
4. `spread`: the engine's numbers lie where torch's own go when each input moves by one unit in the last
   place. Open only where the engine's forward values differ in bits from torch's: where they are equal there
   is no rounding to excuse, the choice at a kink is a convention, and torch's answer is the fact.
   *Source:* Monte Carlo arithmetic (Parker, UCLA CSD-970002, 1997), with the inputs alone perturbed.

Stages 0 to 2 can only accept, and cost no further run; 3 and 4 run the program again, close by and in other
precisions, and accept, refuse, or cannot tell. What none of them can tell is inconclusive: it is counted, and
nobody is blamed for it. `gradconform run` says how often each stage decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradconform.oracle.anchor import Anchor
from gradconform.oracle.forward import forward_differs
from gradconform.oracle.opinions import Opinion, Rerun
from gradconform.oracle.spots import NumericMiss
from gradconform.oracle.spread import Spread
from gradconform.oracle.tolerance import TOLERANCES, Miss, measured, require_comparable, same_bits, within
from gradconform.program.steps import Program
from gradconform.trace import Trace
from gradconform.verdict import Outcome, Stage

if TYPE_CHECKING:
    import torch


def compared(expected: torch.Tensor, got: torch.Tensor) -> Stage | Miss:
    """Stages 0 to 2: which of them accepts the pair, or how far off it is.

    expected, got: any shape, the same one, of the same dtype, on the same device; ValueError otherwise, since
    nothing is broadcast or promoted in a comparison.
    """
    require_comparable(expected, got)
    if expected.is_meta:
        return "shapes"
    if same_bits(expected, got):
        return "bits"
    near = within(expected, got)
    return "tolerance" if bool(near.all()) else measured(expected, got, near)


@dataclass(frozen=True, slots=True)
class Decision:
    """What stages 3 and 4 make of numbers beyond the tolerance.

    outcome: the stage that accepts them, "refused" or "inconclusive".
    """

    outcome: Outcome
    reason: str


class Policy:
    """Stages 3 and 4 for the numbers of one program, as torch (`expected`) and the engine (`got`) showed it.

    rerun: runs a program on torch.
    """

    def __init__(self, program: Program, expected: Trace, got: Trace, rerun: Rerun) -> None:
        self._program = program
        self._traces = (expected, got)
        self._anchor = Anchor(program, rerun)
        self._spread = Spread(program, rerun)
        self._rounded: bool | None = None

    def decide(self, miss: NumericMiss) -> Decision:
        """The decision on numbers that missed the tolerance."""
        anchored = self._anchored(miss)
        if anchored.vote == "for":
            return Decision("anchor", anchored.reason)
        if self._spread_is_open():
            spread = self._spread.opinion(miss)
            reason = f"{anchored.reason}; {spread.reason}"
            if spread.vote == "for":
                return Decision("spread", reason)
            certain = spread.vote == "against" and anchored.vote != "unsure"
            return Decision("refused" if certain else "inconclusive", reason)
        if anchored.vote == "torch is off":
            reason = "the forward values are equal in every bit, so torch's answer is the fact"
            return Decision("refused", f"{anchored.reason}; {reason}")
        return Decision("refused" if anchored.vote == "against" else "inconclusive", anchored.reason)

    def _anchored(self, miss: NumericMiss) -> Opinion:
        if miss.expected.dtype not in TOLERANCES:
            return Opinion("against", "what is not rounded has no float64 truth of its own")
        return self._anchor.opinion(miss)

    def _spread_is_open(self) -> bool:
        if self._rounded is None:
            self._rounded = forward_differs(self._program, *self._traces)
        return self._rounded


class Haste:
    """A policy that asks for no second opinion, for the search for a smaller program: numbers are refused
    where no rounding explains them, and otherwise left open."""

    def decide(self, miss: NumericMiss) -> Decision:
        """The decision on numbers that missed the tolerance."""
        gross = not miss.miss.absolute <= GROSS * miss.miss.allowed
        return Decision("refused" if gross else "inconclusive", "")


GROSS = 1000.0
"""So many times the tolerance is no matter of rounding in a short program."""
