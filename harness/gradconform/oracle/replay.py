"""Forward steps as events that can be run again without any autograd, with one tensor moved.

What autograd holds constant (`detach`, `item`, a `no_grad` block) has the value of the first run in all later
ones. How a program becomes events is told in `gradconform.oracle.events`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from gradconform.execution.compile import Environment, Run
from gradconform.oracle.precision import default_dtype
from gradconform.program.steps import Ref


class Abstains(Exception):  # noqa: N818 - an answer, and no error
    """Nothing can be said of the gradients of this program, and why."""


class NoValue:
    """What a name stands for that has no value in a replay."""

    __slots__ = ()


UNKNOWN = NoValue()


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
class Gradient(NoValue):
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


class Replay:
    """One later run. moved: what the gradient's target is in it, of its shape and dtype."""

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
            require_symmetric(self._environment, event.symmetric)
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
        for value in tensors_in(self._environment.get(name) for name in event.seen):
            if value.is_complex():
                self._numbers.append(torch.view_as_real(value.resolve_conj()).flatten())
            elif value.is_floating_point():
                self._numbers.append(value.flatten().double())
            else:
                self._whole.append(value.flatten().to(torch.int64))


@contextmanager
def plain_forward() -> Iterator[None]:
    """No autograd, factories that make float64, and no warnings."""
    with torch.no_grad(), default_dtype(torch.float64), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def require_symmetric(environment: Environment, name: str) -> None:
    """Raises Abstains for a matrix that is not symmetric (Hermitian), but for roundings."""
    if name:
        matrix = environment[name]
        if not torch.allclose(matrix, matrix.mH, rtol=1e-12, atol=1e-12):
            raise Abstains("one triangle of a matrix is read that is not symmetric")


def tensors_in(value: Any) -> list[torch.Tensor]:
    """A tensor, or those among values and lists of them."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return []
    return [tensor for item in value for tensor in tensors_in(item)]


def _joined(parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)
