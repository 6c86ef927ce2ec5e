"""Picking elements by index, putting them in other places, and values that come with their indices."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch

from .formulas import formula, index_put, kernel, operation
from .registry import NON_DIFFERENTIABLE, Missing, rule

T = Any

_pad = operation("pad_constant")
_unsafe_view = operation("unsafe_view")
kernel("index_put_accumulate", partial(index_put, accumulate=True))


@formula
def zeros_of(value: T, shape: tuple[int, ...]) -> T:
    """Return zeros of `shape`, with the dtype and device of `value`, without history."""
    return value.new_zeros(shape)


@formula
def chosen_like(grad: T, dim: int, index: T, source: T) -> T:
    """Return the places `index` of `grad` along `dim` as the gradient of `source`, which went there."""
    chosen = grad.index_select(dim, index)
    return chosen.expand(source.shape) if source.dim() else chosen.reshape(())


@formula
def masked_select_backward(grad: T, value: T, mask: T) -> T:
    """Return zeros of what `value` and `mask` broadcast to, with the elements of `grad` at the mask."""
    shape = torch.broadcast_shapes(value.shape, mask.shape)  # type: ignore[no-untyped-call]
    return zeros_of(grad, shape).masked_scatter(mask, grad)


# Formulas that use a tensor for its shape alone save it where torch does: a write to it is noticed.
rule(
    "gather",
    grad_fn="GatherBackward0",
    tensors="self index",
    args="dim",
    forward="self.gather(dim, index)",
    self="zeros_of(grad, self.shape).scatter_add(dim, index, grad)",
    index=NON_DIFFERENTIABLE,
    saves="self index",
)
rule(
    "masked_select",
    grad_fn="MaskedSelectBackward0",
    tensors="self mask",
    forward="self.masked_select(mask)",
    self="sum_to(masked_select_backward(grad, self, mask), self_shape)",
    mask=NON_DIFFERENTIABLE,
    saves="self mask",
)


@formula
def masked_scatter_source(grad: T, mask: T, shape: tuple[int, ...]) -> T:
    """Return the gradient of what a masked_scatter took its elements from, zero for those that it left
    (`masked_scatter_backward` in torch).
    """
    chosen = grad.masked_select(mask)
    left = math.prod(shape) - chosen.shape[0]
    return _unsafe_view(_pad(chosen, (0, left), 0), shape)


rule(
    "masked_scatter",
    grad_fn="MaskedScatterBackward0",
    tensors="self mask source",
    forward="self.masked_scatter(mask, source)",
    self="sum_to(grad.masked_fill(mask, 0), self_shape)",
    mask=NON_DIFFERENTIABLE,
    source="masked_scatter_source(grad, mask, source_shape)",
    saves="mask",
)
# As in torch, src must have the shape of index, and with repeated indices its gradient is not right: the
# documentation of Tensor.scatter_ warns of both.
rule(
    "scatter",
    grad_fn="ScatterBackward0",
    tensors="self index src",
    args="dim",
    forward="self.scatter(dim, index, src)",
    self="grad.scatter(dim, index, 0)",
    index=NON_DIFFERENTIABLE,
    src="grad.gather(dim, index)",
    saves="index",
)
rule(
    "scatter_number",
    grad_fn="ScatterBackward1",
    tensors="self index",
    args="dim value",
    forward="self.scatter(dim, index, value)",
    self="grad.scatter(dim, index, 0)",
    index=NON_DIFFERENTIABLE,
    saves="index",
)
rule(
    "scatter_add",
    grad_fn="ScatterAddBackward0",
    tensors="self index src",
    args="dim",
    forward="self.scatter_add(dim, index, src)",
    self="grad",
    index=NON_DIFFERENTIABLE,
    src="grad.gather(dim, index)",
    saves="index",
)
rule(
    "index_select",
    grad_fn="IndexSelectBackward0",
    tensors="self index",
    args="dim",
    forward="self.index_select(dim, index)",
    self="zeros_of(grad, self_shape).index_add(dim, index, grad)",
    index=NON_DIFFERENTIABLE,
    saves="index",
)
rule(
    "index_add",
    grad_fn="IndexAddBackward0",
    tensors="self index source",
    args="dim alpha",
    forward="self.index_add(dim, index, source, alpha=alpha)",
    self="grad",
    index=NON_DIFFERENTIABLE,
    source="times(chosen_like(grad, dim, index, source), alpha)",
    saves="index source",
)
rule(
    "index_copy",
    grad_fn="IndexCopyBackward0",
    tensors="self index source",
    args="dim",
    forward="self.index_copy(dim, index, source)",
    self="grad.index_fill(dim, index, 0)",
    index=NON_DIFFERENTIABLE,
    source="chosen_like(grad, dim, index, source)",
    saves="index source",
)
rule(
    "index_fill",
    grad_fn="IndexFillBackward0",
    tensors="self index",
    args="dim value",
    forward="self.index_fill(dim, index, value)",
    self="grad.index_fill(dim, index, 0)",
    index=NON_DIFFERENTIABLE,
    saves="index",
)
rule(
    "index_put_accumulate",
    grad_fn="IndexPutBackward0",
    tensors="self indices values",
    forward="index_put_accumulate(self, indices, values)",
    self="grad",
    indices=NON_DIFFERENTIABLE,
    values="sum_to(grad[indices], values_shape)",
    saves="indices",
    joint=True,
)


# --- values that come with their indices: the gradient goes where they were taken from ---


@formula
def pick_backward(grad: T, indices: T, dim: int, keepdim: bool, shape: tuple[int, ...]) -> T:
    """Return the gradient of a tensor of `shape` of which the elements at `indices` along `dim` were taken.

    Source: `value_selecting_reduction_backward` in torch/csrc/autograd/FunctionsManual.cpp.
    """
    if not keepdim and shape:
        grad, indices = grad.unsqueeze(dim), indices.unsqueeze(dim)
    return zeros_of(grad, shape).scatter_add(dim, indices, grad)


@formula
def running_pick_backward(grad: T, value: T, indices: T, dim: int) -> T:
    """Return the gradient of a running extreme: what was taken several times gets the sum.

    Where there is nothing to pass on, torch returns the input itself (`cummaxmin_backward` in
    torch/csrc/autograd/FunctionsManual.cpp).
    """
    if not value.numel():
        return value
    return pick_backward(grad, indices, dim, True, value.shape)


for _name in ("cummax", "cummin"):
    rule(
        _name,
        grad_fn=f"{_name.capitalize()}Backward0",
        tensors="self indices",
        args="dim keepdim values",
        forward="values",
        self="running_pick_backward(grad, self, indices, dim)",
        indices=NON_DIFFERENTIABLE,
        saves="self indices",
    )

for _name, _node in (
    ("kthvalue", "KthvalueBackward0"),
    ("max_dim", "MaxBackward0"),
    ("median_dim", "MedianBackward1"),
    ("min_dim", "MinBackward0"),
    ("mode", "ModeBackward0"),
    ("nanmedian_dim", "NanmedianBackward1"),
    ("sort", "SortBackward0"),
    ("topk", "TopkBackward0"),
):
    # torch's kernel finds values and indices in one go; `values` is what it found.
    rule(
        _name,
        grad_fn=_node,
        tensors="self indices",
        args="dim keepdim values",
        forward="values",
        self="pick_backward(grad, indices, dim, keepdim, self_shape)",
        indices=NON_DIFFERENTIABLE,
        saves="indices",
    )

rule(
    "unique",
    grad_fn="Unique2Backward0",
    tensors="self",
    forward="self.unique()",
    self=Missing("_unique2"),
    saves="",
)
