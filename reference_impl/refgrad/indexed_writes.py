"""Slices that are reduced into others, places of the flattened tensor that are written, and segments."""

from __future__ import annotations

from typing import Any

from .ops import apply
from .tensor import Tensor

TORCH = ("index_reduce", "put", "segment_reduce")
METHODS = ("index_reduce", "put")
IN_PLACE = ("index_reduce", "put")


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return `input` with slices of `source` reduced into those that `index` names: prod, mean, amax or amin.

    Where elements tie for the largest or smallest, they share the gradient. Raises RuntimeError for other
    reductions, and for a second derivative of a product where several zeros go to the same place.
    """
    return apply("index_reduce", input, index, source, dim, reduce, include_self)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Return `input` with `source` put, or added, at the places `index` of the flattened input."""
    return apply("put", input, index, source, accumulate)


def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: Any = None,
) -> Tensor:
    """Return the sum, mean, max, min or prod of each segment along `axis`.

    Segments are given by `lengths` or by `offsets`; those before `axis` are batches. `initial` is what an
    empty segment gives and what each reduction starts from. `unsafe` leaves the checks out. Has no second
    derivative: RuntimeError. Raises NotImplementedError for `indices`, as torch does.
    """
    if indices is not None:
        raise NotImplementedError("segment_reduce: indices is not implemented")
    plain = [None if given is None else given._data for given in (lengths, offsets)]
    return apply("segment_reduce", data, reduce, *plain, axis, unsafe, initial)
