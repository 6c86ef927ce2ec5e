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
class Bags:
    """How bags are made of rows.

    `mode` is "sum", "mean" or "max", and `padding` the index that counts as not there, -1 for none.
    `by_frequency` says that rows count less the more often they are used, `ends_at_last` that the last bag
    ends at the last offset. Of the largest elements of each bag, [B, D], `largest` names the rows; None if
    bags are sums or means.
    """

    mode: str
    padding: int
    by_frequency: bool
    ends_at_last: bool
    largest: torch.Tensor | None

    def of_each(self, indices: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        """Return the bag that each of the indices is in."""
        starts = offsets[:-1] if self.ends_at_last else offsets
        places = torch.arange(indices.numel(), device=indices.device)
        return torch.searchsorted(starts, places, right=True) - 1

    def factors(self, indices: torch.Tensor, offsets: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        """Return what each use of a row of `table` counts for in its bag; 0 if it pads."""
        factors = (indices != self.padding).to(table.dtype)
        if self.mode == "mean":
            bags = self.of_each(indices, offsets)
            sizes = factors.new_zeros(offsets.numel() - self.ends_at_last).index_add(0, bags, factors)
            factors = factors / sizes.clamp(min=1)[bags]
        return factors * frequencies(indices, table) if self.by_frequency else factors


def frequencies(indices: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Return for each index one over how often it occurs."""
    places = indices.reshape(-1)
    # Not bincount, which waits for the device to learn how many counts there are.
    counts = places.new_zeros(table.shape[0]).index_add(0, places, torch.ones_like(places))
    return 1 / counts[places].to(table.dtype)


def _bag_backward(  # noqa: PLR0917 - what went in
    grad: torch.Tensor,
    indices: torch.Tensor,
    offsets: torch.Tensor,
    weights: torch.Tensor | None,
    shape: Any,
    bags: Bags,
) -> torch.Tensor:
    """Return the gradient of the table; `weights` are those of the uses in a weighted sum."""
    table = grad.new_zeros(shape)
    factors, bag = bags.factors(indices, offsets, table), bags.of_each(indices, offsets)
    if bags.largest is not None:
        uses = bag.new_zeros(grad.shape[0]).index_add(0, bag, (factors != 0).to(bag.dtype))
        return table.scatter_add(0, bags.largest, grad.masked_fill((uses == 0).unsqueeze(1), 0))
    factors = factors if weights is None else factors * weights
    return table.index_add(0, indices, grad[bag] * factors.unsqueeze(1))


def _weights_backward(
    grad: torch.Tensor, table: torch.Tensor, indices: torch.Tensor, offsets: torch.Tensor, bags: Bags
) -> torch.Tensor:
    """Return the gradient of the weights of a weighted sum; a use that pads gets none."""
    products = (grad[bags.of_each(indices, offsets)] * table[indices]).sum(1)
    return products.masked_fill(indices == bags.padding, 0)


kernel("embedding_bag_backward", _bag_backward)
kernel("_embedding_bag_per_sample_weights_backward", _weights_backward)
# `value` is what the kernel found. torch has no derivatives of the backwards.
rule(
    "embedding_bag",
    grad_fn="EmbeddingBagBackward0",
    tensors="weight indices offsets per_sample_weights",
    args="bags value",
    forward="value",
    weight="embedding_bag_backward(grad, indices, offsets, per_sample_weights, weight_shape, bags)",
    indices=NON_DIFFERENTIABLE,
    offsets=NON_DIFFERENTIABLE,
    per_sample_weights="_embedding_bag_per_sample_weights_backward(grad, weight, indices, offsets, bags)",
    saves="weight indices offsets per_sample_weights",
    kept="per_sample_weights",
)
_twice = Missing("_embedding_bag_backward")
rule(
    "embedding_bag_backward",
    grad_fn="EmbeddingBagBackwardBackward0",
    tensors="grad_output indices offsets per_sample_weights",
    args="shape bags",
    forward="embedding_bag_backward(grad_output, indices, offsets, per_sample_weights, shape, bags)",
    grad_output=_twice,
    indices=NON_DIFFERENTIABLE,
    offsets=NON_DIFFERENTIABLE,
    per_sample_weights=_twice,
    saves="",
)
rule(
    "_embedding_bag_per_sample_weights_backward",
    grad_fn="torch::autograd::NotImplemented",
    tensors="grad_output weight indices offsets",
    args="bags",
    forward="_embedding_bag_per_sample_weights_backward(grad_output, weight, indices, offsets, bags)",
    grad_output=NOT_IMPLEMENTED,
    weight=NOT_IMPLEMENTED,
    indices=NON_DIFFERENTIABLE,
    offsets=NON_DIFFERENTIABLE,
    saves="",
)
