"""The functions that rows are written in.

Most are the same for plain torch data and for refgrad tensors, because they use methods that both have.
Those that are not are given twice: `FUNCTIONS` maps each name to the pair (over torch's kernels, over
refgrad's operations); the second is the name of a refgrad operation and is looked up when the formulas are
compiled.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import torch

from refgrad.scalars import number

# In formulas, T is either a plain torch.Tensor or a refgrad Tensor; both have the methods that are used here.
T = Any
_aten = torch.ops.aten


def conj(value: T) -> T:
    """Return the complex conjugate of a tensor or number; a real one is returned as it is."""
    return value.conjugate() if isinstance(value, int | float | complex) else value.conj()


def recorded(value: T) -> bool:
    """Whether a formula is computed with operations that are recorded, and not on plain data."""
    return not isinstance(value, torch.Tensor)


def unreadable(value: T) -> bool:
    """Whether nobody may ask for a number of `value`: one example of a batch, under vmap, or on `meta`."""
    data = value if isinstance(value, torch.Tensor) else value._data
    return data.is_meta or torch._C._functorch.is_batchedtensor(data)


def common_dtype(one: T, other: T) -> torch.dtype:
    """Return the dtype that an operation of two tensors is computed in."""
    return torch.result_type(*(each._data if recorded(each) else each for each in (one, other)))


def zeros_like(value: T) -> T:
    """Return zeros of the shape, dtype and device of `value`, laid out like it, without history."""
    if isinstance(value, torch.Tensor):
        return torch.zeros_like(value)
    return value._like(torch.zeros_like(value._data))


def unsqueeze_dims(grad: T, shape: tuple[int, ...], dims: Any) -> T:
    """Put the dimensions `dims` of a tensor of `shape` back into `grad`, each with size 1.

    `dims` is an int, a sequence of ints, or None or empty for all.
    """
    rank = len(shape)
    if rank == 0:
        return grad
    for dim in sorted(_wrap_dims(dims, rank)):
        grad = grad.unsqueeze(dim)
    return grad


def unsqueeze_to(grad: T, shape: tuple[int, ...]) -> T:
    """Put dimensions of size 1 back, so that `grad` has `shape`; one that has it is returned as it is."""
    return grad if grad.shape == shape else grad.reshape(shape)


def spread(grad: T, shape: tuple[int, ...], dims: Any, keepdim: bool) -> T:
    """Undo a sum over `dims` of a tensor of `shape`: repeat `grad` along them (`sum_backward` in torch)."""
    if not keepdim:
        grad = unsqueeze_dims(grad, shape, dims)
    return grad.expand(shape)


def count(shape: tuple[int, ...], dims: Any = None) -> int:
    """Return the number of elements that a reduction of a tensor of `shape` over `dims` combines."""
    return math.prod(shape[dim] for dim in _wrap_dims(dims, len(shape))) if shape else 1


def _wrap_dims(dims: Any, rank: int) -> list[int]:
    """Return `dims` as a list of non-negative ints; None and an empty sequence mean all dimensions."""
    if dims is None or (not isinstance(dims, int) and len(dims) == 0):
        return list(range(rank))
    listed = [dims] if isinstance(dims, int) else list(dims)
    return [dim % rank for dim in listed]


def divide(value: T, count: int) -> T:
    """Return `value / count`."""
    divisor = number(value.dtype, count)
    return value / (count if divisor is None or not isinstance(value, torch.Tensor) else divisor._data)


def sum_to(grad: T, shape: tuple[int, ...]) -> T:
    """Sum `grad` over the dimensions that broadcasting added or stretched, so that it has `shape`.

    A number is always a new sum, also of a number; otherwise `grad` is returned as it is if it has `shape`.
    Source: `sum_to` in aten/src/ATen/ExpandUtils.h.
    """
    if not shape:
        return grad.sum()
    lead = grad.dim() - len(shape)
    have = grad.shape
    dims = [*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and have[lead + i] != 1)]
    if dims:
        grad = grad.sum(dims, keepdim=True)
    return grad.reshape(shape) if lead else grad


def fit(grad: T, shape: tuple[int, ...], dtype: torch.dtype) -> T:
    """Make `grad` a gradient of an input of `shape` and `dtype`; None stays None.

    The gradient of a real input is real: the imaginary part of one that comes from a complex operation is
    dropped. Source: "handle_r_to_c" in torch/csrc/autograd/FunctionsManual.h, validate_outputs in
    engine.cpp.
    """
    if grad is None:
        return None
    if grad.dtype.is_complex and not dtype.is_complex:
        grad = grad.real
    if grad.shape != shape:
        grad = sum_to(grad, shape)
    return grad if grad.dtype is dtype else grad.to(dtype)


def inverse_permutation(dims: tuple[int, ...]) -> tuple[int, ...]:
    """Return the permutation that undoes `dims`."""
    inverse = [0] * len(dims)
    for place, dim in enumerate(dims):
        inverse[dim % len(dims)] = place
    return tuple(inverse)


def pow_number_backward(grad: T, base: T, exponent: complex) -> T:
    """Return the gradient of `base ** exponent` for a Python number: zero, not nan, where the exponent is
    0.
    """
    if exponent == 0:
        return base.new_zeros(base.shape)
    return _real_as(base, grad * conj(exponent * base.pow(exponent - 1)))


def pow_base_backward(grad: T, base: T, exponent: T) -> T:
    """Return the gradient of `base ** exponent` with respect to the base, for a tensor exponent."""
    slope = conj(exponent * base.pow(exponent - 1))
    return _real_as(base, (grad * slope).where(exponent != 0, 0))


def pow_exponent_backward(grad: T, base: T, exponent: T, result: T) -> T:
    """Return the gradient of `base ** exponent` with respect to the exponent.

    Where the base is 0 and the exponent is real and not negative, the derivative is 0 and not log(0) * 0.
    """
    # What is written in place is narrower than the result was.
    slope = conj(result * base.to(common_dtype(base, exponent)).log())
    return _real_as(exponent, grad * slope.where(~((base == 0) & _real_from_zero(exponent)), 0))


def pow_number_base_backward(grad: T, base: complex, exponent: T, result: T) -> T:
    """Return the gradient of `base ** exponent` with respect to the exponent, for a Python number as base."""
    log: complex
    if base == 0:
        slope = conj(result * -math.inf).where(~_real_from_zero(exponent), 0)
        return _real_as(exponent, grad * slope)
    if base.imag or base.real < 0:
        # A negative real base of a real result has no real logarithm: nan, as std::log gives.
        log = cmath.log(base) if result.dtype.is_complex else math.nan
    else:
        log = math.log(base.real)
    return _real_as(exponent, grad * conj(result * log))


def _real_as(operand: T, grad: T) -> T:
    """Return the real part of `grad` for a real operand of a complex power.

    All gradients of real operands end so. In powers torch's forward mode applies the same formula to the
    tangent, which then loses its imaginary part.
    """
    return grad.real if grad.dtype.is_complex and not operand.dtype.is_complex else grad


def _real_from_zero(exponent: T) -> T:
    """Return where an exponent is real and not negative."""
    return (exponent.real >= 0) & (exponent.imag == 0) if exponent.dtype.is_complex else exponent >= 0


def sgn_backward(grad: T, value: T, result: T) -> T:
    """Return the gradient of sgn: 0 for real numbers and at 0, the tangential part for complex ones."""
    if not value.dtype.is_complex:
        return value.new_zeros(value.shape)
    size = value.abs()
    return ((grad - result * result * grad.conj()) / (2 * size)).masked_fill_(size == 0, 0)


def split_ties(grad: T, chosen: T, rejected: T) -> T:
    """Return the gradient for one side of maximum or minimum: half where both are equal, 0 where it is
    rejected.
    """
    return (grad / 2).where(chosen, grad).masked_fill_(rejected, 0)


def take_slice(value: T, dim: int, start: int | None, end: int | None, step: int | None) -> T:
    """Return `value` cut along one dimension, as `value[..., start:end:step, ...]` does."""
    return value[(slice(None),) * dim + (slice(start, end, step),)]


def select_backward(grad: torch.Tensor, size: tuple[int, ...], dim: int, index: int) -> torch.Tensor:
    """Return zeros of `size` with `grad` at one index of one dimension."""
    out = grad.new_zeros(size)
    out.select(dim, index).copy_(grad)
    return out


def slice_backward(  # noqa: PLR0917 - what one slice is made of
    grad: torch.Tensor, size: tuple[int, ...], dim: int, start: int | None, end: int | None, step: int | None
) -> torch.Tensor:
    """Return zeros of `size` with `grad` in the place of a slice."""
    out = grad.new_zeros(size)
    take_slice(out, dim, start, end, step).copy_(grad)
    return out


def index_backward(grad: torch.Tensor, indices: tuple[Any, ...], size: tuple[int, ...]) -> torch.Tensor:
    """Return zeros of `size` with `grad` added at the indexed places, repeatedly where they repeat."""
    put: torch.Tensor = _aten.index_put(grad.new_zeros(size), as_optional(indices), grad, True)
    return put


def index_put(
    value: torch.Tensor, indices: tuple[Any, ...], values: torch.Tensor, accumulate: bool = False
) -> torch.Tensor:
    """Return `value` with `values` at the indexed places, or with them added there."""
    put: torch.Tensor = _aten.index_put(value, as_optional(indices), values, accumulate)
    return put


def as_optional(indices: tuple[Any, ...]) -> list[torch.Tensor | None]:
    """Return indices as the kernel takes them: None for a dimension that is taken whole."""
    return [index if isinstance(index, torch.Tensor) else None for index in indices]


def copy_slices(
    base: torch.Tensor, source: torch.Tensor, path: Any, strides: tuple[int, ...]
) -> torch.Tensor:
    """Return `base`, laid out by `strides`, with `source` in the place of the view that `path` leads to."""
    out = laid_out(base.clone(), strides)
    path.view(out).copy_(source)
    return out  # type: ignore[no-any-return]


def of_base(grad: T, path: Any, shape: tuple[int, ...]) -> T:
    """Return the gradient of a base of `shape` for that of the view that `path` leads to.

    It is a view of memory of its own, and zeros where there are no elements, as that of as_strided is.
    """
    if 0 in grad.shape or 0 in shape:
        return grad.new_zeros(shape)
    found = path.embed(grad)
    if found is grad or found._is_view():
        found = found.clone()
    return found if recorded(found) or found._is_view() else found[...]


def laid_out(value: T, strides: tuple[int, ...]) -> T:
    """Return `value`, its dimensions in the order of `strides` in memory if it does not lie by these already.

    By rearrangement, and not into fresh memory: inside vmap `value` may have a batch that others lack. As a
    copy would, it resolves conjugates, which a view that reinterprets could not be taken of.
    """
    value = value.resolve_conj().resolve_neg()
    data = value if isinstance(value, torch.Tensor) else value._data
    if data.stride() == strides:
        return value
    order = tuple(sorted(range(len(strides)), key=lambda dim: -strides[dim]))
    return value.permute(order).contiguous().permute(inverse_permutation(order))


def rsub(value: torch.Tensor, other: torch.Tensor | complex, alpha: complex) -> torch.Tensor:
    """Return `other - alpha * value`."""
    return torch.rsub(value, other, alpha=alpha)


_Function = TypeVar("_Function", bound=Callable[..., Any])
_Pair = tuple[Callable[..., Any], Callable[..., Any] | str]
_FUNCTIONS: dict[str, _Pair] = {
    function.__name__: (function, function)
    for function in (
        conj,
        count,
        divide,
        inverse_permutation,
        laid_out,
        of_base,
        pow_base_backward,
        pow_exponent_backward,
        pow_number_backward,
        pow_number_base_backward,
        recorded,
        rsub,
        sgn_backward,
        split_ties,
        spread,
        sum_to,
        take_slice,
        unsqueeze_dims,
        unsqueeze_to,
        zeros_like,
    )
} | {
    # As a function it takes half of the time that the method `expand` takes.
    "broadcast_to": (torch.broadcast_to, "expand"),
    "copy_slices": (copy_slices, "copy_slices"),
    "full_like": (torch.full_like, torch.full_like),
    "numel": (math.prod, math.prod),
    "index_backward": (index_backward, "index_backward"),
    "index_put": (index_put, "index_put"),
    "select_backward": (select_backward, "select_backward"),
    "sigmoid_backward": (_aten.sigmoid_backward.default, "sigmoid_backward"),
    "slice_backward": (slice_backward, "slice_backward"),
    "tanh_backward": (_aten.tanh_backward.default, "tanh_backward"),
    "threshold_backward": (_aten.threshold_backward.default, "threshold_backward"),
    "where": (torch.where, "where"),
}
# name -> (function over plain data, function over refgrad tensors or the name of a refgrad operation)
FUNCTIONS: Mapping[str, _Pair] = MappingProxyType(_FUNCTIONS)


def formula(function: _Function) -> _Function:
    """Let rows use `function`, which is the same over plain data and over refgrad tensors, by its name."""
    _add(function.__name__, (function, function))
    return function


def kernel(name: str, on_data: Callable[..., Any]) -> None:
    """Let rows use the kernel `on_data` as `name`; over refgrad tensors it is the operation of that name."""
    _add(name, (on_data, name))


_operations: Mapping[str, Any] = {}


def connect(operations: Mapping[str, Any]) -> None:
    """Give this module the compiled operations, which need it to be compiled themselves."""
    global _operations  # noqa: PLW0603 - set once, when the operations are there
    _operations = operations


def operation(name: str) -> Callable[..., Any]:
    """Return the kernel `name` for use inside of formulas: the operation of that name where its first
    argument is a refgrad tensor.
    """

    def call(value: T, *args: Any) -> T:
        if isinstance(value, torch.Tensor):
            return _FUNCTIONS[name][0](value, *args)
        return _operations[name].apply(value, *args)

    return call


def _add(name: str, pair: _Pair) -> None:
    if name in _FUNCTIONS:
        raise ValueError(f"there is a function {name!r} already")
    _FUNCTIONS[name] = pair
