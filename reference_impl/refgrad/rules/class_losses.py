"""Losses against classes, labels and sequences of them, which torch computes in one kernel.

Conventions are those of aten/src/ATen/native/Loss*.cpp. A weight that torch refuses to differentiate is
refused before it comes here (`refgrad.class_losses`).
"""

from __future__ import annotations

import math
from typing import Any

import torch

from .formulas import formula, kernel
from .registry import NON_DIFFERENTIABLE, NOT_IMPLEMENTED, rule

T = Any

# --- margins ---


# torch's table has no derivatives of their backwards. `loss` is what the kernel found.
def _multi_margin_slope(
    value: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None,
    p: int,
    margin: float,
) -> torch.Tensor:
    """Return the derivative of the loss of each row by its elements, [N, C]."""
    rows, places = _rows(value), target.reshape(-1, 1)
    gap = (margin - rows.gather(1, places) + rows).scatter(1, places, 0)
    slope = (gap > 0).to(rows.dtype) if p == 1 else 2 * gap.clamp(min=0)
    if weight is not None:
        slope = slope * weight[places]
    return slope.scatter(1, places, -slope.sum(1, keepdim=True)) / rows.shape[1]


def _multilabel_margin_slope(value: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the derivative of the loss of each row by its elements, [N, C]."""
    rows = _rows(value)
    labels = target.reshape(rows.shape)
    valid = (labels >= 0).cumprod(1).bool()
    places = labels.masked_fill(~valid, 0)
    is_label = torch.zeros_like(rows).scatter_add(1, places, valid.to(rows.dtype)) > 0
    gap = 1 - rows.gather(1, places).unsqueeze(2) + rows.unsqueeze(1)
    counts = ((gap > 0) & valid.unsqueeze(2) & ~is_label.unsqueeze(1)).to(rows.dtype)
    return counts.sum(1).scatter_add(1, places, -counts.sum(2)) / rows.shape[1]


def _rows(value: torch.Tensor) -> torch.Tensor:
    """Return what losses of rows take as the rows [N, C]."""
    return value.reshape(-1, value.shape[-1] if value.ndim else 1)


def _by_rows(grad: torch.Tensor, value: torch.Tensor, reduction: str, slope: torch.Tensor) -> torch.Tensor:
    """Return the gradient of `value` for that of the losses of its rows, reduced; `slope` is [N, C]."""
    if reduction == "mean":
        slope = slope / (slope.shape[0] or math.nan)
    return torch.ops.aten._unsafe_view(grad.reshape(-1, 1) * slope, value.shape)  # type: ignore[no-any-return]


kernel(
    "multi_margin_loss_backward",
    lambda grad, value, target, weight, p, margin, reduction: _by_rows(
        grad, value, reduction, _multi_margin_slope(value, target, weight, p, margin)
    ),
)
kernel(
    "multilabel_margin_loss_backward",
    lambda grad, value, target, reduction: _by_rows(
        grad, value, reduction, _multilabel_margin_slope(value, target)
    ),
)
for _name, _title, _tensors, _args in (
    ("multi_margin_loss", "MultiMarginLoss", "target weight", "p margin reduction"),
    ("multilabel_margin_loss", "MultilabelMarginLoss", "target", "reduction"),
):
    _given = f"self, {', '.join([*_tensors.split(), *_args.split()])}"
    _constants: dict[str, Any] = dict.fromkeys(_tensors.split(), NON_DIFFERENTIABLE)
    rule(
        _name,
        grad_fn=f"{_title}Backward0",
        tensors=f"self {_tensors}",
        args=f"{_args} loss",
        forward="loss",
        self=f"{_name}_backward(grad, {_given})",
        saves=f"self {_tensors}",
        **_constants,
    )
    rule(
        f"{_name}_backward",
        grad_fn="torch::autograd::NotImplemented",
        tensors=f"grad_output self {_tensors}",
        args=_args,
        forward=f"{_name}_backward(grad_output, {_given})",
        grad_output=NOT_IMPLEMENTED,
        self=NOT_IMPLEMENTED,
        saves="",
        **_constants,
    )

# --- classes ---


@formula
def places_of(target: T, ignored: int) -> T:
    """Return the class that each target names; 0 for one that is ignored."""
    return target.long().masked_fill(target == ignored, 0)


@formula
def share_of(target: T, weight: T, like: T, ignored: int, reduction: str) -> T:
    """Return what each target counts for: its weight, over their sum in a mean, and 0 if it is ignored."""
    skipped = target == ignored
    # In single precision at least: a mean divides by a sum of many.
    dtype = torch.promote_types(like.dtype, torch.float32)
    if weight is None:
        share = like.new_ones(target.shape, dtype=dtype)
    else:
        share = weight[places_of(target, ignored)].to(dtype)
    share = share.masked_fill(skipped, 0)
    if reduction == "mean":
        share = (share / share.sum()).masked_fill(skipped, 0)
    return share


@formula
def any_left(target: T, ignored: int, reduction: str) -> T:
    """Return of a mean whether there is a target that is not ignored.

    The mean of no tangents is nan, as that of no losses is, and its gradients are 0.
    """
    return (target != ignored).any() if reduction == "mean" else None


def _nll_loss_backward(
    grad: torch.Tensor, value: torch.Tensor, places: torch.Tensor, counts: torch.Tensor, dim: int
) -> torch.Tensor:
    """Return the gradient of `value`, of which the elements at `places` along `dim` were picked; each counts
    for one of `counts`.
    """
    if not value.shape[dim]:
        return torch.zeros_like(value)
    share = -(grad * counts).to(value.dtype).unsqueeze(dim)
    return torch.zeros_like(value).scatter_add(dim, places.unsqueeze(dim), share)


kernel(
    "nll_loss_backward",
    lambda grad, value, target, weight, ignored, reduction, dim: _nll_loss_backward(
        grad,
        value,
        places_of(target, ignored),
        share_of(target, weight, value, ignored, reduction),
        dim,
    ),
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


@formula
def not_learned(weight: T) -> T:
    """Return the weight of each class; raise RuntimeError if it has joined the graph, as torch does."""
    if weight is not None and weight.requires_grad:
        raise RuntimeError(
            "The function 'nll_loss_backward' is not differentiable with respect to argument 'weight'. This "
            "input cannot have requires_grad True."
        )
    return weight


_PICKED = (
    "sum_to(-(picked_of(grad, places_of(target, ignored), dim) * "
    "share_of(target, weight, grad, ignored, reduction)), grad_output_shape)"
)
_LEFT = "any_left(target, ignored, reduction)"
for _name, _title in (("nll_loss", "NllLoss"), ("nll_loss2d", "NllLoss2D")):
    rule(
        _name,
        grad_fn=f"{_title}Backward0",
        tensors="self target weight",
        args="ignored reduction dim loss",
        forward="loss",
        self="nll_loss_backward(grad, self, target, not_learned(weight), ignored, reduction, dim)",
        target=NON_DIFFERENTIABLE,
        weight=NON_DIFFERENTIABLE,
        saves="self target weight",
        forward_mode={"grad": f"unless_none_left(grad, {_LEFT})"},
    )
rule(
    "nll_loss_backward",
    grad_fn="NllLossBackwardBackward0",
    tensors="grad_output self target weight",
    args="ignored reduction dim",
    forward="nll_loss_backward(grad_output, self, target, weight, ignored, reduction, dim)",
    grad_output=f"unless_none_left({_PICKED}, {_LEFT}).to(grad_output_dtype)",
    forward_mode={"grad_output": f"{_PICKED}.to(grad_output_dtype)"},
    self="zeros_like(grad)",
    target=NON_DIFFERENTIABLE,
    weight=NON_DIFFERENTIABLE,
    saves="target weight",
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
