"""The one interface that every generator is written against: a source of choices that remembers them.

A generator asks for integers, options, booleans and seeds and never learns where they come from: from a
random number generator (`direct`, for volume), from hypothesis (`with_hypothesis`, which shrinks), or from an
earlier run (`direct.ReplayChooser`). Every choice comes down to one number below a bound, and 0 is always the
simplest choice, so that a run is its sequence of numbers, and a simpler run is a smaller sequence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

Choices = tuple[int, ...]
"""What a chooser chose, in order: each number counts from 0, the simplest."""

SEEDS = 2**53
"""Seeds are smaller than this, so that they survive JSON in every language."""


class Chooser(ABC):
    """Makes choices for a generator and records them."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: list[int] = []

    @abstractmethod
    def below(self, bound: int) -> int:
        """A number from 0 to `bound - 1`; it shrinks toward 0.

        A bound of 1 leaves nothing to choose, and nothing is recorded. Raises ValueError for a bound below 1.
        """

    @property
    def choices(self) -> Choices:
        """What was chosen so far."""
        return tuple(self._made)

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included; it shrinks toward `low`."""
        return low + self.below(high - low + 1)

    def choice(self, options: Sequence[T]) -> T:
        """One of the options; it shrinks toward the first."""
        return options[self.below(len(options))]

    def boolean(self) -> bool:
        """True or False; it shrinks toward False."""
        return self.below(2) == 1

    def seed(self) -> int:
        """A number from which others are filled in bulk (`values.fill`); it shrinks toward 0."""
        return self.below(SEEDS)


def nothing_to_choose(bound: int) -> int:
    """What `below` returns for a bound of 1. Raises ValueError for a smaller one."""
    if bound < 1:
        raise ValueError(f"a choice among {bound} options: a generator must offer at least one")
    return 0


Test = Callable[[Chooser], None]
"""A test draws what it needs from the chooser and fails by raising an exception."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A test that failed.

    choices: those that make it fail, the smallest that were found. exception: what it raised for them.
    calls: how often the test was run to find that out. flaky: whether the test passed when it was run again
    on the same choices, so that the choices alone do not decide its outcome.
    """

    choices: Choices
    exception: Exception
    calls: int = 1
    flaky: bool = False


def raised_at(exception: Exception) -> Hashable:
    """Tells failures apart while one is shrunk: the class of the exception and the line that raised it."""
    traceback = exception.__traceback__
    if traceback is None:
        return (type(exception),)
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return type(exception), traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
