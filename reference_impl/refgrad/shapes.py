"""Reductions, products, views and joins with torch's signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .ops import OPERATIONS
from .tensor import Tensor


def _apply(name: str, *args: Any) -> Tensor:
    return OPERATIONS[name].apply(*args)  # type: ignore[no-any-return]


# --- reductions ----------------------------------------------------------------------------------------------


def sum(input: Tensor, *dim: Any, keepdim: bool = False, dtype: torch.dtype | None = None, **kw: Any) -> Tensor:  # noqa: A001
    """Return the sum of all elements, or over `dim`; in `dtype`, if given."""
    return _reduce("sum", input, dim, keepdim, dtype, kw)


def mean(input: Tensor, *dim: Any, keepdim: bool = False, dtype: torch.dtype | None = None, **kw: Any) -> Tensor:
    """Return the mean of all elements, or over `dim`; in `dtype`, if given."""
    return _reduce("mean", input, dim, keepdim, dtype, kw)


def _reduce(
    name: str, input: Tensor, args: tuple[Any, ...], keepdim: bool, dtype: torch.dtype | None, kw: dict[str, Any]
) -> Tensor:
    given = "dim" in kw or bool(args)
    if "dim" in kw:
        args = (kw.pop("dim"), *args)
    if kw:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(kw))}'")
    if not given:
        if keepdim:
            return _apply(f"{name}_dim", input, None, True, dtype)
        return _apply(name, input) if dtype is None else _apply(f"{name}_as", input, dtype)
    if len(args) == 2 and isinstance(args[1], bool):
        args, keepdim = args[:1], args[1]
    dim = args[0] if len(args) == 1 else args
    dim = tuple(dim) if isinstance(dim, Sequence) else dim
    return _apply(f"{name}_dim", input, dim, keepdim, dtype)


# --- products ------------------------------------------------------------------------------------------------


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the product of two matrices."""
    return _apply("mm", input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Return the product of a matrix and a vector."""
    return _apply("mv", input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Return the dot product of two vectors; nothing is conjugated."""
    return _apply("dot", input, tensor)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the products of two batches of matrices."""
    return _apply("bmm", input, mat2)


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Return the matrix product; leading dimensions are batches and broadcast.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.matmul.html
    """
    left, right = input._data.ndim, other._data.ndim
    if left == 2 and right == 2:
        return _apply("mm", input, other)
    if left == 1 and right == 1:
        return _apply("dot", input, other)
    if left == 2 and right == 1:
        return _apply("mv", input, other)
    if left == 1 and right == 2:
        return squeeze(_apply("mm", unsqueeze(input, 0), other), 0)
    if left == 0 or right == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {left}D and {right}D")
    if right <= 2:
        rows = reshape(input, (-1, input.shape[-1])) if input.numel() else reshape(input, (0, input.shape[-1]))
        product = _apply("mv" if right == 1 else "mm", rows, other)
        return _apply("unsafe_view", product, (*input.shape[:-1], *other.shape[1:]))
    if left <= 2:
        # The transposed product folds in the same way.
        if left == 1:
            return squeeze(matmul(unsqueeze(input, 0), other), -2)
    return _batched(input, other)


def _batched(input: Tensor, other: Tensor) -> Tensor:
    """Return the matrix product of two tensors of at least 2 dimensions by one bmm over the broadcast batch."""
    batch = torch.broadcast_shapes(input.shape[:-2], other.shape[:-2])
    count = batch.numel()
    left = reshape(expand(input, (*batch, *input.shape[-2:])), (count, *input.shape[-2:]))
    right = reshape(expand(other, (*batch, *other.shape[-2:])), (count, *other.shape[-2:]))
    product = _apply("bmm", left, right)
    return _apply("unsafe_view", product, (*batch, input.shape[-2], other.shape[-1]))


# --- views ---------------------------------------------------------------------------------------------------


def _size(args: tuple[Any, ...]) -> tuple[int, ...]:
    """Return a size given as one sequence or as separate ints."""
    given = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
    return tuple(int(n) for n in given)


def view(input: Tensor, *size: Any) -> Tensor:
    """Return a view of the same elements in another shape; raise RuntimeError if the strides do not allow it."""
    return _apply("view", input, _size(size))


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """Return a view of `input` in the shape of `other`."""
    return _apply("view", input, tuple(other.shape))


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """Return the same elements in another shape: a view if the strides allow it, a copy otherwise."""
    size = _size(shape)
    made = input._data.reshape(size)
    if made._is_view() and made.data_ptr() == input._data.data_ptr():
        return _apply("view", input, tuple(made.shape))
    return _apply("unsafe_view", clone(input, memory_format=torch.contiguous_format), size)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return `input` with a range of dimensions made one."""
    shape = input._data.flatten(start_dim, end_dim).shape
    return input if shape == input.shape else reshape(input, tuple(shape))


def t(input: Tensor) -> Tensor:
    """Return a matrix with its dimensions swapped; a vector or scalar as it is."""
    return _apply("t", input)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return a view with two dimensions swapped."""
    return _apply("transpose", input, dim0, dim1)


def permute(input: Tensor, *dims: Any) -> Tensor:
    """Return a view with the dimensions in another order."""
    return _apply("permute", input, _size(dims))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Return a view with a dimension of size 1 put in."""
    rank = input._data.ndim + 1
    return _apply("unsqueeze", input, dim + rank if -rank <= dim < 0 else dim)


def squeeze(input: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """Return a view without the dimensions of size 1, or without those of them that `dim` names."""
    if dim is None:
        return _apply("squeeze", input)
    return _apply("squeeze_dim", input, dim) if isinstance(dim, int) else _apply("squeeze_dims", input, tuple(dim))


def expand(input: Tensor, *size: Any) -> Tensor:
    """Return a view in which dimensions of size 1, and new leading ones, are repeated without copying."""
    return _apply("expand", input, _size(size))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Return `input` expanded to the shape of `other`."""
    return _apply("expand", input, tuple(other.shape))


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Return a view of one index of one dimension."""
    rank = input._data.ndim
    return _apply("select", input, dim + rank if -rank <= dim < 0 else dim, index)


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return a view of `length` places of one dimension."""
    rank = input._data.ndim
    input._data.narrow(dim, start, length)  # raises torch's errors for a range that is not there
    begin = start + input.shape[dim] if start < 0 else start
    return _apply("slice", input, dim % rank, begin, begin + length, 1)


# --- copies --------------------------------------------------------------------------------------------------


def clone(input: Tensor, *, memory_format: torch.memory_format | None = None) -> Tensor:
    """Return a copy on new memory."""
    return _apply("clone", input, torch.preserve_format if memory_format is None else memory_format)


def contiguous(input: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Tensor:
    """Return `input` itself if it is contiguous, a contiguous copy otherwise."""
    if input._data.is_contiguous(memory_format=memory_format):
        return input
    return clone(input, memory_format=memory_format)


def to(input: Tensor, *args: Any, copy: bool = False, **kwargs: Any) -> Tensor:
    """Return `input` in another dtype or on another device, with torch's signatures; itself if nothing changes."""
    plain = [arg._data if isinstance(arg, Tensor) else arg for arg in args]
    target = input._data[:0] if input._data.ndim else input._data
    like = target.to(*plain, **kwargs)
    device, dtype = like.device, like.dtype
    if device == input.device and dtype is input.dtype:
        return clone(input) if copy else input
    if not (dtype.is_floating_point or dtype.is_complex):
        return Tensor._of(input._data.to(device, dtype, copy=True))
    return _apply("to_copy", input, device, dtype, input.device)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """Return `input` in the dtype and on the device of `other`."""
    return to(input, other.device, other.dtype)


def cpu(input: Tensor) -> Tensor:
    """Return `input` on the CPU."""
    return to(input, torch.device("cpu"))


def cuda(input: Tensor, device: Any = None) -> Tensor:
    """Return `input` on a CUDA device, the current one by default."""
    return to(input, torch.device("cuda") if device is None else torch.device(device))


def double(input: Tensor) -> Tensor:
    """Return `input` as float64."""
    return to(input, torch.float64)


def float(input: Tensor) -> Tensor:  # noqa: A001 - torch's name
    """Return `input` as float32."""
    return to(input, torch.float32)


def half(input: Tensor) -> Tensor:
    """Return `input` as float16."""
    return to(input, torch.float16)


def bfloat16(input: Tensor) -> Tensor:
    """Return `input` as bfloat16."""
    return to(input, torch.bfloat16)


def cfloat(input: Tensor) -> Tensor:
    """Return `input` as complex64."""
    return to(input, torch.complex64)


def cdouble(input: Tensor) -> Tensor:
    """Return `input` as complex128."""
    return to(input, torch.complex128)
