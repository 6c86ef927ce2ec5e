"""What the transforms that differentiate backward share: inputs that are leaves inside, and results outside.

A transform calls its function with new leaves in the place of its inputs. Inside, the graph ends at such a
leaf; when the transform is over, the node of the leaf (`Entry`) gets an edge to where the input came from, so
that an outer transform, or the graph around all of them, differentiates through. That is all it takes for
transforms to nest: every one has its own leaves, and a derivative with respect to some of them never sees the
others.

A result keeps its history if something outside is part of it, and has none otherwise.
Source: https://docs.pytorch.org/docs/stable/func.html; functorch calls the leaves "wrapped at a level".
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from refgrad import autograd
from refgrad.accumulate import AccumulateGrad, edge_of
from refgrad.grad_mode import enable_grad, is_grad_enabled
from refgrad.levels import LEVELS
from refgrad.node import SEQUENCE, Node
from refgrad.tensor import Tensor
from refgrad.transform_state import transform
from refgrad.versions import counter_of

from .trees import flatten, mapped


class Entry(Node):
    """Where the gradient of an input of a transform arrives; `running` while the transform may ask for it."""

    __slots__ = ("running", "upstream")

    running: bool
    upstream: Node | None
    label = "AliasBackward0"
    mask = (True,)

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Pass the gradient on to where the input came from."""
        return grad if type(self.next) is not tuple else ()

    vjp_graph = vjp


class Frame:
    """One run of a transform: the entries of its inputs, and whether what it returns may have a history."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.sources: dict[Tensor, Tensor] = {}
        self.recording = is_grad_enabled()

    def track(self, tree: Any) -> Any:
        """Return `tree` with a new leaf on the memory of each of its tensors; raise ValueError for other
        things.
        """
        return mapped(self._leaf, tree)

    def _leaf(self, value: Any) -> Tensor:
        if not isinstance(value, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(value)}")  # noqa: TRY004 - torch's class
        leaf = _bare(value)._flag(True)
        entry: Entry = Entry.__new__(Entry)
        entry.next, entry.seq, entry.hooks = (), next(SEQUENCE), None
        entry.running = True
        entry.upstream = edge_of(value) if self.recording else None
        leaf._accumulator = weakref.ref(entry)
        self.entries.append(entry)
        self.sources[leaf] = value
        return leaf

    def close(self) -> None:
        """Connect the entries to where the inputs came from."""
        for entry in self.entries:
            entry.running = False
            if entry.upstream is not None:
                entry.next = entry.upstream

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Ask for gradients of the inputs once more inside the block, after the transform is over."""
        before = [entry.running for entry in self.entries]
        for entry in self.entries:
            entry.running = True
        try:
            yield
        finally:
            for entry, running in zip(self.entries, before, strict=True):
                entry.running = running

    def settle(self, tree: Any) -> Any:
        """Return `tree`, made inside, as it is outside: without history unless something outside is part of
        it.
        """
        liveness = Liveness()
        return mapped(lambda value: self._settled(value, liveness), tree)

    def _settled(self, value: Any, liveness: Liveness) -> Any:
        if not isinstance(value, Tensor):
            return value
        if value in self.sources:
            return self.sources[value] if self.recording else _bare(value)
        out = value
        if value._node is not None:
            out = _bare(value)
            if self.recording and liveness.of(value):
                liveness.forget(value)
                out._node = edge_of(value)
        if LEVELS and value._tangents:
            out._tangents = {
                level: self._settled(tangent, liveness) for level, tangent in value._tangents.items()
            }
        return out


@contextlib.contextmanager
def frame() -> Iterator[Frame]:
    """Run a transform inside the block, in grad mode."""
    run = Frame()
    with transform(), enable_grad():
        try:
            yield run
        finally:
            run.close()


def _bare(value: Tensor) -> Tensor:
    """Return a tensor on the memory of `value`, with its tangents and without history."""
    out = Tensor._of(value._data)
    out._counter = counter_of(value)
    if LEVELS and value._tangents is not None:
        out._tangents = dict(value._tangents)
    return out


