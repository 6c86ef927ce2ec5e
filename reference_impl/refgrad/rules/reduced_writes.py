"""Reducing elements or slices into places of a tensor, writing to places of the flattened one, and reducing
segments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .formulas import formula, kernel, zeros_like
from .registry import NON_DIFFERENTIABLE, NOT_IMPLEMENTED, rule

T = Any


@dataclass(frozen=True, slots=True)
class Elements:
    """The places that scatter and gather write and read: element by element, at `index` along `dim`."""

    names = ("scatter_reduce", "src")
    dim: int
    index: T

    def take(self, value: T) -> T:
        """Return what is at each place."""
        return value.gather(self.dim, self.index)

    def add(self, value: T, source: T) -> T:
        """Return `value` with `source` added at the places."""
        return value.scatter_add(self.dim, self.index, source)

    def clear(self, value: T) -> T:
        """Return `value` with zeros at the places."""
        return value.scatter(self.dim, self.index, 0)

    def multiply(self, value: T, source: T, include_self: bool) -> T:
        """Return the products with `source` at the places."""
        return value.scatter_reduce(self.dim, self.index, source, "prod", include_self=include_self)


@dataclass(frozen=True, slots=True)
class Slices:
    """The places that index_reduce and index_select write and read: whole slices, `index` along `dim`."""

    names = ("index_reduce", "source")
    dim: int
    index: T

    def take(self, value: T) -> T:
        """Return what is at each place."""
        return value.index_select(self.dim, self.index)

    def add(self, value: T, source: T) -> T:
        """Return `value` with `source` added at the places."""
        return value.index_add(self.dim, self.index, source)

    def clear(self, value: T) -> T:
        """Return `value` with zeros at the places."""
        return value.index_fill(self.dim, self.index, 0)

    def multiply(self, value: T, source: T, include_self: bool) -> T:
        """Return the products with `source` at the places."""
        return value.index_reduce(self.dim, self.index, source, "prod", include_self=include_self)


@formula
def elements(dim: int, index: T) -> Elements:
    """Return the places of single elements."""
    return Elements(dim, index)


@formula
def slices(dim: int, index: T) -> Slices:
    """Return the places of whole slices."""
    return Slices(dim, index)


@formula
def reduced_self(  # noqa: PLR0917 - torch's signature
    grad: T,
    value: T,
    places: Any,
    source: T,
    reduce: str,
    include_self: bool,
    result: T,
    forward: bool = False,
) -> T:
    """Return the gradient of what sources are reduced into.

    `forward` is what forward mode transposes: elements that are not included do not tie there.
    Source: `scatter_reduce_backward`, `scatter_reduce_jvp` and `index_reduce_backward` in
    torch/csrc/autograd/FunctionsManual.cpp, also for `reduced_source`.
    """
    if reduce == "prod":
        nonzero = value.masked_fill(value == 0, 1)
        grad = grad * places.multiply(nonzero, source, include_self) / nonzero
    elif reduce == "mean":
        grad = grad / _contributions(grad, places, source, include_self)
    elif reduce != "sum":
        chosen = _chosen(value, result, places, include_self or not forward)
        grad = chosen * _shared(grad, chosen, places, source, result)
    return grad if include_self else places.clear(grad)


@formula
def reduced_source(  # noqa: PLR0917 - torch's signature
    grad: T,
    value: T,
    places: Any,
    source: T,
    reduce: str,
    include_self: bool,
    result: T,
    forward: bool = False,
) -> T:
    """Return the gradient of sources that are reduced into places."""
    if reduce == "prod":
        zero = source == 0
        alone = zero & (_zeros(value, places, source) == 1)
        others = places.multiply(value, source.masked_fill(alone, 1), include_self)
        product = places.take(grad * result) / source.masked_fill(zero, 1)
        return places.take(grad * others).where(alone, product)
    if reduce == "mean":
        grad = grad / _contributions(grad, places, source, include_self)
    elif reduce != "sum":
        chosen = _chosen(value, result, places, include_self or not forward)
        shared = _shared(grad, chosen, places, source, result)
        return (source == places.take(result)).to(value.dtype) * places.take(shared)
    return places.take(grad)


def _contributions(grad: T, places: Any, source: T, include_self: bool) -> T:
    """Return how many elements the mean at each place is of."""
    return places.add(zeros_like(grad) + int(include_self), zeros_like(source) + 1).clamp(min=1)


def _chosen(value: T, result: T, places: Any, ties: bool) -> T:
    """Return 1 for the elements that are the extreme value, those that sources go to only if they tie."""
    chosen = (value == result).to(value.dtype)
    return chosen if ties else places.clear(chosen)


def _shared(grad: T, chosen: T, places: Any, source: T, result: T) -> T:
    """Return the gradient divided by the number of elements that tie for the extreme value at each place."""
    return grad / places.add(chosen, (source == places.take(result)).to(chosen.dtype))


def _zeros(value: T, places: Any, source: T) -> T:
    """Return for each source how many sources that go to its place are zero."""
    return places.take(places.add(zeros_like(value), (source == 0).to(value.dtype)))


@formula
def twice(value: T, places: Any, source: T, reduce: str) -> str:
    """Return why the gradient of `source` is not differentiated again, nothing if it is.

    Where several zeros go to the same place, the formula of a product is right only once.
    """
    if reduce != "prod" or value.device.type == "meta" or not bool((_zeros(value, places, source) > 1).any()):
        return ""
    operation, what = places.names
    return (
        f"{operation}(): Double backward is unsupported for {what} when >1 zeros in {what} are scattered to "
        "the same position in self"
    )


@formula
def refuse(grad: T, reason: str) -> T:
    """Return `grad`, or raise RuntimeError where torch does ("DelayedError" in FunctionsManual.cpp)."""
    if reason:
        raise RuntimeError(reason)
    return grad


# The node that refuses is there only if there is a reason.
kernel("differentiated_once", lambda grad, reason: grad)  # noqa: ARG005 - it counts in the second backward
rule(
    "differentiated_once",
    grad_fn="torch::autograd::Error",
    tensors="grad_output",
    args="reason",
    forward="differentiated_once(grad_output, reason)",
    grad_output="refuse(grad, reason)",
    saves="",
)
_no_tangent = {"self": NON_DIFFERENTIABLE, "src": NON_DIFFERENTIABLE}
_no_forward_mode = {"self": NOT_IMPLEMENTED, "source": NOT_IMPLEMENTED}
for _name, _kernel, _node, _source, _places, _forward in (
    ("scatter_reduce", "scatter_reduce", "ScatterReduceBackward0", "src", "elements(dim, index)", None),
    ("scatter_prod", "scatter_reduce", "ScatterReduceBackward0", "src", "elements(dim, index)", _no_tangent),
    (
        "index_reduce",
        "index_reduce",
        "IndexReduceBackward0",
        "source",
        "slices(dim, index)",
        _no_forward_mode,
    ),
):
    _given = f"grad, self, {_places}, {_source}, reduce, include_self, result"
    _stated: dict[str, Any] = {
        _source: f"differentiated_once(reduced_source({_given}), twice(self, {_places}, {_source}, reduce))"
    }
    rule(
        _name,
        grad_fn=_node,
        tensors=f"self index {_source}",
        args="dim reduce include_self",
        forward=f"self.{_kernel}(dim, index, {_source}, reduce, include_self=include_self)",
        self=f"reduced_self({_given})",
        index=NON_DIFFERENTIABLE,
        saves=f"self index {_source} result",
        forward_mode=_forward
        or {"self": f"reduced_self({_given}, True)", _source: f"reduced_source({_given}, True)"},
        **_stated,
    )

# --- places of the flattened tensor ---

rule(
    "take",
    grad_fn="TakeBackward0",
    tensors="self index",
    forward="self.take(index)",
    self="grad.new_zeros(self.shape).put(index, grad, True)",
    index=NON_DIFFERENTIABLE,
    saves="self index",
)
rule(
    "put",
    grad_fn="PutBackward0",
    tensors="self index source",
    args="accumulate",
    forward="self.put(index, source, accumulate)",
    self="grad if accumulate else grad.put(index, grad.new_zeros(source_shape), False)",
    index=NON_DIFFERENTIABLE,
    source="grad.take(index).reshape(source.shape)",
    saves="index source",
)
# A place that is named twice is filled once.
rule(
    "index_fill_with",
    grad_fn="IndexFillBackward1",
    tensors="self index value",
    args="dim",
    forward="self.index_fill(dim, index, value)",
    self="grad.index_fill(dim, index, 0)",
    index=NON_DIFFERENTIABLE,
    value="grad.index_select(dim, index.unique()).sum()",
    saves="index",
)

# --- segments: torch has no derivative of the derivative ---

kernel("segment_reduce", torch.segment_reduce)
kernel(
    "_segment_reduce_backward",
    lambda grad, result, data, reduce, lengths, offsets, axis, initial: (
        torch.ops.aten._segment_reduce_backward(
            grad, result, data, reduce, lengths=lengths, offsets=offsets, axis=axis, initial=initial
        )
    ),
)
rule(
    "segment_reduce",
    grad_fn="SegmentReduceBackward0",
    tensors="self",
    args="reduce lengths offsets axis unsafe initial",
    forward=(
        "segment_reduce(self, reduce, lengths=lengths, offsets=offsets, axis=axis, unsafe=unsafe, "
        "initial=initial)"
    ),
    self="_segment_reduce_backward(grad, result, self, reduce, lengths, offsets, axis, initial)",
    saves="self result",
)
rule(
    "_segment_reduce_backward",
    grad_fn="torch::autograd::NotImplemented",
    tensors="grad_output output self",
    args="reduce lengths offsets axis initial",
    forward="_segment_reduce_backward(grad_output, output, self, reduce, lengths, offsets, axis, initial)",
    grad_output=NOT_IMPLEMENTED,
    output=NOT_IMPLEMENTED,
    self=NOT_IMPLEMENTED,
    saves="",
)
