"""The cases of operator samples by what they are about: first order, second order, in place, errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from gradconform.cases import CaseResult
from gradconform.report.lines import Line

_WORDS = {"conforms": "conform", "diverges": "diverge"}


def part_lines(cases: Iterable[CaseResult]) -> Iterator[Line]:
    """A line for each part with its cases by verdict, in the order of the run; none for drawn cases."""
    parts: dict[str, Counter[str]] = {}
    for case in cases:
        if case.part:
            parts.setdefault(case.part, Counter())[case.verdict.kind] += 1
    for part, counts in parts.items():
        told = ", ".join(f"{count} {_WORDS.get(kind, kind)}" for kind, count in counts.most_common())
        yield Line(f"{part}: {counts.total()} run, {told}")
