"""`refgrad.nn.functional.linear_cross_entropy`: a linear map and the cross entropy of its results.

With `options` torch never has all logits in memory, computes the gradients together with the loss, and does
not differentiate them again. Here what comes out is the same; memory is not saved.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear_cross_entropy.html
"""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

import torch

from .class_losses import cross_entropy
from .functional import linear
from .loss_arguments import data_of
from .ops import apply
from .optional import optional
from .rules.class_losses import share_of
from .shapes import reshape
from .tensor import Tensor

__all__ = ["linear_cross_entropy"]

_POLICIES = ("auto", "accurate", "balanced", "compact")
_ACCUMULATED_IN = (None, torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True, slots=True)
class LinearCrossEntropyOptions:
    """How `linear_cross_entropy` is to compute the loss in chunks, with torch's names and defaults.

    `allow_retain_graph` lets a mean or sum be differentiated several times. The others say how torch trades
    memory for precision and speed; here they are checked and change nothing. Raises ValueError for a policy,
    method, size or dtype that torch does not have.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        size: Any = self.batch_chunk_size
        method = self.chunking_method
        if self.acc_policy not in _POLICIES:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if method not in (None, "auto", "aspect_ratio") and not re.fullmatch(
            r"aspect_ratio:0*[1-9][0-9]*", str(method)
        ):
            raise ValueError(f"invalid chunking_method: {method!r}")
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype not in _ACCUMULATED_IN:
            raise ValueError(f"acc_dtype must be a floating-point dtype or None, got {self.acc_dtype!r}")


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """Return the cross entropy of `input @ linear_weight.T + linear_bias` against a target, reduced.

    input [N, D] or [D] and linear_weight [C, D] or [C, ..., D] give logits [N, C, ...]; for the target, and
    for what is raised, see `cross_entropy`. `options` is a LinearCrossEntropyOptions: the loss is
    then differentiated once, and, unless its `allow_retain_graph` is set, only one time for a mean or sum.
    Raises RuntimeError for shapes that do not fit.
    """
    _check(input, linear_weight, linear_bias)
    classes, *inner = linear_weight.shape[:-1]
    shape = (*input.shape[:-1], classes, *inner)
    if target.shape == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    ignored = -100 if ignore_index is None else ignore_index
    plain = not inner and label_smoothing == 0 and target.dtype == torch.int64
    if options is not None and plain and reduction in {"mean", "sum", "none"}:
        return _once(input, linear_weight, target, linear_bias, weight, reduction, ignored, options)
    if options is not None:
        warnings.warn(
            "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in "
            "{'mean','sum','none'}, label_smoothing == 0, target.dtype == int64, out_features == ().",
            stacklevel=2,
        )
    if inner:
        linear_weight = reshape(linear_weight, (math.prod(shape[1:]), input.shape[-1]))
        linear_bias = None if linear_bias is None else reshape(linear_bias, -1)
    logits = reshape(linear(input, linear_weight, linear_bias), shape)
    return cross_entropy(
        logits,
        target,
        weight,
        ignore_index=ignored,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def _check(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Raise torch's RuntimeError for shapes that do not fit together."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if weight.ndim < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {weight.ndim}")
    if input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {weight.shape[-1]}, respectively"
        )
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise RuntimeError(f"expected linear_bias shape {tuple(weight.shape[:-1])}, got {tuple(bias.shape)}")
    if weight.ndim > 2 and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires batched "
            f"input, (N, {input.shape[-1]}), got unbatched input with shape {tuple(input.shape)}"
        )


def _once(  # noqa: PLR0917 - the arguments of the loss
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    linear_bias: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    ignored: int,
    options: Any,
) -> Tensor:
    """Return the loss with a derivative that cannot be differentiated again."""
    single = input.ndim == 1
    rows = input.unsqueeze(0) if single else input
    classes = target._data.reshape(-1)
    # As torch does under its policy "auto", where the kernels of 16 bits sum in single precision.
    wide = torch.promote_types(rows.dtype, torch.float32)
    bias = None if linear_bias is None else linear_bias._data.to(wide)
    logits = torch.nn.functional.linear(rows._data.to(wide), linear_weight._data.to(wide), bias)
    loss = torch.nn.functional.cross_entropy(
        logits,
        classes,
        None if weight is None else weight._data.to(wide),
        ignore_index=ignored,
        reduction=reduction,
    ).to(rows.dtype)
    share = share_of(classes, data_of(weight), logits, ignored, reduction).unsqueeze(1)
    places = classes.masked_fill(classes == ignored, 0).unsqueeze(1)
    slope = (logits.softmax(1) * share).scatter_add(1, places, -share).to(logits.dtype)
    used = None if options.allow_retain_graph else set[str]()
    row = "linear_cross_entropy_of_each" if reduction == "none" else "linear_cross_entropy"
    losses = apply(row, rows, linear_weight, optional(linear_bias), Tensor._of(slope), used, loss)
    return losses.squeeze(0) if single and reduction == "none" else losses
