"""Losses that torch computes in one kernel: the losses of each element, or their mean or sum.

Conventions at kinks, zeros and infinities are those of aten/src/ATen/native/Loss*.cpp, and those of second
derivatives of torch/csrc/autograd/FunctionsManual.cpp. A target or weight that torch refuses to differentiate
is refused before it comes here (`refgrad.losses`).
"""

from __future__ import annotations

import math
from typing import Any

import torch

from .formulas import divide, formula, kernel
from .registry import NON_DIFFERENTIABLE, NOT_IMPLEMENTED, rule

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
)

# --- functions of the difference ---

kernel(
    "mse_loss",
    lambda value, target, reduction: _nn.mse_loss(value, target, reduction=reduction),
)


@formula
def squared_error_slope(value: T, target: T, reduction: str) -> T:
    """Return the derivative of the squared differences of two tensors of one shape, reduced.

    The factor is rounded to the dtype before it multiplies, as in torch's kernel.
    """
    count = math.prod(value.shape) if reduction == "mean" else 1
    return (value - target) * value.new_full((), 2 / count if count else math.inf)


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
    ("smooth_l1_loss", "SmoothL1Loss", "beta", "clipped(self - target, beta) / beta"),
    ("huber_loss", "HuberLoss", "delta", "clipped(self - target, delta)"),
):
    rule(
        _name,
        grad_fn=f"{_title}Backward0",
        tensors="self target",
        args=f"reduction {_bound}",
        forward=f"{_name}(self, target, reduction, {_bound})",
        self=f"of_each(grad, self_shape, reduction) * ({_slope})",
        target=f"-of_each(grad, self_shape, reduction) * ({_slope})",
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


def _by_rows(grad: torch.Tensor, value: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """Return the gradient of `value` for that of the losses of its rows; `slope` is [N, C]."""
    return (grad.reshape(-1, 1) * slope).reshape(value.shape)


# torch's table has no derivatives of their backwards. `loss` is what the kernel found, and `slope` the
# derivative of the loss of each row by its elements, over the number of rows in a mean.
for _name, _title in (
    ("multi_margin_loss", "MultiMarginLoss"),
    ("multilabel_margin_loss", "MultilabelMarginLoss"),
):
    kernel(f"{_name}_backward", _by_rows)
    rule(
        _name,
        grad_fn=f"{_title}Backward0",
        tensors="self slope",
        args="loss",
        forward="loss",
        self=f"{_name}_backward(grad, self, slope)",
        slope=NON_DIFFERENTIABLE,
        saves="self slope",
    )
    rule(
        f"{_name}_backward",
        grad_fn="torch::autograd::NotImplemented",
        tensors="grad_output self slope",
        forward=f"{_name}_backward(grad_output, self, slope)",
        grad_output=NOT_IMPLEMENTED,
        self=NOT_IMPLEMENTED,
        slope=NON_DIFFERENTIABLE,
        saves="",
    )

# --- classes ---


# `counts` is what each target counts for in the loss: its weight, over their sum in a mean, and 0 if it is
# ignored. `loss` is what the kernel found. `any_left` tells of a mean whether there is a target that is not
# ignored: the mean of no tangents is nan, as that of no losses is, and its gradients are 0.
def _nll_loss_backward(
    grad: torch.Tensor,
    value: torch.Tensor,
    places: torch.Tensor,
    counts: torch.Tensor,
    _any_left: torch.Tensor | None,
    dim: int,
) -> torch.Tensor:
    """Return the gradient of `value`, of which the elements at `places` along `dim` were picked."""
    if not value.shape[dim]:
        return torch.zeros_like(value)
    share = -(grad * counts).to(value.dtype).unsqueeze(dim)
    return torch.zeros_like(value).scatter_add(dim, places.unsqueeze(dim), share)


kernel(
    "nll_loss_backward",
    _nll_loss_backward,
)


@formula
def picked_of(grad: T, places: T, dim: int) -> T:
    """Return the element of `grad` along `dim` that each of `places` names; 0 where there are no classes."""
    if not grad.shape[dim]:
        return grad.new_zeros(places.shape)
    return grad.gather(dim, places.unsqueeze(dim)).squeeze(dim)


@formula
def unless_none_left(grad: T, any_left: T) -> T:
    """Return `grad`, over 0 if the loss is the mean of none: so it is nan, as the loss is."""
    return grad if any_left is None else grad / any_left


for _name, _title in (("nll_loss", "NllLoss"), ("nll_loss2d", "NllLoss2D")):
    rule(
        _name,
        grad_fn=f"{_title}Backward0",
        tensors="self places counts any_left",
        args="dim loss",
        forward="loss",
        self="nll_loss_backward(grad, self, places, counts, any_left, dim)",
        places=NON_DIFFERENTIABLE,
        counts=NON_DIFFERENTIABLE,
        any_left=NON_DIFFERENTIABLE,
        saves="self places counts any_left",
        forward_mode={"grad": "unless_none_left(grad, any_left)"},
    )
rule(
    "nll_loss_backward",
    grad_fn="NllLossBackwardBackward0",
    tensors="grad_output self places counts any_left",
    args="dim",
    forward="nll_loss_backward(grad_output, self, places, counts, any_left, dim)",
    grad_output=(
        "unless_none_left(sum_to(-(picked_of(grad, places, dim) * counts), grad_output_shape), any_left)"
        ".to(grad_output_dtype)"
    ),
    forward_mode={
        "grad_output": (
            "sum_to(-(picked_of(grad, places, dim) * counts), grad_output_shape).to(grad_output_dtype)"
        )
    },
    self="zeros_like(grad)",
    places=NON_DIFFERENTIABLE,
    counts=NON_DIFFERENTIABLE,
    any_left=NON_DIFFERENTIABLE,
    saves="places counts any_left",
)

# --- connectionist temporal classification ---

kernel("_ctc_loss_backward", torch.ops.aten._ctc_loss_backward)
rule(
    "ctc_loss",
    grad_fn="CtcLossBackward0",
    tensors="log_probs targets alphas",
    args="input_lengths target_lengths blank zero_infinity loss",
    forward="loss",
    log_probs=(
        "_ctc_loss_backward(grad.contiguous(), log_probs, targets, input_lengths, target_lengths, result, "
        "alphas, blank, zero_infinity)"
    ),
    targets=NON_DIFFERENTIABLE,
    alphas=NON_DIFFERENTIABLE,
    saves="log_probs targets alphas result",
)
rule(
    "_ctc_loss_backward",
    grad_fn="torch::autograd::NotImplemented",
    tensors="grad_output log_probs targets",
    args="input_lengths target_lengths loss alphas blank zero_infinity",
    forward=(
        "_ctc_loss_backward(grad_output, log_probs, targets, input_lengths, target_lengths, loss._data, "
        "alphas._data, blank, zero_infinity)"
    ),
    grad_output=NOT_IMPLEMENTED,
    log_probs=NOT_IMPLEMENTED,
    targets=NON_DIFFERENTIABLE,
    saves="",
)

# --- linear maps with cross entropy, by torch's kernels that save memory ---


@formula
def first_time(grad: T, used: set[str] | None, name: str) -> T:
    """Return `grad`, or raise torch's RuntimeError if the gradient of `name` has been asked for before."""
    if used is not None:
        if name in used:
            raise RuntimeError(
                "linear_cross_entropy chunked backward called twice; retain_graph=True / double backward are "
                "not supported."
            )
        used.add(name)
    return grad


@formula
def rows_of(grad: T) -> T:
    """Return `grad` as a column, or raise RuntimeError if it requires grad, as torch's kernels do."""
    if grad.requires_grad:
        raise RuntimeError(
            "div(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    return grad.unsqueeze(1)


# `slope` [N, C] is the derivative by the logits, and `loss` what the kernel found. The gradients are
# constants to whoever differentiates them.
for _name, _grad, _scaled in (
    ("linear_cross_entropy", "first_time(grad, used, {!r})", "({0} * ({1}))"),
    ("linear_cross_entropy_of_each", "rows_of(grad)", "{1}"),
):
    _slope = "slope" if "{0}" in _scaled else f"({_grad} * slope)"
    rule(
        _name,
        grad_fn="GeneratedBackwardFor_torch_nn__linear_cross_entropy_batch_chunked_defaultBackward",
        tensors="self weight bias slope",
        args="used loss",
        forward="loss",
        self=_scaled.format(_grad.format("self"), f"{_slope}.matmul(weight.detach().to(slope.dtype))")
        + ".to(self_dtype)",
        weight=_scaled.format(_grad.format("weight"), f"{_slope}.t().matmul(self.detach().to(slope.dtype))")
        + ".to(weight_dtype)",
        bias=_scaled.format(_grad.format("bias"), f"{_slope}.sum(0)") + ".to(bias_dtype)",
        slope=NON_DIFFERENTIABLE,
        saves="self weight slope",
    )
