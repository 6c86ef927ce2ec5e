"""Letting a program's steps speak of one name where they spoke of another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gradconform.program.fact_text import fact_text
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Delete,
    Expect,
    Fact,
    Get,
    Grad,
    Invoke,
    Items,
    Let,
    Mutate,
    Place,
    Ref,
    Set,
    Slice,
    Step,
    Within,
)


def read_as(steps: tuple[Step, ...], old: str, new: str) -> tuple[Step, ...]:
    """The steps with `new` wherever they read `old`. What they give a value to keeps its name."""
    return tuple(_step(step, old, new) for step in steps)


def _step(step: Step, old: str, new: str) -> Step:
    changes: dict[str, Any] = {}
    match step:
        case Apply() | Mutate() | Grad() | Backward() | Invoke():
            changes["arguments"] = tuple(_argument(argument, old, new) for argument in step.arguments)
            changes["options"] = {name: _argument(value, old, new) for name, value in step.options.items()}
        case Within():
            changes["arguments"] = tuple(_argument(argument, old, new) for argument in step.arguments)
            changes["body"] = read_as(step.body, old, new)
        case Expect():
            changes["body"] = read_as(step.body, old, new)
        case Set() | Let():
            changes["value"] = _argument(step.value, old, new)
        case Fact():
            places = tuple(_place(place, old, new) for place in step.places)
            changes["places"] = places
            changes["text"] = fact_text(step.expression, places, law=step.law)
        case Delete() if step.name == old:
            changes["name"] = new
        case _:
            pass
    if isinstance(step, Get | Set | Invoke) and step.object == old:
        changes["object"] = new
    return replace(step, **changes) if changes else step


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
