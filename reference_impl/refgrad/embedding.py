"""Embeddings of `refgrad.nn.functional`: rows of a table by index, and bags of them.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#sparse-functions, and Embedding.cpp and
EmbeddingBag.cpp in aten/src/ATen/native
"""

from __future__ import annotations

import torch

from .levels import LEVELS
from .loss_arguments import data_of
from .ops import apply
from .optional import ABSENT, optional
from .rules.embedding import Bags, frequencies
from .tangents import carry
from .tensor import Tensor
from .versions import bump

__all__ = ["embedding", "embedding_bag"]

_MODES = {"sum": 0, "mean": 1, "max": 2}


def embedding(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Return the rows of `weight` [R, D] at `input` [...]: [..., D].

    The row `padding_idx` gets no gradient. With `max_norm` the rows that are used and whose norm is larger
    are scaled down to it, in place and unrecorded. `scale_grad_by_freq` divides the gradient of each row by
    how often it is used. Raises AssertionError for a `padding_idx` that is no row, IndexError for one
    of a number, RuntimeError for a `weight` that is no matrix.
    """
    _refuse_sparse("embedding", sparse)
    if padding_idx is not None and not -weight.size(0) <= padding_idx < weight.size(0):
        raise AssertionError("Padding_idx must be within num_embeddings")
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    rows = weight.shape[0]
    padding = -1 if padding_idx is None else padding_idx % rows
    _renormalize(weight, input, max_norm, norm_type)
    scale = Tensor._of(frequencies(input._data, weight._data)) if scale_grad_by_freq else None
    out = apply("embedding", weight, input, optional(scale), padding)
    if LEVELS:
        # What keeps gradients from a row, or scales them, is not there for tangents.
        carry((out,), (weight,), lambda tangent: (apply("embedding", tangent, input, ABSENT, -1),))
    return out


def embedding_bag(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Return the sums, means or largest elements of bags of rows of `weight` [R, D]: [B, D].

    `input` is [B, N], or [N] with the places where bags start in `offsets` [B]. `per_sample_weights` weigh
    the rows of a sum. Indices `padding_idx` count as not there. For the other options see `embedding`. It is
    differentiated once: torch has no derivative of its backward. Raises ValueError for wrong shapes and
    modes, NotImplementedError for weights in another mode than "sum".
    """
    _refuse_sparse("embedding_bag", sparse)
    _check(input, weight, offsets, per_sample_weights, mode, scale_grad_by_freq)
    if offsets is None:
        starts = torch.arange(input.shape[0], device=input.device) * input.shape[1]
        offsets, include_last_offset = Tensor._of(starts), False
    indices, offsets = _longs(input.reshape(-1)), _longs(offsets)
    if input.ndim == 2 and per_sample_weights is not None:
        per_sample_weights = per_sample_weights.reshape(-1)
    _renormalize(weight, input, max_norm, norm_type)
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for "
            f"mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
        )
    value, _, _, largest = torch.embedding_bag(
        weight._data,
        indices._data,
        offsets._data,
        False,
        _MODES[mode],
        False,
        data_of(per_sample_weights),
        include_last_offset,
        padding_idx,
    )
    padding = -1 if padding_idx is None else padding_idx % weight.shape[0]
    chosen = largest.clamp(min=0) if mode == "max" else None
    bags = Bags(mode, padding, scale_grad_by_freq, include_last_offset, chosen)
    return apply("embedding_bag", weight, indices, offsets, optional(per_sample_weights), bags, value)


def _longs(indices: Tensor) -> Tensor:
    """Return indices as the formulas take them, as torch saves them where they are so already."""
    return indices if indices.dtype is torch.int64 else indices.long()


def _check(  # noqa: PLR0917 - what is checked
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None,
    weights: Tensor | None,
    mode: str,
    scale_grad_by_freq: bool,
) -> None:
    """Raise torch's ValueError for arguments of embedding_bag that do not fit together."""
    if weights is not None and weights.shape != input.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({weights.shape}) is not None, then it must have the same "
            f"shape as the input ({input.shape})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if input.ndim not in (1, 2):
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if input.ndim == 2 and offsets is not None:
        raise ValueError(
            "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed "
            f"length sequences. However, found offsets of type {type(offsets)}"
        )
    if input.ndim == 1 and (offsets is None or offsets.ndim != 1):
        raise ValueError(f"offsets has to be a 1D Tensor{' but got None' if offsets is None else ''}")
    if mode not in _MODES:
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")


def _refuse_sparse(name: str, sparse: bool) -> None:
    if sparse:
        raise NotImplementedError(f"{name}: sparse gradients are not implemented")


def _renormalize(weight: Tensor, indices: Tensor, max_norm: float | None, norm_type: float) -> None:
    """Scale the rows that are used down to `max_norm`, in place and unrecorded."""
    if max_norm is not None:
        torch.embedding_renorm_(weight._data, indices._data.contiguous(), max_norm, norm_type)
        bump(weight)
