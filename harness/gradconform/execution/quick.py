"""The fast path: a program run without looking at anything before its end, and compared number for number.

Only sameness is decided here. Whatever is not the same is run again by the interpreter and judged by the
oracle. What facts say is left to them too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from gradconform.engines.base import Engine, Handle, glance_of
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.compile import Block, Compiler, Environment, drop_temporaries, phase_of
from gradconform.execution.interpreter import make_inputs
from gradconform.execution.limits import Budget, LimitExceeded, bounded
from gradconform.program.names import TEMPORARY
from gradconform.program.steps import Apply, Backward, Fact, Input, Program, Ref, Step, body_of, flatten
from gradconform.program.vocabulary import OPERATORS, RANDOM, of_torch
from gradconform.trace import RECORDED, UNSEEN, Phase, Unseen

Raised = tuple[int, Phase, str]
"""Where and how something was raised: the step's number, the phase, the class."""


@dataclass(slots=True)
class Quick:
    """A finished run: the live names, the error that ended it, what each `raises` block caught (None where
    nothing was raised), the grad mode at the end, and the classes of the warnings in each `warns` block."""

    environment: Environment
    error: Raised | None
    caught: tuple[Raised | None, ...]
    grad_enabled: bool | Unseen
    warned: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class _Logged:
    """What the log keeps of a tensor, since later steps may write to it."""

    numbers: torch.Tensor
    flags: tuple[Any, ...]
    grad: _Logged | Unseen | None


class Machine:
    """Runs steps without observing; facts are not looked at."""

    __slots__ = ("budget", "caught", "engine", "glance", "log", "raised", "warned_of", "where")

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.glance = glance_of(engine)
        self.budget = Budget()
        self.raised: Exception | None = None
        self.where: tuple[int, Phase] = (-1, "forward")
        self.caught: list[Raised | None] = []
        self.warned_of: list[tuple[str, ...]] = []
        self.log: list[Any] = []

    def execute(self, block: Block, environment: Environment) -> None:
        number, phase = -1, "forward"
        self.budget.enter(len(block))
        try:
            for number, phase, step in block:  # noqa: B007 - read where a step raises
                step(environment)
        except Exception as error:
            if self.raised is not error:  # the innermost step is the one that raised it
                self.raised, self.where = error, (number, phase)  # type: ignore[assignment]
            raise
        finally:
            self.budget.leave()

    def expect(self, number: int, block: Block, environment: Environment) -> None:  # noqa: ARG002
        try:
            self.execute(block, environment)
        except (AdapterError, Unsupported, LimitExceeded):
            raise
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is an observation
            self.caught.append(self.seen(error))
            drop_temporaries(environment)
        else:
            self.caught.append(None)

    def warned(self, number: int, block: Block, environment: Environment) -> None:  # noqa: ARG002
        with warnings.catch_warnings(record=True) as caught, self.engine.every_warning():
            warnings.simplefilter("always")
            self.execute(block, environment)
        self.warned_of.append(tuple(one.category.__name__ for one in caught))

    def look(self, number: int, step: Fact, environment: Environment) -> None:
        """Facts are not looked at."""

    def entry(self, value: Any) -> Any:
        if self.engine.is_tensor(value):
            return self.logged(value)
        return [self.entry(item) for item in value] if isinstance(value, list | tuple) else value

    def logged(self, handle: Handle) -> _Logged:
        seen = self.glance([handle])
        grad = seen.grad[0]
        kept = grad if grad is None or grad is UNSEEN else self.logged(grad)
        return _Logged(seen.numbers[0].detach().clone(), (seen.requires_grad[0], seen.is_leaf[0]), kept)

    def seen(self, error: Exception) -> Raised:
        self.raised = None
        return (*self.where, type(error).__name__)


Plain = tuple[str, str, str, str]
"""Operator (empty for backward), target, first and second operand (empty where there is none)."""

Entry = tuple[Step, Plain | None, int]
"""A top-level step, the plain call that it is, if it is one, and how many steps it has with its body."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A program made ready to be run by any engine. plain: whether all its steps are plain calls, none of
    which draws random numbers."""

    inputs: tuple[Input, ...]
    entries: tuple[Entry, ...]
    plain: bool


def outline(program: Program) -> Outline:
    """Looks at the steps of a program once, for all engines that will run it."""
    entries = tuple(map(_entry, program.steps))
    return Outline(program.inputs, entries, all(entry[1] is not None for entry in entries))


