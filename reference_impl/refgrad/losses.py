"""Losses of `refgrad.nn.functional` that compare numbers, with torch's signatures.

Those that torch computes in one kernel have a row in `rules.losses`; the others are torch's compositions.
`size_average` and `reduce` are the old names of what `reduction` says.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions and Loss.cpp in
aten/src/ATen/native
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import torch

from .activations import logsigmoid
from .arrangement import broadcast_tensors
from .functions import clamp_min, xlogy
from .grad_mode import no_grad
from .loss_arguments import REDUCTIONS, chosen, reduced, refuse_grad, warn_of_sizes
from .ops import apply
from .optional import optional
from .pointwise import abs as absolute
from .pointwise import exp, log, masked_fill, where
from .shapes import clone, unsqueeze
from .shapes import sum as total
from .tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "margin_ranking_loss",
    "mse_loss",
    "multilabel_soft_margin_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
]


# --- differences ---


def _weighted(losses: Tensor, weight: Tensor, input: Tensor, reduction: str, by_weight: bool) -> Tensor:
    """Return weighted losses, reduced; a mean is over the sum of the weights if `by_weight`."""
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    losses = losses * weight
    if reduction == "mean" and by_weight:
        return total(losses) / total(weight)
    return reduced(losses, reduction)


def mse_loss(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Return the squared differences, reduced; warn if the shapes differ and broadcast.

    With `weight`, of the shape of `input`, a mean is over the sum of the weights.
    """
    warn_of_sizes(input, target)
    reduction = chosen(reduction, size_average, reduce)
    input_, target_ = _numbers(*_broadcast(input, target))
    if weight is not None:
        return _weighted((input_ - target_) ** 2, weight, input, reduction, by_weight=True)
    return apply("mse_loss", input_, target_, reduction)


