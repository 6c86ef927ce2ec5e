"""Reductions other than sums: extremes, products, spreads, norms and exponential sums.

Conventions at ties, zeros and constants are those of torch/csrc/autograd/FunctionsManual.cpp.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from .formulas import conj, count, formula, kernel, unsqueeze_dims
from .registry import rule

T = Any


@formula
def evenly(grad: T, value: T, result: T) -> T:
    """Divide the gradient of an extreme or median evenly among the elements that are equal to it.

    A nan result is divided among the nans.
    """
    chosen = value.isnan() if bool(result.isnan()) else value == result
    return (grad / chosen.sum()).expand(value.shape).masked_fill(~chosen, 0)


for _name in ("max", "min", "median", "nanmedian"):
    rule(
        _name,
        grad_fn=f"{_name.capitalize()}Backward{0 if 'median' in _name else 1}",
        tensors="self",
        forward=f"self.{_name}()",
        self="evenly(grad, self, result)",
        saves="self result",
        forward_mode={"self": "(grad * (self == result)) / (self == result).sum()"},
    )


@formula
def evenly_along(grad: T, value: T, result: T, dims: Any, keepdim: bool) -> T:
    """Divide the gradient of an extreme along `dims` evenly among the elements that are equal to it.

    nan equals nothing, so nan is what its gradient is divided into.
    """
    if not keepdim:
        grad, result = unsqueeze_dims(grad, value.shape, dims), unsqueeze_dims(result, value.shape, dims)
    chosen = value == result
    ties = chosen.sum(_all(dims, value), keepdim=True) if value.dim() else chosen
    return grad * chosen / ties


def _all(dims: Any, value: T) -> Any:
    return dims if isinstance(dims, int) or dims else tuple(range(value.dim()))


for _name in ("amax", "amin"):
    rule(
        _name,
        grad_fn=f"{_name.capitalize()}Backward0",
        tensors="self",
        args="dim keepdim",
        forward=f"self.{_name}(dim, keepdim)",
        self="evenly_along(grad, self, result, dim, keepdim)",
        saves="self result",
    )

# --- products ---


@formula
def prod_backward(grad: T, value: T, result: T) -> T:
    """Return the gradient of a product: at a zero, the product of the others and not 0 / 0."""
    if not value.dim():
        return grad
    if bool((value == 0).any()):
        if value.numel() == 1:
            return grad.reshape(value.shape)
        return grad * conj(_others(value.reshape(-1), 0).reshape(value.shape))
    return grad * conj(result / value)


@formula
def prod_dim_backward(grad: T, value: T, result: T, dim: int, keepdim: bool) -> T:
    """Return the gradient of products along `dim`."""
    if not value.dim():
        return grad
    if not keepdim:
        grad, result = grad.unsqueeze(dim), result.unsqueeze(dim)
    if bool((value == 0).any()):
        return grad if value.shape[dim] == 1 else grad * conj(_others(value, dim))
    return grad * conj(result / value)


def _others(value: T, dim: int) -> T:
    """Return for each element the product of the others along `dim`, without a division."""
    return _before(value, dim) * _before(value.flip(dim), dim).flip(dim)


def _before(value: T, dim: int) -> T:
    """Return for each element the product of those before it along `dim`; 1 for the first."""
    shape = [1] * value.dim()
    shape[dim] = value.shape[dim]
    first = (torch.arange(value.shape[dim], device=value.device) == 0).reshape(shape)
    return value.roll(1, dim).masked_fill(first, 1).cumprod(dim)


@formula
def cumprod_backward(grad: T, value: T, result: T, dim: int) -> T:
    """Return the gradient of cumulative products.

    Without zeros it is a quotient. With them, the derivative of product j by element k is multiplied out:
    what comes before k, times what lies between k and j.
    """
    if value.numel() <= 1 or value.shape[dim] == 1:
        return grad
    if not bool((value == 0).any()):
        return (grad * conj(result)).flip(dim).cumsum(dim).flip(dim) / conj(value)
    size = value.shape[dim]
    row, column = (
        torch.arange(size, device=value.device).unsqueeze(1),
        torch.arange(size, device=value.device),
    )
    rows = value.transpose(dim, -1).unsqueeze(-2).expand(*value.transpose(dim, -1).shape[:-1], size, size)
    between = rows.masked_fill(column <= row, 1).cumprod(-1).masked_fill(column < row, 0)
    after = (conj(between) * grad.transpose(dim, -1).unsqueeze(-2)).sum(-1)
    return conj(_before(value, dim)) * after.transpose(dim, -1)


@formula
def cumsum_backward(grad: T, dim: int) -> T:
    """Return the running sums of the gradient from the end; the gradient itself if there is one place."""
    if grad.numel() <= 1 or grad.shape[dim] == 1:
        return grad
    return grad.flip(dim).cumsum(dim).flip(dim)


rule(
    "prod",
    grad_fn="ProdBackward0",
    tensors="self",
    args="dtype",
    forward="self.prod(dtype=dtype)",
    self="prod_backward(grad, self.to(grad.dtype), result)",
    saves="self result",
)
rule(
    "prod_dim",
    grad_fn="ProdBackward1",
    tensors="self",
    args="dim keepdim dtype",
    forward="self.prod(dim, keepdim, dtype=dtype)",
    self="prod_dim_backward(grad, self.to(grad.dtype), result, dim, keepdim)",
    saves="self result",
)
rule(
    "cumprod",
    grad_fn="CumprodBackward0",
    tensors="self",
    args="dim dtype",
    forward="self.cumprod(dim, dtype=dtype)",
    self="cumprod_backward(grad, self, result, dim)",
    saves="self result",
)
rule(
    "cumsum",
    grad_fn="CumsumBackward0",
    tensors="self",
    args="dim dtype",
    forward="self.cumsum(dim, dtype=dtype)",
    self="cumsum_backward(grad, dim)",
    saves="",
)

# --- spreads ---


@formula
def var_backward(grad: T, value: T, dims: Any, correction: float, keepdim: bool) -> T:
    """Return the gradient of a variance over `dims`; nan if there are no more elements than `correction`."""
    left = count(value.shape, dims) - correction
    if not keepdim and dims is not None:
        grad = unsqueeze_dims(grad, value.shape, dims)
    mean = value.mean(_all(dims, value), keepdim=True) if value.dim() else value
    return grad * (2 / left if left else math.inf) * (value - mean)


@formula
def std_backward(  # noqa: PLR0917 - what a spread is made of
    grad: T, value: T, result: T, dims: Any, correction: float, keepdim: bool
) -> T:
    """Return the gradient of a standard deviation: 0 and not nan where all elements are equal."""
    slope = (grad / (result * 2)).masked_fill(result == 0, 0)
    return var_backward(slope, value, dims, correction, keepdim)


@formula
def std_transposed(  # noqa: PLR0917 - what a spread is made of
    grad: T, value: T, result: T, dims: Any, correction: float, keepdim: bool
) -> T:
    """Return the same gradient without a division by 0 on the way, which transposition would meet."""
    zero = result == 0
    slope = grad.masked_fill(zero, 0) / (result * 2).masked_fill(zero, 1)
    return var_backward(slope, value, dims, correction, keepdim)


for _name, _stated, _saves, _pulled in (
    ("var", "var_backward(grad, self, dim, correction, keepdim)", "self", None),
    (
        "std",
        "std_backward(grad, self, result, dim, correction, keepdim)",
        "self result",
        {"self": "std_transposed(grad, self, result, dim, correction, keepdim)"},
    ),
):
    rule(
        _name,
        grad_fn=f"{_name.capitalize()}Backward0",
        tensors="self",
        args="dim correction keepdim",
        forward=f"self.{_name}(dim, correction=correction, keepdim=keepdim)",
        self=_stated,
        saves=_saves,
        forward_mode=_pulled,
    )

# --- norms ---


@formula
def vector_norm_backward(  # noqa: PLR0917 - what a norm is made of
    grad: T, value: T, result: T, order: float, dims: Any, keepdim: bool
) -> T:
    """Return the gradient of a norm of `order`: the subgradient 0 at the zero vector; None for order 0.

    Source: `linalg_vector_norm_backward` in torch/csrc/autograd/FunctionsManual.cpp.
    """
    if order == 0:
        return None
    if not keepdim:
        grad, result = unsqueeze_dims(grad, value.shape, dims), unsqueeze_dims(result, value.shape, dims)
    zero = result == 0
    if order == 1:
        return value.sgn() * grad
    if order == 2:
        return grad * (value / result).masked_fill(zero, 0)
    size = value.abs()
    if math.isinf(order):
        chosen = (size == result) | (size.isnan() & result.isnan())
        ties = chosen.sum(_all(dims, value), keepdim=True) if value.dim() else chosen
        return value.sgn() * (grad / ties * chosen)
    if order < 1:
        scaled = value.sgn() * size.pow(order - 1).masked_fill(value == 0, 0)
        return scaled * grad * result.pow(1 - order)
    scale = (grad / result.pow(order - 1)).masked_fill(zero, 0)
    if order < 2:
        return value.sgn() * size.pow(order - 1) * scale
    return value * size.pow(order - 2) * scale


kernel("vector_norm", torch.linalg.vector_norm)
rule(
    "vector_norm",
    grad_fn="LinalgVectorNormBackward0",
    tensors="self",
    args="order dim keepdim",
    forward="vector_norm(self, order, dim, keepdim)",
    self="vector_norm_backward(grad, self, result, order, dim, keepdim)",
    saves="self result",
)

# --- exponential sums ---


@formula
def logsumexp_backward(grad: T, value: T, result: T, dims: Any, keepdim: bool) -> T:
    """Return the gradient of logsumexp: the softmax of the values."""
    if not keepdim:
        grad, result = unsqueeze_dims(grad, value.shape, dims), unsqueeze_dims(result, value.shape, dims)
    return grad * conj((value - result).exp())


@formula
def logcumsumexp_backward(grad: T, value: T, result: T, dim: int) -> T:
    """Return the gradient of logcumsumexp, summed in logarithms: positive and negative parts by themselves.

    Source: `logcumsumexp_backward` in torch/csrc/autograd/FunctionsManual.cpp.
    """
    if not value.dim():
        return grad
    least = torch.finfo(grad.dtype).min
    size = grad.abs().log()

    def part(chosen: T) -> T:
        logs = size.masked_fill(~chosen, least) - result
        return (logs.flip(dim).logcumsumexp(dim).flip(dim) + value).exp()

    return part(grad > 0) - part(grad < 0)


@formula
def logcumsumexp_transposed(grad: T, value: T, dim: int) -> T:
    """Return the gradient of logcumsumexp in a form that is linear in the cotangent.

    Numbers are shifted by the largest along `dim`, and sums by a trifle, as in `logcumsumexp_jvp` in
    torch/csrc/autograd/FunctionsManual.cpp.
    """
    if not value.dim() or not value.numel():
        return grad
    share = (value - value.detach().amax(dim, True)).exp()
    part = grad / (share.cumsum(dim) + 1e-13)
    return share * part.flip(dim).cumsum(dim).flip(dim)


rule(
    "logsumexp",
    grad_fn="LogsumexpBackward0",
    tensors="self",
    args="dim keepdim",
    forward="self.logsumexp(dim, keepdim)",
    self="logsumexp_backward(grad, self, result, dim, keepdim)",
    saves="self result",
)
rule(
    "logcumsumexp",
    grad_fn="LogcumsumexpBackward0",
    tensors="self",
    args="dim",
    forward="self.logcumsumexp(dim)",
    self="logcumsumexp_backward(grad, self, result, dim)",
    saves="self result",
    forward_mode={"self": "logcumsumexp_transposed(grad, self, dim)"},
)
rule(
    "softmax",
    grad_fn="SoftmaxBackward0",
    tensors="self",
    args="dim",
    forward="self.softmax(dim)",
    self="softmax_backward_data(grad, result, dim, self_dtype)",
    saves="result",
)
rule(
    "log_softmax",
    grad_fn="LogSoftmaxBackward0",
    tensors="self",
    args="dim",
    forward="self.log_softmax(dim)",
    self="log_softmax_backward_data(grad, result, dim, self_dtype)",
    saves="result",
)
rule(
    "nansum",
    grad_fn="NansumBackward0",
    tensors="self",
    args="dim keepdim dtype",
    forward="self.nansum(dim, keepdim, dtype=dtype)",
    self="spread(grad, self_shape, dim, keepdim) * ~self.isnan()",
    saves="self",
)
