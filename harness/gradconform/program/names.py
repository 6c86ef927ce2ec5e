"""Names in a program: which ones a step reads, and which ones it gives a value to."""

from __future__ import annotations

from collections.abc import Iterator

from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Call,
    Delete,
    Expect,
    Fact,
    Fail,
    Get,
    Grad,
    Invoke,
    Items,
    Let,
    Mutate,
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
    Yield,
)

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
        case Call():
            yield step.function
            for argument in (*step.arguments, *step.options.values()):
                yield from refs(argument)
        case Get():
            yield step.object
        case Unset():
            yield step.object
        case Set():
            yield from refs(step.value)
            yield step.object
        case Let() | Return() | Yield() | Record():
            yield from refs(step.value)
        case Delete() | Watch():
            yield step.name
        case Within():
            for argument in (*step.arguments, *step.options.values()):
                yield from refs(argument)
        case Fact():
            yield from (place.name for place in step.places if place.name)
        case _:  # definitions read nothing before they are called, and their decorators take constants
            return


def targets(step: Step) -> tuple[str, ...]:
    """The names that a step gives a value to."""
    match step:
        case Backward() | Set() | Unset() | Delete() | Expect() | Warns() | Return() | Record() | Fail():
            return ()
        case Fact():
            return ()
        case _:
            target = step.target
            return target if isinstance(target, tuple) else (target,) if target else ()
