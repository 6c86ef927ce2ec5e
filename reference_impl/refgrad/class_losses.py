"""Losses of `refgrad.nn.functional` against classes, labels and sequences of them, with torch's signatures.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions, and LossNLL.cpp,
LossMultiMargin.cpp, LossMultiLabelMargin.cpp and LossCTC.cpp in aten/src/ATen/native
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from .loss_arguments import chosen, data_of, reduced, refuse_grad
from .ops import apply
from .optional import optional
from .pointwise import masked_fill, where
from .reductions import log_softmax
from .rules.formulas import unreadable
from .shapes import mean, reshape, view
from .shapes import sum as total
from .tensor import Tensor

__all__ = [
    "cross_entropy",
    "ctc_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "nll_loss",
]

_nn = torch.nn.functional


def nll_loss(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return minus the element of `input` [C], [N, C] or [N, C, ...] that `target` names, reduced.

    Targets of `ignore_index` count as nothing: as 0 in a sum, and not in the number that a mean divides by
    (nan if there is no other, with gradients of 0). `weight` [C] weighs the classes, in that number too.
    Raises IndexError for a target that is no class, ValueError for batches of different sizes, RuntimeError
    for other shapes and for a weight that requires grad.
    """
    reduction = chosen(reduction, size_average, reduce)
    refuse_grad("nll_loss_forward" if input.ndim < 3 else "nll_loss2d_forward", weight=weight)
    loss = _nn.nll_loss(
        input._data, target._data, data_of(weight), ignore_index=ignore_index, reduction=reduction
    )
    shape = target.shape
    if input.ndim == 3 or input.ndim > 4:
        # As torch does it: in one more dimension than the spatial ones have, and back.
        batch, classes = input.shape[:2]
        folded = (1, -1) if input.numel() else (0, 0)
        input = reshape(input, (batch, classes, *folded))  # noqa: A001 - torch's name
        target = reshape(target, (batch, *folded))
    row, dim = ("nll_loss", input.ndim - 1) if input.ndim < 3 else ("nll_loss2d", 1)
    picked = loss.reshape(target.shape) if reduction == "none" else loss
    result = apply(row, input, target, optional(weight), ignore_index, reduction, dim, picked)
    return result if result.shape == loss.shape else view(result, shape)


