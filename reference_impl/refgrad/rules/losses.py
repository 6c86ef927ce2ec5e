"""Losses that torch computes in one kernel: the losses of each element, or their mean or sum.

Conventions at kinks, zeros and infinities are those of aten/src/ATen/native/Loss*.cpp, and those of second
derivatives of torch/csrc/autograd/FunctionsManual.cpp. A target or weight that torch refuses to differentiate
is refused before it comes here (`refgrad.losses`).
"""

from __future__ import annotations

import math
from typing import Any

import torch

from .formulas import divide, formula, kernel, operation
from .registry import NON_DIFFERENTIABLE, rule

T = Any
_nn = torch.nn.functional


@formula
def of_each(grad: T, shape: tuple[int, ...], reduction: str, weight: T = None) -> T:
    """Return the gradient of each loss, of which there are `shape`, before reduction and weights."""
    if reduction == "mean":
        grad = divide(grad, math.prod(shape) or 1)
    grad = grad.expand(shape)
    return grad if weight is None else grad * weight


@formula
def mean_of_none(grad: T, shape: tuple[int, ...], reduction: str) -> T:
    """Return the gradient of a loss, over 0 if the loss is the mean of none: so the tangent is nan, as the
    loss is.
    """
    return grad / 0 if reduction == "mean" and 0 in shape else grad


_FORWARD_MODE = {"grad": "mean_of_none(grad, self_shape, reduction)"}

# --- binary cross entropy ---

kernel(
    "binary_cross_entropy",
    lambda value, target, weight, reduction: _nn.binary_cross_entropy(
        value, target, weight, reduction=reduction
    ),
)
# How far the denominators keep away from 0.
_NEAR = 1e-12


@formula
def far_from_ends(value: T) -> T:
    """Return x (1 - x), which counts as a little more than 0 at 0 and at 1."""
    return ((1 - value) * value).clamp(min=_NEAR)


@formula
def beside_ends(value: T) -> T:
    """Return x (1 - x) with a little added to both factors."""
    return (value + _NEAR) * (1 - value + _NEAR)


kernel(
    "binary_cross_entropy_backward",
    lambda grad, value, target: grad * (value - target) / far_from_ends(value),
)
# The forward cuts logarithms off at -100, the gradient of the target does not.
rule(
    "binary_cross_entropy",
    grad_fn="BinaryCrossEntropyBackward0",
    tensors="self target weight",
    args="reduction",
    forward="binary_cross_entropy(self, target, weight, reduction)",
    self="binary_cross_entropy_backward(of_each(grad, self_shape, reduction, weight), self, target)",
    target="of_each(grad, self_shape, reduction, weight) * ((-self).log1p() - self.log())",
    weight=NON_DIFFERENTIABLE,
    saves="self target weight",
    # torch multiplies the tangent of the target by the logits also if it is 0 throughout.
    zeros="target",
    forward_mode=_FORWARD_MODE,
    joint=True,
)

rule(
    "binary_cross_entropy_backward",
    grad_fn="BinaryCrossEntropyBackwardBackward0",
    tensors="grad_output self target",
    forward="binary_cross_entropy_backward(grad_output, self, target)",
    grad_output="grad * (self - target) / beside_ends(self)",
    self="grad * grad_output * ((self * self - 2 * self * target + target) / beside_ends(self).pow(2))",
    target="-grad * grad_output / far_from_ends(self)",
    saves="grad_output self target",
    elementwise=True,
)


_REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}
kernel(
    "binary_cross_entropy_with_logits",
    lambda value, target, weight, positive, reduction: torch.binary_cross_entropy_with_logits(
        value, target, weight, positive, _REDUCTIONS[reduction]
    ),
)


@formula
def logits_slope(value: T, target: T, positive: T) -> T:
    """Return the derivative of the cross entropy by the logits."""
    if positive is None:
        return value.sigmoid() - target
    weighted = positive * target
    return (weighted + 1 - target) * value.sigmoid() - weighted


@formula
def logits_target_slope(value: T, logarithm: T, positive: T) -> T:
    """Return the derivative of the cross entropy by the target; `logarithm` is log(sigmoid(x))."""
    return -value if positive is None else (1 - positive) * logarithm - value


