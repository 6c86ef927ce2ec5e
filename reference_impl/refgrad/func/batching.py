"""vmap: a function of one example becomes a function of a batch, with torch's own batching of kernels.

The data of the tensors that the function sees are torch's batched tensors: their shape is that of one
example, and every kernel works on the whole batch. So shapes, errors and random numbers inside are torch's,
and no operation of refgrad knows about batches. What refgrad adds is the graph. Inside, a tape is recorded as
usual, and `grad` and the like work on it; outside, its data have no meaning. So of a call that something
outside has to be differentiated through, one node is left, `VmapBackward`. Its backward runs the function
again inside of a vmap, and backward through it, for the batch of arguments and of cotangents. The function
must therefore be pure, as torch demands anyway. What a level of forward mode adds is gone by then, so a call
whose tangents something outside has to be differentiated through is made example by example instead.

Source: https://docs.pytorch.org/docs/stable/generated/torch.func.vmap.html and
https://docs.pytorch.org/docs/stable/func.ux_limitations.html
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from refgrad.accumulate import AccumulateGrad, edge_of
from refgrad.backward import Capture, execute
from refgrad.grad_mode import is_grad_enabled, no_grad
from refgrad.levels import LEVELS, Level, set_tangent, tangent_of
from refgrad.multiple import stack
from refgrad.node import SEQUENCE, Node
from refgrad.outputs import Output, part
from refgrad.tensor import Tensor
from refgrad.transform_state import transform

from .tracking import cut, frame, stand_in
from .trees import Structure, flatten, mapped

Dims = Any  # an int, None, or a tree of these


@dataclass(frozen=True)
class Batching:
    """A function and how it is to be mapped over a batch: what `vmap` is given.

    A `plain` one serves autograd itself and is no transform of the user's.
    """

    func: Callable[..., Any]
    in_dims: Dims = 0
    out_dims: Dims = 0
    randomness: str = "error"
    chunk_size: int | None = None
    plain: bool = False


@dataclass
class Run:
    """What is known after one run of the function inside: its outputs as it returned them, and what they are
    outside.

    `start` is the sequence number from which on nodes belong to the run; `leaves` are the arguments inside
    that require grad, by the place of the argument.
    """

    start: int
    leaves: dict[int, Tensor] = field(default_factory=dict)
    inside: list[Any] = field(default_factory=list)
    dims: list[Any] = field(default_factory=list)
    marks: list[tuple[int, Level]] = field(default_factory=list)
    tangents: list[Tensor] = field(default_factory=list)
    size: int = 0

    def captured(self, values: Sequence[Any]) -> dict[Node, None]:
        """Return the nodes from outside that the tape of `values` leads to, and those of `leaves`."""
        edges = [edge_of(value) for value in values if isinstance(value, Tensor)]
        ahead = [edge for edge in edges if edge is not None]
        seen = set(ahead)
        found: dict[Node, None] = {}
        while ahead:
            node = ahead.pop()
            if isinstance(node, AccumulateGrad) or node.seq < self.start:
                found[node] = None
                continue
            for edge in node.edges:
                if edge not in seen:
                    seen.add(edge)
                    ahead.append(edge)
        return found


def vmap(
    func: Callable[..., Any],
    in_dims: Dims = 0,
    out_dims: Dims = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Return the function that maps `func` over dimensions of its arguments and puts the results together.

    `in_dims` says which dimension of each positional argument is the batch, None for one that is not mapped;
    `out_dims` where the batch is in each result. Keyword arguments are not mapped. `randomness` is "error",
    "different" or "same"; `chunk_size` limits how many examples are computed at once. Raises what torch
    raises, ValueError for dimensions that do not fit and RuntimeError for what cannot be done inside.
    """
    return _mapped(Batching(func, in_dims, out_dims, randomness, chunk_size))


