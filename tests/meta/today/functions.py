"""Ordinary functions of tensors, as any engine with torch's names can run them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from gradconform.engines.base import Engine, Handle
from gradconform.execution.compile import Compiler
from gradconform.program import cotangents
from gradconform.program.bind import Draw, bind
from gradconform.program.names import is_temporary
from gradconform.program.parse import Template
from gradconform.program.steps import Apply, Step
from gradconform.randomize import draws
from gradconform.randomize.direct import DirectChooser

from .networks import NETWORKS, Network

if TYPE_CHECKING:
    import torch

RANDOM = 1
"""Random inputs of each call and dtype, beside its example."""

Call = Callable[..., tuple[Handle, ...]]
"""Takes the tensors that gradients are taken of, and gives the results."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function at a point.

    inputs: the tensors that gradients are taken of, by name. on: makes the function of an engine. dtype: that
    of the point.
    """

    name: str
    dtype: str
    inputs: Mapping[str, torch.Tensor]
    on: Callable[[Engine], Call]

    def leaves(self, engine: Engine) -> tuple[Handle, ...]:
        """The point, as tensors of the engine that require grad."""
        return tuple(engine.from_torch(data.clone(), requires_grad=True) for data in self.inputs.values())


class _Nothing:
    """What steps with a body would ask for; a call has none."""

    log: list[Any]

    def __init__(self) -> None:
        self.log = []

    def execute(self, *_: object) -> None:
        raise NotImplementedError

    expect = warned = look = execute

    def entry(self, value: Any) -> Any:
        return value


def of_tables(templates: Iterable[Template], dtypes: Sequence[str]) -> Iterator[Function]:
    """The calls of the operator tables: each form at its example and at random inputs, contiguous ones."""
    for template in templates:
        if not template.id.endswith("gradients") or not template.id.startswith("operators/"):
            continue
        for dtype in dtypes:
            if dtype in template.scenario.dtypes:
                yield from _at_points(template, dtype)


def _at_points(template: Template, dtype: str) -> Iterator[Function]:
    scenario = template.scenario
    points = [draws.example(scenario, dtype)]
    if scenario.let:
        chooser = DirectChooser(0)
        points += [draws.draw(scenario, chooser, dtype) for _ in range(RANDOM)]
    for number, point in enumerate(points):
        function = _function(template, dtype, point, f"{template.id}[{dtype}] #{number}")
        if function is not None:
            yield function


def _function(template: Template, dtype: str, point: Draw, name: str) -> Function | None:
    """The call alone, without the backward that follows it; None where no gradient follows."""
    steps = bind(template, point).steps
    applied = [step for step in steps if isinstance(step, Apply)]
    last = next((number for number, step in enumerate(applied) if step.operator == cotangents.NAME), 0)
    inputs = {item.name: item.data for item in point.inputs if item.requires_grad}
    if not last or not inputs or applied[:last] != [*steps[:last]]:
        return None
    fixed = {item.name: item.data for item in point.inputs if not item.requires_grad}
    target = applied[last - 1].target
    results = (target,) if isinstance(target, str) else target
    return Function(name, dtype, inputs, _Steps(tuple(applied[:last]), tuple(inputs), fixed, results))


@dataclass(frozen=True, slots=True)
class _Steps:
    """A function that is made of steps."""

    steps: tuple[Step, ...]
    names: tuple[str, ...]
    fixed: Mapping[str, torch.Tensor]
    results: tuple[str, ...]

    def __call__(self, engine: Engine) -> Call:
        compiler = Compiler(engine, _Nothing())
        compiled = compiler.block(self.steps)
        fixed = {name: engine.from_torch(data.clone()) for name, data in self.fixed.items()}

        def call(*tensors: Handle) -> tuple[Handle, ...]:
            environment = {**fixed, **dict(zip(self.names, tensors, strict=True))}
            for _, _, run in compiled:
                run(environment)
            assert not any(map(is_temporary, environment))
            return tuple(environment[name] for name in self.results)

        return call


@dataclass(frozen=True, slots=True)
class _Network:
    """The loss of a network, as a function of its parameters."""

    network: Network

    def __call__(self, engine: Engine) -> Call:
        module = engine.module  # type: ignore[attr-defined]

        def call(*tensors: Handle) -> tuple[Handle, ...]:
            parameters = SimpleNamespace(**dict(zip(self.network.shapes, tensors, strict=True)))
            return (self.network.loss(module, engine.from_torch, parameters),)

        return call


def of_networks(dtypes: Iterable[str]) -> Iterator[Function]:
    """The losses of the small networks."""
    for dtype in dtypes:
        for network in NETWORKS:
            yield Function(f"{network.name}[{dtype}]", dtype, network.parameters(dtype), _Network(network))


def differentiable(engine: Engine, results: Iterable[Handle]) -> list[Handle]:
    """The results that gradients flow from."""
    return [one for one in results if engine.is_tensor(one) and engine.get(one, "requires_grad")]
