"""The fast path: a program run without looking at anything before its end, and compared number for number.

Only sameness is decided here. Whatever is not the same is run again by the interpreter and judged by the
oracle. What facts say is left to them too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch

from gradconform.engines.base import Engine, Handle, looks
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.compile import Block, Compiler, Environment, drop_temporaries, phase_of
from gradconform.execution.interpreter import make_inputs
from gradconform.execution.kernels import exactly
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

    def forget(self) -> None:
        """Lets the live values go. A hook of torch's that sees the tensor it hangs on keeps both alive, out
        of the sight of Python's collector: the names that hooks look up have to go."""
        self.environment.clear()


@dataclass(frozen=True, slots=True)
class _Logged:
    """What the log keeps of a tensor, since later steps may write to it."""

    numbers: torch.Tensor
    flags: tuple[Any, Any]
    grad: _Logged | Unseen | None


class Machine:
    """Runs steps without observing; facts are not looked at."""

    __slots__ = ("budget", "caught", "engine", "log", "raised", "warned_of", "where")

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
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
        glance, leaves = looks(self.engine)
        (numbers,), (requires_grad,), _, _ = glance([handle])
        (is_leaf,), (grad,) = leaves([handle])
        kept = grad if grad is None or grad is UNSEEN else self.logged(grad)
        return _Logged(numbers.detach().clone(), (requires_grad, is_leaf), kept)

    def seen(self, error: Exception) -> Raised:
        self.raised = None
        return (*self.where, type(error).__name__)


Plain = tuple[str, str, str, str]
"""Operator (empty for backward), target, first and second operand (empty where there is none)."""

Entry = tuple[Step, Plain | None, int]
"""A top-level step, the plain call that it is, if it is one, and how many steps it has with its body."""


@dataclass(slots=True)
class Outline:
    """A program made ready to be run by any engine. plain: whether all its steps are plain calls, none of
    which draws random numbers."""

    inputs: tuple[Input, ...]
    entries: list[Entry]
    plain: bool


def outline(program: Program) -> Outline:
    """Looks at the steps of a program once, for all engines that will run it."""
    known = _ENTRIES.get
    entries = [known(id(step)) or _entry(step) for step in program.steps]
    return Outline(program.inputs, entries, None not in [plain for _, plain, _ in entries])


_ENTRIES: dict[int, Entry] = {}
"""Steps that were looked at, by their id: they are values, and one may stand in many programs. Those in here
are held, so that an id stays its own."""

_MAX_ENTRIES = 1 << 16


def _entry(step: Step) -> Entry:
    if len(_ENTRIES) >= _MAX_ENTRIES:
        _ENTRIES.clear()
    found = _ENTRIES[id(step)] = step, _plain(step), 1 + sum(1 for _ in flatten(body_of(step)))
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
        with exactly():
            return self._run(program)

    def _run(self, program: Outline) -> Quick:
        engine, functions = self.engine, self._functions
        environment = make_inputs(program.inputs, engine, self.device)
        machine: Machine | None = None
        compiler: Compiler | None = None
        error: Raised | None = None
        number = size = 0
        step: Step | None = None
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
                if machine is None or compiler is None:
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
                phase = "forward" if step is None else phase_of(step)
                error = number - size, phase, type(raised).__name__
        grad_enabled = engine.is_grad_enabled()
        if machine is not None or grad_enabled is not True:
            engine.reset()
        if machine is None:
            return Quick(environment, error, (), grad_enabled)
        if machine.log:
            environment[RECORDED] = machine.log
        return Quick(environment, error, tuple(machine.caught), grad_enabled, tuple(machine.warned_of))


def equal(a: Quick, engine_a: Engine, b: Quick, engine_b: Engine) -> bool:
    """Whether two finished runs agree in every number of every live value and gradient, in which of them are
    one object or share memory, in what raised, and in the grad mode.

    What an engine does not show is not compared. False says nothing but "look closer".
    """
    return all_equal([a], engine_a, [b], engine_b)


def all_equal(a: Sequence[Quick], engine_a: Engine, b: Sequence[Quick], engine_b: Engine) -> bool:
    """Whether all pairs of finished runs are `equal`; all of them are still held."""
    pairs = _Pairs(engine_a, engine_b)
    try:
        return all(map(pairs.gather, a, b)) and pairs.agree()
    except Exception:  # noqa: BLE001 - something that cannot be read
        return False


