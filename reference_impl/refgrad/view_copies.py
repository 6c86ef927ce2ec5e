"""Copies of what a view shows (`expand_copy`), and copies of a tensor with other elements in the place of a
view (`select_scatter`), with torch's signatures.

Nothing here shares memory with its input, and all results are contiguous. Source:
https://docs.pytorch.org/docs/stable/torch.html, "Indexing, Slicing, Joining, Mutating Ops".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .complex_support import refuse_complex
from .ops import apply
from .shapes import geometries
from .tensor import Tensor

TORCH = (
    "alias_copy",
    "as_strided_copy",
    "as_strided_scatter",
    "diagonal_copy",
    "diagonal_scatter",
    "expand_copy",
    "permute_copy",
    "select_copy",
    "select_scatter",
    "slice_copy",
    "slice_scatter",
    "squeeze_copy",
    "t_copy",
    "transpose_copy",
    "unfold_copy",
    "unsqueeze_copy",
    "view_as_real_copy",
    "view_copy",
)
METHODS = ("as_strided_scatter", "diagonal_scatter", "select_scatter", "slice_scatter")


def alias_copy(input: Tensor) -> Tensor:
    """Return a copy of `input`."""
    return apply("alias_copy", input)


def as_strided_copy(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """Return a copy of what `as_strided` shows of the storage of `input`, of a copy of it if it is a lazy
    conjugate.
    """
    return apply(
        "strided_copy", input, *geometries(input._data, size, stride, storage_offset), storage_offset
    )


def diagonal_copy(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return a copy of the diagonal over two dimensions, as the last dimension."""
    return apply("diagonal_copy", input, offset, dim1, dim2)


def expand_copy(input: Tensor, size: Sequence[int], *, implicit: bool = False) -> Tensor:
    """Return `input` repeated along its dimensions of size 1, and along new leading ones, to `size`.

    implicit: of no account, as in torch.
    """
    del implicit
    return apply("expand_copy", input, tuple(size))


def permute_copy(input: Tensor, dims: Sequence[int]) -> Tensor:
    """Return a copy with the dimensions in another order."""
    return apply("permute_copy", input, tuple(dims))


def select_copy(input: Tensor, dim: int, index: int) -> Tensor:
    """Return a copy of one index of one dimension; raise IndexError for an index that is not there."""
    refuse_complex("select_copy", input)
    return apply("select_copy", input, _wrapped(dim, input.ndim), index)


def slice_copy(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """Return a copy of the places `start`, `start + step`, ... before `end` of one dimension."""
    refuse_complex("slice_copy", input)
    return apply("slice_copy", input, _wrapped(dim, input.ndim), start, end, step)


def squeeze_copy(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Return a copy without the dimensions of size 1, or without those of them that `dim` names."""
    if dim is None:
        return apply("squeeze_copy", input)
    if isinstance(dim, int):
        return apply("squeeze_dim_copy", input, dim)
    return apply("squeeze_dims_copy", input, tuple(dim))


def t_copy(input: Tensor) -> Tensor:
    """Return a copy of a matrix with its dimensions swapped; of a vector or scalar as it is."""
    return apply("t_copy", input)


def transpose_copy(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return a copy with two dimensions swapped."""
    return apply("transpose_copy", input, dim0, dim1)


def unfold_copy(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Return a copy of all slices of `size` along one dimension, `step` apart, as a new last dimension."""
    return apply("unfold_copy", input, dimension, size, step)


def unsqueeze_copy(input: Tensor, dim: int) -> Tensor:
    """Return a copy with a dimension of size 1 put in."""
    return apply("unsqueeze_copy", input, _wrapped(dim, input.ndim + 1))


def view_as_real_copy(input: Tensor) -> Tensor:
    """Return a real copy of a complex tensor, with its two parts as a new last dimension."""
    return apply("view_as_real_copy", input)


def view_copy(input: Tensor, size: Any) -> Tensor:
    """Return a copy in another shape.

    Raises NotImplementedError for a dtype in the place of `size`.
    """
    if isinstance(size, torch.dtype):
        raise NotImplementedError("view_copy: dtype is not implemented")
    return apply("view_copy", input, tuple(size))


# --- other elements in the place of a view ---


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return a copy of `input` with `src` as its diagonal; raise RuntimeError if its shape differs."""
    return apply("diagonal_scatter", input, src, offset, dim1, dim2)


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """Return a copy of `input` with `src` at one index of one dimension.

    Raises RuntimeError for a `src` of another shape, IndexError for an index that is not there.
    """
    refuse_complex("select_scatter", input, src)
    return apply("select_scatter", input, src, _wrapped(dim, input.ndim), index)


def slice_scatter(  # noqa: PLR0917 - torch's signature
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """Return a copy of `input` with `src` at the places `start`, `start + step`, ... before `end`.

    Raises RuntimeError for a `src` of another shape.
    """
    refuse_complex("slice_scatter", input, src)
    return apply("slice_scatter", input, src, _wrapped(dim, input.ndim), start, end, step)


def as_strided_scatter(
    input: Tensor,
    src: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    storage_offset: int | None = None,
) -> Tensor:
    """Return a copy of `input` with `src` where `as_strided` takes its elements from.

    Raises RuntimeError for a `src` of another shape, for elements that share memory, and, as torch does, for
    an `input` that requires grad and is not contiguous. Lazy conjugates are copied first.
    """
    if input.requires_grad and not input.is_contiguous() and not input.is_conj():
        raise RuntimeError(
            "as_strided_scatter is currently only supported for contiguous inputs that require grad"
        )
    taken, _ = geometries(input._data, size, stride, storage_offset)
    return apply("scatter_strided", input, src, taken)


def _wrapped(dim: int, rank: int) -> int:
    """Return `dim` counted from the front; one that is not there is left for the kernel to refuse."""
    return dim + rank if -rank <= dim < 0 else dim