rule(
    "binary_cross_entropy_with_logits",
    grad_fn="BinaryCrossEntropyWithLogitsBackward0",
    tensors="self target weight pos_weight",
    args="reduction",
    forward="binary_cross_entropy_with_logits(self, target, weight, pos_weight, reduction)",
    self="of_each(grad, self_shape, reduction, weight) * logits_slope(self, target, pos_weight)",
    target=(
        "of_each(grad, self_shape, reduction, weight) * "
        "logits_target_slope(self, log_sigmoid(self), pos_weight)"
    ),
    weight=NON_DIFFERENTIABLE,
    pos_weight=NON_DIFFERENTIABLE,
    saves="self target weight pos_weight",
    forward_mode=_FORWARD_MODE,
    joint=True,
)

# --- functions of the difference ---

# torch's backward of a loss saves both operands, whatever its derivative needs of them.
kernel("difference", torch.sub)
rule(
    "difference",
    grad_fn="SubBackward0",
    tensors="self target",
    forward="difference(self, target)",
    self="grad",
    target="-grad",
    saves="self target",
    kept="self target",
    elementwise=True,
)
kernel(
    "mse_loss",
    lambda value, target, reduction: _nn.mse_loss(value, target, reduction=reduction),
)


_difference = operation("difference")


@formula
def squared_error_slope(value: T, target: T, reduction: str) -> T:
    """Return the derivative of the squared differences of two tensors of one shape, reduced.

    The factor is rounded to the dtype before it multiplies, as in torch's kernel.
    """
    count = math.prod(value.shape) if reduction == "mean" else 1
    return _difference(value, target) * value.new_full((), 2 / count if count else math.inf)


rule(
    "mse_loss",
    grad_fn="MseLossBackward0",
    tensors="self target",
    args="reduction",
    forward="mse_loss(self, target, reduction)",
    self="grad * squared_error_slope(self, target, reduction)",
    target="-grad * squared_error_slope(self, target, reduction)",
    saves="self target",
    forward_mode=_FORWARD_MODE,
)


@formula
def clipped(difference: T, bound: float) -> T:
    """Return a difference that counts as `bound` at most; at the bound itself its derivative is 0."""
    return (difference.sgn() * bound).where(difference.abs() >= bound, difference)


kernel(
    "smooth_l1_loss",
    lambda value, target, reduction, beta: _nn.smooth_l1_loss(value, target, reduction=reduction, beta=beta),
)
kernel(
    "huber_loss",
    lambda value, target, reduction, delta: _nn.huber_loss(value, target, reduction=reduction, delta=delta),
)
for _name, _title, _bound, _slope in (
    ("smooth_l1_loss", "SmoothL1Loss", "beta", "clipped(difference(self, target), beta) / beta"),
    ("huber_loss", "HuberLoss", "delta", "clipped(difference(self, target), delta)"),
):
    _gradient = f"saving(of_each(grad, self_shape, reduction) * ({_slope}), grad, self)"
    rule(
        _name,
        grad_fn=f"{_title}Backward0",
        tensors="self target",
        args=f"reduction {_bound}",
        forward=f"{_name}(self, target, reduction, {_bound})",
        self=_gradient,
        target=f"-{_gradient}",
        saves="self target",
        forward_mode=_FORWARD_MODE,
    )

# --- margins ---

kernel(
    "soft_margin_loss",
    lambda value, target, reduction: _nn.soft_margin_loss(value, target, reduction=reduction),
)


def _soft_margin_slope(value: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the derivative of log(1 + exp(-target * x)); nan where the exponential overflows."""
    power = (-target * value).exp()
    return -target * power / (power + 1)


@formula
def soft_margin_curve(value: T, target: T) -> T:
    """Return the second derivative, which the derivative of the quotient would give with cancellation."""
    power = (-target * value).exp()
    return target * target * power / ((power + 1) * (power + 1))


kernel("soft_margin_slope", _soft_margin_slope)
rule(
    "soft_margin_slope",
    grad_fn="SoftMarginLossBackwardBackward0",
    tensors="self target",
    forward="soft_margin_slope(self, target)",
    self="grad * soft_margin_curve(self, target)",
    target=NON_DIFFERENTIABLE,
    saves="self target",
    elementwise=True,
)
rule(
    "soft_margin_loss",
    grad_fn="SoftMarginLossBackward0",
    tensors="self target",
    args="reduction",
    forward="soft_margin_loss(self, target, reduction)",
    self="(of_each(grad, self_shape, reduction) * soft_margin_slope(self, target)).to(self_dtype)",
    target=NON_DIFFERENTIABLE,
    saves="self target",
    forward_mode=_FORWARD_MODE,
)
