"""`refgrad.nn.functional`: activations, losses, convolution, pooling and padding, with torch's signatures.

What torch computes in one kernel is here put together from operations that have derivatives, unless the
choice at a kink is the kernel's own. Source: https://docs.pytorch.org/docs/stable/nn.functional.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from .ops import apply
from .shapes import matmul, mean, t
from .tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "embedding",
    "layer_norm",
    "linear",
    "one_hot",
    "pad",
]

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


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """Return `input` less its mean, over its standard deviation, both over the last dimensions.

    Raises RuntimeError if `normalized_shape` is not the shape of those.
    """
    count = len(normalized_shape)
    if tuple(input.shape[-count:]) != tuple(normalized_shape):
        raise RuntimeError(
            f"Given normalized_shape={list(normalized_shape)}, expected input with shape [*, "
            f"{', '.join(map(str, normalized_shape))}], but got input of size{list(input.shape)}"
        )
    dims = tuple(range(-count, 0))
    centred = input - mean(input, dims, True)
    variance = mean(centred * centred, dims, True)
    out = centred * (variance + eps).rsqrt()
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Return `input` with places added before and after the last dimensions, listed from the last one on.

    mode: "constant" (`value`, 0 by default), or for the last dimension "reflect", "replicate" or "circular".
    """
    if mode == "constant":
        return apply("pad_constant", input, tuple(pad), 0 if value is None else value)
    before, after = pad
    size = input.shape[-1]
    places = torch.arange(-before, size + after, device=input.device)
    if mode == "replicate":
        places = places.clamp(0, size - 1)
    elif mode == "circular":
        places = places % size
    elif mode == "reflect":
        places = (size - 1) - ((size - 1) - places.abs()).abs()
    else:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    return apply("index_select", input, Tensor._of(places), input.ndim - 1)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Return 0 and 1 for each class of integers; raise RuntimeError for other dtypes."""
    made: Any = torch.nn.functional.one_hot(tensor._data, num_classes)
    return Tensor._of(made)
