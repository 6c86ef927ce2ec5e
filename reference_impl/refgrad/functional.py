"""`refgrad.nn.functional`: activations, losses, convolution, pooling and padding, with torch's signatures.

What torch computes in one kernel is here put together from operations that have derivatives, unless the
choice at a kink is the kernel's own. Source: https://docs.pytorch.org/docs/stable/nn.functional.html
"""

from __future__ import annotations

import warnings
from typing import Any

import torch

from .activations import logsigmoid
from .arrangement import broadcast_tensors
from .ops import apply
from .padding import pad
from .pointwise import abs as absolute
from .reductions import vector_norm
from .shapes import expand, matmul, mean, t
from .shapes import sum as total
from .tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_similarity",
    "embedding",
    "l1_loss",
    "linear",
    "mse_loss",
    "normalize",
    "one_hot",
    "pad",
]

# --- losses and distances ---


_REDUCTIONS = ("none", "mean", "sum")


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return losses
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return mean(losses) if reduction == "mean" else total(losses)


def _warn_of_sizes(input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). "
            "This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            UserWarning,
            stacklevel=3,
        )


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return the squared differences, reduced; warn if the shapes differ and broadcast."""
    _warn_of_sizes(input, target)
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    pair = (input, target) if input.shape == target.shape else broadcast_tensors(input, target)
    return apply("mse_loss", *pair, reduction)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return the absolute differences, reduced; warn if the shapes differ and broadcast."""
    _warn_of_sizes(input, target)
    return _reduced(absolute(input - target), reduction)


def binary_cross_entropy(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return the cross entropy of probabilities; logarithms are cut off at -100.

    Raises ValueError for shapes that differ, RuntimeError for an `input` outside of 0 to 1.
    """
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is "
            "deprecated. Please ensure they have the same size."
        )
    return _reduced(apply("binary_cross_entropy", input, target), reduction)


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return the cross entropy of probabilities that are given by their logits, without overflow."""
    if input.shape != target.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    return _reduced((1 - target) * input - logsigmoid(input), reduction)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Return `input` divided by its norm along `dim`, which counts as `eps` if it is smaller."""
    size = apply("clamp", vector_norm(input, p, dim, True), eps, None)
    return input / expand(size, input.shape)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle along `dim`; norms below `eps` count as `eps`."""
    left, right = broadcast_tensors(x1, x2)
    return total(normalize(left, 2.0, dim, eps) * normalize(right, 2.0, dim, eps), dim)


# --- layers ---


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return `input @ weight.T + bias`: [..., K], [N, K], [N] to [..., N]."""
    if bias is not None and input.ndim == 2:
        return apply("addmm", bias, input, t(weight), 1, 1)
    product = matmul(input, t(weight))
    return product if bias is None else product + bias


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Return the rows of `weight` at `input`; the row `padding_idx` gets no gradient."""
    pad = -1 if padding_idx is None else padding_idx % weight.shape[0]
    return apply("embedding", weight, input, pad)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Return 0 and 1 for each class of integers; raise RuntimeError for other dtypes."""
    made: Any = torch.nn.functional.one_hot(tensor._data, num_classes)
    return Tensor._of(made)
