"""What a functional engine's program has computed, as values that can be computed again.

An engine that differentiates functions has no tape. Its program runs forwards at once, and each operation on
what depends on a leaf is noted here, so that the way from leaves to roots can be run again as a pure function
of the leaves, which the engine then differentiates. Nothing here recurses along the way: chains of any length
work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar
from weakref import ref

from gradconform.errors import Unsupported

Array = Any
"""An array of the engine; while the engine differentiates, one of its tracers."""

Function = Callable[..., list[Array]]
"""What the engine differentiates: arrays in, a list of arrays out."""

T = TypeVar("T")

_numbers = count()


class Tensor:
    """A handle of a functional engine: a name for a value, another one once the program has made it a
    leaf. grad: what a backward gave it, or None."""

    __slots__ = ("__weakref__", "grad", "value")

    def __init__(self, value: Value) -> None:
        self.value = value
        self.grad: Tensor | None = None

    def __iter__(self) -> Iterator[Tensor]:
        raise Unsupported("rows of a tensor, by unpacking it")

    @classmethod
    def leaf(cls, array: Array) -> Tensor:
        """A new leaf."""
        tensor = cls(Value(array))
        tensor.declare()
        return tensor

    def declare(self) -> None:
        """From now on this is a leaf, whatever it was computed from."""
        self.value = Value(self.value.array, owner=ref(self))


@dataclass(eq=False, slots=True)
class Value:
    """An array and where it comes from: an operation (`node`, `item` of its results), or none. owner: the
    handle of a leaf. cut: whether no gradient flows through it."""

    array: Array
    node: Node | None = None
    item: int | None = None
    owner: ref[Tensor] | None = None
    cut: bool = False

    @property
    def depends(self) -> bool:
        """Whether a gradient can flow into it."""
        return self.owner is not None or (self.node is not None and not self.cut)


class Node:
    """One operation: what was called with which arguments. spent: whether a backward has been through it that
    did not ask for the graph to be kept."""

    __slots__ = ("arguments", "function", "inputs", "number", "options", "spent")

    def __init__(
        self, function: Callable[..., Any], arguments: Sequence[Any], options: Mapping[str, Any]
    ) -> None:
        self.function = function
        self.arguments = arguments
        self.options = options
        self.inputs = tuple(found_in((*arguments, *options.values()), Value))
        self.number = next(_numbers)
        self.spent = False

    def run(self, array_of: Callable[[Value], Array]) -> Any:
        """Calls the function again, with these arrays in the place of values."""
        options = {name: mapped(argument, Value, array_of) for name, argument in self.options.items()}
        return self.function(*(mapped(argument, Value, array_of) for argument in self.arguments), **options)


def mapped(tree: Any, kind: type[T], change: Callable[[T], Any]) -> Any:
    """An argument with all that is of a kind in it changed: in lists, tuples and slices too."""
    match tree:
        case kind():
            return change(tree)
        case list() | tuple():
            return type(tree)(mapped(item, kind, change) for item in tree)
        case slice(start=start, stop=stop, step=step):
            return slice(*(mapped(part, kind, change) for part in (start, stop, step)))
        case _:
            return tree


def found_in(tree: Any, kind: type[T]) -> Iterator[T]:
    """All that is of a kind in an argument."""
    match tree:
        case kind():
            yield tree
        case list() | tuple():
            for item in tree:
                yield from found_in(item, kind)
        case slice(start=start, stop=stop, step=step):
            yield from found_in((start, stop, step), kind)


@dataclass(frozen=True, slots=True)
class Way:
    """The way from some sources to roots. nodes: in the order in which they were recorded. leaves: the leaves
    that gradients flow into, beside the sources."""

    roots: tuple[Value, ...]
    sources: tuple[Value, ...]
    nodes: tuple[Node, ...]
    leaves: tuple[Value, ...]

    def again(self, known: Mapping[Value, Array]) -> list[Array]:
        """The arrays of the roots, computed from those that are known."""
        results: dict[Node, Any] = {}

        def array_of(value: Value) -> Array:
            if value in known:
                return known[value]
            if value.node not in results:
                return value.array
            found = results[value.node]
            return found if value.item is None else found[value.item]

        for node in self.nodes:
            results[node] = node.run(array_of)
        return [array_of(root) for root in self.roots]

    def spend(self) -> None:
        """Notes that a backward has been through."""
        for node in self.nodes:
            node.spent = True


def way(roots: Iterable[Value], sources: Iterable[Value] = ()) -> Way:
    """The way from sources, and from the leaves beside them, to roots.

    Raises Unsupported where a backward that did not keep the graph has been through before: what comes of a
    second one is a matter of tapes.
    """
    roots, sources = tuple(roots), tuple(sources)
    nodes, _ = _behind(roots, sources, through_cuts=True)
    _, leaves = _behind(roots, sources, through_cuts=False)
    if any(node.spent for node in nodes):
        raise Unsupported("a second backward through a graph", shim=True)
    return Way(roots, sources, tuple(sorted(nodes, key=lambda node: node.number)), tuple(leaves))


def _behind(
    roots: Sequence[Value], sources: Sequence[Value], *, through_cuts: bool
) -> tuple[dict[Node, None], dict[Value, None]]:
    """The nodes and leaves that roots were computed from, up to the sources."""
    seen: set[Value] = {*sources}
    nodes: dict[Node, None] = {}
    leaves: dict[Value, None] = {}
    open_values = list(roots)
    while open_values:
        value = open_values.pop()
        if value in seen:
            continue
        seen.add(value)
        if value.owner is not None:
            leaves[value] = None
        elif value.node is not None and (through_cuts or not value.cut) and value.node not in nodes:
            nodes[value.node] = None
            open_values += value.node.inputs
    return nodes, leaves


def reached(roots: Iterable[Value], source: Value) -> bool:
    """Whether gradients flow from any of the roots into the source."""
    seen: set[Value] = set()
    open_values = list(roots)
    while open_values:
        value = open_values.pop()
        if value is source:
            return True
        if value not in seen and value.node is not None and not value.cut:
            open_values += value.node.inputs
        seen.add(value)
    return False
