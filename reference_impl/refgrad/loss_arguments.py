"""What losses have in common: how they are reduced, and what torch warns of or refuses."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from .grad_mode import mode
from .shapes import mean
from .shapes import sum as total
from .tensor import Tensor

if TYPE_CHECKING:
    import torch

REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}


def chosen(reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    """Return the reduction; the old arguments `size_average` and `reduce` override it, with torch's warning.

    Raises ValueError unless it is "none", "mean" or "sum".
    """
    if size_average is not None or reduce is not None:
        averages, reduces = size_average is not False, reduce is not False
        reduction = ("mean" if averages else "sum") if reduces else "none"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            UserWarning,
            stacklevel=4,
        )
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """Return the losses, their mean or their sum."""
    if reduction == "none":
        return losses
    return mean(losses) if reduction == "mean" else total(losses)


def warn_of_sizes(input: Tensor, target: Tensor) -> None:
    """Warn if the shapes differ, and broadcast."""
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). "
            "This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            UserWarning,
            stacklevel=3,
        )


def refuse_grad(function: str, **tensors: Any) -> None:
    """Raise torch's RuntimeError if a tensor requires grad that `function` has no derivative for."""
    for name, tensor in tensors.items():
        if mode.enabled and isinstance(tensor, Tensor) and tensor.requires_grad:
            raise RuntimeError(
                f"The function '{function}' is not differentiable with respect to argument '{name}'. This "
                "input cannot have requires_grad True."
            )


def data_of(tensor: Tensor | None) -> torch.Tensor | None:
    """Return the data of a tensor that may be left out."""
    return None if tensor is None else tensor._data
