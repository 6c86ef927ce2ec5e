"""The forward steps of a program run again without any autograd, to see what depends on a tensor and how.

A first run, `Recording`, takes down the events of a program up to a step: the operations, the tensors whose
gradients are asked for (targets), and the backward calls with their roots and cotangents. It also follows
which gradient stands where: `.grad` is the sum of the backward calls that reached it, and a result of
`autograd.grad` that of its own. `Recording.replay` runs the events again with one target moved.

What autograd holds constant (`detach`, `item`, a `no_grad` block) has the value of the first run in all later
ones. Whatever a replay could get wrong ends the recording with `Abstains`: what functions of the program see
or do, modes other than `no_grad`, gradients that the program sets or computes with, writes where memory is
shared with what is held constant, numbers drawn at random, and operators whose gradient is no derivative.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
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
from gradconform.oracle.precision import casts_down, default_dtype, is_inexact, unit, wider
from gradconform.oracle.spots import Spot
from gradconform.program.layouts import fresh
from gradconform.program.names import targets, uses
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Class,
    Define,
    Delete,
    Expect,
    Fact,
    Get,
    Grad,
    Items,
    Let,
    Mutate,
    Program,
    Record,
    Ref,
    Set,
    Step,
    Within,
    body_of,
    flatten,
)
from gradconform.program.vocabulary import (
    AUTOGRAD_BACKWARD,
    AUTOGRAD_GRAD,
    BACKWARD,
    OPERATORS,
    Operator,
)

TENSOR_ATTRIBUTES = ("T", "H", "mT", "mH", "real", "imag", "shape", "dtype", "device", "ndim")
LARGEST = 20_000
"""So many numbers at most may a program compute; more would take too long to run again and again."""

_CALLS = {
    "backward": Operator("backward", BACKWARD).call,
    "autograd.backward": Operator("autograd.backward", AUTOGRAD_BACKWARD).call,
    "autograd.grad": Operator("autograd.grad", AUTOGRAD_GRAD).call,
}


class Abstains(Exception):  # noqa: N818 - an answer, and no error
    """Nothing can be said of the gradients of this program, and why."""


class _Unknown:
    """What a name stands for whose value a replay does not have."""


UNKNOWN = _Unknown()


@dataclass(eq=False, slots=True)
class Target:
    """A tensor whose gradient is asked for: made by the event of that number (-1: an input), under a name.

    value: its numbers in the first run.
    """

    event: int
    name: str
    value: torch.Tensor


@dataclass(frozen=True, slots=True)
class Seeds:
    """A backward call: after so many events, these roots have these cotangents (None: a root without one)."""

    event: int
    roots: tuple[Ref, ...]
    cotangents: tuple[torch.Tensor, ...]


@dataclass(eq=False, slots=True)
class Gradient:
    """The gradient of a target: the sum over backward calls, in their order.

    of: for what a name was given (`g = x.grad`) the gradient that it is a reading of, since a later backward
    call may or may not change it.
    """

    target: Target
    calls: tuple[Seeds, ...] = ()
    of: Gradient | None = None

    def is_current(self) -> bool:
        """Whether it is a reading that still shows what was read."""
        return self.of is not None and self.of.calls == self.calls


@dataclass(frozen=True, slots=True)
class Event:
    """One operation.

    seen: the names whose values it made or changed. frozen: what its names stand for in each run, where
    autograd holds it constant. symmetric: the operand that it takes for symmetric, if there is one.
    """

    run: Run
    seen: tuple[str, ...]
    frozen: Mapping[str, Any] = field(default_factory=dict)
    symmetric: str = ""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What one run gave: the sum of <cotangent, root> over the calls asked for, every floating number that an
    event made (one vector), and the integers and booleans."""

    total: float
    numbers: torch.Tensor
    whole: torch.Tensor