def for_each(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return `func` mapped over the first dimensions of its arguments, without being a transform."""
    return _mapped(Batching(func, plain=True))


def _mapped(batching: Batching) -> Callable[..., Any]:
    @functools.wraps(batching.func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        given = _Call(batching, args, kwargs)
        outputs, run = given.run()
        if not is_grad_enabled():
            return outputs
        if run.size and run.captured(run.tangents):
            return given.one_by_one()
        return given.recorded(outputs, run)

    return wrapper


def _spread(dims: Dims, structure: Structure) -> list[Any] | None:
    """Return one dimension for each leaf of a tree, or None if `dims` does not fit it: torch says so then."""
    if dims is None or isinstance(dims, int):
        return [dims] * structure.leaves
    if structure.kind is None:
        return None
    inside, shape = flatten(dims)
    if shape == structure:
        return inside
    if not isinstance(dims, tuple | list | dict) or type(dims) is not structure.kind:
        return None
    if len(dims) != len(structure.parts):
        return None
    parts = [_spread(dim, part) for dim, part in zip(dims, structure.parts, strict=True)]
    return None if None in parts else [dim for part in parts for dim in part or ()]


class _Call:
    """One call of a mapped function."""

    def __init__(self, batching: Batching, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.batching = batching
        self.args, self.kwargs = args, kwargs
        self.leaves, self.structure = flatten(args)
        dims = batching.in_dims
        spread = _spread(tuple(dims) if isinstance(dims, list) else dims, self.structure)
        self.dims = [0] * len(self.leaves) if spread is None else spread
        self.random_state = None if batching.randomness == "error" else torch.get_rng_state()

    def mapped_places(self) -> list[int]:
        """Return the places of the tensors that are mapped."""
        return [
            place
            for place, (leaf, dim) in enumerate(zip(self.leaves, self.dims, strict=True))
            if isinstance(leaf, Tensor) and dim is not None
        ]

    def run(self) -> tuple[Any, Run]:
        """Run the function inside of a vmap; return its results, without history, and what is known of the
        run.
        """
        run = Run(next(SEQUENCE))
        places = self.mapped_places()
        tangents = [
            (place, level, tangent)
            for place in places
            for level in LEVELS
            if (tangent := tangent_of(self.leaves[place], level)) is not None
        ]
        plain = mapped(lambda leaf: leaf._data if isinstance(leaf, Tensor) else leaf, self.args)
        in_dims, out_dims = self.batching.in_dims, self.batching.out_dims
        extra = [tangent._data for _, _, tangent in tangents]
        if LEVELS:
            # Tangents go in and out beside what they belong to.
            each = in_dims if isinstance(in_dims, tuple | list) else (in_dims,) * len(plain)
            in_dims = (*each, [self.dims[place] for place, _, _ in tangents])
            out_dims = (out_dims, 0)
            plain = (*plain, extra)

        @functools.wraps(self.batching.func)
        def inside(*batched: Any, **kwargs: Any) -> Any:
            *given, last = batched
            directions = last if LEVELS else []
            arguments = self._inside(flatten(tuple(given if LEVELS else batched))[0], run)
            for (place, level, _), data in zip(tangents, directions, strict=True):
                set_tangent(arguments[place], level, Tensor._of(data))
            outputs = self.batching.func(*self.structure.build(arguments), **kwargs)
            values, shape = flatten(outputs)
            run.inside = values
            run.dims = _spread(self.batching.out_dims, shape) or [0] * len(values)
            results = shape.build([value._data if isinstance(value, Tensor) else value for value in values])
            if not LEVELS:
                return results
            found = [
                (place, level, tangent)
                for place, value in enumerate(values)
                for level in LEVELS
                if isinstance(value, Tensor) and (tangent := tangent_of(value, level)) is not None
            ]
            run.marks = [(place, level) for place, level, _ in found]
            run.tangents = [tangent for _, _, tangent in found]
            return results, [tangent._data for tangent in run.tangents]

        mapping: Any = torch.func.vmap
        with contextlib.nullcontext() if self.batching.plain else transform():
            batched = mapping(
                inside, in_dims, out_dims, self.batching.randomness, chunk_size=self.batching.chunk_size
            )
            results = batched(*plain, **self.kwargs)
        if not LEVELS:
            return mapped(_outside, results), run
        results, products = results
        run.size = self.leaves[places[0]].shape[self.dims[places[0]]]
        values, shape = flatten(results)
        values = [_outside(value) for value in values]
        for (place, level), product in zip(run.marks, products, strict=True):
            dim = run.dims[place]
            data = product[0] if dim is None else product.movedim(0, dim)
            set_tangent(values[place], level, Tensor._of(data))
        return shape.build(values), run

    def _inside(self, batched: Sequence[Any], run: Run) -> list[Any]:
        """Return the arguments that the function is called with: mapped tensors are new, leaves if they
        require grad.
        """
        arguments: list[Any] = list(self.leaves)
        for place in self.mapped_places():
            made = arguments[place] = Tensor._of(batched[place])
            if is_grad_enabled() and self.leaves[place].requires_grad:
                run.leaves[place] = made._flag(True)
        return arguments

    def one_by_one(self) -> Any:
        """Return the results of the call, the function run for one example after the other, and recorded."""
        examples, places = [], self.mapped_places()
        for index in range(self.leaves[places[0]].shape[self.dims[places[0]]]):
            arguments = list(self.leaves)
            for place in places:
                arguments[place] = arguments[place].select(self.dims[place], index)
            with (
                self._same_random_numbers()
                if self.batching.randomness == "same"
                else contextlib.nullcontext()
            ):
                examples.append(flatten(self.batching.func(*self.structure.build(arguments), **self.kwargs)))
        structure = examples[0][1]
        dims = _spread(self.batching.out_dims, structure) or [0] * structure.leaves
        rows = zip(dims, *(values for values, _ in examples), strict=True)
        return structure.build([row[0] if dim is None else stack(row, dim) for dim, *row in rows])

    def recorded(self, outputs: Any, run: Run) -> Any:
        """Return `outputs` with a history if anything outside is part of it."""
        captured = run.captured(run.inside)
        reached = [place for place, leaf in run.leaves.items() if edge_of(leaf) in captured]
        around = [node for node in captured if node not in {edge_of(leaf) for leaf in run.leaves.values()}]
        edges = [edge for place in reached if (edge := edge_of(self.leaves[place])) is not None] + around
        if not edges:
            return outputs
        node: VmapBackward = VmapBackward.__new__(VmapBackward)
        node.next, node.seq, node.hooks = tuple(edges), next(SEQUENCE), None
        node.call, node.reached, node.around = self, tuple(reached), tuple(around)
        values, structure = flatten(outputs)
        node.likes = tuple(value._data if isinstance(value, Tensor) else None for value in values)
        node.dims = tuple(run.dims)
        for index, (value, source) in enumerate(zip(values, run.inside, strict=True)):
            if isinstance(source, Tensor) and source._node is not None:
                output: Output = Output.__new__(Output)
                output.next, output.seq, output.hooks, output.index = node, next(SEQUENCE), None, index
                value._node = output
        return structure.build(values)

    @contextlib.contextmanager
    def _same_random_numbers(self) -> Iterator[None]:
        """Draw the random numbers of the call once more."""
        if self.random_state is None:
            yield
            return
        with torch.random.fork_rng():
            torch.set_rng_state(self.random_state)
            yield

    def pull(self, node: VmapBackward, cotangents: dict[int, Tensor]) -> list[Tensor | None]:
        """Return the gradients for the edges of `node`: one more mapped call, of the function and of
        backward.
        """
        places = sorted(cotangents)
        found: list[int] = []

        def example(args: tuple[Any, ...], *given: Tensor) -> tuple[Tensor, ...]:
            leaves, structure = flatten(args)
            ends = {outside: stand_in() for outside in node.around}
            start = next(SEQUENCE)
            with frame() as inner:
                tracked = {place: inner.track(leaves[place]) for place in node.reached}
                for place, leaf in tracked.items():
                    leaves[place] = leaf
                values, _ = flatten(self.batching.func(*structure.build(leaves), **self.kwargs))
            cut(values, start, ends)
            targets = [edge_of(leaf) for leaf in tracked.values()] + list(ends.values())
            graph = is_grad_enabled()
            roots = [
                (ends.get(edge, edge), grad if graph or LEVELS else grad._data)
                for place, grad in zip(places, given, strict=True)
                if (edge := edge_of(values[place])) is not None
            ]
            capture = Capture({target: {0: None} for target in targets if target is not None})
            with inner.asking():
                # Kept: what the function captured can be part of it, and is asked again for other cotangents.
                execute(roots, keep=True, graph=graph, capture=capture)
            for outside, end in ends.items():
                end.next = outside
            grads = [None if target is None else capture.wanted[target][0] for target in targets]
            found[:] = [index for index, grad in enumerate(grads) if grad is not None]
            return tuple(inner.settle(_outside(grads[index])) for index in found)

        in_dims = (self.batching.in_dims, *(node.dims[place] for place in places))
        if not isinstance(self.batching.in_dims, int):
            in_dims = (tuple(self.batching.in_dims), *in_dims[1:])
        with self._same_random_numbers():
            mapping = _mapped(replace(self.batching, func=example, in_dims=in_dims, out_dims=0))
            batches = mapping(self.args, *(cotangents[place] for place in places))
        grads: list[Tensor | None] = [None] * len(node.edges)
        for index, batch in zip(found, batches, strict=True):
            place = node.reached[index] if index < len(node.reached) else None
            grads[index] = batch.sum(0) if place is None else batch.movedim(0, self.dims[place])
        return grads


def _outside(value: Any) -> Any:
    return Tensor._of(value) if isinstance(value, torch.Tensor) else value


class VmapBackward(Node):
    """The node of a mapped call: edges to its mapped arguments (`reached`) and to what the function captured
    (`around`).

    `likes` holds the data of the outputs, `dims` the dimension of each that is the batch.
    """

    __slots__ = ("around", "call", "dims", "likes", "reached")

    call: _Call
    reached: tuple[int, ...]
    around: tuple[Node, ...]
    likes: tuple[torch.Tensor | None, ...]
    dims: tuple[int | None, ...]
    label = "VmapBackward"

    def output_count(self) -> int:
        """Return how many outputs the call has."""
        return len(self.likes)

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - the arguments are kept
        """Return what `vjp_graph` returns, as plain data."""
        parts = {index: part(grad, index) for index in range(len(self.likes))}
        tensors = {index: Tensor._of(data) for index, data in parts.items() if data is not None}
        with no_grad():
            grads = self.call.pull(self, tensors)
        return tuple(None if found is None else found._data for found in grads)

    def vjp_graph(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - the arguments are kept
        """Return the gradients of the arguments and of what was captured, for those of the outputs."""
        parts = {index: part(grad, index) for index in range(len(self.likes))}
        return tuple(
            self.call.pull(self, {index: value for index, value in parts.items() if value is not None})
        )