class Liveness:
    """Which histories lead to a leaf that is no finished transform's input."""

    def __init__(self) -> None:
        self._alive: dict[Node, bool] = {}
        self._forgotten: set[Node] = set()

    def of(self, value: Tensor) -> bool:
        """Return whether the history of `value` does."""
        first = edge_of(value)
        if first is None:
            return False
        if first not in self._alive:
            self._explore(first)
        return self._alive[first]

    def _explore(self, first: Node) -> None:
        """Find it out for every node that `first` leads to, edges before the nodes that they start from."""
        stack = [first]
        while stack:
            node = stack[-1]
            if isinstance(node, AccumulateGrad) or (isinstance(node, Entry) and node.running):
                self._alive[node] = True
            if node in self._alive:
                stack.pop()
                continue
            ahead = [edge for edge in node.edges if edge not in self._alive]
            if ahead:
                stack += ahead
            else:
                self._alive[node] = any(self._alive[edge] for edge in node.edges)

    def forget(self, value: Tensor) -> None:
        """Let the history of `value` save constants where it saved what none of these leaves is part of.

        To a derivative that is recorded later on, the inputs of a finished transform are constants, and so
        is all that was computed from them alone.
        """
        stack = [edge_of(value)]
        while stack:
            node = stack.pop()
            # What lies behind a transform that still runs was not looked at: it is that one's concern.
            if node is None or node in self._forgotten or not self._alive.get(node):
                continue
            self._forgotten.add(node)
            node.resave(self._constant)
            stack += node.edges

    def _constant(self, saved: Tensor) -> Tensor:
        return saved if saved._node is None or self.of(saved) else _bare(saved)


def depends_on_outside(*values: Tensor) -> bool:
    """Whether the history of one of `values` leads to a leaf that is no finished transform's input."""
    return any(map(Liveness().of, values))


def gradients(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Sequence[Tensor | None],
    *,
    create_graph: bool,
) -> list[Tensor]:
    """Return the gradients of `outputs` with respect to `inputs`, zeros where there are none; the graph
    stays.
    """
    pairs = [pair for pair in zip(outputs, cotangents, strict=True) if pair[0].requires_grad]
    found: Iterable[Tensor | None] = [None] * len(inputs)
    if pairs:
        found = autograd.grad(
            [output for output, _ in pairs],
            inputs,
            [cotangent for _, cotangent in pairs],
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )
    return [
        Tensor._of(torch.zeros_like(source._data)) if grad is None else grad
        for source, grad in zip(inputs, found, strict=True)
    ]


def only_tensors(tree: Any, message: str) -> list[Tensor]:
    """Return the leaves of `tree`; raise RuntimeError with `message` and the type of a leaf that is no
    tensor.
    """
    leaves, _ = flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(f"{message}, got unsupported type {type(leaf)}")  # noqa: TRY004 - torch's class
    return leaves


def with_aux(result: Any, name: str) -> tuple[Any, Any]:
    """Return the two parts of what a function with has_aux returned; raise RuntimeError for anything else."""
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    output, aux = result
    only_tensors(aux, "Expected tensors")
    return output, aux


def cut(values: Sequence[Any], start: int, ends: dict[Node, Entry]) -> None:
    """End the tape of `values` before the nodes in `ends`, at what stands for each of them there.

    Only nodes recorded from the sequence number `start` on are changed. Without a cut, a backward would go on
    from one node outside to the next, and its gradient would be counted twice.
    """
    ahead = [edge for value in values if isinstance(value, Tensor) and (edge := edge_of(value)) is not None]
    seen = set(ahead)
    while ahead:
        node = ahead.pop()
        if node in ends or node.seq < start or isinstance(node, AccumulateGrad):
            continue
        edges = node.edges
        if not ends.keys().isdisjoint(edges):
            edited = tuple(ends.get(edge, edge) for edge in edges)
            object.__setattr__(node, "next", edited if type(node.next) is tuple else edited[0])
        for edge in edges:
            if edge not in seen:
                seen.add(edge)
                ahead.append(edge)


def stand_in() -> Entry:
    """Return a node that stands for one outside."""
    end: Entry = Entry.__new__(Entry)
    end.next, end.seq, end.hooks = (), next(SEQUENCE), None
    end.running, end.upstream = False, None
    return end
