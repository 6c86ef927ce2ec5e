"""`refgrad.nn.functional`: functions that modules are made of.

Activations, distances and windows are in `refgrad.functional`. Here is what has a state or a choice of
elements: dropout, batch normalisation, and the losses of classification. They are compositions of operations
that have derivatives. Source: https://docs.pytorch.org/docs/stable/nn.functional.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refgrad import activations as _activations
from refgrad import class_losses as _class_losses
from refgrad import convolution as _convolution
from refgrad import distances as _distances
from refgrad import functional as _functional
from refgrad import interpolation as _interpolation
from refgrad import losses as _losses
from refgrad.activations import *  # noqa: F403 - one module to its users
from refgrad.class_losses import *  # noqa: F403 - one module to its users
from refgrad.convolution import *  # noqa: F403 - one module to its users
from refgrad.distances import *  # noqa: F403 - one module to its users
from refgrad.functional import *  # noqa: F403 - one module to its users
from refgrad.interpolation import *  # noqa: F403 - one module to its users
from refgrad.losses import *  # noqa: F403 - one module to its users
from refgrad.shapes import mean

from . import dropout as _dropout
from .dropout import *  # noqa: F403 - one module to its users

if TYPE_CHECKING:
    import torch

    from refgrad.tensor import Tensor

__all__ = ["batch_norm"]
__all__ += _functional.__all__
__all__ += _losses.__all__
__all__ += _distances.__all__
__all__ += _class_losses.__all__
__all__ += _interpolation.__all__
__all__ += _dropout.__all__
__all__ += _activations.__all__
__all__ += _convolution.__all__


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
