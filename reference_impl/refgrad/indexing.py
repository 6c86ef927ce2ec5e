"""Indexing, read and written.

Ints, slices, None and Ellipsis make a chain of views, in torch's order and with torch's nodes. Tensors,
lists, arrays and bools among the indices make one gather at the end. Source:
https://docs.pytorch.org/docs/stable/tensor_view.html and torch/csrc/autograd/python_variable_indexing.cpp.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch

from .inplace import copy_, fill_, write
from .ops import OPERATIONS
from .saved import Packed
from .shapes import expand, select, unsqueeze
from .tensor import Tensor
from .versions import UNCOUNTED, VersionCounter


class Indices:
    """The index tensors of one expression as an operand: `_data` is what torch's kernels take."""

    __slots__ = ("_data", "_places", "tensors")

    _data: tuple[Any, ...]
    _places: tuple[Tensor | None, ...]
    tensors: tuple[Tensor, ...]

    _cut: Final = None
    _node: Final = None
    grad_fn: Final = None

    def __init__(self, places: Sequence[Tensor | None]) -> None:
        self._places = tuple(places)
        self.tensors = tuple(place for place in places if place is not None)
        self._data = tuple(slice(None) if place is None else place._data for place in places)

    @property
    def value(self) -> Indices:
        """The operand that recorded formulas get."""
        return self

    def packed(self, pack: Callable[[Tensor], Packed]) -> PackedIndices:
        """Return the index tensors in the keeping of hooks."""
        return PackedIndices(tuple(None if place is None else pack(place) for place in self._places))

    @property
    def _counter(self) -> VersionCounter | None:
        """The number of writes to any of the index tensors, or None if there was none."""
        counters = [tensor._counter for tensor in self.tensors if tensor._counter is not None]
        if not counters:
            return None
        if UNCOUNTED in counters:
            return UNCOUNTED
        total = VersionCounter()
        total.value = sum(counter.value for counter in counters)
        return total


class PackedIndices:
    """Index tensors that hooks keep; each reading unpacks them."""

    __slots__ = ("_places",)

    _counter: Final = None
    _node: Final = None
    grad_fn: Final = None

    def __init__(self, places: tuple[Packed | None, ...]) -> None:
        self._places = places

    @property
    def value(self) -> Indices:
        """The operand that recorded formulas get."""
        return Indices([None if place is None else place.value for place in self._places])

    @property
    def _data(self) -> tuple[Any, ...]:
        """What torch's kernels take."""
        return self.value._data


def getitem(input: Tensor, key: Any) -> Tensor:
    """Return `input[key]`: a view if no index is a tensor, list, array or bool, a copy otherwise."""
    if key is Ellipsis:
        return OPERATIONS["alias"].apply(input)  # type: ignore[no-any-return]
    if isinstance(key, Indices):
        return OPERATIONS["index"].apply(input, key)  # type: ignore[no-any-return]
    view, places = _walk(input, key)
    if places:
        return OPERATIONS["index"].apply(view, Indices(places))  # type: ignore[no-any-return]
    return OPERATIONS["alias"].apply(input) if view is input else view


def setitem(input: Tensor, key: Any, value: Any) -> None:
    """Write `value` (a tensor or number, broadcast) to `input[key]`; the key False names no place at all.

    Views are copied to, which casts. Where index tensors are among the indices the elements are put one by
    one, and RuntimeError is raised for a value of another dtype. Source: `set_item` in
    aten/src/ATen/TensorIndexing.h.
    """
    source = value if isinstance(value, Tensor) else _number(input, value)
    if key is False:
        return
    if key is Ellipsis or key is True:
        _copy_to(unsqueeze(input, 0) if key is True else input, source)
        return
    view, places = _walk(input, key, to_write=True)
    if not places:
        _copy_to(view, source)
        return
    indices = Indices(places)
    shape = _without_leading_ones(source._shape)
    if shape != source._shape:
        source = OPERATIONS["view"].apply(source, shape)

    def kernel(data: torch.Tensor) -> None:
        data[indices._data] = source._data

    write(view, kernel, "index_put", (indices, source))


def _number(input: Tensor, value: Any) -> Tensor:
    """Return a number as a 0-d tensor of the dtype of `input`.

    Raises TypeError for what is no number to torch, RuntimeError for one that the dtype does not have.
    """
    if not isinstance(value, bool | int | float | complex | np.integer):
        raise TypeError(
            f"can't assign a {type(value).__name__} to a refgrad Tensor; assign a Tensor or a number"
        )
    number: Any = value
    return Tensor._of(torch.full((), number, dtype=input.dtype, device=input.device))


def _copy_to(view: Tensor, source: Tensor) -> None:
    """Write `source` to all of `view`, broadcast; a number on the CPU fills it, wherever it lies itself."""
    if source._shape == view._shape:
        copy_(view, source)
    elif not source._shape and source.device.type == "cpu":
        fill_(view, source)
    else:
        source = OPERATIONS["view"].apply(source, _without_leading_ones(source._shape))
        copy_(view, source if source._shape == view._shape else expand(source, view._shape))


