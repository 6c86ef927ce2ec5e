"""The forward steps of a program as events, taken down in a first run.

Whatever a replay could get wrong ends it with `Abstains`: writes where memory is shared with what autograd
holds constant, numbers drawn at random, and operators whose gradient is no derivative
(`gradconform.oracle.conventions`). A result that autograd alone could tell is unknown, and so is all that is
computed from it.
"""

from __future__ import annotations

from typing import Any

import torch

from gradconform.engines.torch import TorchEngine
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.compile import Block, Compiler, Environment, Run
from gradconform.oracle.conventions import (
    CONSTANT_RESULTS,
    NO_DERIVATIVE,
    OF_SYMMETRIC,
    SPOILING,
    TURNING,
    UNREPLAYED,
)
from gradconform.oracle.precision import is_inexact, unit
from gradconform.oracle.replay import (
    UNKNOWN,
    Abstains,
    Event,
    NoValue,
    Target,
    require_symmetric,
    tensors_in,
)
from gradconform.program.layouts import fresh
from gradconform.program.names import targets, uses
from gradconform.program.steps import (
    Apply,
    Argument,
    Delete,
    Fact,
    Get,
    Input,
    Items,
    Let,
    Mutate,
    Record,
    Ref,
    Step,
)
from gradconform.program.vocabulary import OPERATORS

TENSOR_ATTRIBUTES = ("T", "H", "mT", "mH", "real", "imag", "shape", "dtype", "device", "ndim")
LARGEST = 20_000
"""So many numbers at most may a program compute; more would take too long to run again and again."""


class Events:
    """The events so far, and the live names after them.

    Its methods raise Abstains where nothing can be said any more.
    """

    def __init__(self, inputs: tuple[Input, ...]) -> None:
        self.events: list[Event] = []
        self.environment: Environment = {}
        self._inputs = inputs
        self._compiler = Compiler(TorchEngine(), _NoBodies())
        self._targets: dict[int, Target | None] = {}
        self._versions: dict[int, int] = {}
        self._born: list[torch.Tensor] = []  # kept, so that no two have one id
        self._size = 0
        self._constant: set[int] = set()  # the memory of what is not to be written to any more

    def start(self) -> Environment:
        """The inputs in new memory."""
        return {item.name: fresh(item, "cpu") for item in self._inputs}

    def begin(self) -> None:
        """Makes the inputs of the first run."""
        self.environment = self.start()
        for name, value in self.environment.items():
            self._bear(-1, name, value)

    def bind(self, number: int, step: Let | Delete) -> None:
        """Another name, or one less."""
        self._run(number, step, listed=not _holds(self._used(step), NoValue))

    def operate(self, number: int, step: Apply | Get, *, constant: bool = False) -> None:
        """An operation that changes nothing; its result is not known where a replay cannot have it."""
        self._refuse(step)
        used = self._used(step)
        if not _holds(used, NoValue) and self._has_replay(step, used):
            self._run(number, step, frozen=constant or _is_held_constant(step, used))
        elif _picks(step) and isinstance(used[0], list | tuple) and _are_known(used):
            self._run(number, step, listed=False)
        else:
            self.environment.update(dict.fromkeys(targets(step), UNKNOWN))

    def write(self, number: int, step: Mutate) -> None:
        """A write into a tensor."""
        self._refuse(step)
        owner = self.environment[step.arguments[0].name] if isinstance(step.arguments[0], Ref) else None
        if not isinstance(owner, torch.Tensor) or _holds(self._used(step), NoValue):
            raise Abstains("the program writes what is not known, or into it")
        if owner.numel() and _memory(owner) in self._constant:
            raise Abstains("a write into memory that holds what autograd takes for constant")
        self._run(number, step)

    def held_constant(self, number: int, step: Step) -> None:
        """A step of a `no_grad` block."""
        match step:
            case Fact() | Record():
                return
            case Apply() | Get():
                self.operate(number, step, constant=True)
            case _:
                raise Abstains("a no_grad block that does more than compute")

    def require_grad(self, owner: str, target: str, *, anew: bool) -> None:
        """`target = owner.requires_grad_()`. anew: from here on the tensor stands for itself, and not for
        what it came from."""
        value, name = self.environment[owner], target or owner
        if not isinstance(value, torch.Tensor):
            raise Abstains("requires_grad_() of what is not known")
        others = self.environment.values()
        if any(isinstance(other, list | tuple) and _holds(other, value) for other in others):
            raise Abstains("requires_grad_() of a tensor in a list")
        self.events.append(Event(_same_object(owner, name), (name,)))
        self.environment[name] = value
        if anew:
            self._targets[id(value)] = Target(len(self.events) - 1, name, value.clone())
            self._versions[id(value)] = value._version

    def target(self, value: Any) -> Target:
        """What is moved where the gradient of a tensor is asked for; it must not be written to any more."""
        target = self._targets.get(id(value)) if isinstance(value, torch.Tensor) else None
        if target is None:
            raise Abstains("the gradient of something that no step has made under a name of its own")
        if self._versions[id(value)] != value._version:
            raise Abstains("the gradient of a tensor that was written to")
        self._constant.add(_memory(value))
        return target

    def value(self, argument: Argument) -> Any:
        """What an argument stands for, the constants of an index left as they are."""
        match argument:
            case Ref(name):
                return self.environment.get(name, UNKNOWN)
            case Items(items, kind):
                return (list if kind == "list" else tuple)(map(self.value, items))
            case _:
                return argument

    def _used(self, step: Step) -> list[Any]:
        return [self.environment.get(name, UNKNOWN) for name in uses(step)]

    def _refuse(self, step: Apply | Get | Mutate) -> None:
        """Raises Abstains for an operator that spoils what would be said of any gradient after it."""
        if isinstance(step, Get):
            return
        name = step.operator
        row = OPERATORS[name]
        no_word = row.word != row.name
        if no_word or name in TURNING or name.startswith(SPOILING) or "out" in step.options:
            raise Abstains(f"{name} is not replayed")
        if row.effect == "object" and name not in UNREPLAYED:
            raise Abstains(f"{name} is not replayed")
        convention = NO_DERIVATIVE.get(name) or NO_DERIVATIVE.get(name.removesuffix("_"))
        if convention is None or _holds(self._used(step), NoValue):
            return
        values = [self.value(argument) for argument in step.arguments]
        options = {key: self.value(given) for key, given in step.options.items()}
        try:
            applies = convention.applies(values, options)
        except (IndexError, RuntimeError, TypeError):  # a call that is written in another way, or is refused
            applies = True
        if applies:
            raise Abstains(f"{name}: {convention.reason}")

    def _has_replay(self, step: Apply | Get, used: list[Any]) -> bool:
        """Whether the step without autograd gives what it gives in torch with autograd."""
        if isinstance(step, Get):
            return step.attribute in (*TENSOR_ATTRIBUTES, "data")
        if step.operator in CONSTANT_RESULTS:
            return True
        if step.operator in UNREPLAYED:
            return False
        effect = OPERATORS[step.operator].effect
        return effect in ("pure", "view") or (effect == "factory" and not tensors_in(used))

    def _run(self, number: int, step: Step, *, frozen: bool = False, listed: bool = True) -> None:
        """Runs a step, and lists it among the events."""
        run = self._compiler.one(number, step)
        symmetric = _symmetric(step)
        require_symmetric(self.environment, symmetric)
        environment, names = self.environment, targets(step)
        try:
            run(environment)
        except (AdapterError, Unsupported):
            raise Abstains("torch does not have all that the program needs") from None
        except Exception as error:
            raise Abstains(f"in float64, step {number} raises {type(error).__name__}") from error
        if not listed:
            return
        made = {name: environment[name] for name in names}
        if frozen:
            self._constant.update(map(_memory, tensors_in(made.values())))
        written = (step.arguments[0],) if isinstance(step, Mutate) else ()
        seen = dict.fromkeys((*(each.name for each in written if isinstance(each, Ref)), *made))
        self.events.append(Event(run, tuple(seen), made if frozen else {}, symmetric))
        for name, value in made.items():
            self._bear(len(self.events) - 1, name, value)

    def _bear(self, event: int, name: str, value: Any) -> None:
        """Notes which event has made a tensor."""
        for tensor in tensors_in(value):
            if id(tensor) in self._targets:
                continue
            if is_inexact(tensor) and unit(tensor.dtype) > unit(torch.float64):
                raise Abstains("the program casts to a narrower dtype")
            # What came in a list has no name of its own, under which it could be moved.
            self._targets[id(tensor)] = Target(event, name, tensor.clone()) if tensor is value else None
            self._versions[id(tensor)] = tensor._version
            self._born.append(tensor)
            self._size += tensor.numel()
        if self._size > LARGEST:
            raise Abstains(f"the program computes more than {LARGEST} numbers")