class Recording:
    """The events of a program up to and including a step.

    Raises Abstains where the gradients at that step cannot be known.
    """

    def __init__(self, program: Program, last: int) -> None:
        if casts_down(program):
            raise Abstains("the program casts to a narrower dtype")
        self._program = wider(program)
        self._last = last
        self._engine = TorchEngine()
        self._compiler = Compiler(self._engine, _NoBodies())
        self._environment: Environment = {}
        self._events: list[Event] = []
        self._targets: dict[int, Target | None] = {}
        self._gradients: dict[int, Gradient] = {}
        self._versions: dict[int, int] = {}
        self._born: list[torch.Tensor] = []  # kept, so that no two have one id
        self._size = 0
        self._constant: set[int] = set()  # the memory of what is not to be written to any more
        numbers = torch.get_rng_state()
        with _plain_forward():
            self._record()
        if not torch.equal(numbers, torch.get_rng_state()):
            torch.set_rng_state(numbers)
            raise Abstains("the program draws random numbers")

    def gradient(self, spot: Spot) -> Gradient:
        """The gradient that stands at a place after the last step. Raises Abstains."""
        value: Any = self._environment.get(spot.name, UNKNOWN)
        for part in spot.path:
            if isinstance(part, int) and isinstance(value, list | tuple) and part < len(value):
                value = value[part]
            elif part == "grad" and isinstance(value, torch.Tensor):
                value = self._gradients.get(id(value), UNKNOWN)
            else:
                raise Abstains("it is no gradient of first order")
        if not isinstance(value, Gradient):
            raise Abstains("it is no gradient of first order")
        if not value.calls:
            raise Abstains("there is no gradient yet")
        if value.of is not None and not value.is_current():
            raise Abstains("a gradient that was read before the last backward call")
        return value

    def spots(self) -> Iterator[Spot]:
        """The places at which gradients stand after the last step."""
        for name, value in self._environment.items():
            found = self._gradients.get(id(value)) if isinstance(value, torch.Tensor) else None
            if found is not None and found.calls:
                yield Spot(name, ("grad",))
            elif isinstance(value, Gradient):
                yield Spot(name)
            elif isinstance(value, list | tuple):
                yield from (Spot(name, (at,)) for at, item in enumerate(value) if isinstance(item, Gradient))

    def replay(self, gradient: Gradient, moved: torch.Tensor) -> Replayed:
        """Runs the events again. moved: what the gradient's target is then, of its shape and dtype."""
        with _plain_forward():
            return _Replay(self._fresh(), self._events, gradient, moved).run()

    def _fresh(self) -> Environment:
        return {item.name: fresh(item, "cpu") for item in self._program.inputs}

    # the first run

    def _record(self) -> None:
        self._environment = self._fresh()
        for item in self._program.inputs:
            value = self._environment[item.name]
            self._bear(-1, item.name, value)
            if item.requires_grad and is_inexact(value):
                self._accumulate(value)
        number = -1
        for step in self._program.steps:
            number += 1
            if number > self._last:
                return
            self._step(number, step)
            number += sum(1 for _ in flatten(body_of(step)))

    def _step(self, number: int, step: Step) -> None:
        match step:
            case Fact() | Record():
                return
            case Backward():
                self._backward(step)
            case Grad():
                self._grad(step)
            case Mutate(operator="requires_grad_"):
                self._leaf(step)
            case Mutate(operator="retain_grad", arguments=(Ref(name), *_)):
                self._accumulate(self._environment[name])
            case Set(object=name, attribute="grad", value=None):
                self._forget(self._environment[name])
            case Get(target=str(target), object=name, attribute="grad"):
                found = self._gradients.get(id(self._environment[name]))
                self._environment[target] = (
                    UNKNOWN if found is None else Gradient(found.target, found.calls, found)
                )
            case Within(mode="no_grad", arguments=(), body=body):
                for inner, each in enumerate(body, number + 1):
                    self._held_constant(inner, each)
            case Define(target=target) | Class(target=target):
                self._environment[target] = UNKNOWN
            case Let() | Delete():
                self._run(number, step, listed=not _holds(self._used(step), _Unknown | Gradient))
            case Apply() | Get():
                self._operate(number, step)
            case Mutate():
                self._write(number, step)
            case _:
                raise Abstains(_reason(step))

    def _operate(self, number: int, step: Apply | Get, *, constant: bool = False) -> None:
        """An operation that changes nothing; its result is not known where a replay cannot have it."""
        self._refuse(step)
        used = self._used(step)
        if not _holds(used, _Unknown | Gradient) and self._has_replay(step, used):
            self._run(number, step, frozen=constant or _is_held_constant(step, used))
        elif _picks(step) and isinstance(used[0], list | tuple) and not _holds(used, _Unknown):
            self._run(number, step, listed=False)
        else:
            self._environment.update(dict.fromkeys(targets(step), UNKNOWN))

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
        if convention is None or _holds(self._used(step), _Unknown | Gradient):
            return
        values = [self._value(argument) for argument in step.arguments]
        if convention.applies(values, {key: self._value(given) for key, given in step.options.items()}):
            raise Abstains(f"{name}: {convention.reason}")

    def _value(self, argument: Argument) -> Any:
        """What an argument stands for, the constants of an index left as they are."""
        match argument:
            case Ref(name):
                return self._environment.get(name, UNKNOWN)
            case Items(items, kind):
                return (list if kind == "list" else tuple)(map(self._value, items))
            case _:
                return argument

    def _has_replay(self, step: Apply | Get, used: list[Any]) -> bool:
        """Whether the step without autograd gives what it gives in torch with autograd."""
        if isinstance(step, Get):
            return step.attribute in (*TENSOR_ATTRIBUTES, "data")
        if step.operator in CONSTANT_RESULTS:
            return True
        if step.operator in UNREPLAYED:
            return False
        if step.operator == "as_strided" and not all(value.is_contiguous() for value in _tensors(used)):
            return False  # a moved tensor lies elsewhere
        effect = OPERATORS[step.operator].effect
        return effect in ("pure", "view") or (effect == "factory" and not _tensors(used))

    def _write(self, number: int, step: Mutate) -> None:
        self._refuse(step)
        owner = self._environment[step.arguments[0].name] if isinstance(step.arguments[0], Ref) else None
        if (
            step.operator == "zero_"
            and isinstance(owner, Gradient)
            and owner.of is not None
            and owner.is_current()
        ):
            owner.of.calls = owner.calls = ()
            if step.target:
                self._environment[step.target] = owner
            return
        if not isinstance(owner, torch.Tensor) or _holds(self._used(step), _Unknown | Gradient):
            raise Abstains("the program writes what is not known, or into it")
        if _memory(owner) in self._constant:
            raise Abstains("a write into memory that holds what autograd takes for constant")
        self._run(number, step)

    def _held_constant(self, number: int, step: Step) -> None:
        """A step of a `no_grad` block."""
        match step:
            case Fact() | Record():
                return
            case Apply() | Get():
                self._operate(number, step, constant=True)
            case _:
                raise Abstains("a no_grad block that does more than compute")

    def _run(self, number: int, step: Step, *, frozen: bool = False, listed: bool = True) -> None:
        """Runs a step, and lists it among the events."""
        run = self._compiler.one(number, step)
        symmetric = _symmetric(step)
        _require_symmetric(self._environment, symmetric)
        environment, names = self._environment, targets(step)
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
            self._constant.update(map(_memory, _tensors(made.values())))
        written = (step.arguments[0],) if isinstance(step, Mutate) else ()
        seen = dict.fromkeys((*(each.name for each in written if isinstance(each, Ref)), *made))
        self._events.append(Event(run, tuple(seen), made if frozen else {}, symmetric))
        for name, value in made.items():
            self._bear(len(self._events) - 1, name, value)
            if _makes_leaf(step):
                self._accumulate(value)

    def _bear(self, event: int, name: str, value: Any) -> None:
        """Notes which event has made a tensor."""
        for tensor in _tensors(value):
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

    # gradients

    def _target(self, value: Any) -> Target:
        target = self._targets.get(id(value)) if isinstance(value, torch.Tensor) else None
        if target is None:
            raise Abstains("the gradient of something that no step has made under a name of its own")
        if self._versions[id(value)] != value._version:
            raise Abstains("the gradient of a tensor that was written to")
        self._constant.add(_memory(value))
        return target

    def _accumulate(self, value: Any) -> None:
        """From here on, backward calls add to the `.grad` of a tensor."""
        if id(value) not in self._gradients:
            self._gradients[id(value)] = Gradient(self._target(value))

    def _forget(self, value: Any) -> None:
        """`x.grad = None`."""
        known = self._gradients.get(id(value))
        if known is not None:
            self._gradients[id(value)] = Gradient(known.target)

    def _leaf(self, step: Mutate) -> None:
        """`requires_grad_()`: from here on the tensor stands for itself, and not for what it came from."""
        owner, *rest = step.arguments
        if rest or step.options or not isinstance(owner, Ref):
            raise Abstains("the program switches requires_grad")
        value = self._environment[owner.name]
        if not isinstance(value, torch.Tensor):
            raise Abstains("requires_grad_() of what is not known")
        if any(
            isinstance(other, list | tuple) and _holds(other, value) for other in self._environment.values()
        ):
            raise Abstains("requires_grad_() of a tensor in a list")
        name = step.target or owner.name
        self._events.append(Event(_same_object(owner.name, name), (name,)))
        self._environment[name] = value
        if id(value) in self._gradients:
            return
        self._targets[id(value)] = Target(len(self._events) - 1, name, value.clone())
        self._versions[id(value)] = value._version
        self._accumulate(value)

    def _backward(self, step: Backward) -> None:
        given = _arguments("autograd.backward" if step.function else "backward", step)
        if given.get("grad_variables") is not None:
            raise Abstains("the argument grad_variables")
        roots, cotangents = (
            (given["tensors"], given.get("grad_tensors"))
            if step.function
            else (given["input"], given.get("gradient"))
        )
        seeds = self._seeds(roots, cotangents)
        chosen = given.get("inputs")
        into = (
            list(self._gradients.values())
            if chosen is None
            else [self._gradient_of(name) for name in _listed(chosen)]
        )
        if len({*into}) != len(into):
            raise Abstains("one tensor twice among the inputs")
        for gradient in into:
            gradient.calls = (*gradient.calls, seeds)

    def _gradient_of(self, argument: Any) -> Gradient:
        value = self._value(argument)
        self._accumulate(value)
        return self._gradients[id(value)]

    def _grad(self, step: Grad) -> None:
        given = _arguments("autograd.grad", step)
        if given.get("is_grads_batched"):
            raise Abstains("the argument is_grads_batched")
        seeds = self._seeds(given["outputs"], given.get("grad_outputs"))
        found = tuple(
            Gradient(self._target(self._value(argument)), (seeds,)) for argument in _listed(given["inputs"])
        )
        if isinstance(step.target, tuple):
            if len(step.target) != len(found):
                raise Abstains("as many names as gradients")
            self._environment.update(zip(step.target, found, strict=True))
        elif step.target:
            self._environment[step.target] = found

    def _seeds(self, roots: Any, cotangents: Any) -> Seeds:
        names = _listed(roots)
        given = _listed(cotangents) if cotangents is not None else (None,) * len(names)
        if len(names) != len(given) or not all(isinstance(name, Ref) for name in names):
            raise Abstains("roots that are no names")
        pairs = [self._cotangent(self._value(name), value) for name, value in zip(names, given, strict=True)]
        return Seeds(len(self._events), names, tuple(pairs))

    def _cotangent(self, root: Any, argument: Any) -> torch.Tensor:
        if not isinstance(root, torch.Tensor):
            raise Abstains("the root is itself a gradient, or computed from one")
        value = torch.ones_like(root) if argument is None else self._value(argument)
        if argument is None and root.numel() != 1:
            raise Abstains("a root of several elements without a cotangent")
        if not isinstance(value, torch.Tensor) or value.shape != root.shape:
            raise Abstains("the cotangent is not known")
        if not is_inexact(root):
            raise Abstains("a root of integers")
        return value.clone()

    def _used(self, step: Step) -> list[Any]:
        return [self._environment.get(name, UNKNOWN) for name in uses(step)]


