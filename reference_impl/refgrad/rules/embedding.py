"""Rows of a table that are looked up, one by one or combined in bags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .formulas import formula, kernel
from .registry import NON_DIFFERENTIABLE, NOT_IMPLEMENTED, Missing, rule

T = Any


def _embedding_backward(
    grad: torch.Tensor,
    indices: torch.Tensor,
    scale: torch.Tensor | None,
    shape: tuple[int, ...],
    padding: int,
) -> torch.Tensor:
    """Return the sum of the gradients of each row's uses, times `scale` if given; row `padding` gets none."""
    places = indices.reshape(-1)
    rows = grad.reshape(places.shape[0], shape[1])
    rows = rows.masked_fill((places == padding).unsqueeze(1), 0)
    if scale is not None:
        rows = rows * scale.unsqueeze(1)
    return grad.new_zeros(shape).index_add(0, places, rows)


@formula
def embedding_twice(grad: T, indices: T, scale: T, padding: int) -> T:
    """Return the gradient of the uses of rows from that of the rows' gradients, times `scale` if given."""
    uses = grad.index_select(0, indices.reshape(-1))
    if scale is not None:
        uses = uses * scale.unsqueeze(1)
    return uses.reshape((*indices.shape, grad.shape[1])).masked_fill((indices == padding).unsqueeze(-1), 0)


kernel("embedding", torch.embedding)
kernel("embedding_dense_backward", _embedding_backward)
# `scale` has one number for each index: one over how often it occurs.
rule(
    "embedding",
    grad_fn="EmbeddingBackward0",
    tensors="weight indices scale",
    args="padding_idx",
    forward="embedding(weight, indices)",
    weight="embedding_dense_backward(grad, indices, scale, weight_shape, padding_idx)",
    indices=NON_DIFFERENTIABLE,
    scale=NON_DIFFERENTIABLE,
    saves="indices scale",
)
# torch's derivative leaves out what the gradient was scaled by (`embedding_dense_double_backward`).
rule(
    "embedding_dense_backward",
    grad_fn="EmbeddingDenseBackwardBackward0",
    tensors="grad_output indices scale",
    args="shape padding_idx",
    forward="embedding_dense_backward(grad_output, indices, scale, shape, padding_idx)",
    grad_output="embedding_twice(grad, indices, None, padding_idx)",
    indices=NON_DIFFERENTIABLE,
    scale=NON_DIFFERENTIABLE,
    saves="indices",
    forward_mode={"grad_output": "embedding_twice(grad, indices, scale, padding_idx)"},
)


@dataclass(frozen=True, slots=True)
class Uses:
    """How a table is used by bags: use k takes row `rows[k]` for bag `bags[k]`, with a factor.

    Of the largest elements of each bag, [B, D], `largest` names the rows; None if bags are sums or means.
    """

    rows: torch.Tensor
    bags: torch.Tensor
    factors: torch.Tensor
    largest: torch.Tensor | None


def _bag_backward(grad: torch.Tensor, weights: torch.Tensor | None, shape: Any, uses: Uses) -> torch.Tensor:
    """Return the gradient of the table; `weights` are those of the uses in a weighted sum."""
    table = grad.new_zeros(shape)
    if uses.largest is not None:
        used = torch.zeros(grad.shape[0], dtype=torch.bool, device=grad.device)
        used[uses.bags[uses.factors != 0]] = True
        return table.scatter_add(0, uses.largest, grad.masked_fill(~used.unsqueeze(1), 0))
    factors = uses.factors if weights is None else uses.factors * weights
    return table.index_add(0, uses.rows, grad[uses.bags] * factors.unsqueeze(1))


def _weights_backward(grad: torch.Tensor, table: torch.Tensor, uses: Uses) -> torch.Tensor:
    """Return the gradient of the weights of a weighted sum; a use that pads gets none."""
    return (grad[uses.bags] * table[uses.rows]).sum(1).masked_fill(uses.factors == 0, 0)


kernel("embedding_bag_backward", _bag_backward)
kernel("_embedding_bag_per_sample_weights_backward", _weights_backward)
# `value` is what the kernel found. torch has no derivatives of the backwards.
rule(
    "embedding_bag",
    grad_fn="EmbeddingBagBackward0",
    tensors="weight per_sample_weights",
    args="uses value",
    forward="value",
    weight="embedding_bag_backward(grad, per_sample_weights, weight_shape, uses)",
    per_sample_weights="_embedding_bag_per_sample_weights_backward(grad, weight, uses)",
    saves="weight per_sample_weights",
)
_twice = Missing("_embedding_bag_backward")
rule(
    "embedding_bag_backward",
    grad_fn="EmbeddingBagBackwardBackward0",
    tensors="grad_output per_sample_weights",
    args="shape uses",
    forward="embedding_bag_backward(grad_output, per_sample_weights, shape, uses)",
    grad_output=_twice,
    per_sample_weights=_twice,
    saves="",
)
rule(
    "_embedding_bag_per_sample_weights_backward",
    grad_fn="torch::autograd::NotImplemented",
    tensors="grad_output weight",
    args="uses",
    forward="_embedding_bag_per_sample_weights_backward(grad_output, weight, uses)",
    grad_output=NOT_IMPLEMENTED,
    weight=NOT_IMPLEMENTED,
    saves="",
)
