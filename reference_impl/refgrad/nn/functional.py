"""`refgrad.nn.functional`: functions that modules are made of.

Activations, distances and windows are in `refgrad.functional`. Here is what has a state or a choice of
elements: dropout, batch normalisation, and the losses of classification. They are compositions of operations
that have derivatives. Source: https://docs.pytorch.org/docs/stable/nn.functional.html
"""

from __future__ import annotations

from typing import Any

from refgrad import activations as _activations
from refgrad import convolution as _convolution
from refgrad import functional as _functional
from refgrad import interpolation as _interpolation
from refgrad import normalization as _normalization
from refgrad import pooling as _pooling
from refgrad import rearrangement as _rearrangement
from refgrad.activations import *  # noqa: F403 - one module to its users
from refgrad.convolution import *  # noqa: F403 - one module to its users
from refgrad.functional import *  # noqa: F403 - one module to its users
from refgrad.interpolation import *  # noqa: F403 - one module to its users
from refgrad.normalization import *  # noqa: F403 - one module to its users
from refgrad.pointwise import masked_fill
from refgrad.pooling import *  # noqa: F403 - one module to its users
from refgrad.rearrangement import *  # noqa: F403 - one module to its users
from refgrad.reductions import log_softmax
from refgrad.selection import gather
from refgrad.shapes import squeeze, unsqueeze
from refgrad.shapes import sum as total
from refgrad.tensor import Tensor

from . import dropout as _dropout
from .dropout import *  # noqa: F403 - one module to its users

__all__ = ["cross_entropy", "nll_loss"]
__all__ += _functional.__all__
__all__ += _normalization.__all__
__all__ += _interpolation.__all__
__all__ += _dropout.__all__
__all__ += _activations.__all__
__all__ += _convolution.__all__
__all__ += _pooling.__all__
__all__ += _rearrangement.__all__


def batch_norm(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return [N, C, ...] less its mean, over its standard deviation, for each channel.

    The statistics are those of the batch in training, and then the running ones are moved towards them by
    `momentum` (the variance in its unbiased form), without history. Raises ValueError for a batch with one
    value for each channel.
    """
    dims = (0, *range(2, input.ndim))
    shape = (1, -1, *(1 for _ in range(2, input.ndim)))
    if training:
        count = input.numel() // max(1, input.shape[1])
        if count == 1:
            raise ValueError(
                f"Expected more than 1 value per channel when training, got input size {input.shape}"
            )
        centred = input - mean(input, dims, True)
        variance = mean(centred * centred, dims, True)
        if running_mean is not None:
            _move(running_mean, input._data.mean(dims), momentum)
        if running_var is not None:
            _move(running_var, variance._data.reshape(-1) * (count / (count - 1)), momentum)
    else:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when training=False")
        centred = input - running_mean.view(shape)
        variance = running_var.view(shape)
    out: Tensor = centred * (variance + eps).rsqrt()
    out = out if weight is None else out * weight.view(shape)
    return out if bias is None else out + bias.view(shape)


def _move(running: Tensor, value: torch.Tensor, momentum: float) -> None:
    """Move a running statistic towards `value`, in place and unrecorded."""
    running._data.mul_(1 - momentum).add_(value.to(running.dtype), alpha=momentum)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return minus the element of `input` [C], [N, C] or [N, C, ...] that `target` names, reduced.

    Targets of `ignore_index` count as nothing: as 0 in a sum, and not in the number that a mean divides by
    (nan if there is no other, with gradients of 0). `weight` [C] weighs the classes. Raises IndexError for a
    target that is no class and ValueError for batches of different sizes.
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    dim = 0 if input.ndim == 1 else 1
    if dim and input.shape[0] != target.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({target.shape[0]})."
        )
    ignored = target._data == ignore_index
    wrong = target._data[~ignored & ((target._data < 0) | (target._data >= input.shape[dim]))]
    if wrong.numel():
        raise IndexError(f"Target {int(wrong.flatten()[0])} is out of bounds.")
    places = Tensor._of(target._data.masked_fill(ignored, 0))
    losses = -squeeze(gather(input, dim, unsqueeze(places, dim)), dim)
    share: Any = (~ignored).to(input.dtype)
    if weight is not None:
        share = share * weight._data[places._data]
        losses = losses * Tensor._of(weight._data[places._data])
    losses = masked_fill(losses, Tensor._of(ignored), 0)
    if reduction == "none":
        return losses
    return total(losses) if reduction == "sum" else total(losses) / Tensor._of(share.sum())


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return the cross entropy of the logits `input` [C], [N, C] or [N, C, ...] against classes `target`."""
    logits = log_softmax(input, 0 if input.ndim == 1 else 1)
    return nll_loss(logits, target, weight, ignore_index=ignore_index, reduction=reduction)