class _NoBodies:
    """The machine of a compiler that is given no steps with bodies."""

    log: list[Any]

    def execute(self, block: Block, environment: Environment) -> None:
        raise NotImplementedError

    def expect(self, number: int, block: Block, environment: Environment) -> None:
        raise NotImplementedError

    def warned(self, number: int, block: Block, environment: Environment) -> None:
        raise NotImplementedError

    def look(self, number: int, step: Fact, environment: Environment) -> None:
        raise NotImplementedError

    def entry(self, value: Any) -> Any:
        raise NotImplementedError


def _are_known(values: list[Any]) -> bool:
    return not any(value is UNKNOWN for value in values)


def _picks(step: Apply | Get) -> bool:
    return isinstance(step, Apply) and step.operator == "getitem"


def _is_held_constant(step: Apply | Get, used: list[Any]) -> bool:
    if isinstance(step, Get):
        return step.attribute == "data"
    return step.operator in CONSTANT_RESULTS and bool(tensors_in(used))


def _symmetric(step: Step) -> str:
    """The operand of a step that has to be symmetric."""
    if isinstance(step, Apply) and step.operator in OF_SYMMETRIC and isinstance(step.arguments[0], Ref):
        return step.arguments[0].name
    return ""


def _same_object(owner: str, target: str) -> Run:
    def run(environment: Environment) -> None:
        environment[target] = environment[owner]

    return run


def _holds(value: Any, wanted: Any) -> bool:
    """Whether a value is, or a list of values holds, a tensor or something of a type."""
    if isinstance(value, list | tuple):
        return any(_holds(item, wanted) for item in value)
    return value is wanted if isinstance(wanted, torch.Tensor) else isinstance(value, wanted)


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