class _Replay:
    """One later run."""

    def __init__(
        self, environment: Environment, events: list[Event], gradient: Gradient, moved: torch.Tensor
    ) -> None:
        self._environment = environment
        self._events = events[: max(call.event for call in gradient.calls)]
        self._gradient = gradient
        self._moved = moved
        self._total = 0.0
        self._numbers: list[torch.Tensor] = []
        self._whole: list[torch.Tensor] = []

    def run(self) -> Replayed:
        self._move(-1)
        self._seed(0)
        for number, event in enumerate(self._events):
            _require_symmetric(self._environment, event.symmetric)
            event.run(self._environment)
            self._environment.update(event.frozen)
            self._move(number)
            if not event.frozen:
                self._see(event)
            self._seed(number + 1)
        return Replayed(self._total, _joined(self._numbers), _joined(self._whole))

    def _move(self, event: int) -> None:
        target = self._gradient.target
        if event != target.event:
            return
        old, new = self._environment[target.name], self._moved.clone()
        for name, value in self._environment.items():
            if value is old:
                self._environment[name] = new

    def _seed(self, event: int) -> None:
        for call in self._gradient.calls:
            if call.event == event:
                for root, cotangent in zip(call.roots, call.cotangents, strict=True):
                    products = cotangent.conj() * self._environment[root.name]
                    self._total += float(products.real.sum())

    def _see(self, event: Event) -> None:
        for value in _tensors(self._environment.get(name) for name in event.seen):
            if value.is_complex():
                self._numbers.append(torch.view_as_real(value.resolve_conj()).flatten())
            elif value.is_floating_point():
                self._numbers.append(value.flatten().double())
            else:
                self._whole.append(value.flatten().to(torch.int64))


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


