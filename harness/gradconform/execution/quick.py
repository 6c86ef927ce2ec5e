"""The fast path: a program run without looking at anything before its end, and compared number for number.

Only sameness is decided here. Whatever is not the same is run again by the interpreter and judged by the
oracle. Which tensors share memory, and what facts say, is left to them too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from gradconform.engines.base import Engine, Handle
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.compile import Block, Compiler, Environment, drop_temporaries, phase_of
from gradconform.execution.interpreter import make_inputs
from gradconform.program.names import TEMPORARY, is_temporary
from gradconform.program.steps import (
    Apply,
    Backward,
    Fact,
    Input,
    Program,
    Ref,
    Step,
    body_of,
    flatten,
)
from gradconform.program.vocabulary import OPERATORS
from gradconform.trace import RECORDED, UNSEEN, Phase, Unseen

Raised = tuple[int, Phase, str]
"""Where and how something was raised: the step's number, the phase, the class."""


@dataclass(slots=True)
class Quick:
    """A finished run: the live names, the error that ended it, what each `raises` block caught (None where
    nothing was raised), and the grad mode at the end."""

    environment: Environment
    error: Raised | None
    caught: tuple[Raised | None, ...]
    grad_enabled: bool | Unseen


class _Machine:
    """Runs steps without observing; facts are not looked at."""

    __slots__ = ("caught", "log", "raised", "where")

    def __init__(self) -> None:
        self.raised: Exception | None = None
        self.where: tuple[int, Phase] = (-1, "forward")
        self.caught: list[Raised | None] = []
        self.log: list[Any] = []

    def execute(self, block: Block, environment: Environment) -> None:
        number, phase = -1, "forward"
        try:
            for number, phase, step in block:  # noqa: B007 - read where a step raises
                step(environment)
        except Exception as error:
            if self.raised is not error:  # the innermost step is the one that raised it
                self.raised, self.where = error, (number, phase)  # type: ignore[assignment]
            raise

    def expect(self, number: int, block: Block, environment: Environment) -> None:  # noqa: ARG002
        try:
            self.execute(block, environment)
        except (AdapterError, Unsupported):
            raise
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is an observation
            self.caught.append(self.seen(error))
            drop_temporaries(environment)
        else:
            self.caught.append(None)

    def warned(self, number: int, block: Block, environment: Environment) -> None:  # noqa: ARG002
        self.execute(block, environment)

    def look(self, number: int, step: Fact, environment: Environment) -> None:
        """Facts are not looked at."""

    def entry(self, value: Any) -> Any:
        return value

    def seen(self, error: Exception) -> Raised:
        self.raised = None
        return (*self.where, type(error).__name__)


Plain = tuple[str, str, str, str]
"""Operator (empty for backward), target, first and second operand (empty where there is none)."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A program made ready to be run by any engine: each top-level step with its number and phase, and as a
    plain call where it is one."""

    inputs: tuple[Input, ...]
    entries: tuple[tuple[int, Phase, Plain | None, Step], ...]


def outline(program: Program) -> Outline:
    """Looks at the steps of a program once, for all engines that will run it."""
    entries = []
    number = -1
    for step in program.steps:
        number += 1
        entries.append((number, phase_of(step), _plain(step), step))
        number += sum(1 for _ in flatten(body_of(step)))
    return Outline(program.inputs, tuple(entries))


def _plain(step: Step) -> Plain | None:
    """The commonest steps: an operator on one or two live names, or a backward from one, and no more."""
    if isinstance(step, Apply):
        if step.options or not isinstance(step.target, str) or OPERATORS[step.operator].effect == "factory":
            return None
        operator, target = step.operator, step.target
    elif isinstance(step, Backward) and not step.options and not step.function:
        operator, target = "", ""
    else:
        return None
    names = []
    for argument in step.arguments:
        if not isinstance(argument, Ref) or argument.name[0] == TEMPORARY:
            return None
        names.append(argument.name)
    if len(names) == 1:
        return operator, target, names[0], ""
    return (operator, target, names[0], names[1]) if len(names) == 2 else None


def run_quick(program: Outline, engine: Engine, device: str = "cpu") -> Quick:
    """Runs a program with no observation at all. Raises Unsupported and AdapterError, as `run` does.

    The grad mode must be the default one, and is afterwards.
    """
    machine = _Machine()
    environment = make_inputs(program.inputs, engine, device)
    operation, backward = engine.operation, engine.backward
    error = None
    number, phase = -1, "forward"
    try:
        for number, phase, plain, step in program.entries:  # noqa: B007 - read where a step raises
            if plain is None:
                Compiler(engine, machine, device).one(number, step)(environment)
                continue
            operator, target, first, second = plain
            function = operation(operator) if operator else backward
            if second:
                result = function(environment[first], environment[second])
            else:
                result = function(environment[first])
            if target:
                environment[target] = result
    except (AdapterError, Unsupported):
        engine.reset()
        raise
    except Exception as raised:  # noqa: BLE001 - whatever an engine raises is an observation
        if machine.raised is not raised:  # no step of a body raised it
            machine.where = (number, phase)  # type: ignore[assignment]
        error = machine.seen(raised)
    grad_enabled = engine.is_grad_enabled()
    if grad_enabled is not True:
        engine.reset()
    if machine.log:
        environment[RECORDED] = machine.log
    return Quick(environment, error, tuple(machine.caught), grad_enabled)


def equal(a: Quick, engine_a: Engine, b: Quick, engine_b: Engine) -> bool:
    """Whether two finished runs agree in every number of every live value and gradient, in what raised, and
    in the grad mode. False says nothing but "look closer"."""
    if a.error != b.error or a.caught != b.caught or a.environment.keys() != b.environment.keys():
        return False
    modes = a.grad_enabled, b.grad_enabled
    if modes[0] is not modes[1] and UNSEEN not in modes:
        return False
    others = b.environment
    try:
        for name, value in a.environment.items():
            if not (is_temporary(name) or _agree(value, engine_a, others[name], engine_b)):
                return False
    except Unsupported:  # one of them does not show what is compared here
        return False
    return True


def _agree(a: Any, engine_a: Engine, b: Any, engine_b: Engine) -> bool:
    if engine_a.is_tensor(a):
        return engine_b.is_tensor(b) and _same(a, engine_a, b, engine_b)
    if engine_b.is_tensor(b):
        return False
    if isinstance(a, list | tuple):
        if not (isinstance(b, list | tuple) and len(a) == len(b)):
            return False
        return all(_agree(x, engine_a, y, engine_b) for x, y in zip(a, b, strict=True))
    if a is None or isinstance(a, bool | int | float | complex | str):
        return type(a) is type(b) and repr(a) == repr(b)
    return not (b is None or isinstance(b, bool | int | float | complex | str | list | tuple))


def _same(a: Handle, engine_a: Engine, b: Handle, engine_b: Engine) -> bool:
    x, x_requires_grad, x_is_leaf, x_grad = engine_a.glance(a)
    y, y_requires_grad, y_is_leaf, y_grad = engine_b.glance(b)
    if x.dtype != y.dtype or x_requires_grad != y_requires_grad or x_is_leaf != y_is_leaf:
        return False
    try:
        same = torch.equal(x, y)
    except RuntimeError:  # they are on different devices
        return False
    # torch.equal holds nan unequal to itself; where both are nan the runs agree.
    if not same and (x.shape != y.shape or not bool(((x == y) | (x.isnan() & y.isnan())).all())):
        return False
    if x_grad is None or y_grad is None:
        return x_grad is y_grad
    return _same(x_grad, engine_a, y_grad, engine_b)
