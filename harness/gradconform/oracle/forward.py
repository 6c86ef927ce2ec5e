"""Whether the engine's forward values already differ in bits from torch's.

Only then is there rounding in the forward computation that could have put the two on different sides of a
kink. Forward values are those that no gradient has flowed into: results of `autograd.grad`, what `.grad` is
read into, and everything computed from them are left out; from the first write of such a value into another
tensor on (an optimizer's step, `x -= lr * x.grad`), nothing is a forward value any more, since the write may
show in any tensor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradconform.oracle.spots import numbers
from gradconform.oracle.tolerance import stage_of
from gradconform.program.names import targets, uses
from gradconform.program.steps import Get, Grad, Invoke, Mutate, Program, Ref, Set, Step
from gradconform.trace import Seen, Trace

if TYPE_CHECKING:
    import torch


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
    tainted: set[str] = set()
    for number, step in program.walk():
        flows = any(name in tainted for name in uses(step))
        if (flows and _writes_elsewhere(step, tainted)) or (
            isinstance(step, Invoke) and step.method == "step"
        ):
            return frozenset(tainted), number
        if flows or isinstance(step, Grad) or (isinstance(step, Get) and step.attribute == "grad"):
            tainted.update(targets(step))
    return frozenset(tainted), None


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
    return a is not None and b is not None and _comparable(a, b) and stage_of(a, b) != "bits"


def _comparable(a: torch.Tensor, b: torch.Tensor) -> bool:
    return (a.shape, a.dtype, a.device) == (b.shape, b.dtype, b.device)
