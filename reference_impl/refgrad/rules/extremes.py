"""Reductions other than sums: extremes, spreads, norms and exponential sums.

Conventions at ties, zeros and constants are those of torch/csrc/autograd/FunctionsManual.cpp.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from .formulas import conj, count, formula, kernel, sum_to, unsqueeze_dims, zeros_like
from .registry import rule

T = Any


@formula
def evenly(grad: T, value: T, result: T) -> T:
    """Divide the gradient of an extreme or median evenly among the elements that are equal to it.

    A nan result is divided among the nans.
    """
    chosen = (value == result) | (value.isnan() & result.isnan())
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
    chosen = result == value
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

# --- spreads ---


@formula
def var_backward(grad: T, value: T, dims: Any, correction: float, keepdim: bool) -> T:
    """Return the gradient of a variance over `dims` (`var_backward` in torch).

    With no more elements than `correction` that of the variance of all elements is infinite, and nan at the
    mean.
    """
    left = count(value.shape, dims) - correction
    if left <= 0 and (dims is None or not value.dim()):
        infinite = zeros_like(value.real) + math.inf
        return grad * infinite.masked_fill(value == value.mean(), math.nan)
    if not keepdim and dims is not None:
        grad = unsqueeze_dims(grad, value.shape, dims)
    mean = value.mean(_all(dims, value), keepdim=True) if value.dim() else value
    return grad * (2 / left if left else math.inf) * (value - mean)


@formula
def std_backward(  # noqa: PLR0917 - what a spread is made of
    grad: T, value: T, result: T, dims: Any, correction: float, keepdim: bool
) -> T:
    """Return the gradient of a standard deviation: 0 and not nan where all elements are equal."""
    slope = (grad / (result * 2)).masked_fill_(result == 0, 0)
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
    grad: T, value: T, result: T, order: float, dims: Any, keepdim: bool, transposed: bool = False
) -> T:
    """Return the gradient of a norm of `order`: the subgradient 0 at the zero vector; None for order 0.

    `transposed` gives 0 there without a division by 0 on the way, which transposition would meet.
    Source: `norm_backward` and `norm_jvp` in torch/csrc/autograd/FunctionsManual.cpp.
    """
    if order == 0:
        return None
    if not keepdim:
        grad, result = unsqueeze_dims(grad, value.shape, dims), unsqueeze_dims(result, value.shape, dims)
    zero = result == 0
    if order == 1:
        return value.sgn() * grad
    if order == 2:
        return grad * (value / result).masked_fill_(zero, 0)
    size = value.abs()
    if math.isinf(order):
        chosen = (size == result) | (size.isnan() & result.isnan())
        ties = chosen.sum(_all(dims, value), keepdim=True) if value.dim() else chosen
        return value.sgn() * (grad / ties * chosen)
    if order < 1:
        scaled = value.sgn() * size.pow(order - 1).masked_fill(value == 0, 0)
        return scaled * grad * result.pow(1 - order)
    if transposed:
        grad = grad.masked_fill(zero, 0)
    scale = grad / result.pow(order - 1)
    scale = scale if transposed else scale.masked_fill(zero, 0)
    if order < 2:
        return value.sgn() * size.pow(order - 1) * scale
    return value * size.pow(order - 2) * scale


for _name, _node, _kernel in (
    ("vector_norm", "LinalgVectorNormBackward0", torch.linalg.vector_norm),
    ("norm", "NormBackward1", torch.ops.aten.norm.ScalarOpt_dim),
):
    kernel(_name, _kernel)
    rule(
        _name,
        grad_fn=_node,
        tensors="self",
        args="order dim keepdim",
        forward=f"{_name}(self, order, dim, keepdim)",
        self="vector_norm_backward(grad, self, result, order, dim, keepdim)",
        saves="self result",
        forward_mode={"self": "vector_norm_backward(grad, self, result, order, dim, keepdim, True)"},
    )


@formula
def subtracted(value: T) -> T:
    """Return a gradient with the other sign; raise torch's RuntimeError if there is none."""
    if value is None:
        raise RuntimeError(
            "Expected a proper Tensor but got None (or an undefined Tensor in C++) for argument #0 'self'"
        )
    return -value


