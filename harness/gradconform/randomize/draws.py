"""Draws of a scenario: one random choice of its free variables, and the documented example as a draw.

Sizes go up to DRAWN_SIZE where a spec leaves them open, and a tensor of any shape has at most three
dimensions. Simplest is the shape [1] with the number 1, contiguous; zero-size tensors are drawn, but seldom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from math import prod

import torch

from gradconform.errors import UsageError
from gradconform.program.bind import Draw
from gradconform.program.steps import Argument, Dtype, Input, Layout
from gradconform.program.vocabulary import DTYPES, OPERATORS, holes
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.values import SIMPLE, fill
from gradconform.spec.dtypes import resolve_dtype
from gradconform.spec.scenario import (
    BooleanDomain,
    ChoiceDomain,
    IntegerDomain,
    LikeDomain,
    OperatorDomain,
    Scenario,
    TensorDomain,
    domain_operator,
    in_order,
)
from gradconform.spec.shapes import DRAWN_SIZE, AnyShape, BroadcastableShape, DimsShape

MAX_RANK = 3
"""Dimensions of a tensor of any shape."""

Shape = tuple[int, ...]
Tensor = TensorDomain | LikeDomain


def draw(scenario: Scenario, chooser: Chooser, dtype: str) -> Draw:
    """A random draw of the scenario's free variables for a case of this dtype.

    Raises UsageError, with the place in the spec, where a variable has no dtype in such a case or its domain
    contradicts itself.
    """
    return Drawing(scenario, chooser, dtype).all()


def example(scenario: Scenario, dtype: str) -> Draw:
    """The documented example of the scenario for a case of this dtype. Raises UsageError as `draw` does."""
    inputs = []
    constants: dict[str, Argument] = {"dtype": Dtype(dtype)}
    operators: dict[str, str] = {}
    for name, domain in scenario.let.items():
        match domain:
            case TensorDomain() | LikeDomain():
                torch_dtype = getattr(torch, _dtype(domain, name, dtype))
                data = torch.tensor(domain.example, dtype=torch_dtype, device="cpu")
                inputs.append(Input(name, data, domain.requires_grad, _example_layout(domain, data)))
            case OperatorDomain():
                operators[name] = domain.example
            case IntegerDomain() | BooleanDomain() | ChoiceDomain():
                constants[name] = word(domain.example)
    return Draw(tuple(inputs), constants, operators, example=True)


@dataclass
class Drawing:
    """A draw on its way: what has been chosen so far."""

    scenario: Scenario
    chooser: Chooser
    dtype: str
    inputs: dict[str, Input] = field(default_factory=dict)
    constants: dict[str, Argument] = field(default_factory=dict)
    operators: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def all(self) -> Draw:
        """Draws every variable, each after those that it refers to."""
        for name in in_order(self.scenario.let):
            self.variable(name)
        return self.result()

    def variable(self, name: str) -> None:
        chooser = self.chooser
        match self.scenario.let[name]:
            case TensorDomain() | LikeDomain() as domain:
                self.inputs[name] = self.tensor(name, domain)
            case IntegerDomain(low, high):
                self.constants[name] = chooser.integer(low, high)
            case BooleanDomain():
                self.constants[name] = chooser.boolean()
            case ChoiceDomain(options):
                self.constants[name] = word(chooser.choice(options))
            case OperatorDomain(kind):
                self.operators[name] = chooser.choice(holes(kind))

    def result(self) -> Draw:
        names = self.scenario.let
        constants = {name: self.constants[name] for name in names if name in self.constants}
        return Draw(
            tuple(self.inputs[name] for name in names if name in self.inputs),
            {"dtype": Dtype(self.dtype), **constants},
            {name: self.operators[name] for name in names if name in self.operators},
        )

    def tensor(self, name: str, domain: Tensor) -> Input:
        chooser = self.chooser
        dtype = _dtype(domain, name, self.dtype)
        shape = self.shape(domain)
        operator = domain_operator(domain.values)
        values = domain.values if operator is None else OPERATORS[self.operators[operator]].domain
        seed = chooser.seed() if chooser.below(4) else chooser.below(SIMPLE)
        layout = self.layout(domain, name, shape, values)
        if layout == "expanded" and shape and shape[0]:
            # All rows are the first one, as they will be in the engine's memory.
            data = fill(values, (1, *shape[1:]), dtype, seed).expand(shape).contiguous()
        else:
            data = fill(values, shape, dtype, seed)
        return Input(name, data, domain.requires_grad, layout)

    def shape(self, domain: Tensor) -> Shape:
        if isinstance(domain, LikeDomain):
            return self.shape_of(domain.of)
        match domain.shape:
            case AnyShape(nonempty):
                return self.any_shape(nonempty)
            case DimsShape(dims, bounds):
                return tuple(self.size(dim, bounds) if isinstance(dim, str) else dim for dim in dims)
            case BroadcastableShape(to):
                return self.broadcastable(self.shape_of(to))

    def shape_of(self, name: str) -> Shape:
        return tuple(self.inputs[name].data.shape)

    def size(self, symbol: str, bounds: Mapping[str, tuple[int | None, int | None]]) -> int:
        if symbol not in self.sizes:
            low, high = bounds.get(symbol, (None, None))
            low = low or 0
            self.sizes[symbol] = self.size_within(low, max(low, DRAWN_SIZE) if high is None else high)
        return self.sizes[symbol]

    def any_shape(self, nonempty: bool) -> Shape:
        return _any_shape(self.chooser, nonempty)

    def size_within(self, low: int, high: int) -> int:
        return _size(self.chooser, low, high)

    def broadcastable(self, other: Shape) -> Shape:
        return _broadcastable(self.chooser, other)

    def layout(self, domain: Tensor, name: str, shape: Shape, values: str) -> Layout:
        if values == "distinct" and domain.layout == "expanded":
            raise UsageError(
                f"{domain.place}: [{self.scenario.id}] the numbers of '{name}' cannot be both distinct and "
                "expanded, which repeats them; change values or layout"
            )
        if domain.layout != "any":
            return _LAYOUTS[domain.layout]
        return self.chooser.choice(layouts(shape, values))


_LAYOUTS: dict[str, Layout] = {
    "contiguous": "contiguous",
    "transposed": "transposed",
    "strided": "strided",
    "expanded": "expanded",
}


def layouts(shape: Shape, values: str) -> list[Layout]:
    """The layouts that a tensor of this shape with numbers of this domain can have, the simplest first."""
    options: list[Layout] = ["contiguous", "strided"]
    if len(shape) > 1:
        options.append("transposed")
    if shape and values != "distinct":
        options.append("expanded")
    return options


def word(option: Argument) -> Argument:
    """What an option of a choice is to the program: a dtype's name is the dtype."""
    return Dtype(option) if isinstance(option, str) and option in DTYPES else option


