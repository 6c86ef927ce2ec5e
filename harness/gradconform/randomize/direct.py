"""The fast backend: choices straight from a random number generator, and choices replayed from a record."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Self

from gradconform.randomize.chooser import Chooser, Failure, Test, nothing_to_choose


class DirectChooser(Chooser):
    """Choices from Python's Mersenne Twister: one seed, one sequence, on every platform."""

    __slots__ = ("_random",)

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = Random(seed).random  # noqa: S311 - for tests

    def below(self, bound: int) -> int:
        if bound < 2:
            return nothing_to_choose(bound)
        # random() has 53 bits: exact up to SEEDS, and three times as fast as randrange.
        number = int(self._random() * bound)
        self._made.append(number)
        return number

    def fresh(self) -> Self:
        """A chooser that goes on in the same random sequence with nothing recorded, for the next example."""
        chooser = object.__new__(type(self))
        chooser._made = []
        chooser._random = self._random
        return chooser


class ReplayChooser(Chooser):
    """Choices from a record. Where the record ends or has a number out of bounds, the simplest choice is
    made: any sequence of integers is a valid record, and what was really chosen is recorded anew."""

    __slots__ = ("_record",)

    def __init__(self, choices: Iterable[int]) -> None:
        super().__init__()
        self._record = iter(choices)

    def below(self, bound: int) -> int:
        if bound < 2:
            return nothing_to_choose(bound)
        number = next(self._record, 0)
        if not 0 <= number < bound:
            number = 0
        self._made.append(number)
        return number


def search(test: Test, *, examples: int, seed: int) -> Failure | None:
    """Runs the test on up to `examples` random sequences of choices; returns the first failure as found."""
    chooser = DirectChooser(seed)
    for call in range(examples):
        chooser = chooser.fresh()
        try:
            test(chooser)
        except Exception as exception:  # noqa: BLE001 - whatever a test raises is its failure
            return Failure(chooser.choices, exception, call + 1)
    return None