@formula
def dist_backward(  # noqa: PLR0917 - what a distance is made of
    grad: T, difference: T, result: T, order: float, shape: tuple[int, ...], transposed: bool = False
) -> T:
    """Return the gradient of a tensor of `shape` from the norm of a difference; None for order 0."""
    found = vector_norm_backward(grad, difference, result, order, (), True, transposed)
    return None if found is None else sum_to(found, shape)


kernel("dist", torch.dist)
rule(
    "dist",
    grad_fn="DistBackward0",
    tensors="self other",
    args="p",
    forward="dist(self, other, p)",
    self="dist_backward(grad, self - other, result, p, self_shape)",
    other="subtracted(dist_backward(grad, self - other, result, p, other_shape))",
    saves="self other result",
    forward_mode={
        "self": "dist_backward(grad, self - other, result, p, self_shape, True)",
        "other": "dist_backward(-grad, self - other, result, p, other_shape, True)",
    },
)

# --- exponential sums ---


@formula
def logsumexp_backward(grad: T, value: T, result: T, dims: Any, keepdim: bool) -> T:
    """Return the gradient of logsumexp: the softmax of the values."""
    if not keepdim:
        grad, result = unsqueeze_dims(grad, value.shape, dims), unsqueeze_dims(result, value.shape, dims)
    return grad * conj((value - result).exp())


@formula
def logsumexp_transposed(grad: T, value: T, dims: Any, keepdim: bool) -> T:
    """Return the same gradient, divided last by a sum that is 0 for the exponentials of nothing."""
    if not keepdim:
        grad = unsqueeze_dims(grad, value.shape, dims)
    share = _shifted(value, _all(dims, value)).exp()
    return conj(share) * (grad / conj(share.sum(_all(dims, value), keepdim=True) if value.dim() else share))


def _shifted(value: T, dims: Any) -> T:
    """Return numbers less the largest real part over `dims`: their exponentials do not overflow."""
    if not value.numel():
        return value
    real = value.real if value.dtype.is_complex else value
    return value - real.detach().amax(dims, True)


@formula
def logcumsumexp_backward(grad: T, value: T, result: T, dim: int) -> T:
    """Return the gradient of logcumsumexp, summed in logarithms: those of real numbers for positive and
    negative parts by themselves.

    Source: `logcumsumexp_backward` in torch/csrc/autograd/FunctionsManual.cpp.
    """
    if not value.dim():
        return grad

    def spread(logs: T) -> T:
        return ((logs - result).flip(dim).logcumsumexp(dim).flip(dim) + value).exp()

    if value.dtype.is_complex:
        return conj(spread(conj(grad).log()))
    least = torch.finfo(grad.dtype).min
    size = grad.abs().log()
    positive, negative = (spread(size.masked_fill(~chosen, least)) for chosen in (grad > 0, grad < 0))
    return positive - negative


@formula
def logcumsumexp_transposed(grad: T, value: T, dim: int) -> T:
    """Return the gradient of logcumsumexp in a form that is linear in the cotangent.

    Real numbers are shifted by the largest along `dim`, which raises IndexError where there is none, and sums
    by a trifle, as in `logcumsumexp_jvp` in torch/csrc/autograd/FunctionsManual.cpp.
    """
    share = (value if value.dtype.is_complex else value - value.detach().max(dim, True)[0]).exp()
    part = grad / conj(share.cumsum(dim) + 1e-13)
    return conj(share) * (part.flip(dim).cumsum(dim).flip(dim) if value.dim() else part)


rule(
    "logsumexp",
    grad_fn="LogsumexpBackward0",
    tensors="self",
    args="dim keepdim",
    forward="self.logsumexp(dim, keepdim)",
    self="logsumexp_backward(grad, self, result, dim, keepdim)",
    saves="self result",
    forward_mode={"self": "logsumexp_transposed(grad, self, dim, keepdim)"},
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