def _without_leading_ones(shape: Sequence[int]) -> tuple[int, ...]:
    """Return `shape` from the first size on that is not 1."""
    return tuple(itertools.dropwhile(lambda size: size == 1, shape))


def _walk(input: Tensor, key: Any, *, to_write: bool = False) -> tuple[Tensor, list[Tensor | None]]:
    """Return the view that the basic indices make, and what indexes each of its dimensions besides.

    A slice of everything is a view where it is the whole index, unless it is written to.
    """
    alone = not isinstance(key, tuple)
    items = [_normal(item) for item in ((key,) if alone else key)]
    taken = sum(_dimensions(item) for item in items)
    rank = input._data.ndim
    if taken > rank:
        if rank == 0 and alone and not isinstance(key, Tensor):
            _refuse_number(items[0])
        raise IndexError(f"too many indices for tensor of dimension {rank}")
    # What indexes a dimension has a place for it; a mask has one place for all of its dimensions.
    view, dim, place = input, 0, 0
    places: list[Tensor | None] = []
    for item in items:
        wide = narrow = 1
        if item is Ellipsis:
            wide = narrow = rank - taken
        elif item is None:
            view = unsqueeze(view, dim)
        elif isinstance(item, bool):
            view = unsqueeze(view, dim)
            _place(places, place, Tensor._of(torch.arange(int(item), device=input.device)))
        elif isinstance(item, int):
            _check_bounds(view, dim, item)
            view = select(view, dim, item)
            wide = narrow = 0
        elif isinstance(item, slice):
            view = _slice(view, dim, item, always=alone and not to_write)
        else:
            if item.dtype is torch.bool:
                _check_mask(view, dim, item)
                wide = item._data.ndim
            _place(places, place, item)
        dim, place = dim + wide, place + narrow
    return view, places


def _refuse_number(item: Any) -> None:
    """Raise IndexError for one integer or slice that is the whole index of a tensor without dimensions."""
    if isinstance(item, slice):
        _step(item)
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    if isinstance(item, int):
        if item:
            raise IndexError(f"index {item} is out of bounds for dimension 0 with size 0")
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in "
            "C++ to convert a 0-dim tensor to a number"
        )


def _place(places: list[Tensor | None], place: int, index: Tensor) -> None:
    places.extend([None] * (place - len(places)))
    places.append(index)


def _normal(item: Any) -> Any:
    """Return one index as an int, bool, slice, None, Ellipsis or index tensor."""
    if item is None or item is Ellipsis or isinstance(item, bool | int):
        return item
    if isinstance(item, slice):
        bounds = (
            None if bound is None else bound.__index__() for bound in (item.start, item.stop, item.step)
        )
        return slice(*bounds)
    if isinstance(item, np.integer):
        return int(item)
    if isinstance(item, torch.Tensor):
        item = Tensor._of(item.detach())
    elif isinstance(item, np.ndarray | list | tuple | range):
        item = Tensor._of(torch.as_tensor(list(item) if isinstance(item, range) else item))
        if not item.numel():
            item = item.long()
    if not isinstance(item, Tensor):
        raise TypeError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
            f"indices (got {type(item).__name__})"
        )
    if item.dtype.is_floating_point or item.dtype.is_complex:
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if item.dtype is torch.uint8:
        return item.bool()
    if not item.shape:
        return bool(item._data) if item.dtype is torch.bool else int(item._data)
    return item


def _dimensions(item: Any) -> int:
    """Return how many dimensions of the tensor an index uses up."""
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    return item._data.ndim if isinstance(item, Tensor) and item.dtype is torch.bool else 1


def _check_bounds(view: Tensor, dim: int, index: int) -> None:
    size = view.shape[dim]
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of bounds for dimension {dim} with size {size}")


def _check_mask(view: Tensor, dim: int, mask: Tensor) -> None:
    for offset, size in enumerate(mask.shape):
        if size != view.shape[dim + offset]:
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {offset} does not match the shape of "
                f"the indexed tensor {list(view.shape)} at index {dim + offset}"
            )


def _step(item: slice) -> int:
    """Return the step of a slice. Raises ValueError for one that leads nowhere or backwards."""
    step: int = 1 if item.step is None else item.step
    if step <= 0:
        raise ValueError("step must be greater than zero" if step else "slice step cannot be zero")
    return step


def _slice(view: Tensor, dim: int, item: slice, always: bool) -> Tensor:
    """Take a slice; one that keeps everything is left out unless it is the whole index."""
    step = _step(item)
    size = view.shape[dim]
    start, stop, _ = slice(item.start, item.stop, step).indices(size)
    if not always and (start, step) == (0, 1) and stop >= size:
        return view
    return OPERATIONS["slice"].apply(view, dim, start, max(start, stop), step)  # type: ignore[no-any-return]
