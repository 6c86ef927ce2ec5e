"""`refgrad.autograd.graph`: nodes, edges between them, and hooks on several tensors or on what is saved.

Source: torch/autograd/graph.py and https://docs.pytorch.org/docs/stable/autograd.html#autograd-graph.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .accumulate import edge_of
from .hooks import RemovableHandle, register_hook
from .mutation import allow_mutation_on_saved_tensors
from .node import Node
from .reentrant import Task, running
from .saved_hooks import (
    disable_saved_tensors_hooks,
    region_activation_memory_budget,
    save_on_cpu,
    saved_tensors_hooks,
)
from .tensor import Tensor
from .versions import UNCOUNTED, bump

if TYPE_CHECKING:
    import torch

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "region_activation_memory_budget",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class _Edge(NamedTuple):
    node: Node
    output_nr: int
    ownership_token: Node | None = None


class GradientEdge(_Edge):
    """Where the gradient of a tensor arrives: a node, and which output of it the tensor is.

    It stands for the tensor in `grad()` and `backward()`, also after a write has given the tensor another
    history. `like` has the shape, dtype and device of the tensor, if they are known, and no memory of its
    own.
    """

    like: torch.Tensor | None = None

    def stand_in(self) -> Tensor:
        """Return a tensor that cotangents for this edge are checked against.

        Raises NotImplementedError for an edge that `get_gradient_edge` has not made.
        """
        if self.like is None:
            raise NotImplementedError(
                "refgrad starts backward only from edges that get_gradient_edge has made"
            )
        return Tensor._of(self.like)


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Return the edge for `tensor`; raise RuntimeError if it does not require grad."""
    node = edge_of(tensor)
    if node is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    owner, index = node.as_edge()
    edge = GradientEdge(owner or node, index)
    edge.like = tensor._data.new_empty(()).expand(tensor._shape)
    return edge


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Count a write to the memory of `tensor`, or of each of several, that refgrad could not see.

    Inference tensors count no writes, and are left as they are.
    """
    for one in (tensor,) if isinstance(tensor, Tensor) else tensor:
        if one._counter is not UNCOUNTED:
            bump(one)


class _Handles(RemovableHandle):
    """Removes several hooks at once."""

    def __init__(self, handles: Sequence[RemovableHandle]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Remove all of them."""
        for handle in self.handles:
            handle.remove()


@dataclass(slots=True)
class _Gathered:
    """The gradients that one backward pass has computed so far, and how many there will be."""

    grads: list[Tensor | None]
    expected: int
    seen: int = field(default=0)


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[[Any], None], *, mode: Literal["all", "any"] = "all"
) -> RemovableHandle:
    """Call `fn` once in each backward pass that computes gradients of `tensors`.

    With "all" it gets a list of the gradients once all are there that the pass will compute, with None for
    the others; with "any" the first gradient alone. Raises ValueError for another mode; "all" raises
    RuntimeError in `grad()` with respect to one of the tensors that is a leaf.
    """
    if mode not in {"all", "any"}:
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    if mode == "all":
        return _Handles(_hooks_for_all(tensors, fn))
    return _Handles(_hooks_for_any(tensors, fn))


def _hooks_for_all(tensors: Sequence[Tensor], fn: Callable[[Any], None]) -> list[RemovableHandle]:
    nodes = [_node_of(tensor) for tensor in tensors]
    gathered: weakref.WeakKeyDictionary[Task, _Gathered] = weakref.WeakKeyDictionary()
    lock = threading.Lock()

    def gather(index: int, grad: Tensor | None) -> None:
        task = _task()
        with lock:
            if task not in gathered:
                expected = sum(_runs(task, node()) for node in nodes)
                gathered[task] = _Gathered([None] * len(nodes), expected)
            state = gathered[task]
            state.seen += 1
            complete = state.seen == state.expected
        state.grads[index] = grad
        if complete:
            fn(state.grads)
            del gathered[task]

    return [register_hook(tensor, functools.partial(gather, index)) for index, tensor in enumerate(tensors)]


def _hooks_for_any(tensors: Sequence[Tensor], fn: Callable[[Any], None]) -> list[RemovableHandle]:
    called: weakref.WeakSet[Task] = weakref.WeakSet()
    lock = threading.Lock()

    @functools.wraps(fn)
    def once(grad: Tensor | None) -> None:
        task = _task()
        with lock:
            first = task not in called
            called.add(task)
        if first:
            fn(grad)

    return [register_hook(tensor, once) for tensor in tensors if tensor.requires_grad]


def _node_of(tensor: Tensor) -> Callable[[], Node | None]:
    """Return a function that tells the node whose run computes the gradient of `tensor`, if it still exists.

    The hooks of that node will hold on to the function, so the function must not hold on to the node.
    """
    node = edge_of(tensor)
    if node is None:
        raise AssertionError("Expected gradient function to be set")
    if tensor.is_leaf:
        leaf = weakref.ref(tensor)
        return lambda: None if (found := leaf()) is None else edge_of(found)
    return weakref.ref(node.as_edge()[0] or node)


def _task() -> Task:
    """Return the backward pass that calls the hook; raise AssertionError if none does."""
    task = running.task
    if task is None:
        raise AssertionError("expected this hook to be called inside a backward call")
    return task


def _runs(task: Task, node: Node | None) -> bool:
    if node is None:
        return False
    if not node.edges and task.capture is not None and node in task.capture.wanted:
        raise RuntimeError(
            "A leaf node was passed to _will_engine_execute_node but we are currently running "
            "autograd.grad(). This is currently not supported."
        )
    return task.runs(node)
