"""Operands that may be left out: the bias of a convolution, the weight of a normalisation.

`ABSENT` stands in the place of a tensor that is not given; formulas and kernels see None there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .tensor import Tensor


class Absent:
    """No tensor, with the attributes that recording reads."""

    __slots__ = ()

    _counter: Final = None
    _data: Final = None
    _dtype: Final = None
    _node: Final = None
    _shape: Final = None
    grad_fn: Final = None
    value: Final = None


ABSENT: Final = Absent()


def optional(tensor: Tensor | None) -> Tensor | Absent:
    """Return `tensor` as an operand, `ABSENT` for None."""
    return ABSENT if tensor is None else tensor
