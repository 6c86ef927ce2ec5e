"""Moves that apply a row of the operator tables to what is live.

A row's tensors are live ones of their shape and dtype, or brought into that shape by a view; what nothing
fits is a new input with numbers of the row's own domain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache

import torch

from gradconform.errors import GradconformError
from gradconform.program.bind import bind
from gradconform.program.library import learn_shipped
from gradconform.program.names import is_temporary, targets, uses
from gradconform.program.parse import Template, parse
from gradconform.program.rename import read_as
from gradconform.program.steps import Apply, Get, Input, Items, Mutate, Ref, Step, flatten
from gradconform.program.vocabulary import RANDOM
from gradconform.randomize import draws
from gradconform.randomize.direct import DirectChooser
from gradconform.randomize.explore.writer import MAX_NUMBERS, Writer, peak
from gradconform.spec.corpus import operator_files
from gradconform.spec.load import load_files
from gradconform.spec.scenario import LikeDomain, TensorDomain

DRAWS = 8
"""Draws of a row's shapes and arguments; the first is the documented example."""

_LARGEST = 4 * MAX_NUMBERS


@dataclass(frozen=True, slots=True)
class Call:
    """A row, bound to shapes and arguments. inputs: its tensors. steps: the call. results: what it makes.
    free: the inputs for which any real numbers will do."""

    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    results: tuple[str, ...]
    free: frozenset[str]


@cache
def rows() -> dict[str, Template]:
    """The rows, form by form, as the templates of their scenarios about gradients."""
    learn_shipped()
    scenarios = load_files(operator_files()).scenarios
    found = {}
    for scenario in scenarios:
        operator, _, aspect = scenario.id.removeprefix("operators/").rpartition("/")
        if aspect == "gradients" or aspect.endswith("-gradients"):
            form = aspect.removesuffix("gradients").strip("-")
            template = parse(scenario)
            if not any(word in scenario.text.text for word in RANDOM):
                found[f"{operator} {form}".strip()] = template
    return found


@lru_cache(maxsize=1 << 16)
def call(row: str, number: int, dtype: str) -> Call | None:
    """One of the draws of a row; None where it has none in this dtype, or only large ones."""
    template = rows()[row]
    scenario = template.scenario
    if dtype not in scenario.dtypes:
        return None
    try:
        drawn = (
            draws.draw(scenario, DirectChooser(number), dtype) if number else draws.example(scenario, dtype)
        )
        program = bind(template, drawn)
    except GradconformError:
        return None
    if any(item.data.numel() > _LARGEST for item in program.inputs):
        return None
    end = next(
        place for place, step in enumerate(program.steps) if getattr(step, "operator", "") == "cotangent"
    )
    steps = program.steps[:end]
    made = tuple(name for step in steps for name in targets(step) if not is_temporary(name))
    free = frozenset(
        name
        for name, domain in scenario.let.items()
        if isinstance(domain, TensorDomain | LikeDomain)
        and domain.requires_grad
        and domain.values in ("real", "dyadic", "ties", "special", "kinks")
    )
    return Call(program.inputs, steps, made, free)


_ORDERING = frozenset({"median", "nanmedian", "mode", "kthvalue"})
"""Operators that take one of several equal elements; of a view that repeats itself, not always the same."""


def table(writer: Writer) -> None:
    """A row of the operator tables."""
    names = tuple(rows())
    row = writer.rarer("row", names)
    found = call(row, writer.chooser.below(DRAWS), writer.dtype)
    if found is None or not writer.profile.banned.isdisjoint(_words(found)):
        return
    writer.features.add(("row", row))
    steps = found.steps
    ordering = not _ORDERING.isdisjoint(_words(found))
    renamed: dict[str, str] = {}
    for item in found.inputs:
        renamed[item.name] = _operand(writer, item, free=item.name in found.free and not ordering)
    for name in found.results:
        renamed[name] = writer.new()
    for step in steps:
        for name in targets(step):
            if is_temporary(name):
                renamed[name] = writer.temporary()
    writer.do(*(_renamed(step, renamed) for step in steps))


def _words(found: Call) -> set[str]:
    return {step.operator for step in flatten(found.steps) if isinstance(step, Apply | Mutate)}


def _operand(writer: Writer, item: Input, *, free: bool) -> str:
    """The name of a tensor that can stand for an input of a row."""
    data = item.data
    if free and writer.chooser.below(4):
        fitting = writer.live(
            lambda tensor: tensor.dtype == data.dtype and _reaches(tensor, data.shape) and peak(tensor) < 20
        )
        if fitting:
            name = writer.pick(fitting)
            return _shaped(writer, name, tuple(data.shape)) or name
    return writer.input(data, requires_grad=item.requires_grad, layout=item.layout)


def _reaches(tensor: torch.Tensor, shape: torch.Size) -> bool:
    """Whether a view brings a tensor into this shape."""
    return (
        tensor.shape == shape
        or (tensor.numel() == shape.numel() and tensor.is_contiguous())
        or tensor.numel() == 1
    )


def _shaped(writer: Writer, name: str, shape: tuple[int, ...]) -> str:
    """The name of a view of this shape."""
    tensor = writer[name]
    if tuple(tensor.shape) == shape:
        return name
    if tensor.numel() == torch.Size(shape).numel():
        return writer.apply("reshape", Ref(name), Items(shape, "tuple"))
    single = writer.apply("reshape", Ref(name), *(1,) * max(len(shape), 1))
    return single and writer.apply("expand", Ref(single), *shape)


def _renamed(step: Step, names: dict[str, str]) -> Step:
    """The step with other names, for what it reads and what it makes."""
    # In two rounds, lest a new name be taken for an old one.
    for old in dict.fromkeys(uses(step)):
        (step,) = read_as((step,), old, f"<{old}>")
    for old in dict.fromkeys(uses(step)):
        (step,) = read_as((step,), old, names.get(old[1:-1], old[1:-1]))
    if isinstance(step, Apply | Get) and isinstance(step.target, tuple):
        return replace(step, target=tuple(names[name] for name in step.target))
    if isinstance(step, Apply | Get) and step.target:
        return replace(step, target=names[str(step.target)])
    return step
