"""Reductions, products, views and joins with torch's signatures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .complex_support import refuse_integers
from .grad_mode import mode
from .ops import OPERATIONS
from .tensor import Tensor
from .versions import UNCOUNTED

_sum = OPERATIONS["sum"].apply
_mean = OPERATIONS["mean"].apply
_mm = OPERATIONS["mm"].apply


def _apply(name: str, *args: Any) -> Tensor:
    return OPERATIONS[name].apply(*args)  # type: ignore[no-any-return]


# --- reductions ---


# The default of `dim`: None, if it is given, means another overload, with a node of another name.
_ALL: Any = object()


def sum(input: Tensor, dim: Any = _ALL, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:  # noqa: A001 - torch's name
    """Return the sum of all elements, or over `dim` (an int or several); in `dtype`, if given."""
    if dtype is not None:
        refuse_integers(input, dtype)
    if dim is _ALL and not keepdim:
        return _sum(input) if dtype is None else _apply("sum_as", input, dtype)
    return _apply("sum_dim", input, _dims(dim), keepdim, dtype)


def mean(
    input: Tensor, dim: Any = _ALL, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """Return the mean of all elements, or over `dim` (an int or several); in `dtype`, if given."""
    if dim is _ALL and not keepdim:
        return _mean(input) if dtype is None else _apply("mean_as", input, dtype)
    return _apply("mean_dim", input, _dims(dim), keepdim, dtype)


def _dims(dim: Any) -> Any:
    if dim is _ALL:
        return None
    return tuple(dim) if isinstance(dim, Sequence) else dim


# --- products ---


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
    left, right = len(input._shape), len(other._shape)
    if left == 2 and right == 2:
        return _mm(input, other)  # type: ignore[no-any-return]
    if left == 0 or right == 0:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {left}D and {right}D"
        )
    if left == 1 and right == 1:
        return dot(input, other)
    if left == 2 and right == 1:
        return mv(input, other)
    if left == 1 and right == 2:
        return mm(unsqueeze(input, 0), other).squeeze_(0)
    if left >= 3 and right <= 2 and _folds(input, other):
        return _folded(input, other)
    # A matrix on the left is folded only if it needs a gradient: the product must be transposed.
    if (
        right >= 3
        and left <= 2
        and (_folds(transpose(other, -2, -1), input) if left == 1 else input.requires_grad)
    ):
        swapped = transpose(other, -2, -1)
        if left == 1:
            return _folded(swapped, input)
        return contiguous(transpose(_folded(swapped, t(input)), -2, -1))
    return _batched(input, other)


def reflected_matmul(input: Tensor, other: Any) -> Any:
    """Return `other @ input`."""
    return matmul(other, input) if isinstance(other, Tensor) else NotImplemented


def _folds(large: Tensor, small: Tensor) -> bool:
    """Whether the batch of `large` is folded into its rows, which saves copies of `small` (`should_fold`
    in torch).
    """
    if small.requires_grad or not large.numel():
        return True
    shape, stride = large.shape, large._data.stride()
    return all(stride[i] == stride[i + 1] * shape[i + 1] for i in range(len(shape) - 2))


def _folded(input: Tensor, other: Tensor) -> Tensor:
    """Return the product of a batch of matrices with one matrix or vector, as one product."""
    rows = reshape(input, (input.shape[:-1].numel(), input.shape[-1]))
    product = mv(rows, other) if len(other._shape) == 1 else mm(rows, other)
    return _apply("unsafe_view", product, (*input.shape[:-1], *other.shape[1:]))


def _batched(input: Tensor, other: Tensor) -> Tensor:
    """Return the matrix product of two tensors by one bmm over the broadcast batch."""
    vector_left, vector_right = len(input._shape) == 1, len(other._shape) == 1
    rows_left = unsqueeze(input, 0) if vector_left else input
    rows_right = unsqueeze(other, 1) if vector_right else other
    batch: torch.Size = torch.broadcast_shapes(rows_left.shape[:-2], rows_right.shape[:-2])  # type: ignore[no-untyped-call]
    count = batch.numel()
    left = reshape(expand(rows_left, (*batch, *rows_left.shape[-2:])), (count, *rows_left.shape[-2:]))
    right = reshape(expand(rows_right, (*batch, *rows_right.shape[-2:])), (count, *rows_right.shape[-2:]))
    rows = () if vector_left else (input.shape[-2],)
    columns = () if vector_right else (other.shape[-1],)
    return _apply("unsafe_view", bmm(left, right), (*batch, *rows, *columns))


# --- views ---


def _size(args: tuple[Any, ...]) -> tuple[int, ...]:
    """Return a size given as one sequence or as separate ints; raise TypeError where none is given."""
    if not args:
        raise TypeError("missing 1 required positional argument: 'size'")
    given = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
    return tuple(int(n) for n in given)


def view(input: Tensor, *size: Any) -> Tensor:
    """Return a view of the same elements in another shape; raise RuntimeError if the strides do not allow
    it.
    """
    return _apply("view", input, _size(size))


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """Return a view of `input` in the shape of `other`."""
    return _apply("view", input, tuple(other.shape))


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """Return the same elements in another shape: a view if the strides allow it, a copy otherwise."""
    size = _size(shape)
    made = input._data.reshape(size)
    if made._is_view() and made.data_ptr() == input._data.data_ptr():
        return _apply("view" if input.is_contiguous() else "reshape_alias", input, tuple(made.shape))
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
    return (
        _apply("squeeze_dim", input, dim)
        if isinstance(dim, int)
        else _apply("squeeze_dims", input, tuple(dim))
    )


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


def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """Return a view of `length` places of one dimension; `start` is an int, or a tensor of one, 0-d.

    Raises RuntimeError for another tensor and for places that are not there.
    """
    if isinstance(start, Tensor):
        if start.ndim or start.dtype.is_floating_point or start.dtype.is_complex or start.dtype is torch.bool:
            raise RuntimeError("start must be an 0-dim integral Tensor.")
        start = int(start)
    rank = input._data.ndim
    input._data.narrow(dim, start, length)  # raises torch's errors for a range that is not there
    begin = start + input.shape[dim] if start < 0 else start
    return _apply("slice", input, dim % rank, begin, begin + length, 1)


def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """Return a view of the storage of `input`, with the given size, strides and offset, all in elements."""
    return _apply("strided", input, *geometries(input._data, size, stride, storage_offset))


def geometries(
    data: torch.Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None
) -> tuple[Any, Any]:
    """Return how a view with the given size, strides and offset lies in memory, and how `data` do."""
    offset = data.storage_offset() if storage_offset is None else storage_offset
    return (tuple(size), tuple(stride), offset), (tuple(data.shape), data.stride(), data.storage_offset())


# --- copies ---


def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return a copy of `length` places of one dimension.

    Raises RuntimeError for a dimension after the last, IndexError for one before the first.
    """
    rank = input._data.ndim
    if dim >= rank:
        raise RuntimeError(f"narrow_copy: expected a dimension below {rank}, but got {dim}")
    input._data.narrow(dim, start, length)  # raises torch's errors for a range that is not there
    begin = start + input.shape[dim] if start < 0 else start
    return _apply("narrow_copy", input, dim % rank, begin, begin + length)


