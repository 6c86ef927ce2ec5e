"""Binding a program's steps to an engine, once: each step becomes one callable over the live names.

Names are looked up, operators resolved and constants converted here, so that running a step is one call.
A temporary is taken out of the environment when it is used, as Python drops the intermediate values of an
expression.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Protocol

from gradconform.engines.base import Engine
from gradconform.program.render import RAISED_BY_FAIL
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Delete,
    Dtype,
    Expect,
    Fact,
    Fail,
    Get,
    Grad,
    Invoke,
    Items,
    Let,
    Mutate,
    Ref,
    Set,
    Slice,
    Step,
    Within,
    is_temporary,
)
from gradconform.program.vocabulary import OPERATORS
from gradconform.trace import Phase

Environment = dict[str, Any]
Run = Callable[[Environment], None]
Block = list[tuple[int, Phase, Run]]
Fetch = Callable[[Environment], Any]

_BACKWARDS = (Backward, Grad)


class Machine(Protocol):
    """What steps with a body, and facts, ask of the run that they are part of."""

    def execute(self, block: Block, environment: Environment) -> None: ...

    def expect(self, number: int, block: Block, environment: Environment) -> None: ...

    def look(self, number: int, step: Fact, environment: Environment) -> None: ...


class Compiler:
    """Compiles the steps of one program for one engine; numbers are those of `Program.walk`."""

    def __init__(self, engine: Engine, machine: Machine, device: str = "cpu") -> None:
        self.engine = engine
        self.machine = machine
        self.device = device
        self._number = -1

    def block(self, steps: tuple[Step, ...]) -> Block:
        """Raises Unsupported for an operator, mode or dtype that the engine does not have."""
        block: Block = []
        for step in steps:
            number = self._number = self._number + 1
            block.append((number, phase_of(step), self.step(number, step)))
        return block

    def one(self, number: int, step: Step) -> Run:
        """What runs the step of this number, its body included. Raises Unsupported."""
        self._number = number
        return self.step(number, step)

    def placed(self, operator: str) -> bool:
        """Whether an operator has to be told the device that the case runs on."""
        return self.device != "cpu" and OPERATORS[operator].effect == "factory"

    def step(self, number: int, step: Step) -> Run:
        """What runs one step. Raises Unsupported."""
        engine, machine = self.engine, self.machine
        match step:
            case Apply(target, name, arguments, options) | Mutate(target, name, arguments, options):
                if self.placed(name):
                    options = {"device": self.device, **options}
                return self.call(engine.operation(name), target, arguments, options)
            case Backward(arguments, options, function):
                return self.call(
                    engine.backward_function if function else engine.backward, "", arguments, options
                )
            case Grad(target, arguments, options):
                return self.call(engine.grad, target, arguments, options)
            case Invoke(result, name, method, arguments, options):
                owner = self.fetch(Ref(name))
                pack = self.pack(arguments, options)

                def invoke(environment: Environment) -> None:
                    thing = owner(environment)
                    positional, named = pack(environment)
                    value = engine.invoke(thing, method, tuple(positional), named)
                    if result:
                        environment[result] = value

                return invoke
            case Get(result, name, attribute):
                owner = self.fetch(Ref(name))

                def get(environment: Environment) -> None:
                    environment[result] = engine.get(owner(environment), attribute)

                return get
            case Set(name, attribute, argument):
                owner, value = self.fetch(Ref(name)), self.fetch(argument)

                def assign(environment: Environment) -> None:
                    engine.set(owner(environment), attribute, value(environment))

                return assign
            case Let(result, argument):
                value = self.fetch(argument)

                def let(environment: Environment) -> None:
                    environment[result] = value(environment)

                return let
            case Delete(name):
                return lambda environment: environment.__delitem__(name)
            case Within(mode, arguments, body):
                make, pack = engine.mode(mode), self.pack(arguments, {})
                block = self.block(body)

                def within(environment: Environment) -> None:
                    with make(*pack(environment)[0]):
                        machine.execute(block, environment)

                return within
            case Expect(_, body):
                block = self.block(body)
                return lambda environment: machine.expect(number, block, environment)
            case Fail(error):
                return lambda _: _fail(error)
            case Fact():
                return lambda environment: machine.look(number, step, environment)

    def call(
        self,
        function: Callable[..., Any],
        target: str | tuple[str, ...],
        arguments: tuple[Argument, ...],
        options: Mapping[str, Argument],
    ) -> Run:
        """`target = function(*arguments, **options)`."""
        pack = self.pack(arguments, options)

        def run(environment: Environment) -> None:
            positional, named = pack(environment)
            result = function(*positional, **named)
            if isinstance(target, tuple):
                environment.update(_unpacked(target, result))
            elif target:
                environment[target] = result

        return run

    def pack(
        self, arguments: tuple[Argument, ...], options: Mapping[str, Argument]
    ) -> Callable[[Environment], tuple[list[Any], dict[str, Any]]]:
        """What fetches the arguments of a call out of the environment."""
        fetches = [self.fetch(argument) for argument in arguments]
        named = [(name, self.fetch(argument)) for name, argument in options.items()]
        return lambda environment: (
            [fetch(environment) for fetch in fetches],
            {name: fetch(environment) for name, fetch in named},
        )

    def fetch(self, argument: Argument) -> Fetch:
        """What fetches one argument; a temporary is taken out of the environment."""
        match argument:
            case Ref(name):
                return (lambda environment: environment.pop(name)) if is_temporary(name) else itemgetter(name)
            case Items(items, kind):
                fetches = [self.fetch(item) for item in items]
                make = list if kind == "list" else tuple
                return lambda environment: make(fetch(environment) for fetch in fetches)
            case Slice(start, stop, step):
                parts = [self.fetch(part) for part in (start, stop, step)]
                return lambda environment: slice(*(part(environment) for part in parts))
            case Dtype(name):
                dtype = self.engine.dtype(name)
                return lambda _: dtype
            case _:
                return lambda _: argument


def phase_of(step: Step) -> Phase:
    """The phase that an error of this step belongs to."""
    return "backward" if isinstance(step, _BACKWARDS) else "forward"


def drop_temporaries(environment: Environment) -> None:
    """Forgets what the expressions that an error has cut short had computed."""
    for name in [name for name in environment if is_temporary(name)]:
        del environment[name]


def _unpacked(names: tuple[str, ...], result: Any) -> dict[str, Any]:
    values = tuple(result)
    if len(values) != len(names):
        raise ValueError(f"{len(values)} values for {len(names)} names ({', '.join(names)})")
    return dict(zip(names, values, strict=True))


def _fail(error: str) -> None:
    raise getattr(builtins, error)(RAISED_BY_FAIL)
