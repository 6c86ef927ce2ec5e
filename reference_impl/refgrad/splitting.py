"""Tensors taken apart: parts of a dimension as views, as copies and as tensors that may be written to.

`split`, `chunk` and `unbind` are in `multiple`. Source: https://docs.pytorch.org/docs/stable/torch.html,
"Indexing, Slicing, Joining, Mutating Ops".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .multiple import Divide, UnbindBackward0, UnsafeSplitBackward0, apart, divide, split, unbind
from .ops import apply
from .tensor import Tensor

TORCH = (
    "dsplit",
    "hsplit",
    "split_copy",
    "split_with_sizes",
    "split_with_sizes_copy",
    "tensor_split",
    "unbind_copy",
    "unsafe_chunk",
    "unsafe_split_with_sizes",
    "vsplit",
)
METHODS = (
    "dsplit",
    "hsplit",
    "split_with_sizes",
    "tensor_split",
    "unsafe_chunk",
    "unsafe_split_with_sizes",
    "vsplit",
)


def _node(name: str, like: type[Divide] = Divide) -> type[Divide]:
    """Return a class of nodes like those of `split`, or of another class, under another name."""
    return type(name, (like,), {"__slots__": (), "label": name})


_UnsafeSplitWithSizes = _node("UnsafeSplitWithSizesBackward0")
_UnbindCopy = _node("UnbindBackward0_copy", UnbindBackward0)
_SplitCopy = _node("SplitBackward0_copy")
_SplitWithSizesCopy = _node("SplitWithSizesBackward0_copy")


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of consecutive parts of the given sizes; raise RuntimeError if they do not add up."""
    return split(input, list(split_sizes), dim)


def unsafe_split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Return what `split_with_sizes` returns, as tensors that may be written to; see `unsafe_split`."""
    sizes = _sizes(input, list(split_sizes), dim)
    return apart(
        input,
        divide(input, sizes, dim, _UnsafeSplitWithSizes),
        lambda tangent: unsafe_split_with_sizes(tangent, split_sizes, dim),
    )


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return what `chunk` returns, as tensors that may be written to; see `unsafe_split`."""
    sizes = [part.shape[dim] for part in input._data.chunk(chunks, dim)]
    return apart(
        input,
        divide(input, sizes, dim, UnsafeSplitBackward0),
        lambda tangent: unsafe_chunk(tangent, chunks, dim),
    )


def unbind_copy(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return a copy of each index of a dimension."""
    return _copies(input, unbind(input, dim, kind=_UnbindCopy), lambda tangent: unbind_copy(tangent, dim))


def split_copy(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return copies of consecutive parts of one size, but for the last."""
    parts = divide(input, _sizes(input, split_size, dim), dim, _SplitCopy)
    return _copies(input, parts, lambda tangent: split_copy(tangent, split_size, dim))


def split_with_sizes_copy(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Return copies of consecutive parts of the given sizes."""
    parts = divide(input, _sizes(input, list(split_sizes), dim), dim, _SplitWithSizesCopy)
    return _copies(input, parts, lambda tangent: split_with_sizes_copy(tangent, split_sizes, dim))


def _copies(
    input: Tensor, parts: Sequence[Tensor], again: Callable[[Tensor], Sequence[Tensor]]
) -> tuple[Tensor, ...]:
    return apart(input, parts, again, copy=True)


def _sizes(input: Tensor, sizes: int | list[int], dim: int) -> list[int]:
    """Return the sizes of the parts of a dimension; raises torch's errors."""
    return [part.shape[dim] for part in input._data.split(sizes, dim)]  # type: ignore[no-untyped-call]


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of consecutive parts of a dimension: so many, as equal as can be, or cut at indices.

    indices_or_sections: an int, a sequence of ints, or a tensor of either on the CPU. Raises RuntimeError
    for a scalar `input` and for no sections.
    """
    given = indices_or_sections
    if isinstance(given, Tensor):
        given = given._data.tolist()
    parts = input._data.tensor_split(given, dim)  # raises torch's errors
    dim %= input.ndim
    size = input.shape[dim]
    if isinstance(given, int):
        counts = [part.shape[dim] for part in parts]
        ends = [sum(counts[: place + 1]) for place in range(len(counts))]
    else:
        ends = [*given, size]
    starts = [0, *ends[:-1]]
    return tuple(
        apply("slice", input, dim, *_cut(start, end, size), 1)
        for start, end in zip(starts, ends, strict=True)
    )


def _cut(start: int, end: int, size: int) -> tuple[int, int]:
    """Return the bounds of a slice counted from the front, the second one not before the first."""
    first, last, _ = slice(start, end).indices(size)
    return first, max(first, last)


def _split_along(name: str, dim: int, rank: int) -> Callable[[Tensor, Any], tuple[Tensor, ...]]:
    """Return hsplit, vsplit or dsplit: views of equal parts of dimension `dim`, or cut at indices."""

    def function(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        if input.ndim < rank:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {rank} dimension{'s' if rank > 1 else ''}, "
                f"but got a tensor with {input.ndim} dimensions!"
            )
        # A vector has no second dimension: hsplit then takes the first.
        along = 0 if input.ndim == 1 else dim
        if isinstance(indices_or_sections, int) and (
            indices_or_sections == 0 or input.shape[along] % indices_or_sections
        ):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {along}, but the size of the dimension "
                f"{input.shape[along]} is not divisible by the split_size {indices_or_sections}!"
            )
        return tensor_split(input, indices_or_sections, along)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Return views of equal parts of dimension {dim}, so many or cut at indices.\n\n"
        f"    Raises RuntimeError for a tensor of fewer than {rank} dimensions, and if the parts would not "
        "be equal."
    )
    return function


hsplit = _split_along("hsplit", 1, 1)
vsplit = _split_along("vsplit", 0, 2)
dsplit = _split_along("dsplit", 2, 3)
