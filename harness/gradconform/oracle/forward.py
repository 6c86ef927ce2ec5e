"""Whether the engine's forward values already differ in bits from torch's.

Only then is there rounding in the forward computation that could have put the two on different sides of a
kink. Forward values are those that no gradient has flowed into: results of `autograd.grad`, of transforms and
of functions of the program, what `.grad` is read into, the log, and everything computed from them are left
out; from the first write of such a value into another tensor on (an optimizer's step, `x -= lr * x.grad`),
nothing is a forward value any more, since the write may show in any tensor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradconform.oracle.spots import numbers
from gradconform.oracle.tolerance import TOLERANCES, same_bits
from gradconform.program.names import targets, uses
from gradconform.program.steps import (
    Apply,
    Call,
    Get,
    Grad,
    Invoke,
    Mutate,
    Program,
    Ref,
    Set,
    Step,
)
from gradconform.trace import RECORDED, Seen, Trace

if TYPE_CHECKING:
    import torch


DIFFERENTIATING = ("autograd.", "func.")
"""What the names of operators start with that give gradients."""


def forward_differs(program: Program, expected: Trace, got: Trace) -> bool:
    """Whether any forward value that both traces show differs in its bits."""
    tainted, end = _gradients(program)
    for ours, theirs in zip(expected.states, got.states, strict=False):
        if ours.step != theirs.step or (end is not None and ours.step >= end):
            return False
        for name, seen in ours.live.items():
            if name not in tainted and name in theirs.live and _differ(seen, theirs.live[name]):
                return True
    return False


def _gradients(program: Program) -> tuple[frozenset[str], int | None]:
    """The names that ever hold what a gradient flowed into, and the step from which any name may."""
    tainted: set[str] = {RECORDED}  # hooks record gradients
    for number, step in program.walk():
        flows = any(name in tainted for name in uses(step))
        if (flows and _writes_elsewhere(step, tainted)) or (
            isinstance(step, Invoke) and step.method == "step"
        ):
            return frozenset(tainted), number
        if flows or _gives_gradients(step):
            tainted.update(targets(step))
    return frozenset(tainted), None


def _gives_gradients(step: Step) -> bool:
    """Whether a step may give gradients: of itself, or by a function of the program that it calls."""
    match step:
        case Grad() | Call():
            return True
        case Get(attribute=attribute):
            return attribute == "grad"
        case Apply(operator=operator):
            return operator.startswith(DIFFERENTIATING)
        case _:
            return False


def _writes_elsewhere(step: Step, tainted: set[str]) -> bool:
    """Whether a step writes into a tensor that is no gradient itself (`x.grad.zero_()` is, `x.grad = g` makes
    one)."""
    match step:
        case Mutate(arguments=(Ref(name), *_)):
            return name not in tainted
        case Set(object=name, attribute=attribute):
            return attribute != "grad" and name not in tainted
        case _:
            return False


def _differ(expected: Seen, got: Seen) -> bool:
    if isinstance(expected, tuple) and isinstance(got, tuple):
        return any(_differ(a, b) for a, b in zip(expected, got, strict=False))
    a, b = numbers(expected), numbers(got)
    return a is not None and b is not None and _comparable(a, b) and not same_bits(a, b)


def _comparable(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two values can differ by rounding at all: integers and booleans are never rounded."""
    return a.dtype in TOLERANCES and (a.shape, a.dtype, a.device) == (b.shape, b.dtype, b.device)