@contextmanager
def _plain_forward() -> Iterator[None]:
    with torch.no_grad(), default_dtype(torch.float64), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _reason(step: Step) -> str:
    match step:
        case Within(mode=mode):
            return f"the mode {mode}"
        case Expect():
            return "an expected error"
        case _:
            return f"a step of the kind {type(step).__name__}"


def _arguments(name: str, step: Backward | Grad) -> dict[str, Any]:
    try:
        return dict(_CALLS[name].bind(*step.arguments, **step.options).arguments)
    except TypeError:
        raise Abstains("a backward call that torch refuses") from None


def _listed(argument: Any) -> tuple[Any, ...]:
    return argument.items if isinstance(argument, Items) else (argument,)


def _picks(step: Apply | Get) -> bool:
    return isinstance(step, Apply) and step.operator == "getitem"


def _is_held_constant(step: Apply | Get, used: list[Any]) -> bool:
    if isinstance(step, Get):
        return step.attribute == "data"
    return step.operator in CONSTANT_RESULTS and bool(_tensors(used))


def _symmetric(step: Step) -> str:
    """The operand of a step that has to be symmetric."""
    if isinstance(step, Apply) and step.operator in OF_SYMMETRIC and isinstance(step.arguments[0], Ref):
        return step.arguments[0].name
    return ""


def _require_symmetric(environment: Environment, name: str) -> None:
    """Raises Abstains for a matrix that is not symmetric (Hermitian), but for roundings."""
    if name:
        matrix = environment[name]
        if not torch.allclose(matrix, matrix.mH, rtol=1e-12, atol=1e-12):
            raise Abstains("one triangle of a matrix is read that is not symmetric")


def _makes_leaf(step: Step) -> bool:
    if not isinstance(step, Apply):
        return False
    return step.options.get("requires_grad", step.operator == "nn.Parameter") is True


def _same_object(owner: str, target: str) -> Run:
    def run(environment: Environment) -> None:
        environment[target] = environment[owner]

    return run


def _tensors(value: Any) -> list[torch.Tensor]:
    """A tensor, or those among values and lists of them."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return []
    return [tensor for item in value for tensor in _tensors(item)]


def _holds(value: Any, wanted: Any) -> bool:
    """Whether a value is, or a list of values holds, a tensor or something of a type."""
    if isinstance(value, list | tuple):
        return any(_holds(item, wanted) for item in value)
    return value is wanted if isinstance(wanted, torch.Tensor) else isinstance(value, wanted)


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _joined(parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)
