"""Places in an observed state: `x`, `x.grad`, `values[0]`; and what one comparison finds there."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gradconform.oracle.text import at_places
from gradconform.oracle.tolerance import Miss, within
from gradconform.trace import UNSEEN, Seen, TensorSeen, Trace
from gradconform.verdict import Divergence


@dataclass(frozen=True, slots=True)
class Spot:
    """A live name, and the way from it: "grad", or the number of an item of a tuple."""

    name: str
    path: tuple[str | int, ...] = ()

    def then(self, part: str | int) -> Spot:
        return Spot(self.name, (*self.path, part))

    def __str__(self) -> str:
        return self.name + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)


@dataclass(frozen=True, slots=True)
class NumericMiss:
    """Numbers beyond the tolerance, left to the second opinions.

    expected, got: the two tensors, of one shape and dtype (a plain number is a tensor without dimensions).
    """

    spot: Spot
    step: int
    expected: torch.Tensor
    got: torch.Tensor
    miss: Miss

    def divergence(self, reason: str = "") -> Divergence:
        """The miss as a difference between the engines; `reason` says why no second opinion excused it."""
        wrong = ~within(self.expected, self.got)
        detail = f"{self.miss}; {reason}" if reason else str(self.miss)
        expected, got = at_places(self.expected, wrong), at_places(self.got, wrong)
        return Divergence("value", str(self.spot), self.step, "", expected, got, detail)


def numbers(seen: Seen) -> torch.Tensor | None:
    """The numbers of a tensor, or of a plain float or complex number as float64 or complex128; otherwise
    None."""
    match seen:
        case TensorSeen(value=value):
            return value
        case float():
            return torch.tensor(seen, dtype=torch.float64)
        case complex():
            return torch.tensor(seen, dtype=torch.complex128)
        case _:
            return None


def numbers_at(trace: Trace, step: int, spot: Spot) -> torch.Tensor | None:
    """What another trace of the same program shows at that place after that step; None where it shows no
    numbers."""
    state = next((state for state in trace.states if state.step == step), None)
    seen: Seen = UNSEEN if state is None else state.live.get(spot.name, UNSEEN)
    for part in spot.path:
        if isinstance(seen, TensorSeen) and part == "grad":
            seen = seen.grad
        elif isinstance(seen, tuple) and isinstance(part, int) and part < len(seen):
            seen = seen[part]
        else:
            return None
    return numbers(seen)