def clone(input: Tensor, *, memory_format: torch.memory_format | None = None) -> Tensor:
    """Return a copy on new memory."""
    if input._counter is UNCOUNTED and not mode.inference:
        return _out_of_inference(input, memory_format=memory_format)
    return _apply("clone", input, torch.preserve_format if memory_format is None else memory_format)


def contiguous(input: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Tensor:
    """Return `input` itself if it is contiguous, a contiguous copy otherwise."""
    if input._data.is_contiguous(memory_format=memory_format):
        return input
    return clone(input, memory_format=memory_format)


def to(
    input: Tensor,
    *args: Any,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: torch.memory_format = torch.preserve_format,
    **kwargs: Any,
) -> Tensor:
    """Return `input` in another dtype or on another device, with torch's signatures; itself if nothing
    changes and no copy is asked for.
    """
    flags = [arg for arg in args if isinstance(arg, bool)]  # non_blocking, copy
    non_blocking, copy = non_blocking or flags[:1] == [True], copy or flags[1:] == [True]
    plain: list[Any] = [arg._data if isinstance(arg, Tensor) else arg for arg in args]
    like = input._data.new_empty(0).to(*plain, **kwargs)
    device, dtype = like.device, like.dtype
    same = device == input.device and dtype is input.dtype and not copy
    if same and (memory_format is torch.preserve_format or _is_in(input._data, memory_format)):
        return input
    if not (dtype.is_floating_point or dtype.is_complex):
        return Tensor._of(
            input._data.to(device, dtype, non_blocking=non_blocking, copy=True, memory_format=memory_format)
        )
    if input._counter is UNCOUNTED and not mode.inference:
        return _out_of_inference(input, non_blocking, device=device, dtype=dtype, memory_format=memory_format)
    return _apply("to_copy", input, device, dtype, input.device, memory_format, non_blocking)


def _is_in(data: torch.Tensor, memory_format: torch.memory_format) -> bool:
    """Whether a conversion to `memory_format` leaves `data` as they are, to be asked without copying them."""
    outline = torch.empty_strided(data.shape, data.stride(), dtype=data.dtype, device="meta")
    return outline.to(memory_format=memory_format) is outline


def _out_of_inference(input: Tensor, non_blocking: bool = False, **like: Any) -> Tensor:
    """Return a normal copy of an inference tensor: new memory that is written to, which is recorded."""
    like = {key: value for key, value in like.items() if value is not None}
    made = Tensor._of(torch.empty_like(input._data, **like))
    return made.copy_(input, non_blocking)


def type(input: Tensor, dtype: Any = None) -> Any:  # noqa: A001 - torch's name
    """Return torch's name of the type, or `input` in another dtype if one is given."""
    return input._data.type() if dtype is None else to(input, dtype)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """Return `input` in the dtype and on the device of `other`."""
    return to(input, other.device, other.dtype)


def _conversion(name: str, target: torch.dtype | torch.device, what: str) -> Callable[..., Tensor]:
    def function(input: Tensor, *, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
        return to(input, target, memory_format=memory_format)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return `input` {what}; itself if it is so already."
    return function


def cuda(
    input: Tensor,
    device: Any = None,
    non_blocking: bool = False,
    memory_format: torch.memory_format = torch.preserve_format,
) -> Tensor:
    """Return `input` on a CUDA device, the current one by default."""
    place = torch.device("cuda") if device is None else torch.device(device)
    return to(input, place, non_blocking=non_blocking, memory_format=memory_format)


def pin_memory(input: Tensor) -> Tensor:
    """Return `input`, which is on the CPU, in memory that an accelerator copies from without the CPU; itself
    if it is there already. Raises RuntimeError where there is no accelerator.
    """
    return input if input._data.is_pinned() else _apply("pin_memory", input)


cpu = _conversion("cpu", torch.device("cpu"), "on the CPU")
double = _conversion("double", torch.float64, "as float64")
float = _conversion("float", torch.float32, "as float32")  # noqa: A001 - torch's name
half = _conversion("half", torch.float16, "as float16")
bfloat16 = _conversion("bfloat16", torch.bfloat16, "as bfloat16")
chalf = _conversion("chalf", torch.complex32, "as complex32")
cfloat = _conversion("cfloat", torch.complex64, "as complex64")
cdouble = _conversion("cdouble", torch.complex128, "as complex128")