_ENTRIES: dict[int, Entry] = {}
"""Steps that were looked at, by their id: they are values, and one may stand in many programs. Those in here
are held, so that an id stays its own."""

_MAX_ENTRIES = 1 << 16


def _entry(step: Step) -> Entry:
    found = _ENTRIES.get(id(step))
    if found is None:
        found = step, _plain(step), 1 + sum(1 for _ in flatten(body_of(step)))
        if len(_ENTRIES) >= _MAX_ENTRIES:
            _ENTRIES.clear()
        _ENTRIES[id(step)] = found
    return found


def _plain(step: Step) -> Plain | None:
    """The commonest steps: an operator on one or two live names, or a backward from one, and no more."""
    if isinstance(step, Apply):
        operator = step.operator
        if step.options or not isinstance(step.target, str) or operator in RANDOM or of_torch(operator):
            return None
        if OPERATORS[operator].effect == "factory":
            return None
        target = step.target
    elif isinstance(step, Backward) and not step.options and not step.function:
        operator = target = ""
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


class _Functions(dict[str, Callable[..., Any]]):
    """The functions of an engine by the names of operators, and its backward under the empty one."""

    def __init__(self, engine: Engine) -> None:
        super().__init__({"": engine.backward})
        self.engine = engine

    def __missing__(self, operator: str) -> Callable[..., Any]:
        function = self[operator] = bounded(operator, self.engine.operation(operator))
        return function


class Runner:
    """Runs programs on one engine with no observation at all."""

    def __init__(self, engine: Engine, device: str = "cpu") -> None:
        self.engine = engine
        self.device = device
        self._functions = _Functions(engine)

    def run(self, program: Outline) -> Quick:
        """Raises Unsupported and AdapterError, as the interpreter does.

        The grad mode must be the default one, and is afterwards.
        """
        engine, functions = self.engine, self._functions
        environment = make_inputs(program.inputs, engine, self.device)
        machine = None
        error = None
        number = size = 0
        step = None
        try:
            for step, plain, size in program.entries:
                number += size
                if plain is not None:
                    operator, target, first, second = plain
                    if second:
                        result = functions[operator](environment[first], environment[second])
                    else:
                        result = functions[operator](environment[first])
                    if target:
                        environment[target] = result
                    continue
                if machine is None:
                    machine = Machine(engine)
                    compiler = Compiler(engine, machine, self.device)
                compiler.do(number - size, step, environment)
        except (AdapterError, Unsupported):
            engine.reset()
            raise
        except Exception as raised:  # noqa: BLE001 - whatever an engine raises is an observation
            if machine is not None and machine.raised is raised:  # a step of a body raised it
                error = machine.seen(raised)
            else:
                error = number - size, phase_of(step), type(raised).__name__
        grad_enabled = engine.is_grad_enabled()
        if grad_enabled is not True:
            engine.reset()
        if machine is None:
            return Quick(environment, error, (), grad_enabled)
        if machine.log:
            environment[RECORDED] = machine.log
        return Quick(environment, error, tuple(machine.caught), grad_enabled, tuple(machine.warned_of))


def run_quick(program: Outline, engine: Engine, device: str = "cpu") -> Quick:
    """Runs one program, as a `Runner` does."""
    return Runner(engine, device).run(program)


def equal(a: Quick, engine_a: Engine, b: Quick, engine_b: Engine) -> bool:
    """Whether two finished runs agree in every number of every live value and gradient, in which of them are
    one object or share memory, in what raised, and in the grad mode.

    What an engine does not show is not compared. False says nothing but "look closer".
    """
    if a.error != b.error or a.caught != b.caught or a.warned != b.warned:
        return False
    modes = a.grad_enabled, b.grad_enabled
    if modes[0] is not modes[1] and UNSEEN not in modes:
        return False
    try:
        pairs = _Pairs(engine_a, engine_b)
        return pairs.gather(a.environment, b.environment) and pairs.agree()
    except Exception:  # noqa: BLE001 - something that cannot be read
        return False


