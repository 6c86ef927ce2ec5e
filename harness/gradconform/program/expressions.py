"""What facts are made of: places that an engine shows, and expressions that the oracle evaluates on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ALIVE = "alive()"
"""The part of a place that asks whether what a name watches is still there."""


@dataclass(frozen=True, slots=True)
class Place:
    """Something that can be looked at: a name, an attribute path of a name (`x.grad`, `y.grad_fn.name()`,
    `w.alive()`, which is written `alive(w)`), or a query (`is_grad_enabled()`, whose name is empty)."""

    name: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.path == (ALIVE,):
            return f"alive({self.name})"
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
