"""Corners of a scenario: what its random draws would meet only by luck, gone through in order.

They are the documented example with one thing changed: its choices set otherwise, its tensors at their
smallest shapes or without elements, its tensors in another layout. No seed and no randomness decides them, so
that an engine that is wrong at one of a few settings diverges with every seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import cast

from gradconform.program.bind import Draw
from gradconform.program.steps import Argument, Dtype, Input, Layout
from gradconform.program.vocabulary import OPERATORS, holes
from gradconform.randomize.direct import ReplayChooser
from gradconform.randomize.draws import Drawing, Shape, example, layouts, word
from gradconform.randomize.values import fill
from gradconform.spec.scenario import (
    BooleanDomain,
    ChoiceDomain,
    Domain,
    IntegerDomain,
    LikeDomain,
    OperatorDomain,
    Scenario,
    TensorDomain,
    domain_operator,
)

SETTINGS = 64
"""A scenario's choices are gone through where they have no more settings than this."""


@dataclass(frozen=True, slots=True)
class Corner:
    """A draw at a corner. name: what is not as in the documented example: `saves=False, which=3`,
    `smallest shapes`, `empty tensors`, `strided layout`."""

    name: str
    draw: Draw


_LAYOUTS: tuple[Layout, ...] = ("strided", "transposed", "expanded")
"""Those that an example whose layout is open has not: it is contiguous."""


def corners(scenario: Scenario, dtype: str) -> Iterator[Corner]:
    """The corners of the scenario for a case of this dtype, none of them twice.

    Raises UsageError as `draws.draw` does.
    """
    shown = example(scenario, dtype)
    yield from _settings(scenario, shown)
    yield from _shapes(scenario, shown, dtype)
    yield from _layouts(scenario, shown)


def _options(domain: Domain) -> tuple[Argument, ...] | range:
    """What a choice may be; nothing for a tensor."""
    match domain:
        case IntegerDomain(low, high):
            return range(low, high + 1)
        case BooleanDomain():
            return (False, True)
        case ChoiceDomain(options):
            return tuple(word(option) for option in options)
        case OperatorDomain(kind):
            return holes(kind)
        case TensorDomain() | LikeDomain():
            return ()


def _settings(scenario: Scenario, shown: Draw) -> Iterator[Corner]:
    """All that the choices can be, beside what they are in the example, where that is not too many."""
    options = {name: found for name, domain in scenario.let.items() if (found := _options(domain))}
    if prod(map(len, options.values())) > SETTINGS:
        return
    before = {**shown.constants, **shown.operators}
    for chosen in product(*options.values()):
        # By name, since True is 1 and 2 is 2.0 to Python, and not to a program.
        pairs = zip(options, chosen, strict=True)
        changed = {name: value for name, value in pairs if _name(value) != _name(before[name])}
        if changed:
            name = ", ".join(f"{name}={_name(value)}" for name, value in changed.items())
            yield Corner(name, _set(scenario, shown, changed))


def _name(value: Argument) -> str:
    return value.name if isinstance(value, Dtype) else str(value)


def _set(scenario: Scenario, shown: Draw, changed: Mapping[str, Argument]) -> Draw:
    """The example with other choices. A tensor whose numbers have to suit an operator gets others where that
    operator is another one."""
    operators = {name: str(changed.get(name, operator)) for name, operator in shown.operators.items()}

    def suited(item: Input) -> Input:
        operator = domain_operator(_tensor(scenario, item.name).values)
        if operator is None or operator not in changed:
            return item
        data = item.data
        dtype = str(data.dtype).removeprefix("torch.")
        return replace(item, data=fill(OPERATORS[operators[operator]].domain, tuple(data.shape), dtype, 0))

    constants = {name: changed.get(name, value) for name, value in shown.constants.items()}
    return Draw(tuple(map(suited, shown.inputs)), constants, operators)


def _tensor(scenario: Scenario, name: str) -> TensorDomain | LikeDomain:
    """The domain of a tensor."""
    return cast("TensorDomain | LikeDomain", scenario.let[name])


@dataclass
class _Lowest(Drawing):
    """Shapes at their lowest, with the choices of the example. elements: leave no tensor without any where
    it may have some."""

    shown: Draw = field(kw_only=True)
    elements: bool = field(kw_only=True)

    def variable(self, name: str) -> None:
        if name in self.shown.constants:
            self.constants[name] = self.shown.constants[name]
        elif name in self.shown.operators:
            self.operators[name] = self.shown.operators[name]
        else:
            super().variable(name)

    def any_shape(self, nonempty: bool) -> Shape:
        return () if nonempty or self.elements else (0,)

    def size_within(self, low: int, high: int) -> int:
        return min(max(low, 1), high) if self.elements else low

    def broadcastable(self, other: Shape) -> Shape:
        return other


def _shapes(scenario: Scenario, shown: Draw, dtype: str) -> Iterator[Corner]:
    """Every tensor at its smallest shape: a number where it may be one, and no elements where it may have
    none."""
    before = [item.data.shape for item in shown.inputs]
    for name, elements in (("smallest shapes", True), ("empty tensors", False)):
        # With nothing on its record a chooser makes the simplest choice each time.
        draw = _Lowest(scenario, ReplayChooser(()), dtype, shown=shown, elements=elements).all()
        shapes = [item.data.shape for item in draw.inputs]
        if shapes != before:
            yield Corner(name, draw)
        before = shapes


def _layouts(scenario: Scenario, shown: Draw) -> Iterator[Corner]:
    """Every tensor whose layout is open in each other layout that it can have."""
    for layout in _LAYOUTS:
        inputs = tuple(_laid_out(scenario, item, layout) for item in shown.inputs)
        if any(new is not old for new, old in zip(inputs, shown.inputs, strict=True)):
            yield Corner(f"{layout} layout", replace(shown, inputs=inputs, example=False))


def _laid_out(scenario: Scenario, item: Input, layout: Layout) -> Input:
    domain, data = _tensor(scenario, item.name), item.data
    if domain.layout != "any" or layout not in layouts(data.shape, domain.values):
        return item
    # All rows of an expanded one are the first.
    data = data[:1].expand_as(data).contiguous() if layout == "expanded" else data
    return replace(item, data=data, layout=layout)
