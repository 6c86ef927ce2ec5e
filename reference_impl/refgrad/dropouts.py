"""Dropout with the signatures of torch's main namespace: of elements, of whole channels, and for SELU.

The alpha forms put the value that SELU saturates at in the place of what is dropped, and scale and shift the
result so that mean and variance stay. Source: https://arxiv.org/abs/1706.02515 and
https://docs.pytorch.org/docs/stable/nn.functional.html#dropout-functions
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from .ops import apply
from .tensor import Tensor

# SELU's limit at minus infinity is minus this number.
_SATURATION = 1.7580993408473766


def _noise(data: torch.Tensor, p: float, channels: bool) -> torch.Tensor:
    """Return 1 for what is kept and 0 for what is dropped; with `channels` one for each of [N, C, ...].

    Raises RuntimeError for channels of less than two dimensions.
    """
    if not channels:
        return torch.empty_like(data).bernoulli_(1 - p)
    if data.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return data.new_empty((*data.shape[:2], *(1 for _ in data.shape[2:]))).bernoulli_(1 - p)


def _form(name: str, channels: bool, alpha: bool, inplace: bool) -> Callable[[Tensor, float, bool], Tensor]:
    """Return the function `name` of torch, made of a product with noise and, if `alpha`, a sum."""

    def function(input: Tensor, p: float, train: bool) -> Tensor:
        if not 0 <= p <= 1:
            raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
        if p == 0 or not train or not input.numel():
            return input
        times, plus = (Tensor.mul_, Tensor.add_) if inplace else (Tensor.mul, Tensor.add)
        data = input._data
        if p == 1:
            return times(input, Tensor._of(data.new_zeros(())))
        noise = _noise(data, p, channels)
        if not alpha:
            return times(input, Tensor._of(noise.div_(1 - p)))
        scale = 1 / math.sqrt((_SATURATION * _SATURATION * p + 1) * (1 - p))
        shift = noise.add(-1).mul_(_SATURATION * scale).add_(_SATURATION * scale * p)
        return plus(times(input, Tensor._of(noise.mul_(scale))), Tensor._of(shift))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Do what torch.{name} does: drop with probability `p` if `train`.\n\n"
        "Return `input` itself if nothing is dropped; raise RuntimeError for a `p` that is no probability."
    )
    return function


dropout = _form("dropout", channels=False, alpha=False, inplace=False)
dropout_ = _form("dropout_", channels=False, alpha=False, inplace=True)
feature_dropout = _form("feature_dropout", channels=True, alpha=False, inplace=False)
feature_dropout_ = _form("feature_dropout_", channels=True, alpha=False, inplace=True)
alpha_dropout = _form("alpha_dropout", channels=False, alpha=True, inplace=False)
alpha_dropout_ = _form("alpha_dropout_", channels=False, alpha=True, inplace=True)
feature_alpha_dropout = _form("feature_alpha_dropout", channels=True, alpha=True, inplace=False)
feature_alpha_dropout_ = _form("feature_alpha_dropout_", channels=True, alpha=True, inplace=True)


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """Return `input` with elements dropped, and the mask of those that were kept."""
    dropped, kept = torch.native_dropout(input._data, p, train)
    mask = Tensor._of(kept)
    return apply("native_dropout", input, mask, p, train, dropped), mask


TORCH = (
    "alpha_dropout", "alpha_dropout_", "dropout", "dropout_", "feature_alpha_dropout",
    "feature_alpha_dropout_", "feature_dropout", "feature_dropout_", "native_dropout",
)  # fmt: skip