def _dtype(domain: Tensor, name: str, case: str) -> str:
    dtype = resolve_dtype(domain.dtype, case)
    if dtype is None:
        raise UsageError(
            f"{domain.place}: '{name}' is {domain.dtype}, and {case} has no {domain.dtype} counterpart; "
            "run this scenario in another dtype"
        )
    return dtype


def _example_layout(domain: Tensor, data: torch.Tensor) -> Layout:
    """The layout of the domain, or contiguous where it leaves that open or the numbers do not allow it."""
    if domain.layout == "any":
        return "contiguous"
    if domain.layout == "expanded" and data.dim() and not torch.equal(data, data[:1].expand_as(data)):
        return "contiguous"
    return _LAYOUTS[domain.layout]


def _size(chooser: Chooser, low: int, high: int) -> int:
    """A size from `low` to `high`: one is simplest, and zero half as likely as any other."""
    if low > 0 or high == 0:
        return chooser.integer(low, high)
    number = chooser.below(2 * high + 1)
    return 0 if number == 2 * high else number % high + 1


def _shapes() -> tuple[Shape, ...]:
    """Shapes with elements, the simplest first; one for each choice, so that all ranks are equally likely."""
    sizes = range(1, DRAWN_SIZE + 1)
    found = [
        shape
        for rank in range(MAX_RANK + 1)
        for shape in product(sizes, repeat=rank)
        for _ in range(DRAWN_SIZE ** (MAX_RANK - rank))
    ]
    return tuple(sorted(found, key=lambda shape: (prod(shape), abs(len(shape) - 1), shape)))


_NONEMPTY = _shapes()
# A zero in one place is enough, in one tensor out of nine: a law that meets only empty tensors tests nothing.
_EMPTY = (
    *[(0,)] * 12,
    *(shape for shape in product(range(DRAWN_SIZE + 1), repeat=2) if shape.count(0) == 1),
    *(shape for shape in product(range(3), repeat=3) if shape.count(0) == 1),
)
_ALL = (*_NONEMPTY, *_EMPTY)


def _any_shape(chooser: Chooser, nonempty: bool) -> Shape:
    # One choice for a whole shape, so that a shorter record of choices is not always a shape of lower rank.
    return chooser.choice(_NONEMPTY if nonempty else _ALL)


def _broadcastable(chooser: Chooser, other: Shape) -> Shape:
    """A shape that broadcasts with `other`; simplest is that shape itself."""
    rank = len(other)
    most = rank + 1 if rank < MAX_RANK else rank
    # The number of choices does not depend on the rank that is drawn, lest the lowest count as simplest.
    drawn = chooser.choice((*range(rank, -1, -1), *range(rank + 1, most + 1)))
    # Next to a 1 any size will do; next to any other, that size or a 1.
    sizes = [_size(chooser, 0, DRAWN_SIZE) if size == 1 else chooser.choice((size, 1)) for size in other]
    if most > rank:
        sizes.insert(0, chooser.integer(1, DRAWN_SIZE))
    return tuple(sizes[len(sizes) - drawn :])
