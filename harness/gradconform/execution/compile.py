"""Binding a program's steps to an engine, once: each step becomes one callable over the live names.

Names are looked up, operators resolved and constants converted here, so that running a step is one call.
A temporary is taken out of the environment when it is used, as Python drops the intermediate values of an
expression.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from functools import partial
from operator import itemgetter
from types import EllipsisType, NoneType
from typing import Any, Protocol

from gradconform.engines.base import Engine
from gradconform.execution import functions
from gradconform.execution.limits import bounded, checked
from gradconform.execution.observe import Watched
from gradconform.execution.threads import Threads
from gradconform.program import cotangents, streams
from gradconform.program.names import is_temporary
from gradconform.program.script import RAISED_BY_FAIL
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Call,
    Class,
    Define,
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
    Named,
    Record,
    Ref,
    Return,
    Set,
    Slice,
    Step,
    Unset,
    Warns,
    Watch,
    Within,
)
from gradconform.program.vocabulary import OPERATORS
from gradconform.trace import Phase

Environment = dict[str, Any]
Run = Callable[[Environment], None]
Entry = tuple[int, Phase, Run]
Block = list[Entry]
Fetch = Callable[[Environment], Any]
Pack = Callable[[Environment], tuple[list[Any], dict[str, Any]]]
"""Fetches the arguments of a call out of the environment."""

Called = tuple[Callable[..., Any], str | tuple[str, ...], tuple[Argument, ...], Mapping[str, Argument]]
"""A step that is one call: the engine's function, the target, the arguments and the options."""

_BACKWARDS = (Backward, Grad)


class Machine(Protocol):
    """What steps with a body, and those that only look, ask of the run that they are part of.

    log: what the program has recorded.
    """

    log: list[Any]

    def execute(self, block: Block, environment: Environment) -> None: ...

    def expect(self, number: int, block: Block, environment: Environment) -> None: ...

    def warned(self, number: int, block: Block, environment: Environment) -> None: ...

    def look(self, number: int, step: Fact, environment: Environment) -> None: ...

    def entry(self, value: Any) -> Any: ...


