"""In-place changes of what a tensor is rather than of its numbers: its shape, its strides, its storage.

    t_, transpose_, unsqueeze_, squeeze_   the same elements in another order of dimensions
    as_strided_                            those that strides over the storage lead to
    resize_, resize_as_                    more or fewer elements of the same storage
    set_                                   another storage

All of them count as in-place writes: the version goes up and a leaf that requires grad refuses them. A
rearrangement is recorded like the view operation that it is named after. The memory does not change, so the
base of a rearranged view keeps its history; the views of a rearranged base start from how it lay before.
torch is told by strides where a view lies and needs no such detour; the histories and values are the same.

Sources: "In-place operations" in https://docs.pytorch.org/docs/stable/notes/autograd.html,
https://docs.pytorch.org/docs/stable/generated/torch.Tensor.resize_.html,
torch/csrc/autograd/VariableTypeManual.cpp and, for the accumulator that set_ leaves behind,
test_grad_to_node_set in test/test_autograd.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch

from .assignment import C_NAMES
from .grad_mode import mode
from .levels import LEVELS
from .ops import OPERATIONS
from .shapes import geometries
from .tensor import Tensor
from .versions import bump, counter_of
from .views import Path, ViewOf, refuse_write, views_of


def _rearrange(tensor: Tensor, row: str, *args: Any) -> Tensor:
    """Make `tensor` the view of itself that `row` of the table takes, and record it; return `tensor`."""
    refuse_write(tensor)
    before = Tensor._of(tensor._data)
    before._node = tensor._node if mode.enabled else None
    if LEVELS:
        before._tangents = tensor._tangents
    after = OPERATIONS[row].apply(before, *args)
    step = cast("ViewOf", after._view).path
    tensor._data, tensor._shape = after._data, after._shape
    view = tensor._view
    if view is not None:
        path, version = Path(view.path, step.take, step.give_back), counter_of(tensor).value + 1
        tensor._view = replace(view, path=path, version=version)
    else:
        for other in views_of(tensor):
            of = cast("ViewOf", other._view)
            other._view = replace(of, path=of.path.after(step.give_back, step.take))
    if mode.enabled:
        tensor._node = after._node
    if LEVELS:
        tensor._tangents = after._tangents
    bump(tensor)
    return tensor


def t_(input: Tensor) -> Tensor:
    """Transpose a matrix in place; raise RuntimeError for more than two dimensions."""
    refuse_write(input)
    if len(input._shape) > 2:
        raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {len(input._shape)}D")
    return _rearrange(input, "t_in_place")


def transpose_(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dimensions in place."""
    return _rearrange(input, "transpose_in_place", dim0, dim1)


def unsqueeze_(input: Tensor, dim: int) -> Tensor:
    """Put in a dimension of size 1, in place."""
    rank = len(input._shape) + 1
    return _rearrange(input, "unsqueeze_in_place", dim + rank if -rank <= dim < 0 else dim)


def squeeze_(input: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """Drop the dimensions of size 1, or those of them that `dim` names, in place."""
    if dim is None:
        return _rearrange(input, "squeeze_all_in_place")
    if isinstance(dim, int):
        return _rearrange(input, "squeeze_in_place", dim)
    return _rearrange(input, "squeeze_dims_in_place", tuple(dim))


def as_strided_(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """Make `input` what `as_strided` shows of its storage, in place."""
    refuse_write(input)
    return _rearrange(input, "strided_in_place", *geometries(input._data, size, stride, storage_offset))


def resize_(input: Tensor, *size: Any) -> Tensor:
    """Give `input` another size in place; elements that there were not before are uninitialised.

    The version goes up if the size changes. Raises RuntimeError for a tensor that requires grad.
    """
    if input.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    shape = torch.Size(size[0] if len(size) == 1 and not isinstance(size[0], int) else size)
    if shape == input._shape:
        return input
    # Another tensor on the same storage is resized: `detach()` of this one keeps its own size.
    data = input._data.detach()
    data.resize_(shape)
    input._data, input._shape = data, data.shape
    bump(input)
    return input


def resize_as_(input: Tensor, the_template: Tensor) -> Tensor:
    """Give `input` the size of another tensor, in place; see `resize_`."""
    return resize_(input, tuple(the_template._shape))


def set_(input: Tensor, source: Tensor | None = None) -> Tensor:
    """Make `input` use the storage of `source`, with its size and strides; nothing at all without one.

    Graphs that were recorded before lead to the old accumulator of a leaf: to them the leaf is no input any
    more, though they still fill its `.grad`. Raises RuntimeError for a leaf that requires grad in grad mode,
    and for another dtype. What is recorded has no derivative.
    """
    if source is not None and not isinstance(source, Tensor):
        raise NotImplementedError("set_ with a storage is not implemented; give a tensor")
    refuse_write(input)
    if source is None:
        source = Tensor._of(torch.empty(0, dtype=input._dtype, device=input.device))
    if source._dtype is not input._dtype:
        given, own = C_NAMES[source._dtype], C_NAMES[input._dtype]
        raise RuntimeError(f"Could not set tensor of type {given} to a tensor of type {own}")
    recorded = None
    if mode.enabled and (input._node is not None or source._node is not None):
        recorded = Tensor._of(source._data)
        before = Tensor._of(input._data)
        before._node = input._node
        OPERATIONS["set_"].record(recorded, before, source)
    input._displace(keep=False)
    input._data, input._shape = source._data, source._shape
    bump(input)
    if recorded is not None:
        input._node = recorded._node
    return input
