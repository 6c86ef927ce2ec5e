"""The intermediate representation: a program is its inputs and a straight list of steps, one type per verb.

Nested expressions are flattened: each operation is a step of its own with a name for its result. Names that
start with an underscore are temporaries; each is used exactly once, and is forgotten when it is used, as
Python itself forgets the intermediate values of an expression. Loops and conditions are gone (they are
resolved when a scenario is bound to a draw), so a program reads from top to bottom; only `Within` and
`Expect` hold a body of their own.

A program is engine-neutral and immutable. `line` is the line of the program text that a step came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import EllipsisType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Layout = Literal["contiguous", "transposed", "strided", "expanded"]


@dataclass(frozen=True, slots=True)
class Ref:
    """A live name."""

    name: str


@dataclass(frozen=True, slots=True)
class Dtype:
    """A dtype by torch's name: `float32`."""

    name: str


@dataclass(frozen=True, slots=True)
class Slice:
    """`start:stop:step` in an index."""

    start: Argument = None
    stop: Argument = None
    step: Argument = None


@dataclass(frozen=True, slots=True)
class Items:
    """A list or tuple of arguments."""

    items: tuple[Argument, ...]
    kind: Literal["list", "tuple"] = "list"


Argument = Ref | Dtype | Slice | Items | EllipsisType | None | bool | int | float | complex | str
Options = Mapping[str, Argument]


@dataclass(frozen=True, slots=True)
class Input:
    """A tensor that the program starts with.

    data: the numbers, a contiguous CPU tensor that nobody writes to. layout: how the engine gets them.
    """

    name: str
    data: torch.Tensor
    requires_grad: bool = False
    layout: Layout = "contiguous"


@dataclass(frozen=True, slots=True)
class Apply:
    """`target = operator(arguments, **options)`: a pure operation, a view or a factory.

    A tuple target unpacks the result; an empty one throws it away.
    """

    target: str | tuple[str, ...]
    operator: str
    arguments: tuple[Argument, ...]
    options: Options = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True, slots=True)
class Mutate:
    """An in-place operation on its first argument: `x.mul_(2)`, `x += 1`, `x[0] = v`.

    `target` names the result, or is empty where the text throws it away.
    """

    target: str
    operator: str
    arguments: tuple[Argument, ...]
    options: Options = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True, slots=True)
class Invoke:
    """A method of an object that is no tensor: `optimizer.step()`."""

    target: str
    object: str
    method: str
    arguments: tuple[Argument, ...] = ()
    options: Options = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True, slots=True)
class Backward:
    """`roots[0].backward(...)`, or `autograd.backward(roots, ...)` where `function` is set."""

    arguments: tuple[Argument, ...]
    options: Options = field(default_factory=dict)
    function: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True)
class Grad:
    """`target = autograd.grad(...)`."""

    target: str | tuple[str, ...]
    arguments: tuple[Argument, ...]
    options: Options = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True, slots=True)
class Get:
    """`target = object.attribute`."""

    target: str
    object: str
    attribute: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Set:
    """`object.attribute = value`."""

    object: str
    attribute: str
    value: Argument
    line: int = 0


@dataclass(frozen=True, slots=True)
class Let:
    """`target = value`: another name for a live value, or a constant."""

    target: str
    value: Argument
    line: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    """`del name`."""

    name: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Within:
    """`with mode(arguments): body` for a grad mode."""

    mode: str
    arguments: tuple[Argument, ...]
    body: tuple[Step, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class Expect:
    """`with raises(error, phase=..., match=...): body`: the body must raise; the program goes on after it."""

    error: str
    body: tuple[Step, ...]
    phase: Literal["forward", "backward"] | None = None
    match: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Fail:
    """`fail(error)`: the program's own code raises."""

    error: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Fact:
    """An assertion. The engine only shows the `places`; the oracle evaluates the `expression` on what it saw.

    `law` is true for `assert` (every draw) and false for `shows` (the documented example only).
    """

    law: bool
    expression: Expression
    places: tuple[Place, ...]
    text: str
    line: int = 0


Step = Apply | Mutate | Invoke | Backward | Grad | Get | Set | Let | Delete | Within | Expect | Fail | Fact


@dataclass(frozen=True, slots=True)
class Place:
    """Something that can be looked at: a name, an attribute path of a name (`x.grad`, `y.grad_fn.name()`),
    or a query (`is_grad_enabled()`, whose name is empty)."""

    name: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.name, *self.path)) if self.name else f"{self.path[0]}()"


@dataclass(frozen=True, slots=True)
class Shown:
    """The value of the fact's place with this number."""

    index: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal in a fact; nested lists are tuples."""

    value: object


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation on what was shown, done by the oracle: arithmetic, comparison, `and`, `close`, ..."""

    name: str
    operands: tuple[Expression, ...]
    options: Mapping[str, object] = field(default_factory=dict)


Expression = Shown | Constant | Operation


@dataclass(frozen=True, slots=True)
class Program:
    """What both engines run. scenario: the id of the one that it comes from, whose lines its steps name."""

    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    scenario: str = ""

    def walk(self) -> Iterator[tuple[int, Step]]:
        """Every step with its number, bodies included, in the order of the text. Numbers count from 0."""
        return enumerate(flatten(self.steps))


def flatten(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Steps and the steps of their bodies, each body right after the step that holds it."""
    for step in steps:
        yield step
        if isinstance(step, Within | Expect):
            yield from flatten(step.body)


TEMPORARY = "_"
"""What names of temporaries start with."""


def is_temporary(name: str) -> bool:
    """Whether a name stands for an intermediate value of an expression."""
    return name.startswith(TEMPORARY)


def refs(argument: Argument) -> Iterator[str]:
    """The names that an argument mentions, in order."""
    match argument:
        case Ref(name):
            yield name
        case Items(items):
            for item in items:
                yield from refs(item)
        case Slice(start, stop, step):
            for part in (start, stop, step):
                yield from refs(part)
        case _:
            return


def uses(step: Step) -> Iterator[str]:
    """The names that a step reads, its body's not included, in the order in which Python would."""
    match step:
        case Mutate(_, "setitem", (owner, index, value)):
            for argument in (value, owner, index):
                yield from refs(argument)
        case Apply() | Mutate() | Grad() | Backward():
            for argument in (*step.arguments, *step.options.values()):
                yield from refs(argument)
        case Invoke():
            yield step.object
            for argument in (*step.arguments, *step.options.values()):
                yield from refs(argument)
        case Get():
            yield step.object
        case Set():
            yield from refs(step.value)
            yield step.object
        case Let():
            yield from refs(step.value)
        case Delete():
            yield step.name
        case Within():
            for argument in step.arguments:
                yield from refs(argument)
        case Fact():
            yield from (place.name for place in step.places if place.name)
        case Expect() | Fail():
            return


def targets(step: Step) -> tuple[str, ...]:
    """The names that a step gives a value to."""
    match step:
        case Apply() | Grad() | Mutate() | Invoke():
            if isinstance(step.target, tuple):
                return step.target
            return (step.target,) if step.target else ()
        case Get() | Let():
            return (step.target,)
        case _:
            return ()
