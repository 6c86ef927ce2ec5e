"""Operations with several tensors on one side: unbind, split and chunk give several, cat and stack take
several.

The number of edges differs from call to call, so these nodes are written by hand and not generated from the
table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from .accumulate import edge_of, joins_graph
from .grad_mode import mode
from .levels import LEVELS
from .node import SEQUENCE, Node
from .operands import along, computed
from .ops import apply
from .outputs import Output, separate
from .rules.formulas import fit, take_slice
from .shapes import select
from .tangents import carry
from .tensor import Tensor
from .views import ONE_OF_SEVERAL


class Divide(Node):
    """The node of an operation that divides a tensor into parts along a dimension.

    The gradients of the parts are joined again, with zeros for a part that none has arrived at. Source:
    `split_with_sizes_backward` and `unbind_backward` in torch/csrc/autograd/FunctionsManual.cpp.
    """

    __slots__ = ("dim", "dtype", "shapes")

    dim: int
    dtype: torch.dtype
    shapes: tuple[tuple[int, ...], ...]
    mask = (True,)

    def output_count(self) -> int:
        """Return the number of parts."""
        return len(self.shapes)

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Return the gradient of the tensor that was divided."""
        return torch.cat(self.parts(grad), self.dim)

    def vjp_graph(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Return the gradient of the tensor that was divided, recorded."""
        return cat(self.parts(grad), self.dim)

    def parts(self, grad: Any) -> list[Any]:
        """Return the gradient of each part."""
        found = separate(self, grad)
        like = next(part for part in found if part is not None)
        return [
            like.new_zeros(shape, dtype=self.dtype) if part is None else part
            for part, shape in zip(found, self.shapes, strict=True)
        ]


class UnbindBackward0(Divide):
    """The node of unbind."""

    __slots__ = ()
    label = "UnbindBackward0"

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Return the gradient of the tensor that was divided."""
        return torch.stack(self.parts(grad), self.dim)

    def vjp_graph(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Return the gradient of the tensor that was divided, recorded."""
        return stack(self.parts(grad), self.dim)


class SplitBackward0(Divide):
    """The node of chunk, and of split into parts of one size."""

    __slots__ = ()
    label = "SplitBackward0"


class SplitWithSizesBackward0(Divide):
    """The node of split into parts of given sizes."""

    __slots__ = ()
    label = "SplitWithSizesBackward0"


class UnsafeSplitBackward0(Divide):
    """The node of unsafe_split."""

    __slots__ = ()
    label = "UnsafeSplitBackward0"


def _divide(input: Tensor, parts: list[Tensor], dim: int, kind: type[Divide]) -> tuple[Tensor, ...]:
    """Give views of `input` one common node instead of one each; in grad mode they must not be written to."""
    owner = None
    if mode.enabled and joins_graph((input,)):
        owner = kind.__new__(kind)
        owner.next, owner.seq, owner.hooks = edge_of(input) or (), next(SEQUENCE), None
        owner.dim, owner.dtype = dim, input._dtype
        owner.shapes = tuple(part._shape for part in parts)
    for index, part in enumerate(parts):
        view = part._view
        if view is not None and mode.enabled:
            part._view = replace(view, guard=ONE_OF_SEVERAL)
        if owner is not None:
            output = Output.__new__(Output)
            output.next, output.seq, output.hooks, output.index = owner, next(SEQUENCE), None, index
            part._node = output
    return tuple(parts)


def unbind(input: Tensor, dim: int = 0, *, kind: type[Divide] = UnbindBackward0) -> tuple[Tensor, ...]:
    """Return a view of each index of a dimension; `kind` is the class of their node."""
    dim = along(input, dim, scalar=False)
    return _divide(input, [select(input, dim, index) for index in range(input.shape[dim])], dim, kind)


def split(input: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of consecutive parts of a dimension, of one size or of the given sizes."""
    sizes = [part.shape[dim] for part in input._data.split(split_size_or_sections, dim)]  # type: ignore[no-untyped-call]
    return divide(
        input,
        sizes,
        dim,
        SplitBackward0 if isinstance(split_size_or_sections, int) else SplitWithSizesBackward0,
    )


def unsafe_split(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return what `split` returns, as tensors of which nothing knows that they share memory with `input`.

    They may be written to. The caller vouches that nobody looks at `input` afterwards.
    """
    sizes = [part.shape[dim] for part in input._data.split(split_size, dim)]  # type: ignore[no-untyped-call]
    return apart(
        input,
        divide(input, sizes, dim, UnsafeSplitBackward0),
        lambda tangent: unsafe_split(tangent, split_size, dim),
    )


def apart(
    input: Tensor,
    parts: Sequence[Tensor],
    again: Callable[[Tensor], Sequence[Tensor]],
    copy: bool = False,
) -> tuple[Tensor, ...]:
    """Return `parts`, views of `input`, as tensors that know nothing of it, on their own memory if `copy`.

    `again(input)` is the function that is at work, for the tangents of `input`.
    """
    alone = []
    for part in parts:
        made = Tensor._of(part._data.clone(memory_format=torch.contiguous_format) if copy else part._data)
        made._node = part._node if mode.enabled else None
        alone.append(made)
    if LEVELS:
        carry(alone, (input,), again)
    return tuple(alone)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of at most `chunks` consecutive parts of a dimension, of equal size but for the last."""
    return divide(input, [part.shape[dim] for part in input._data.chunk(chunks, dim)], dim, SplitBackward0)


def divide(input: Tensor, sizes: Sequence[int], dim: int, kind: type[Divide]) -> tuple[Tensor, ...]:
    """Return views of consecutive parts of a dimension, with one node of `kind` in common."""
    dim = dim % input._data.ndim
    parts, start = [], 0
    for size in sizes:
        parts.append(take_slice(input, dim, start, start + size, 1))
        start += size
    return _divide(input, parts, dim, kind)


class Join(Node):
    """The node of cat: each input gets its part of the gradient, in its own dtype."""

    __slots__ = ("dim", "needs", "shapes")

    dim: int
    needs: tuple[bool, ...]
    shapes: tuple[tuple[tuple[int, ...], torch.dtype], ...]
    label = "CatBackward0"

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Return the parts of the gradient for the inputs that require one."""
        grads, start = [], 0
        for needed, (shape, dtype) in zip(self.needs, self.shapes, strict=True):
            if shape == (0,) and grad.ndim > 1:  # torch lets an empty vector be joined to anything
                size, part = 0, grad.new_zeros(shape)
            else:
                size = shape[self.dim]
                part = _cut(grad, self.dim, start, start + size)
            start += size
            if needed:
                grads.append(fit(part, shape, dtype))
        return grads[0] if len(grads) == 1 else tuple(grads)

    vjp_graph = vjp

    @property
    def _saved_dim(self) -> int:
        return self.dim

    def input_mask(self) -> tuple[bool, ...]:
        """Return for each joined tensor whether it requires grad."""
        return self.needs


def _cut(grad: Any, dim: int, start: int, end: int) -> Any:
    """Return a part of a dimension as a new tensor, also where it is all of it, as `narrow` does."""
    if isinstance(grad, Tensor):
        return apply("slice", grad, dim, start, end, 1)
    return take_slice(grad, dim, start, end, 1)


class CatBackward0(Join):
    """The node of cat."""

    __slots__ = ()


class StackBackward0(Join):
    """The node of stack."""

    __slots__ = ()
    label = "StackBackward0"

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Return one index of the gradient for each input that requires one."""
        grads = [
            fit(grad.select(self.dim, index), shape, dtype)
            for index, (shape, dtype) in enumerate(self.shapes)
            if self.needs[index]
        ]
        return grads[0] if len(grads) == 1 else tuple(grads)

    vjp_graph = vjp


def join(tensors: Sequence[Tensor], data: torch.Tensor, dim: int, kind: type[Join]) -> Tensor:
    """Return `data`, which `tensors` were joined to along `dim`, with a node of `kind`."""
    out = Tensor._of(data)
    if not mode.enabled or not joins_graph(tensors):
        return out
    node = kind.__new__(kind)
    edges = [edge for edge in map(edge_of, tensors) if edge is not None]
    node.next = edges[0] if len(edges) == 1 else tuple(edges)
    node.seq, node.hooks = next(SEQUENCE), None
    node.dim = dim % data.ndim
    node.needs = tuple(tensor._node is not None for tensor in tensors)
    node.shapes = tuple((tensor._shape, tensor._dtype) for tensor in tensors)
    out._node = node
    return out


def _data_of(tensors: Sequence[Tensor]) -> list[torch.Tensor]:
    """Return the data of `tensors`; raise TypeError if there is anything else among them."""
    for index, one in enumerate(tensors):
        if not isinstance(one, Tensor):
            raise TypeError(f"expected Tensor as element {index} in argument 0, but got {type(one).__name__}")
    return [tensor._data for tensor in tensors]


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors along a dimension that they have."""
    data = _data_of(tensors)
    out = join(tensors, computed(lambda: torch.cat(data, dim), *tensors), dim, CatBackward0)
    if LEVELS:
        carry((out,), tensors, lambda *tangents: (cat(tangents, dim),))
    return out


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors of one shape along a new dimension."""
    data = _data_of(tensors)
    out = join(tensors, computed(lambda: torch.stack(data, dim), *tensors), dim, StackBackward0)
    if LEVELS:
        carry((out,), tensors, lambda *tangents: (stack(tangents, dim),))
    return out
