"""What is known of a value before the program runs: a tensor, a number, a shape, a list of tensors, or else.

Only what no engine bounds matters here. Tensors have sizes; Python's integers and lists can grow until the
memory is full, so the arithmetic that a program may do on them is bounded by these rules.
"""

from __future__ import annotations

from gradconform.program.steps import Argument, Dtype, Named
from gradconform.program.vocabulary import OPERATORS

Kind = int
TENSOR, NUMBER, SHAPE, LIST, PLAIN = range(5)
"""A tensor or an object; a Python number; a shape; a list of tensors; any other Python value."""

WHAT = ("a tensor", "a number", "a shape", "a list", "a plain value")
"""A kind, for a message."""

OF_ATTRIBUTES: dict[str, Kind] = {
    "shape": SHAPE,
    "ndim": NUMBER,
    "_version": NUMBER,
    "requires_grad": NUMBER,
    "is_leaf": NUMBER,
    "retains_grad": NUMBER,
    "output_nr": NUMBER,
    "_saved_dim": NUMBER,
    "_saved_keepdim": NUMBER,
    "_saved_exponent": NUMBER,
    "dtype": PLAIN,
    "device": PLAIN,
}
"""The kinds of attributes; the others are tensors, or None."""

_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})


def of_constant(value: Argument) -> Kind:
    """The kind of a constant. None has that of a tensor, since it stands where one is missing."""
    if value is None:
        return TENSOR
    return PLAIN if isinstance(value, str | Dtype | Named) else NUMBER


def arithmetic(name: str, kinds: list[Kind], constants: int) -> tuple[str, Kind]:
    """What is wrong with arithmetic on operands of these kinds, or "", and the kind of its result.

    constants: how many of the operands are literals.
    """
    highest = max(kinds)
    if highest == TENSOR:
        return "", TENSOR
    if highest > NUMBER:
        if name in _COMPARISONS and TENSOR not in kinds:
            return "", NUMBER
        return f"'{_symbol(name)}' has no meaning for {WHAT[highest]}", TENSOR
    if TENSOR in kinds:
        return "", TENSOR
    if constants == len(kinds):
        return f"'{_symbol(name)}' needs a tensor", TENSOR
    if name == "pow" or (name in {"mul", "mul_"} and not constants):
        return f"'{_symbol(name)}' of plain numbers may grow without bound; use tensors", NUMBER
    return "", NUMBER


def _symbol(name: str) -> str:
    return OPERATORS[name].symbol
