"""Evaluating a fact's expression with plain torch on what an engine showed.

Operators of the vocabulary do what they do in torch, on detached tensors; equality and sameness are those of
`gradconform.oracle.relations`. An order (`<`, `<=`, `>`, `>=`) must hold for every element. `close` is `==`
within the tolerance for the dtype, `exactly` is `==` without any, and `identical` asks for the signs of zeros
too. `in`: one of the items is equal.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import torch

from gradconform.oracle.relations import (
    Misfit,
    UndecidedError,
    equal,
    exact,
    plain,
    same,
    shares_storage,
    text,
)
from gradconform.program.expressions import Constant, Expression, Operation, Shown
from gradconform.program.vocabulary import DTYPES, OPERATORS
from gradconform.trace import OpaqueSeen, Seen

ORDER: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "lt": ("<", operator.lt),
    "le": ("<=", operator.le),
    "gt": (">", operator.gt),
    "ge": (">=", operator.ge),
}
SYMBOLS: dict[str, Callable[..., object]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "matmul": operator.matmul,
    "neg": operator.neg,
    "getitem": operator.getitem,
}


class Evaluation:
    """Evaluates the expression of one fact on what its places showed.

    tolerant: whether `==` is within the tolerance for the dtype (for `shows`, whose literals are rounded).
    misfit: after `holds`, why the relation evaluated last does not hold; None where that is not known.
    """

    def __init__(self, shown: tuple[Seen, ...], *, tolerant: bool) -> None:
        self.shown = shown
        self.tolerant = tolerant
        self.misfit: Misfit | None = None

    def holds(self, expression: Expression) -> bool:
        """Whether the expression is true.

        Raises UndecidedError where the engine does not show what would decide it, and whatever torch raises
        where the arithmetic cannot be done on the values seen.
        """
        return truth(self.value(expression))

    def value(self, expression: Expression) -> object:
        """The value of an expression: a Seen, a tensor, a tuple of values, or a plain Python value."""
        match expression:
            case Shown(index):
                return self.shown[index]
            case Constant(value):
                return value
            case Operation("and" | "or" as name, operands):
                return self.connective(name == "or", operands)
            case Operation(name, operands, options):
                return self.operation(name, tuple(map(self.value, operands)), options)

    def connective(self, decisive: bool, operands: tuple[Expression, ...]) -> bool:
        """`and` (decided by a false operand) or `or` (by a true one), even where other operands are
        undecided."""
        undecided = None
        for operand in operands:
            try:
                if self.holds(operand) is decisive:
                    return decisive
            except UndecidedError as error:
                undecided = error
        if undecided:
            raise undecided
        return not decisive

    def operation(self, name: str, values: tuple[object, ...], options: Mapping[str, object]) -> object:
        match name, values:
            case "list" | "tuple", _:
                return values
            case "not", (value,):
                self.misfit = None
                return not truth(value)
            case "len", (value,):
                return len(plain(value))  # type: ignore[arg-type]  # what has no length raises, and breaks the fact
            case "shares_storage", (left, right):
                return self.relation(shares_storage(left, right), Misfit("shared memory", "memory apart"))
            case "is", (left, right):
                return self.relation(same(left, right), Misfit(f"the same as {text(right)}", text(left)))
            case "is_not", (left, right):
                return self.relation(not same(left, right), Misfit(f"not {text(right)}", text(left)))
            case "eq" | "close", (left, right):
                misfit = equal(left, right, tolerant=self.tolerant or name == "close")
                return self.relation(misfit is None, misfit)
            case "exactly" | "identical", (left, right):
                misfit = exact(left, right, signs=name == "identical")
                return self.relation(misfit is None, misfit)
            case "ne", (left, right):
                unequal = equal(left, right, tolerant=self.tolerant) is not None
                return self.relation(unequal, Misfit(f"anything but {text(right)}", text(left)))
            case "in" | "not_in", (item, tuple(items)):
                found = any(equal(item, other, tolerant=self.tolerant) is None for other in items)
                quantity = "one" if name == "in" else "none"
                return self.relation(
                    found is (name == "in"), Misfit(f"{quantity} of {text(items)}", text(item))
                )
            case (("lt" | "le" | "gt" | "ge"), (left, right)):
                sign, holds = ORDER[name]
                answer = holds(plain(left), plain(right))
                every = bool(answer.all()) if isinstance(answer, torch.Tensor) else bool(answer)
                return self.relation(every, Misfit(f"{sign} {text(right)}", text(left)))
            case _:
                return apply(name, values, options)

    def relation(self, holds: bool, misfit: Misfit | None) -> bool:
        self.misfit = None if holds else misfit
        return holds


def truth(value: object) -> bool:
    """Whether a value is true. Raises TypeError for an object, of which nothing is seen that could be."""
    if isinstance(value, OpaqueSeen):
        raise TypeError(f"what is shown ({value.kind}) is neither true nor false")
    return bool(plain(value))


def apply(name: str, values: tuple[object, ...], options: Mapping[str, object]) -> object:
    """An operator of the vocabulary, done by torch; Python's own arithmetic where no tensor takes part."""
    operands = [_argument(value) for value in values]
    if name in SYMBOLS:
        return SYMBOLS[name](*operands)
    named = {key: _argument(value) for key, value in options.items()}
    if OPERATORS[name].method and isinstance(operands[0], torch.Tensor):
        return getattr(operands[0], name)(*operands[1:], **named)
    function: Any = reduce(getattr, name.split("."), torch)
    return function(*operands, **named)


def _argument(value: object) -> object:
    """What an operator is called with; a dtype stands in a fact by its name."""
    if isinstance(value, str) and value in DTYPES:
        return getattr(torch, value)
    return tuple(map(_argument, value)) if isinstance(value, tuple) else plain(value)
