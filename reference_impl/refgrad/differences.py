"""Differences of neighbours, finite-difference gradients and integrals by the trapezoidal rule.

Each is a composition of arithmetic on slices, as in torch. Source: aten/src/ATen/native/ReduceOps.cpp and
Integration.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .creation import zeros_like
from .dimensions import wrapped
from .multiple import cat
from .ops import apply
from .reductions import cumsum
from .rules.formulas import take_slice
from .shapes import reshape, select, sum  # noqa: A004 - torch's name
from .tensor import Tensor

TORCH = ("cumulative_trapezoid", "diff", "gradient", "trapezoid", "trapz")
METHODS = ("diff",)


def _cut(value: Tensor, dim: int, start: int | None, end: int | None = None) -> Tensor:
    """Return the places from `start` to `end` of one dimension, a view."""
    return take_slice(value, wrapped(dim, value.ndim), start, end, None)  # type: ignore[no-any-return]


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Return the differences of neighbours along `dim`, taken `n` times.

    `prepend` and `append` are joined to `input` before. Booleans differ where they are unequal. Raises
    RuntimeError for a 0-d tensor and for a negative `n`.
    """
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if n == 0:
        return zeros_like(input).copy_(input)
    parts = [part for part in (prepend, input, append) if part is not None]
    result = input if len(parts) == 1 else cat(parts, dim)
    for _ in range(min(n, result.shape[dim])):
        before, after = _cut(result, dim, 0, result.shape[dim] - 1), _cut(result, dim, 1)
        result = after.logical_xor(before) if result.dtype is torch.bool else after - before
    return result


# --- gradients of sampled functions ---


