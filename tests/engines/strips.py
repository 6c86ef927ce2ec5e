"""A small engine for the tests of docs/adapters.md: strips of Python's floats, and a tape of them.

It has words of its own: a `Strip` has `cells`, `times`, `plus` and `total(keep=...)`, and `unroll` sends
slopes back to the strips that were made with `trace=True`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Back = Callable[[list[float]], list[float]]


class Strip:
    """A row of cells, or one cell alone where `row` is false."""

    def __init__(self, cells: list[float], row: bool = True, trace: bool = False) -> None:
        self.cells, self.row, self.trace = [float(cell) for cell in cells], row, trace
        self.slope: Strip | None = None
        self.made_of: tuple[tuple[Strip, Back], ...] = ()

    def _made(self, cells: list[float], row: bool, *made_of: tuple[Strip, Back]) -> Strip:
        kept = tuple(pair for pair in made_of if pair[0].trace)
        made = Strip(cells, row, bool(kept))
        made.made_of = kept
        return made

    def _each(self, value: Callable[[float], float], slope: Callable[[float], float]) -> Strip:
        slopes = [slope(cell) for cell in self.cells]
        back: Back = lambda back: [g * s for g, s in zip(back, slopes, strict=True)]  # noqa: E731
        return self._made([value(cell) for cell in self.cells], self.row, (self, back))

    def _beside(
        self,
        other: Strip | float,
        value: Callable[[float, float], float],
        *slopes: Callable[[float, float], float],
    ) -> Strip:
        if not isinstance(other, Strip):
            other = Strip([other], row=False)
        sizes = {len(strip.cells) for strip in (self, other)} - {1}
        if len(sizes) > 1:
            raise ValueError(f"strips of {len(self.cells)} and {len(other.cells)} cells")
        both = list(zip(_spread(self, other), _spread(other, self), strict=True))

        def back(strip: Strip, slope: Callable[[float, float], float]) -> Back:
            slopes = [slope(a, b) for a, b in both]
            return lambda back: _gathered([g * s for g, s in zip(back, slopes, strict=True)], strip)

        pairs = ((strip, back(strip, slope)) for strip, slope in zip((self, other), slopes, strict=True))
        return self._made([value(a, b) for a, b in both], self.row or other.row, *pairs)

    def plus(self, other: Strip | float) -> Strip:
        return self._beside(other, lambda a, b: a + b, lambda a, b: 1.0, lambda a, b: 1.0)

    def times(self, other: Strip | float) -> Strip:
        return self._beside(other, lambda a, b: a * b, lambda a, b: b, lambda a, b: a)

    def power(self, n: int) -> Strip:
        if not isinstance(n, int):
            raise TypeError("a power is an integer")
        return self._each(lambda a: a**n, lambda a: n * a ** (n - 1) if n else 0.0)

    def grown(self) -> Strip:
        return self._each(math.exp, math.exp)

    def total(self, keep: bool = False) -> Strip:
        size = len(self.cells)
        return self._made([math.fsum(self.cells)], keep and self.row, (self, lambda back: back * size))

    def unroll(self, slope: Strip | None = None) -> None:
        """Sends slopes back, without recursion; they add up in the strips that nothing was made of."""
        if slope is None and self.row and len(self.cells) != 1:
            raise ValueError("unroll needs a slope for a strip of several cells")
        order: list[Strip] = []
        seen: set[int] = set()
        stack = [(self, False)]
        while stack:
            strip, done = stack.pop()
            if done:
                order.append(strip)
            elif id(strip) not in seen:
                seen.add(id(strip))
                stack += [(strip, True), *((part, False) for part, _ in strip.made_of)]
        back = {id(self): [1.0] if slope is None else slope.cells}
        for strip in reversed(order):
            given = back.pop(id(strip))
            if not strip.made_of and strip.trace:
                strip.slope = strip.slope or Strip([0.0] * len(given), strip.row)
                strip.slope.cells[:] = [a + b for a, b in zip(strip.slope.cells, given, strict=True)]
            for part, pull in strip.made_of:
                sent = pull(given)
                so_far = back.get(id(part), [0.0] * len(sent))
                back[id(part)] = [a + b for a, b in zip(so_far, sent, strict=True)]


def _spread(strip: Strip, beside: Strip) -> list[float]:
    return strip.cells * len(beside.cells) if len(strip.cells) == 1 else strip.cells


def _gathered(back: list[float], strip: Strip) -> list[float]:
    return [math.fsum(back)] if len(strip.cells) == 1 else back