def cross_entropy(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the cross entropy of the logits `input` [C], [N, C] or [N, C, ...] against a target, reduced.

    A target of the shape of `input` has probabilities, any other one classes. `label_smoothing` mixes the
    target with the uniform distribution. Raises RuntimeError for a smoothing above 1, for classes to ignore
    among probabilities, and what `nll_loss` raises.
    """
    reduction = chosen(reduction, size_average, reduce)
    dim = 0 if input.ndim == 1 else 1
    of_probabilities = input.shape == target.shape
    if of_probabilities and not target.dtype.is_floating_point:
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got "
            f"{str(target.dtype).removeprefix('torch.').capitalize()}"
        )
    if of_probabilities and ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    if label_smoothing > 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    logits = log_softmax(input, dim)
    if of_probabilities:
        return _against_probabilities(logits, target, weight, dim, reduction, label_smoothing)
    losses = nll_loss(logits, target, weight, ignore_index=ignore_index, reduction=reduction)
    if label_smoothing <= 0:
        return losses
    smooth = -total(logits if weight is None else logits * _along(weight, logits, dim), dim)
    ignored = target._data == ignore_index
    smooth = masked_fill(smooth, Tensor._of(ignored), 0)
    if reduction == "mean":
        smooth = total(smooth) / Tensor._of(_weight_of(target._data, ~ignored, weight))
    else:
        smooth = reduced(smooth, reduction)
    return (1 - label_smoothing) * losses + smooth * _for_each(label_smoothing, input.shape[dim])


def _weight_of(target: torch.Tensor, counted: torch.Tensor, weight: Tensor | None) -> torch.Tensor:
    """Return the sum of the weights of the classes that count, or how many they are."""
    if weight is None:
        return counted.sum()
    if unreadable(target):
        return weight._data[target.masked_fill(~counted, 0)].masked_fill(~counted, 0).sum()
    return weight._data[target[counted]].sum()


def _for_each(smoothing: float, classes: int) -> float:
    """Return what smoothing gives each of so many classes."""
    return smoothing / classes if classes else math.inf


def _against_probabilities(  # noqa: PLR0917 - what the loss is made of
    logits: Tensor, target: Tensor, weight: Tensor | None, dim: int, reduction: str, smoothing: float
) -> Tensor:
    classes = logits.shape[dim]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes "
            f"but got weight tensor of shape: {list(weight.shape)}"
        )
    if smoothing > 0:
        target = target * (1 - smoothing) + _for_each(smoothing, classes)
    products = logits * target
    if weight is not None:
        products = products * _along(weight, logits, dim)
    if reduction == "none":
        return -total(products, dim)
    if reduction == "sum":
        return -total(products)
    if not logits.numel():
        return masked_fill(-total(products), Tensor._of(torch.tensor(True)), math.nan)
    return -total(products) / (logits.numel() // classes)


def _along(weight: Tensor, like: Tensor, dim: int) -> Tensor:
    """Return `weight` [C] along `dim`, to be broadcast to `like`."""
    return view(weight, tuple(-1 if place == dim else 1 for place in range(like.ndim)))


# --- margins ---


def multi_margin_loss(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return sum max(0, margin - x[y] + x[c])^p / C over the classes c other than the target y, reduced.

    `input` is [C] or [N, C]; `weight` [C] weighs the targets. It is differentiated once: torch has no
    derivative of its backward. Raises ValueError unless `p` is 1 or 2, RuntimeError for a target that is no
    class and for a weight that requires grad.
    """
    reduction = chosen(reduction, size_average, reduce)
    refuse_grad("multi_margin_loss", weight=weight)
    loss = _nn.multi_margin_loss(input._data, target._data, p, margin, data_of(weight), reduction=reduction)
    return apply("multi_margin_loss", input, target, optional(weight), p, margin, reduction, loss)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return sum max(0, 1 - x[y] + x[c]) / C over the labels y and the classes c that are none, reduced.

    `input` is [C] or [N, C], and `target`, of the same shape, has the labels of each row before the first -1.
    It is differentiated once: torch has no derivative of its backward. Raises RuntimeError for labels that
    are no classes.
    """
    reduction = chosen(reduction, size_average, reduce)
    loss = _nn.multilabel_margin_loss(input._data, target._data, reduction=reduction)
    return apply("multilabel_margin_loss", input, target, reduction, loss)


# --- sequences ---


def ctc_loss(  # noqa: PLR0917 - torch's signature
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int] | int,
    target_lengths: Tensor | Sequence[int] | int,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Return the connectionist temporal classification loss of `log_probs` [T, N, C] or [T, C], reduced.

    `targets` is [N, S], or [sum(target_lengths)]. A mean divides each loss by the length of its target
    first. With `zero_infinity` the losses of targets that do not fit count as 0, and so do their gradients.
    It is differentiated once: torch has no derivative of its backward.
    """
    chosen(reduction)
    batched = log_probs.ndim == 3
    if not batched:
        log_probs = log_probs.unsqueeze(1)
        targets = targets if targets.ndim == 1 else targets.unsqueeze(0)
    inputs, lengths = _lengths(input_lengths), _lengths(target_lengths)
    loss, alphas = torch.ops.aten._ctc_loss(
        log_probs._data, targets._data, inputs, lengths, blank, zero_infinity
    )
    losses = apply(
        "ctc_loss", log_probs, targets, Tensor._of(alphas), inputs, lengths, blank, zero_infinity, loss
    )
    if zero_infinity:
        losses = where(Tensor._of(loss == math.inf), 0, losses)
    if reduction == "mean":
        sizes = torch.tensor(lengths, dtype=loss.dtype, device=loss.device).clamp(min=1)
        return mean(losses / Tensor._of(sizes))
    if reduction == "sum":
        return total(losses)
    return losses if batched else losses.squeeze(0)


def _lengths(lengths: Tensor | Sequence[int] | int) -> list[int]:
    if isinstance(lengths, Tensor):
        return [int(length) for length in lengths._data.reshape(-1).tolist()]
    return list(lengths) if isinstance(lengths, Sequence) else [lengths]
