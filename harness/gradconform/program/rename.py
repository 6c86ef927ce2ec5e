"""Letting a program's steps speak of one name where they spoke of another."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from gradconform.program.expressions import Place
from gradconform.program.fact_text import fact_text
from gradconform.program.names import targets
from gradconform.program.steps import Argument, Define, Fact, Items, Ref, Slice, Step, own_steps


def read_as(steps: tuple[Step, ...], old: str, new: str) -> tuple[Step, ...]:
    """The steps with `new` wherever they read `old`. What they give a value to keeps its name."""
    return tuple(_step(step, old, new) for step in steps)


def _step(step: Step, old: str, new: str) -> Step:
    if isinstance(step, Define) and _hides(step, old):
        return step
    changes: dict[str, Any] = {}
    for field in fields(step):
        value = getattr(step, field.name)
        match field.name:
            case "arguments":
                changes["arguments"] = tuple(_argument(argument, old, new) for argument in value)
            case "options":
                changes["options"] = {name: _argument(each, old, new) for name, each in value.items()}
            case "body" | "methods":
                changes[field.name] = read_as(value, old, new)
            case "value":
                changes["value"] = _argument(value, old, new)
            case "object" | "function" | "name" if value == old:
                changes[field.name] = new
            case "places":
                changes["places"] = tuple(_place(place, old, new) for place in value)
    if isinstance(step, Fact):
        changes["text"] = fact_text(step.expression, changes["places"], law=step.law)
    return replace(step, **changes)


def _hides(step: Define, name: str) -> bool:
    """Whether a name means something of the definition's own in its body."""
    own = {target for inner in own_steps(step.body) for target in targets(inner)}
    return name in {*step.parameters, step.variadic, *own}


def _argument(argument: Argument, old: str, new: str) -> Argument:
    match argument:
        case Ref(name):
            return Ref(new) if name == old else argument
        case Items(items, kind):
            return Items(tuple(_argument(item, old, new) for item in items), kind)
        case Slice(start, stop, step):
            return Slice(*(_argument(part, old, new) for part in (start, stop, step)))
        case _:
            return argument


def _place(place: Place, old: str, new: str) -> Place:
    return replace(place, name=new) if place.name == old else place