class _Pairs:
    """Pairs of tensors of two finished runs, which are compared in bulk once all are gathered."""

    __slots__ = ("_a", "_b", "_glance_a", "_glance_b", "ours", "theirs")

    def __init__(self, a: Engine, b: Engine) -> None:
        self._a, self._b = a.is_tensor, b.is_tensor
        self._glance_a, self._glance_b = glance_of(a), glance_of(b)
        self.ours: list[Handle] = []
        self.theirs: list[Handle] = []

    def gather(self, a: Environment, b: Environment) -> bool:
        """Takes in the tensors of live names; False where the names, or other values, differ."""
        ours, theirs, is_ours, is_theirs = self.ours, self.theirs, self._a, self._b
        if len(a) != len(b):
            return False
        for name, value in a.items():
            if name[0] == TEMPORARY:
                continue
            other = b.get(name, _MISSING)
            if is_ours(value) and is_theirs(other):
                ours.append(value)
                theirs.append(other)
            elif not self.values(value, other):
                return False
        return True

    def values(self, a: Any, b: Any) -> bool:
        """Takes in the tensors of two values of any kind; False where they differ in anything else."""
        if self._a(a) or self._b(b):
            if not (self._a(a) and self._b(b)):
                return False
            self.ours.append(a)
            self.theirs.append(b)
            return True
        if isinstance(a, list | tuple):
            if not (isinstance(b, list | tuple) and len(a) == len(b)):
                return False
            return all(map(self.values, a, b))
        if a is None or isinstance(a, _PLAIN):
            return type(a) is type(b) and repr(a) == repr(b)
        if isinstance(a, _Logged):
            return isinstance(b, _Logged) and _logged_alike(a, b)
        return not (b is None or b is _MISSING or isinstance(b, (*_PLAIN, list, tuple)))

    def agree(self) -> bool:
        """Whether all pairs are the same, with the gradients that hang on them, and belong to each other one
        to one as objects and in the memory that they have."""
        objects: set[tuple[Any, Any]] = set()
        memory: set[tuple[Any, Any]] = set()
        kept = []  # an engine may make a new object whenever a gradient is read, whose id would pass on
        while self.ours:
            a, b = self._glance_a(self.ours), self._glance_b(self.theirs)
            kept.append((a.grad, b.grad))
            if not (_same(a.requires_grad, b.requires_grad) and _same(a.is_leaf, b.is_leaf)):
                return False
            if not all(map(same_numbers, a.numbers, b.numbers)):
                return False
            self.ours, self.theirs = [], []
            for x, y, *pair in zip(a.grad, b.grad, a.identity, b.identity, strict=True):
                if (x is None and y is None) or x is UNSEEN or y is UNSEEN or tuple(pair) in objects:
                    continue  # gradients of what was here before have been compared
                if not self.values(x, y):
                    return False
            objects.update(zip(a.identity, b.identity, strict=True))
            memory.update(zip(a.storage, b.storage, strict=True))
        return _one_to_one(objects) and _one_to_one(memory)


_MISSING = object()
_PLAIN = (bool, int, float, complex, str)


def _same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether flags are the same, as far as both are shown."""
    return a == b or all(x is y or x is UNSEEN or y is UNSEEN for x, y in zip(a, b, strict=True))


def _one_to_one(pairs: set[tuple[Any, Any]]) -> bool:
    """Whether nothing is paired with two others, as far as both are shown."""
    if any(UNSEEN in pair for pair in pairs):
        pairs = {pair for pair in pairs if UNSEEN not in pair}
    return len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs})


def _logged_alike(a: _Logged, b: _Logged) -> bool:
    if not (_same(a.flags, b.flags) and same_numbers(a.numbers, b.numbers)):
        return False
    if isinstance(a.grad, _Logged) and isinstance(b.grad, _Logged):
        return _logged_alike(a.grad, b.grad)
    return _same((a.grad,), (b.grad,))


def same_numbers(x: torch.Tensor, y: torch.Tensor) -> bool:
    """Whether shape, dtype, device and all numbers are the same; nan is equal to nan, and +0 to -0."""
    if x.dtype is not y.dtype:
        return False
    try:
        return x.equal(y) or (x.shape == y.shape and _same_with_nan(x, y))
    except RuntimeError:  # different devices, or a dtype of which torch compares nothing
        return x.device == y.device and x.shape == y.shape and _same_with_nan(x, y)


def _same_with_nan(x: torch.Tensor, y: torch.Tensor) -> bool:
    """Whether numbers are the same, or nan in both. Most often the bits are, which is quickly seen."""
    x, y = x.detach(), y.detach()
    try:
        if x.numpy().tobytes() == y.numpy().tobytes():
            return True
    except (RuntimeError, TypeError):  # what numpy does not have
        pass
    if x.is_complex():
        x, y = torch.view_as_real(x.resolve_conj()), torch.view_as_real(y.resolve_conj())
    return bool(((x == y) | (x.isnan() & y.isnan())).all())