class _Pairs:
    """Pairs of tensors of two finished runs, which are compared in bulk once all are gathered."""

    __slots__ = ("_a", "_b", "ours", "theirs")

    def __init__(self, a: Engine, b: Engine) -> None:
        self._a, self._b = a, b
        self.ours: list[Handle] = []
        self.theirs: list[Handle] = []

    def gather(self, a: Quick, b: Quick) -> bool:
        """Takes in the tensors of two runs; False where anything else differs."""
        if a.error != b.error or a.caught != b.caught or a.warned != b.warned:
            return False
        if not _same((a.grad_enabled,), (b.grad_enabled,)):
            return False
        ours, theirs = [*a.environment.values()], [*b.environment.values()]
        tensors = _all_tensors(self._a, ours) and _all_tensors(self._b, theirs)
        if tensors and [*a.environment] == [*b.environment]:
            self.ours += ours
            self.theirs += theirs
            return True
        names = {name for name in a.environment if name[0] != TEMPORARY}
        if names != {name for name in b.environment if name[0] != TEMPORARY}:
            return False
        return all(self.values(a.environment[name], b.environment[name]) for name in names)

    def values(self, a: Any, b: Any) -> bool:
        """Takes in the tensors of two values of any kind; False where they differ in anything else."""
        if self._a.is_tensor(a) or self._b.is_tensor(b):
            self.ours.append(a)
            self.theirs.append(b)
            return self._a.is_tensor(a) and self._b.is_tensor(b)
        if isinstance(a, list | tuple):
            if not (isinstance(b, list | tuple) and len(a) == len(b)):
                return False
            return all(map(self.values, a, b))
        if a is None or isinstance(a, _PLAIN):
            return type(a) is type(b) and repr(a) == repr(b)
        if isinstance(a, _Logged):
            return isinstance(b, _Logged) and _logged_alike(a, b)
        return not (b is None or isinstance(b, (*_PLAIN, list, tuple)))

    def agree(self) -> bool:
        """Whether all pairs are the same, with their gradients and the gradients of these, and belong to each
        other one to one as objects and in the memory that they have."""
        (glance_a, leaves_a), (glance_b, leaves_b) = looks(self._a), looks(self._b)
        known = 0
        for _ in range(2):
            is_leaf_a, grads_a = leaves_a(self.ours[known:])
            is_leaf_b, grads_b = leaves_b(self.theirs[known:])
            if not _same(is_leaf_a, is_leaf_b):
                return False
            known = len(self.ours)
            for a, b in zip(grads_a, grads_b, strict=True):
                if a is not b and a is not UNSEEN and b is not UNSEEN and not self.values(a, b):
                    return False
        ours, theirs = glance_a(self.ours), glance_b(self.theirs)
        return (
            _same_numbers(ours[0], theirs[0])
            and _same(ours[1], theirs[1])
            and _one_to_one(ours[2], theirs[2])
            and _one_to_one(ours[3], theirs[3])
        )


_PLAIN = (bool, int, float, complex, str)


def _all_tensors(engine: Engine, values: Sequence[Any]) -> bool:
    # Most often they are of one type, and one need be asked.
    one = len({*map(type, values)}) == 1
    return engine.is_tensor(values[0]) if one else all(map(engine.is_tensor, values))


def _same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether flags are the same, as far as both are shown."""
    return a == b or all(x is y or x is UNSEEN or y is UNSEEN for x, y in zip(a, b, strict=True))


def _one_to_one(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether no label is paired with two others, as far as both are shown."""
    if len({*a}) == len(a) and len({*b}) == len(b):
        return True
    pairs = {(x, y) for x, y in zip(a, b, strict=True) if x is not UNSEEN and y is not UNSEEN}
    return len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs})


def _logged_alike(a: _Logged, b: _Logged) -> bool:
    if not (_same(a.flags, b.flags) and _same_numbers([a.numbers], [b.numbers])):
        return False
    if isinstance(a.grad, _Logged) and isinstance(b.grad, _Logged):
        return _logged_alike(a.grad, b.grad)
    return _same((a.grad,), (b.grad,))


_DTYPE = attrgetter("dtype")


def _same_numbers(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> bool:
    """Whether the shapes, dtypes, devices and all numbers of all pairs are the same; nan is equal to nan, and
    +0 to -0."""
    if [*map(_DTYPE, a)] != [*map(_DTYPE, b)]:
        return False
    try:
        if all(map(torch.Tensor.equal, a, b)):
            return True
    except RuntimeError:  # different devices, or a dtype of which torch compares nothing
        pass
    return all(map(_same_with_nan, a, b))


def _same_with_nan(x: torch.Tensor, y: torch.Tensor) -> bool:
    """As `_same_numbers`. Where there is nan, most often the bits are the same, which is quickly seen."""
    if x.shape != y.shape or x.device != y.device:
        return False
    x, y = x.detach(), y.detach()
    try:
        if x.equal(y) or x.numpy().tobytes() == y.numpy().tobytes():
            return True
    except (RuntimeError, TypeError):  # of this dtype torch compares nothing, or numpy has it not
        pass
    if x.is_complex():
        x, y = torch.view_as_real(x.resolve_conj()), torch.view_as_real(y.resolve_conj())
    return bool(((x == y) | (x.isnan() & y.isnan())).all())
