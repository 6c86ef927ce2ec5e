"""Reductions that give two results at once; each gets the gradient that it has by itself."""

from __future__ import annotations

from typing import Any

import torch

from .extremes import evenly_along, std_backward, std_transposed, var_backward
from .formulas import count, divide, formula, kernel, spread
from .registry import rule

T = Any

kernel("aminmax", lambda value, dim, keepdim: tuple(torch.aminmax(value, dim=dim, keepdim=keepdim)))
kernel(
    "var_mean",
    lambda value, dim, correction, keepdim: torch.var_mean(
        value, dim, correction=correction, keepdim=keepdim
    ),
)
kernel(
    "std_mean",
    lambda value, dim, correction, keepdim: torch.std_mean(
        value, dim, correction=correction, keepdim=keepdim
    ),
)


def _total(first: T, second: T) -> T:
    """Return the sum of two gradients, of which one may be None."""
    if first is None or second is None:
        return second if first is None else first
    return first + second


@formula
def aminmax_backward(  # noqa: PLR0917 - what went in and came out
    grad_min: T, grad_max: T, value: T, least: T, largest: T, dim: int | None, keepdim: bool
) -> T:
    """Return the gradient of the least and the largest elements, divided among those that tie for each."""
    dims = () if dim is None else dim
    return _total(
        None if grad_min is None else evenly_along(grad_min, value, least, dims, keepdim),
        None if grad_max is None else evenly_along(grad_max, value, largest, dims, keepdim),
    )


def _mean_backward(grad: T, value: T, dims: Any, keepdim: bool) -> T:
    """Return the gradient of a mean over `dims`."""
    if grad is None:
        return None
    if dims is None:
        return divide(grad.expand(value.shape), count(value.shape))
    return divide(spread(grad, value.shape, dims, keepdim), count(value.shape, dims))


def _mean_transposed(grad: T, value: T, dims: Any, keepdim: bool) -> T:
    """Return the same gradient for forward mode, which divides last: the mean of nothing is nan."""
    if dims is None:
        return divide(grad, count(value.shape)).expand(value.shape)
    return spread(divide(grad, count(value.shape, dims)), value.shape, dims, keepdim)


@formula
def var_mean_backward(  # noqa: PLR0917 - what went in and came out
    grad_var: T, grad_mean: T, value: T, dims: Any, correction: float, keepdim: bool
) -> T:
    """Return the gradient of a variance and a mean."""
    spreads = None if grad_var is None else var_backward(grad_var, value, dims, correction, keepdim)
    return _total(spreads, _mean_backward(grad_mean, value, dims, keepdim))


@formula
def var_mean_transposed(  # noqa: PLR0917 - what went in and came out
    grad_var: T, grad_mean: T, value: T, dims: Any, correction: float, keepdim: bool
) -> T:
    """Return the same gradient for forward mode."""
    spreads = var_backward(grad_var, value, dims, correction, keepdim)
    return spreads + _mean_transposed(grad_mean, value, dims, keepdim)


@formula
def std_mean_backward(  # noqa: PLR0917 - what went in and came out
    grad_std: T, grad_mean: T, value: T, deviation: T, dims: Any, correction: float, keepdim: bool
) -> T:
    """Return the gradient of a standard deviation and a mean."""
    spreads = (
        None if grad_std is None else std_backward(grad_std, value, deviation, dims, correction, keepdim)
    )
    return _total(spreads, _mean_backward(grad_mean, value, dims, keepdim))


@formula
def std_mean_transposed(  # noqa: PLR0917 - what went in and came out
    grad_std: T, grad_mean: T, value: T, deviation: T, dims: Any, correction: float, keepdim: bool
) -> T:
    """Return the same gradient without a division by 0 on the way; see `std_transposed`."""
    spreads = std_transposed(grad_std, value, deviation, dims, correction, keepdim)
    return spreads + _mean_transposed(grad_mean, value, dims, keepdim)


rule(
    "aminmax",
    grad_fn="AminmaxBackward0",
    tensors="self",
    args="dim keepdim",
    outputs="least largest",
    forward="aminmax(self, dim, keepdim)",
    self="aminmax_backward(grad_least, grad_largest, self, least, largest, dim, keepdim)",
    saves="self least largest",
)
rule(
    "var_mean",
    grad_fn="VarMeanBackward0",
    tensors="self",
    args="dim correction keepdim",
    outputs="variance mean",
    forward="var_mean(self, dim, correction, keepdim)",
    self="var_mean_backward(grad_variance, grad_mean, self, dim, correction, keepdim)",
    saves="self",
    forward_mode={"self": "var_mean_transposed(grad_variance, grad_mean, self, dim, correction, keepdim)"},
)
rule(
    "std_mean",
    grad_fn="StdMeanBackward0",
    tensors="self",
    args="dim correction keepdim",
    outputs="deviation mean",
    forward="std_mean(self, dim, correction, keepdim)",
    self="std_mean_backward(grad_deviation, grad_mean, self, deviation, dim, correction, keepdim)",
    forward_mode={
        "self": "std_mean_transposed(grad_deviation, grad_mean, self, deviation, dim, correction, keepdim)"
    },
    saves="self deviation",
)
