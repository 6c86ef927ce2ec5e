"""The intermediate representation: a program is its inputs and a straight list of steps, one type per verb.

Nested expressions are flattened: each operation is a step of its own with a name for its result. Names that
start with an underscore are temporaries; each is used exactly once, and is forgotten when it is used, as
Python itself forgets the intermediate values of an expression. Loops and conditions are gone (they are
resolved when a scenario is bound to a draw), so a program reads from top to bottom; only blocks (`Within`,
`Expect`, `Warns`) and definitions (`Define`, `Class`) hold bodies of their own.

What `Define` makes is a function of the language: hooks, closures, generators and the methods of custom
functions. Its body runs when it is called, by the program or by the engine, in names of its own over those
around the definition; steps in it may run any number of times.

A program is engine-neutral and immutable. `line` is the line of the program text that a step came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import EllipsisType
from typing import TYPE_CHECKING, Literal

from gradconform.program.expressions import Expression, Place

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
class Named:
    """Another constant of torch by its name: `channels_last`."""

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


Argument = Ref | Dtype | Named | Slice | Items | EllipsisType | None | bool | int | float | complex | str
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
    """A method of an object that is no tensor, `optimizer.step()`, or one that takes a function,
    `x.register_hook(hook)`."""

    target: str | tuple[str, ...]
    object: str
    method: str
    arguments: tuple[Argument, ...] = ()
    options: Options = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """`target = function(arguments, **options)` for a live name: a function of the program, or one that an
    operator has made (`func.grad(f)`)."""

    target: str | tuple[str, ...]
    function: str
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

    target: str | tuple[str, ...]
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
class Unset:
    """`del object.attribute`."""

    object: str
    attribute: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Let:
    """`target = value`: another name for a live value, or a constant; its items for a tuple target."""

    target: str | tuple[str, ...]
    value: Argument
    line: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    """`del name`."""

    name: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Within:
    """`with mode(arguments, **options) as target: body`: a mode of the engine, or `thread`,
    `concurrently` or `stream`, which are the harness's own. An empty target stands for none."""

    mode: str
    arguments: tuple[Argument, ...]
    body: tuple[Step, ...]
    options: Options = field(default_factory=dict)
    target: str = ""
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
class Warns:
    """`with warns(category, match=...): body`: the body must warn so, and raise nothing."""

    category: str
    body: tuple[Step, ...]
    match: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Decorator:
    """`@name(arguments, **options)` above a definition; `@name` where it is not called."""

    name: str
    called: bool = True
    arguments: tuple[Argument, ...] = ()
    options: Options = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Define:
    """`def target(parameters, *variadic): body`, under its decorators, the outermost first.

    defaults: constants, for some of the last parameters. A body that holds a `Yield` of its own is a
    generator's.
    """

    target: str
    parameters: tuple[str, ...]
    body: tuple[Step, ...]
    variadic: str = ""
    defaults: Options = field(default_factory=dict)
    decorators: tuple[Decorator, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Class:
    """`class target(base): methods`, all of them static: a custom `autograd.Function`."""

    target: str
    base: str
    methods: tuple[Define, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class Return:
    """`return value`, the last step of a definition's body."""

    value: Argument
    line: int = 0


@dataclass(frozen=True, slots=True)
class Yield:
    """`target = yield value` in a generator; the target may be empty."""

    target: str
    value: Argument
    line: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """`record(value)`: appends what can be seen of the value now to the log of the run."""

    value: Argument
    line: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """`target = watch(name)`: lets facts ask whether the object is still there, without keeping it."""

    target: str
    name: str
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


Step = (
    Apply
    | Mutate
    | Invoke
    | Call
    | Backward
    | Grad
    | Get
    | Set
    | Unset
    | Let
    | Delete
    | Within
    | Expect
    | Warns
    | Define
    | Class
    | Return
    | Yield
    | Record
    | Watch
    | Fail
    | Fact
)

Block = Within | Expect | Warns
"""Steps whose body runs where it stands."""


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
        yield from flatten(body_of(step))


def body_of(step: Step) -> tuple[Step, ...]:
    """The steps that a step holds; a class holds its methods."""
    match step:
        case Within() | Expect() | Warns() | Define():
            return step.body
        case Class():
            return step.methods
        case _:
            return ()


def with_body(step: Step, body: tuple[Step, ...]) -> Step:
    """A step that holds others, with these instead."""
    return replace(step, **{"methods" if isinstance(step, Class) else "body": body})  # type: ignore[arg-type]


def own_steps(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Steps and those of their blocks, but not what definitions among them hold."""
    for step in steps:
        yield step
        if not isinstance(step, Define | Class):
            yield from own_steps(body_of(step))


def is_generator(step: Define) -> bool:
    """Whether a definition's own body yields."""
    return any(isinstance(inner, Yield) for inner in own_steps(step.body))
