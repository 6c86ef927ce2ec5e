"""Functions that a program defines: Python callables whose bodies are steps.

An engine gets them where it takes a function (hooks, closures, the methods of a custom function) and calls
them as it likes. Each call has names of its own over those around the definition, which are looked up when
the body runs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType, new_class
from typing import TYPE_CHECKING, Any, Protocol

from gradconform.program.names import TEMPORARY
from gradconform.program.steps import Class, Decorator, Define, Step, Within, Yield, is_generator, own_steps

if TYPE_CHECKING:
    from gradconform.execution.compile import (
        Block,
        Compiler,
        Environment,
        Fetch,
        Pack,
        Run,
    )

    Execute = Callable[[Block, Environment], None]

RESULT = "<result>"
"""What a frame keeps the value of `return` under; no name of a program is like it."""

Make = Callable[["Environment"], Callable[..., Any]]
"""Makes a function in the names around its definition."""


class Frame(dict[str, Any]):
    """The names of one call, over those around the definition."""

    __slots__ = ("around",)

    def __init__(self, around: Environment, own: dict[str, Any]) -> None:
        super().__init__(own)
        self.around = around

    def __missing__(self, name: str) -> Any:
        if name.startswith(TEMPORARY):
            raise KeyError(name)
        try:
            return self.around[name]
        except KeyError:
            raise NameError(f"name '{name}' is not defined") from None


Resumption = Generator[Any, Any, None]


class _Part(Protocol):
    """A part of a generator's body."""

    def run(self, execute: Execute, frame: Frame) -> Resumption: ...


@dataclass(frozen=True, slots=True)
class _Pause:
    """`target = yield value`."""

    value: Fetch
    target: str

    def run(self, execute: Execute, frame: Frame) -> Resumption:  # noqa: ARG002 - runs no step
        sent = yield self.value(frame)
        if self.target:
            frame[self.target] = sent


@dataclass(frozen=True, slots=True)
class _Nest:
    """A mode around parts, some of which yield."""

    make: Callable[..., AbstractContextManager[Any]]
    pack: Pack
    target: str
    parts: tuple[_Part, ...]

    def run(self, execute: Execute, frame: Frame) -> Resumption:
        positional, named = self.pack(frame)
        with self.make(*positional, **named) as given:
            if self.target:
                frame[self.target] = given
            for part in self.parts:
                yield from part.run(execute, frame)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Steps that do not yield."""

    block: Block

    def run(self, execute: Execute, frame: Frame) -> Resumption:
        execute(self.block, frame)
        yield from ()


def definition(compiler: Compiler, step: Define | Class) -> Run:
    """What runs a definition: its name gets a new function or class. Raises Unsupported."""
    name = step.target
    if isinstance(step, Define):
        make = _function(compiler, step)
        return lambda environment: environment.__setitem__(name, make(environment))
    base = compiler.engine.base(step.base)
    methods = {}
    for method in step.methods:
        compiler.skip()
        methods[method.target] = _function(compiler, method)

    def derive(environment: Environment) -> None:
        made = {method: staticmethod(make(environment)) for method, make in methods.items()}
        environment[name] = new_class(name, (base,), exec_body=lambda body: body.update(made))

    return derive


def _function(compiler: Compiler, step: Define) -> Make:
    decorators = [_decorator(compiler, one) for one in reversed(step.decorators)]
    make = _generator(compiler, step) if is_generator(step) else _plain(compiler, step)

    def decorated(environment: Environment) -> Callable[..., Any]:
        function = make(environment)
        function.__name__ = function.__qualname__ = step.target
        for decorate in decorators:
            function = decorate()(function)
        return function

    return decorated


def _plain(compiler: Compiler, step: Define) -> Make:
    block, machine = compiler.block(step.body), compiler.machine

    def make(environment: Environment) -> Callable[..., Any]:
        def run(own: dict[str, Any]) -> Any:
            frame = Frame(environment, own)
            machine.execute(block, frame)
            return frame.get(RESULT)

        return _with_parameters(step, run)

    return make


def _generator(compiler: Compiler, step: Define) -> Make:
    parts, machine = _parts(compiler, step.body), compiler.machine

    def make(environment: Environment) -> Callable[..., Any]:
        def run(own: dict[str, Any]) -> Generator[Any, Any, Any]:
            frame = Frame(environment, own)
            for part in parts:
                yield from part.run(machine.execute, frame)
            return frame.get(RESULT)

        return _with_parameters(step, run)

    return make


def _parts(compiler: Compiler, steps: tuple[Step, ...]) -> tuple[_Part, ...]:
    parts: list[_Part] = []
    for step in steps:
        if isinstance(step, Yield):
            compiler.skip()
            parts.append(_Pause(compiler.fetch(step.value), step.target))
        elif isinstance(step, Within) and any(isinstance(one, Yield) for one in own_steps(step.body)):
            compiler.skip()
            make, pack = compiler.engine.mode(step.mode), compiler.pack(step.arguments, step.options)
            parts.append(_Nest(make, pack, step.target, _parts(compiler, step.body)))
        else:
            parts.append(_Stretch(compiler.block((step,))))
    return tuple(parts)


def _decorator(compiler: Compiler, one: Decorator) -> Callable[[], Callable[..., Any]]:
    found = compiler.engine.mode(one.name)
    if not one.called:
        return lambda: found
    positional, named = compiler.pack(one.arguments, one.options)({})
    return lambda: found(*positional, **named)  # type: ignore[return-value]  # a mode that also decorates


def _with_parameters(step: Define, run: Callable[[dict[str, Any]], Any]) -> Callable[..., Any]:
    """Return a function with the parameters of a definition, which hands them to `run` by name.

    They are those of its code object: that is where PyTorch looks which keywords the forward of a custom
    function takes.
    """
    names = (*step.parameters, *([step.variadic] if step.variadic else ()))
    function = FunctionType(_code(step.parameters, step.variadic, is_generator(step)), {"_run": run})
    function.__defaults__ = tuple(step.defaults[name] for name in names if name in step.defaults)
    return function


@lru_cache(maxsize=1024)
def _code(parameters: tuple[str, ...], variadic: str, generator: bool) -> CodeType:
    """Return the code of a function that hands its arguments to `_run`, a name that no program has."""
    names = (*parameters, *([variadic] if variadic else ()))
    listed = ", ".join((*parameters, *([f"*{variadic}"] if variadic else ())))
    given = ", ".join(f"{name!r}: {name}" for name in names)
    text = f"def function({listed}): return {'(yield from ' if generator else '('}_run({{{given}}}))"
    module = compile(text, "<definition>", "exec")
    return next(part for part in module.co_consts if isinstance(part, CodeType))
