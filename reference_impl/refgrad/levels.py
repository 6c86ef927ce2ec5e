"""The open levels of forward mode: what an operation looks at to know whether tangents have to be carried.

A level is open while a `forward_ad.dual_level()` or a `func.jvp` runs. Levels nest, the outermost comes first
in `LEVELS`, and a tensor has at most one tangent a level. A level that has ended is never opened again, so a
tangent of it means nothing to a later one. As in torch, levels belong to the process and not to a thread.
Source: "Forward Mode AD" in torch/csrc/autograd/forward_grad.h
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .tensor import Tensor


class Level:
    """One level; it knows the tensors that have a tangent at it weakly, to take those away at its end."""

    __slots__ = ("duals",)

    def __init__(self) -> None:
        self.duals: list[weakref.ref[Any]] = []


LEVELS: list[Level] = []


def tangent_of(tensor: Tensor, level: Level) -> Tensor | None:
    """Return the tangent of `tensor` at `level`, or None: then it counts as zero."""
    tangents = tensor._tangents
    return None if tangents is None else tangents.get(level)


def set_tangent(tensor: Tensor, level: Level, tangent: Tensor) -> None:
    """Give `tensor` a tangent at `level`, until the level ends."""
    tangents = tensor._tangents
    if tangents is None:
        tangents = tensor._tangents = {}
    tangents[level] = tangent
    level.duals.append(weakref.ref(tensor))


def enter() -> Level:
    """Open a level inside those that are open, and return it."""
    level = Level()
    LEVELS.append(level)
    return level


def leave(level: Level) -> None:
    """Close `level`: its tangents vanish."""
    LEVELS.remove(level)
    for reference in level.duals:
        tensor = reference()
        if tensor is not None and tensor._tangents is not None:
            tensor._tangents.pop(level, None)
    level.duals.clear()


@contextlib.contextmanager
def below(place: int) -> Iterator[None]:
    """Close the levels from `place` in `LEVELS` on for a while: the arithmetic of a tangent at the level
    there is that of the levels around it.
    """
    inner = LEVELS[place:]
    del LEVELS[place:]
    try:
        yield
    finally:
        LEVELS[place:] = inner