class Compiler:
    """Compiles the steps of one program for one engine; numbers are those of `Program.walk`."""

    def __init__(self, engine: Engine, machine: Machine, device: str = "cpu") -> None:
        self.engine = engine
        self.machine = machine
        self.device = device
        self._threads: Threads | None = None
        self._number = -1

    @property
    def threads(self) -> Threads:
        """Made when it is asked for: few programs have threads or a log, and it takes as long as a step."""
        if self._threads is None:
            self._threads = Threads(self.machine)
        return self._threads

    def block(self, steps: tuple[Step, ...]) -> Block:
        """Raises Unsupported for an operator, mode or dtype that the engine does not have."""
        block: Block = []
        for step in steps:
            number = self.skip()
            block.append((number, phase_of(step), self.step(number, step)))
        return block

    def skip(self) -> int:
        """Counts a step that is not compiled by itself; its number."""
        self._number += 1
        return self._number

    def one(self, number: int, step: Step) -> Run:
        """What runs the step of this number, its body included. Raises Unsupported."""
        self._number = number
        return self.step(number, step)

    def do(self, number: int, step: Step, environment: Environment) -> None:
        """Runs the step of this number once: as `one` and then what it gives, and quicker where the step is a
        call. Raises Unsupported, and what the step raises."""
        called = self.called(step)
        if called is None:
            self.one(number, step)(environment)
            return
        function, target, arguments, options = called
        positional = [self.value(argument, environment) for argument in arguments]
        named = {name: self.value(argument, environment) for name, argument in options.items()}
        _bind(environment, target, function(*positional, **named))

    def placed(self, operator: str) -> bool:
        """Whether an operator has to be told the device that the case runs on."""
        return self.device != "cpu" and OPERATORS[operator].effect == "factory"

    def step(self, number: int, step: Step) -> Run:
        """What runs one step. Raises Unsupported."""
        called = self.called(step)
        if called is not None:
            return self.call(*called)
        engine, machine = self.engine, self.machine
        match step:
            case Set(name, attribute, argument):
                owner, value = self.fetch(Ref(name)), self.fetch(argument)

                def assign(environment: Environment) -> None:
                    engine.set(owner(environment), attribute, value(environment))

                return assign
            case Delete(name):
                return lambda environment: environment.__delitem__(name)
            case Fail(error):
                return lambda _: _fail(error)
            case Fact():
                return lambda environment: machine.look(number, step, environment)
            case _:
                return self.nested(number, step)

    def called(self, step: Step) -> Called | None:
        """The call that a step is; None for a step that is something else. Raises Unsupported."""
        engine = self.engine
        if isinstance(step, Apply | Mutate):  # most steps are
            name, options = step.operator, step.options
            if name == cotangents.NAME:
                return partial(_cotangent, engine), step.target, step.arguments, options
            if self.placed(name):
                options = {"device": self.device, **options}
            return bounded(name, engine.operation(name)), step.target, step.arguments, options
        match step:
            case Backward(arguments, options, function):
                return engine.backward_function if function else engine.backward, "", arguments, options
            case Grad(target, arguments, options):
                return engine.grad, target, arguments, options
            case Invoke(target, name, method, arguments, options):
                return partial(_invoke, engine, method), target, (Ref(name), *arguments), options
            case Call(target, name, arguments, options):
                return _call, target, (Ref(name), *arguments), options
            case Get(target, name, attribute):
                return engine.get, target, (Ref(name), attribute), {}
            case Unset(name, attribute):
                return engine.unset, "", (Ref(name), attribute), {}
            case Let(target, argument):
                return _itself, target, (argument,), {}
            case Record(argument):
                return self.threads.record, "", (argument,), {}
            case Watch(target, name):
                return partial(_watch, engine), target, (Ref(name),), {}
            case Return(argument):
                return _itself, functions.RESULT, (argument,), {}
            case _:
                return None

    def nested(self, number: int, step: Step) -> Run:
        """What runs a step that holds others, or that stands in definitions. Raises Unsupported."""
        engine, machine = self.engine, self.machine
        match step:
            case Within("thread" | "concurrently" as mode, _, body):
                return getattr(self.threads, mode)(self.block(body))  # type: ignore[no-any-return]
            case Within(mode, arguments, body, options, given_name):
                own = mode == streams.NAME
                make = partial(engine.stream, self.device) if own else engine.mode(mode)
                pack = self.pack(arguments, options)
                block = self.block(body)

                def within(environment: Environment) -> None:
                    positional, named = pack(environment)
                    with make(*positional, **named) as given:
                        if given_name:
                            environment[given_name] = given
                        machine.execute(block, environment)

                return within
            case Expect(_, body):
                block = self.block(body)
                return lambda environment: machine.expect(number, block, environment)
            case Warns(_, body):
                block = self.block(body)
                return lambda environment: machine.warned(number, block, environment)
            case Define() | Class():
                return functions.definition(self, step)
            case _:
                raise TypeError(f"a {type(step).__name__} step is run by what holds it")

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
            _bind(environment, target, function(*positional, **named))

        return run

    def pack(self, arguments: tuple[Argument, ...], options: Mapping[str, Argument]) -> Pack:
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
            case Named(name):
                constant = self.engine.constant(name)
                return lambda _: constant
            case _:
                return lambda _: argument

    def value(self, argument: Argument, environment: Environment) -> Any:
        """One argument, fetched once: as `fetch` and what it gives, and quicker for names and constants."""
        kind = type(argument)
        if kind is Ref:
            name = argument.name  # type: ignore[union-attr]
            return environment.pop(name) if is_temporary(name) else environment[name]
        return argument if kind in _CONSTANT else self.fetch(argument)(environment)


_CONSTANT = frozenset({int, float, bool, str, complex, NoneType, EllipsisType})


def _bind(environment: Environment, target: str | tuple[str, ...], result: Any) -> None:
    """Gives the result of a call to its names. Raises LimitExceeded for a list that holds too much."""
    if isinstance(result, list | tuple):
        checked(result)
    if isinstance(target, tuple):
        environment.update(_unpacked(target, result))
    elif target:
        environment[target] = result


def _watch(engine: Engine, value: Any) -> Watched:
    if value is None or isinstance(value, bool | int | float | complex | str | tuple | list):
        raise TypeError(f"a {type(value).__name__} cannot be watched: it is no object of its own")
    return Watched(engine.watch(value))


def _invoke(engine: Engine, method: str, thing: Any, /, *arguments: Any, **options: Any) -> Any:
    return engine.invoke(thing, method, arguments, options)


def _cotangent(engine: Engine, like: Any, seed: int = 0) -> Any:
    """The harness's own operator: the engine is given the numbers."""
    if not engine.is_tensor(like):
        raise TypeError(f"a {type(like).__name__} has no cotangent: it is no tensor")
    return engine.from_torch(cotangents.cotangent(engine.to_torch(like), seed))


def _call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    return function(*arguments, **options)


def _itself(value: Any) -> Any:
    return value


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
