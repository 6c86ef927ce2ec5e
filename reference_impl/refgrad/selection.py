"""Elements by index: gather and scatter, copies and sums at indices, and orders, with torch's signatures.

Index tensors never get a gradient. Source: "Indexing, Slicing, Joining, Mutating Ops" in
https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .dimensions import wrapped
from .indexing import Indices
from .operands import computed
from .ops import apply
from .shapes import expand, flatten, view
from .tensor import Tensor

IN_PLACE = ("index_put", "masked_scatter", "scatter_reduce")
OUT = (
    "gather", "index_add", "index_copy", "index_select", "kthvalue", "masked_select", "mode", "msort",
    "scatter", "scatter_add", "scatter_reduce", "sort", "take", "take_along_dim", "topk",
)  # fmt: skip

_types: Any = torch.return_types


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Return the elements at `index` along `dim`; repeated ones add up in the gradient."""
    if sparse_grad:
        raise NotImplementedError("gather: sparse gradients are not implemented")
    return apply("gather", input, index, dim)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Return the elements at `indices` along `dim`, broadcast in the others; negative ones from the end.

    Without `dim` both are flattened as views: raises torch's RuntimeError where that needs a copy.
    """
    if dim is None:
        return gather(view(input, -1), 0, view(indices, -1))
    dim = wrapped(dim, input.ndim)
    value_shape, index_shape = list(input.shape), list(indices.shape)
    value_shape[dim] = index_shape[dim] = 1
    common: list[int] = list(torch.broadcast_shapes(tuple(value_shape), tuple(index_shape)))  # type: ignore[no-untyped-call]
    common[dim] = input.shape[dim]
    value = expand(input, common)
    common[dim] = indices.shape[dim]
    places = indices._data.expand(common)
    return gather(value, dim, Tensor._of(places.where(places >= 0, places + input.shape[dim])))


def take(input: Tensor, index: Tensor) -> Tensor:
    """Return the elements at `index` of the flattened input, in the shape of `index`."""
    return apply("take", input, index)


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """Return `input` with the elements of `src`, or a number, put at `index` along `dim`."""
    if reduce is not None:
        raise NotImplementedError("scatter: reduce is not implemented; use scatter_reduce")
    source = value if src is None else src
    if isinstance(source, Tensor):
        return apply("scatter", input, index, source, dim)
    return apply("scatter_number", input, index, dim, source)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return `input` with the elements of `src` added at `index` along `dim`."""
    return apply("scatter_add", input, index, src, dim)


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return `input` reduced with the elements of `src` at `index`: sum, prod, mean, amax or amin.

    Where elements tie for the largest or smallest, they share the gradient.
    """
    name = "scatter_prod" if reduce == "prod" else "scatter_reduce"
    return apply(name, input, index, src, dim, reduce, include_self)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the places `index` of one dimension; repeated ones add up in the gradient."""
    return apply("index_select", input, index, dim)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: complex = 1) -> Tensor:
    """Return `input` with `alpha * source` added at the places `index` of one dimension."""
    return apply("index_add", input, index, source, dim, alpha)


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Return `input` with `source` at the places `index` of one dimension."""
    return apply("index_copy", input, index, source, dim)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Return `input` with a number, or a 0-d tensor, at the places `index` of one dimension."""
    if isinstance(value, Tensor):
        return apply("index_fill_with", input, index, value, dim)
    return apply("index_fill", input, index, dim, value)


def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """Return `input` with `values` at `indices`, a tuple of index tensors; added there if `accumulate`."""
    places = Indices(list(indices))
    return apply("index_put_accumulate" if accumulate else "index_put", input, places, values)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Return the elements where `mask`, which broadcasts, is true, as a vector."""
    return apply("masked_select", input, mask)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Return `input` with the elements of `source`, in order, where `mask` is true.

    Raises RuntimeError if `source` has too few elements.
    """
    return apply("masked_scatter", input, mask, source)


def picked(name: str, input: Tensor, find: Callable[[torch.Tensor], Any], dim: int, keepdim: bool) -> Any:
    """Return the values and indices that the kernel `find` finds along `dim`, the values recorded as row
    `name`.
    """
    found = computed(lambda: find(input._data), input)
    indices = Tensor._of(found[1])
    values = apply(name, input, indices, dim % max(input.ndim, 1), keepdim, found[0])
    kind = getattr(_types, name.removesuffix("_dim"))
    return kind((values, indices))


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Return the values in order along `dim`, and their indices; the gradient goes back to those."""

    def find(data: torch.Tensor) -> Any:
        return data.sort(dim=dim, descending=descending, stable=stable)

    return picked("sort", input, find, dim, True)


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """Return the `k` largest or smallest values along `dim`, and their indices."""
    return picked("topk", input, lambda data: data.topk(k, dim, largest, sorted), dim, True)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the `k`-th smallest values along `dim`, and their indices."""
    return picked("kthvalue", input, lambda data: data.kthvalue(k, dim, keepdim), dim, keepdim)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the most frequent values along `dim`, and the index of one of each."""
    return picked("mode", input, lambda data: data.mode(dim, keepdim), dim, keepdim)


def msort(input: Tensor) -> Tensor:
    """Return the values in order along the first dimension."""
    values: Tensor = sort(input, 0)[0]
    return values


def unique(input: Tensor) -> Tensor:
    """Return the different values in order; a gradient that arrives here raises NotImplementedError."""
    return apply("unique", flatten(input))


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Return the indices of the elements that are not zero: a matrix, or a tuple of vectors."""
    if as_tuple:
        return tuple(map(Tensor._of, input._data.nonzero(as_tuple=True)))
    return Tensor._of(input._data.nonzero())


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Return how often each of 0, 1, 2, ... occurs in a vector of integers; no gradient passes."""
    return Tensor._of(input._data.bincount(None if weights is None else weights._data, minlength))