def gradient(
    input: Tensor, *, spacing: Any = None, dim: int | Sequence[int] | None = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """Return the estimated derivative of the sampled function `input` along each of `dim` (all by default).

    Inner points get second-order central differences; those at the edges one-sided ones of `edge_order` 1
    or 2. `spacing` is a distance (1 by default), one for each dimension, or a sequence of vectors of
    coordinates, one for each dimension. Raises RuntimeError where a dimension has fewer than
    `edge_order + 1` places.
    """
    dims = range(input.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    if isinstance(spacing, Sequence):
        steps = list(spacing)
    else:
        steps = [1 if spacing is None else spacing] * len(dims)
    _check_gradient(input, dims, steps, edge_order)
    return tuple(
        _by_coordinates(input, step, wrapped(one, input.ndim), edge_order)
        if isinstance(step, Tensor)
        else _by_distance(input, step, wrapped(one, input.ndim), edge_order)
        for one, step in zip(dims, steps, strict=True)
    )


def _check_gradient(input: Tensor, dims: Sequence[int], steps: list[Any], edge_order: int) -> None:
    """Raise torch's RuntimeError for arguments that `gradient` does not take."""
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if len(steps) != len(dims):
        raise RuntimeError(
            f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length {len(dims)}, "
            f"but got a list of length {len(steps)}"
        )
    if len({wrapped(one, input.ndim) for one in dims}) != len(dims):
        raise RuntimeError("dim appears multiple times in the list of dims")
    for one, step in zip(dims, steps, strict=True):
        if input.shape[one] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
        if isinstance(step, Tensor) and tuple(step.shape) != (input.shape[one],):
            raise RuntimeError(
                "torch.gradient expected each element of spacing to have one coordinate for each place of "
                f"its dimension, but got {list(step.shape)} for {input.shape[one]} places"
            )


def _times(value: Tensor, factor: complex) -> Tensor:
    return apply("mul_number", value, factor)


def _over(value: Tensor, divisor: complex) -> Tensor:
    return apply("div_number", value, divisor)


def _by_distance(value: Tensor, step: complex, dim: int, edge_order: int) -> Tensor:
    """Return the derivative along `dim` of samples that are `step` apart."""

    def at(start: int, end: int | None = None) -> Tensor:
        return _cut(value, dim, start, end)

    if edge_order == 1:
        first, last = at(1, 2) - at(0, 1), at(-1) - at(-2, -1)
    else:
        first = _times(at(0, 1), -1.5) + _times(at(1, 2), 2) - _times(at(2, 3), 0.5)
        last = _times(at(-3, -2), 0.5) - _times(at(-2, -1), 2) + _times(at(-1), 1.5)
    middle = _over(_over(at(2) - at(0, -2), step), 2)
    return cat([_over(first, step), middle, _over(last, step)], dim)


def _by_coordinates(value: Tensor, places: Tensor, dim: int, edge_order: int) -> Tensor:
    """Return the derivative along `dim` of samples at `places`: that of a parabola through three."""
    shape = [1] * value.ndim
    shape[dim] = -1
    gaps = reshape(diff(places), shape)

    def at(start: int, end: int | None = None) -> Tensor:
        return _cut(value, dim, start, end)

    def gap(start: int, end: int | None = None) -> Tensor:
        return _cut(gaps, dim, start, end)

    if edge_order == 1:
        first, last = (at(1, 2) - at(0, 1)) / gap(0, 1), (at(-1) - at(-2, -1)) / gap(-1)
    else:
        one, two = gap(0, 1), gap(1, 2)
        first = (
            at(0, 1) * -((one * 2 + two) / (one * (one + two)))
            + at(1, 2) * ((one + two) / (one * two))
            + at(2, 3) * -(one / (two * (one + two)))
        )
        one, two = gap(-2, -1), gap(-1)
        last = (
            at(-3, -2) * (two / (one * (one + two)))
            + at(-2, -1) * -((one + two) / (one * two))
            + at(-1) * ((two * 2 + one) / (two * (one + two)))
        )
    left, right = gap(0, -1), gap(1)
    middle = (
        at(0, -2) * -(right / (left * (left + right)))
        + at(1, -1) * ((right - left) / (left * right))
        + at(2) * (left / (right * (left + right)))
    )
    return cat([first, middle, last], dim)


# --- integrals ---


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: complex = 1, dim: int = -1) -> Tensor:
    """Return the integral along `dim` by the trapezoidal rule, of samples at `x` or `dx` apart.

    Raises RuntimeError for booleans, and for a `dx` that is no real number.
    """
    _check_integral("trapezoid", y, x, dx)
    dim = wrapped(dim, y.ndim)
    if not y.shape[dim]:
        return sum(y.detach(), dim)
    if x is None:
        last = select(y, dim, -1)
        ends = _times(select(y, dim, 0) + last, 0.5)
        return _times(sum(y, dim) - ends, dx)
    widths = _widths(y, x, dim)
    return _over(sum((_cut(y, dim, 0, -1) + _cut(y, dim, 1)) * widths, dim), 2)


trapz = trapezoid


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: complex = 1, dim: int = -1) -> Tensor:
    """Return the running integral along `dim`, with one place less; see `trapezoid`."""
    _check_integral("cumulative_trapezoid", y, x, dx)
    dim = wrapped(dim, y.ndim)
    widths = None if x is None else _widths(y, x, dim)
    heights = _cut(y, dim, 0, -1) + _cut(y, dim, 1)
    if widths is None:
        return cumsum(_times(heights, dx / 2), dim)
    return _over(cumsum(heights * widths, dim), 2)


def _widths(y: Tensor, x: Tensor, dim: int) -> Tensor:
    """Return the distances between the samples `x`: a vector along `dim`, or a tensor that broadcasts."""
    if x.ndim == 1:
        shape = [1] * y.ndim
        shape[dim] = x.shape[0]
        x = reshape(x, shape)
    elif x.ndim < y.ndim:
        x = reshape(x, (1,) * (y.ndim - x.ndim) + tuple(x.shape))
    before = _cut(x, dim, 0, -1)
    return _cut(x, dim, 1) - before


def _check_integral(name: str, y: Tensor, x: Tensor | None, dx: complex) -> None:
    if any(tensor is not None and tensor.dtype is torch.bool for tensor in (y, x)):
        raise RuntimeError(f"{name}: received a bool input for `x` or `y`, but bool is not supported")
    if isinstance(dx, bool | complex):
        raise RuntimeError(  # noqa: TRY004 - torch's class
            f"{name}: Currently, we only support dx as a real number."
        )
