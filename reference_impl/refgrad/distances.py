"""Distances and angles of `refgrad.nn.functional`, and the losses that are made of them.

They are torch's compositions. Source: https://docs.pytorch.org/docs/stable/nn.functional.html, and
Distance.cpp and Loss.cpp in aten/src/ATen/native
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .arrangement import broadcast_tensors
from .complex_support import scalar_type
from .functions import clamp_min
from .grad_mode import no_grad
from .loss_arguments import chosen, reduced
from .ops import apply
from .pointwise import minimum, where
from .pointwise import sqrt as root
from .reductions import vector_norm
from .shapes import expand, to
from .shapes import sum as total

if TYPE_CHECKING:
    from collections.abc import Callable

    from .tensor import Tensor

__all__ = [
    "cosine_embedding_loss",
    "cosine_similarity",
    "normalize",
    "pairwise_distance",
    "pdist",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

TORCH = ("cosine_similarity", "pairwise_distance", "pdist")

_LITTLE = 1e-12


def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """Return `input` divided by its norm along `dim`, which counts as `eps` if it is smaller."""
    if out is not None:
        raise NotImplementedError("normalize: out is not implemented")
    return input / expand(clamp_min(vector_norm(input, p, dim, True), eps), input.shape)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle along `dim`; norms below `eps` count as `eps`, and gradients pass.

    Raises RuntimeError if the dtype that the two promote to is complex or has no fractions.
    """
    dtype = torch.result_type(x1._data, x2._data)
    if not dtype.is_floating_point:
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {scalar_type(dtype)}"
        )
    sides = broadcast_tensors(*(side if side.dtype is dtype else to(side, dtype) for side in (x1, x2)))
    norms = [_at_least(side, dim, eps) for side in sides]
    right = sides[1] / norms[1]
    return total(sides[0] / norms[0] * right, dim)


def _at_least(side: Tensor, dim: int, eps: float) -> Tensor:
    """Return the norms along `dim`, raised to `eps` behind the back of the graph as in torch."""
    norms = vector_norm(side, 2.0, dim, True).clone()
    with no_grad():
        norms.clamp_(min=eps)
    return norms


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """Return the norm of order `p` of `x1 - x2 + eps` along the last dimension; the two broadcast."""
    return apply("norm", x1 - x2 + eps, p, (max(x1.ndim, x2.ndim) - 1,), keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Return the distances of order `p` of the rows i < j of a matrix [N, M], as a vector.

    It is differentiated once: torch has no derivative of its backward. Raises RuntimeError for other than
    two dimensions and for a negative order.
    """
    return apply("pdist", input.contiguous(), p)


def cosine_embedding_loss(  # noqa: PLR0917 - torch's signature
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return 1 - cos where the target is 1 and max(0, cos - margin) where it is -1, reduced.

    The inputs are [N, D] for a target [N], or [D] for one [], and raise RuntimeError otherwise.
    """
    reduction = chosen(reduction, size_average, reduce)
    dim = target.ndim
    if dim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.ndim != dim + 1:
        raise RuntimeError(
            f"{dim}D target tensor expects {dim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    product = total(input1 * input2, dim)
    left, right = (total(one * one, dim) + _LITTLE for one in (input1, input2))
    cosine = product / root(left * right)
    near = where(target == 1, 1 - cosine, 0)
    apart = where(target == -1, clamp_min(cosine - margin, 0), 0)
    return reduced(near + apart, reduction)


def triplet_margin_loss(  # noqa: PLR0917 - torch's signature
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return max(0, margin + d(anchor, positive) - d(anchor, negative)), reduced; d is a pairwise distance.

    With `swap` the smaller of the distances of anchor and positive from `negative` counts. Raises ValueError
    for a margin that is not positive, RuntimeError for tensors with different numbers of dimensions.
    """
    reduction = chosen(reduction, size_average, reduce)
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda x, y: pairwise_distance(x, y, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return what `triplet_margin_loss` returns, with a distance of one's own."""
    chosen(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            f"but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    distance = pairwise_distance if distance_function is None else distance_function
    near, apart = distance(anchor, positive), distance(anchor, negative)
    if swap:
        apart = minimum(apart, distance(positive, negative))
    return reduced(clamp_min(margin + near - apart, 0), reduction)