def _broadcast(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    if input.shape == target.shape:
        return input, target
    left, right = broadcast_tensors(input, target)
    return left, right


def _numbers(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Return two tensors; booleans beside numbers become numbers."""
    if right.dtype is torch.bool:
        return left, right.to(left.dtype)
    return (left.to(right.dtype), right) if left.dtype is torch.bool else (left, right)


def l1_loss(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Return the absolute differences, reduced; warn if the shapes differ and broadcast.

    With `weight`, of the shape of `input`, a mean is over the sum of the weights.
    """
    warn_of_sizes(input, target)
    reduction = chosen(reduction, size_average, reduce)
    left, right = _broadcast(input, target)
    losses = absolute(left - right)
    if weight is not None:
        return _weighted(losses, weight, input, reduction, by_weight=True)
    return reduced(losses, reduction)


def smooth_l1_loss(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Return differences d as d^2 / (2 beta) where |d| < beta and |d| - beta / 2 elsewhere, reduced.

    A `beta` of 0 gives the absolute differences. Raises RuntimeError for a negative one.
    """
    warn_of_sizes(input, target)
    reduction = chosen(reduction, size_average, reduce)
    left, right = _broadcast(input, target)
    if beta == 0:
        return reduced(absolute(left - right), reduction)
    return apply("smooth_l1_loss", *_numbers(left, right), reduction, beta)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Return differences d as d^2 / 2 where |d| < delta and delta (|d| - delta / 2) elsewhere, reduced.

    Raises RuntimeError unless `delta` is positive.
    """
    warn_of_sizes(input, target)
    chosen(reduction)
    left, right = _broadcast(input, target)
    if weight is None:
        return apply("huber_loss", left, right, reduction, delta)
    losses = apply("huber_loss", left, right, "none", delta)
    return _weighted(losses, weight, input, reduction, by_weight=False)


# --- distributions ---


def binary_cross_entropy(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the cross entropy of probabilities, times `weight`, reduced; logarithms are cut off at -100.

    Raises ValueError for shapes that differ, RuntimeError for an `input` outside of 0 to 1 and for a weight
    that requires grad.
    """
    reduction = chosen(reduction, size_average, reduce)
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is "
            "deprecated. Please ensure they have the same size."
        )
    refuse_grad("binary_cross_entropy", weight=weight)
    return apply("binary_cross_entropy", input, target, optional(weight), reduction)


def binary_cross_entropy_with_logits(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Return the cross entropy of probabilities that are given by their logits, without overflow, reduced.

    `weight` multiplies the losses and `pos_weight` their part for the target 1. Raises ValueError for shapes
    that differ, RuntimeError for weights that require grad.
    """
    reduction = chosen(reduction, size_average, reduce)
    if input.shape != target.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    refuse_grad("binary_cross_entropy_with_logits", weight=weight, pos_weight=pos_weight)
    return apply(
        "binary_cross_entropy_with_logits", input, target, optional(weight), optional(pos_weight), reduction
    )


def kl_div(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Return the Kullback-Leibler divergence of log-probabilities from a target, element by element, reduced.

    `reduction` may also be "batchmean": the sum over the size of the first dimension.
    """
    of_batch = reduction == "batchmean" and size_average is None and reduce is None
    if reduction == "mean" and size_average is None and reduce is None:
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    reduction = "sum" if of_batch else chosen(reduction, size_average, reduce)
    if log_target:
        distance = target - input
        losses = exp(target) * distance
    else:
        product = target * input
        losses = xlogy(target, target) - product
    result = reduced(losses, reduction)
    return result / input.shape[0] if of_batch and input.ndim else result


def poisson_nll_loss(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return minus the log-likelihood of `target` under Poisson distributions, reduced.

    `input` has their expectations, or the logarithms of these if `log_input`. `full` adds Stirling's
    approximation of log(target!) where it is above 1.
    """
    reduction = chosen(reduction, size_average, reduce)
    if log_input:
        product = target * input
        losses = exp(input) - product
    else:
        losses = input - target * log(input + eps)
    if full:
        stirling = target * log(target) - target + 0.5 * log(target * (2 * math.pi))
        losses = losses + masked_fill(stirling, target <= 1, 0)
    return reduced(losses, reduction)


def gaussian_nll_loss(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Return minus the log-likelihood of `target` under Gaussian distributions, reduced.

    `var` is a variance for each element, or for each of the last dimension, or a number; one below `eps`
    counts as `eps`, with the gradient that it has. `full` adds the constant. Raises ValueError for negative
    variances and other shapes.
    """
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = Tensor._of(torch.ones_like(input._data) * var)
    elif bool((var._data < 0).any()):
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = unsqueeze(var, -1)
        elif input.ndim != var.ndim or not _one_shared(input.shape, var.shape):
            raise ValueError("var is of incorrect size")
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not valid")
    bounded = clone(var)
    with no_grad():
        bounded.clamp_(min=eps)
    losses = 0.5 * (log(bounded) + (input - target) ** 2 / bounded)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced(losses, reduction)


def _one_shared(shape: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two shapes differ in one dimension alone, in which the other one has size 1."""
    return [b for a, b in zip(shape, other, strict=True) if a != b] == [1]


# --- margins ---


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return log(1 + exp(-target * input)) for targets -1 and 1, reduced.

    Raises RuntimeError for a target that requires grad.
    """
    reduction = chosen(reduction, size_average, reduce)
    refuse_grad("soft_margin_loss", target=target)
    return apply("soft_margin_loss", input, target, reduction)


def multilabel_soft_margin_loss(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean over the last dimension of the cross entropies of labels given by logits, reduced."""
    if size_average is not None or reduce is not None:
        reduction = chosen(reduction, size_average, reduce)
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    losses = total(losses, input.ndim - 1) / input.shape[-1]
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not valid")
    return reduced(losses, reduction)


def margin_ranking_loss(  # noqa: PLR0917 - torch's signature
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return max(0, -target (input1 - input2) + margin), reduced.

    The gradient passes where that is 0 without the bound. Raises RuntimeError for tensors with different
    numbers of dimensions.
    """
    reduction = chosen(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    difference = input1 - input2
    return reduced(clamp_min(-target * difference + float(margin), 0), reduction)


def hinge_embedding_loss(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return `input` where the target is 1 and max(0, margin - input) where it is -1, reduced.

    Where the target is neither, both are added.
    """
    reduction = chosen(reduction, size_average, reduce)
    apart = where(target != 1, clamp_min(margin - input, 0), 0)
    near = where(target != -1, input, 0)
    return reduced(apart + near, reduction)
