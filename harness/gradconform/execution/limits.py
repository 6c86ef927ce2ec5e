"""What one run may cost: functions that call functions make a short text do without end what no check before
the run can foresee.

Whoever passes a limit gets `LimitExceeded`, which no `raises` block takes: it ends the run, on torch as the
fault of the scenario and on an engine as a difference.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

from gradconform.program.sizes import SIZED, size_error
from gradconform.program.vocabulary import OPERATORS

MAX_RUN = 250_000
"""Steps that run, each as often as it runs."""

MAX_CALLS = 1000
"""Bodies that run inside of each other, over all threads."""

MAX_RECORDED = 1000
"""Entries in the log."""

MAX_THREADS = 64
"""Threads of a program at one time."""

MAX_BITS = 10_000
"""Bits of an integer."""

MAX_VALUES = 10_000
"""Items of a list, those of the lists in it included; characters of a text that is put together."""

MAX_DEPTH = 64
"""How deep lists are nested."""


class LimitExceeded(Exception):  # noqa: N818 - shown under this name as what ended a run
    """A program does more than a run may cost."""


class Budget:
    """What one run has spent. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._steps = self._bodies = 0

    def enter(self, steps: int) -> None:
        """Before a body of so many steps runs. Raises LimitExceeded, after which it is not left."""
        with self._lock:
            if self._steps + steps > MAX_RUN:
                raise LimitExceeded(f"more than {MAX_RUN} steps are run")
            if self._bodies == MAX_CALLS:
                raise LimitExceeded(f"calls are nested more than {MAX_CALLS} deep")
            self._steps += steps
            self._bodies += 1

    def leave(self) -> None:
        """After a body has run."""
        with self._lock:
            self._bodies -= 1


def bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """An operator that raises LimitExceeded where its arguments ask for too much."""
    if name in SIZED:
        return _sized(name, function)
    if OPERATORS[name].symbol in {"+", "*", "**"}:
        return _arithmetic(name, function)
    return function


def _sized(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        why = size_error(name, arguments, options)
        if why:
            raise LimitExceeded(why)
        return function(*arguments, **options)

    return run


_PLAIN = frozenset({bool, int, str, list, tuple})


def _arithmetic(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        plain = arguments and type(arguments[0]) in _PLAIN  # most often it is a tensor
        if plain and all(type(argument) in _PLAIN for argument in arguments):
            _check(name, arguments)
        return function(*arguments, **options)

    return run


def _check(name: str, arguments: tuple[Any, ...]) -> None:
    """Raises LimitExceeded where arithmetic on Python's own values makes one that is too large."""
    a, b = (argument if isinstance(argument, int) else len(argument) for argument in arguments)
    if all(isinstance(argument, int) for argument in arguments):
        bits = a.bit_length() * abs(b) if name == "pow" else a.bit_length() + b.bit_length()
        if bits > MAX_BITS:
            raise LimitExceeded(f"an integer has more than {MAX_BITS} bits")
    elif (a * b if name == "mul" else a + b) > MAX_VALUES:
        raise LimitExceeded(f"a list or text has more than {MAX_VALUES} items")


def checked(value: list[Any] | tuple[Any, ...]) -> None:
    """Raises LimitExceeded for a list that holds too much; those in it are counted as often as it holds
    them."""
    left = MAX_VALUES
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [item for outer in level if isinstance(outer, list | tuple) for item in outer]
        left -= len(level)
        if not level:
            return
        if left < 0:
            raise LimitExceeded(f"a list holds more than {MAX_VALUES} values")
    raise LimitExceeded(f"lists are nested more than {MAX_DEPTH} deep")
