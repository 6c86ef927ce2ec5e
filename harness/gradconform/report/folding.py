"""Repetitions in a program's text: a loop that was unrolled is told as a loop again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONGEST = 8
"""A body of so many lines is found to repeat."""

FEWEST = 4
"""So many repetitions in a row are told as a loop."""


@dataclass(frozen=True, slots=True)
class Run:
    """Lines from `start` on: `period` of them, `times` times over. A line that stands alone is a run too."""

    start: int
    period: int = 1
    times: int = 1


def runs(lines: Sequence[tuple[int, object]]) -> Iterator[Run]:
    """Cuts lines, each with the depth that it stands at, into runs; what repeats is whole blocks."""
    start = 0
    while start < len(lines):
        found = next((run for run in _at(lines, start) if run.times >= FEWEST), Run(start))
        yield found
        start += found.period * found.times


def loop(times: int) -> str:
    """The head of a loop whose variable nobody uses."""
    return f"for _ in range({times}):"


def fold(script: str) -> Iterator[str]:
    """The lines of a Python script with its repetitions as loops."""
    lines = script.splitlines()
    depths = [len(line) - len(line.lstrip()) for line in lines]
    for run in runs([*zip(depths, lines, strict=True)]):
        body = lines[run.start : run.start + run.period]
        if run.times == 1:
            yield from body
        else:
            yield " " * depths[run.start] + loop(run.times)
            yield from (f"    {line}" for line in body)


def _at(lines: Sequence[tuple[int, object]], start: int) -> Iterator[Run]:
    depth = lines[start][0]
    for period in range(1, LONGEST + 1):
        body = lines[start : start + period]
        if len(body) < period or body[-1][0] < depth:
            return
        end = start + period
        while lines[end : end + period] == body:
            end += period
        times = (end - start) // period
        if end < len(lines) and lines[end][0] > depth:
            times -= 1  # the block that the last one opens goes on
        yield Run(start, period, times)
