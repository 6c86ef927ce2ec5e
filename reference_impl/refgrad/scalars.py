"""Python numbers as operands.

torch makes a 0-d tensor of each number that meets a tensor, which costs as much as a small kernel. Here the
tensor is kept for reuse where the result is bitwise the same: for floats and ints in float32 and float64.
Elsewhere the number itself is handed to the kernel, which rounds it as torch does.
"""

from __future__ import annotations

import numbers
from typing import Any, Final

import torch


class Number:
    """A Python number in the place of a tensor operand: it has the attributes that recording reads.

    `plain` says that a real floating-point tensor meeting it keeps its dtype.
    """

    __slots__ = ("_data", "plain", "value")

    _data: Any
    plain: bool
    value: Any

    _counter: Final = None
    _node: Final = None
    grad_fn: Final = None

    def __init__(self, value: Any, data: Any, plain: bool) -> None:
        self.value = value
        self._data = data
        self.plain = plain


_LIMIT = 1024  # numbers kept for each dtype; more are made anew each time
_EXACT = 1 << 24  # integers up to here are exact in float32
_KEPT: dict[torch.dtype, dict[float, Number]] = {torch.float32: {}, torch.float64: {}}
_NONE: dict[float, Number] = {}


def number(dtype: torch.dtype, value: Any) -> Number | None:
    """Return `value` as an operand of a tensor of `dtype`, or None if it is no number."""
    kind = type(value)
    if kind is float or kind is int:
        found = _KEPT.get(dtype, _NONE).get(value)
        return found if found is not None else _make(dtype, value)
    if isinstance(value, bool | int | float):
        return Number(value, value, plain=True)
    if isinstance(value, complex):
        return Number(value, value, plain=False)
    if isinstance(value, numbers.Number) and hasattr(value, "item"):
        return number(dtype, value.item())
    return None


def _make(dtype: torch.dtype, value: float) -> Number:
    kept = _KEPT.get(dtype)
    # 0 and -0 are equal as keys, and nan is equal to nothing; a large int rounds differently on its way.
    if kept is None or not value or value != value or (type(value) is int and abs(value) > _EXACT):  # noqa: PLR0124
        return Number(value, value, plain=True)
    made = Number(value, torch.tensor(value, dtype=dtype), plain=True)
    if len(kept) < _LIMIT:
        kept[value] = made
    return made
