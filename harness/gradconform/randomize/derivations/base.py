"""What derivations are made of: a registry of named rewrites, and small tools to take programs apart.

A rewrite is a pure function from a program to another one for which torch tells the truth as well. It
returns None where the program does not allow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count

from gradconform.program.names import targets
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Fact,
    Input,
    Options,
    Program,
    Ref,
    Step,
    body_of,
    flatten,
    with_body,
)
from gradconform.randomize.chooser import Chooser

Steps = tuple[Step, ...]
Rewrite = Callable[[Program, Chooser], Program | None]


@dataclass(frozen=True, slots=True)
class Derivation:
    """A named rewrite. says: what the program does differently, for reports."""

    name: str
    says: str
    rewrite: Rewrite


DERIVATIONS: dict[str, Derivation] = {}
"""All of them by name, in the order in which they are written."""


def derivation(says: str) -> Callable[[Rewrite], Rewrite]:
    """Registers a rewrite under its function's name."""

    def register(rewrite: Rewrite) -> Rewrite:
        name = rewrite.__name__.replace("_", "-")
        DERIVATIONS[name] = Derivation(name, says, rewrite)
        return rewrite

    return register


def without_facts(program: Program) -> Program | None:
    """The program without what a scenario states: facts hold for the program as it is written, and for a
    derived one torch alone tells the truth. None where a block would be empty."""
    try:
        return replace(program, steps=tuple(_plain(program.steps)))
    except _EmptyError:
        return None


class _EmptyError(Exception):
    """A block that held nothing but facts."""


def _plain(steps: Steps) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Fact):
            continue
        body = body_of(step)
        if not body:
            yield step
            continue
        left = tuple(_plain(body))
        if not left:
            raise _EmptyError
        yield with_body(step, left)


def leaves(program: Program) -> tuple[Input, ...]:
    """The inputs that require grad."""
    return tuple(item for item in program.inputs if item.requires_grad)


def last_backward(program: Program) -> int | None:
    """The place of the last `root.backward(...)` that no block holds, or None."""
    places = [
        place
        for place, step in enumerate(program.steps)
        if isinstance(step, Backward) and not step.function and isinstance(step.arguments[0], Ref)
    ]
    return places[-1] if places else None


def backward_at(program: Program, place: int) -> Backward:
    """The backward pass that stands there."""
    step = program.steps[place]
    assert isinstance(step, Backward)  # noqa: S101 - what last_backward has found
    return step


def root_of(step: Backward) -> Ref:
    """The tensor that a backward pass starts from."""
    root = step.arguments[0]
    assert isinstance(root, Ref)  # noqa: S101 - what last_backward has found
    return root


def cotangent_of(step: Backward) -> Argument:
    """The cotangent that a backward pass is given, or None."""
    given = step.arguments[1] if len(step.arguments) > 1 else None
    return step.options.get("gradient", given)


def options_of(step: Backward) -> Options:
    """The options of a backward pass, without the cotangent."""
    return {name: value for name, value in step.options.items() if name != "gradient"}


def with_options(step: Backward, **options: Argument) -> Backward:
    """The same backward pass with further options."""
    return replace(step, options={**step.options, **options})


def spliced(program: Program, place: int, *steps: Step, of: int = 1) -> Program:
    """The program with these steps in the place of `of` steps."""
    return replace(program, steps=(*program.steps[:place], *steps, *program.steps[place + of :]))


def before_statement(program: Program, place: int) -> int:
    """The place before the statement that a step belongs to: temporaries are not torn from what uses them."""
    while place > 0 and any(name.startswith("_") for name in targets(program.steps[place - 1])):
        place -= 1
    return place


def named(root: Ref, place: int, program: Program, names: Names) -> tuple[Steps, Ref]:
    """The steps before a place with a root that may be used again: a temporary gets a name."""
    if not root.name.startswith("_"):
        return program.steps[:place], root
    name = names.new("root")
    *before, last = program.steps[:place]
    if not (isinstance(last, Apply) and last.target == root.name):
        return program.steps[:place], root
    return (*before, replace(last, target=name)), Ref(name)


class Names:
    """Names that a program does not have yet."""

    def __init__(self, program: Program) -> None:
        self.taken = {item.name for item in program.inputs}
        for step in flatten(program.steps):
            self.taken.update(targets(step))
            self.taken.update(getattr(step, "parameters", ()))

    def new(self, wish: str) -> str:
        """A name like the one that is wished for."""
        for number in count():
            name = f"{wish}{number or ''}"
            if name not in self.taken:
                self.taken.add(name)
                return name
        raise AssertionError


def apply(target: str, operator: str, *arguments: Argument, **options: Argument) -> Apply:
    """One operation."""
    kept: Options = options
    return Apply(target, operator, arguments, kept)
