"""The score of a run: of all scenarios those that are applicable, and of these those that pass.

A case is applicable where the engine was judged: it is neither unsupported, nor inconclusive, nor disputed. A
scenario is applicable where any of its cases is, and passes where all of these conform. A failure that is
known, or a difference that is declared, is no pass.

An engine has reached a level where every applicable scenario of this level and of those below passes, and at
each of them some scenario does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gradconform.cases import CaseResult
from gradconform.report.lines import Line
from gradconform.verdict import Inconclusive, OracleDisputed, Unsupporting

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Score:
    """How many there are, how many of them are applicable, and how many of these pass."""

    total: int = 0
    applicable: int = 0
    passed: int = 0

    def __str__(self) -> str:
        return f"{self.passed}/{self.applicable}/{self.total}"

    def __add__(self, other: Score) -> Score:
        return Score(self.total + other.total, self.applicable + other.applicable, self.passed + other.passed)


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of some cases, and of the scenarios that they are of."""

    scenarios: Score = Score()
    cases: Score = Score()


def is_applicable(case: CaseResult) -> bool:
    """Whether the engine was judged."""
    return not isinstance(case.verdict, Unsupporting | Inconclusive | OracleDisputed)


def scores(cases: Iterable[CaseResult]) -> Scores:
    """The scores of cases together."""
    by_scenario = _grouped(cases, lambda case: case.scenario)
    each = [_score(found) for found in by_scenario.values()]
    scenarios = [Score(1, score.applicable > 0, 0 < score.passed == score.applicable) for score in each]
    return Scores(sum(scenarios, Score()), sum(each, Score()))


def by_level(cases: Iterable[CaseResult]) -> Mapping[int, Scores]:
    """The scores of each level, from the lowest."""
    found = _grouped(cases, lambda case: case.level)
    return {level: scores(found[level]) for level in sorted(found)}


def by_feature(cases: Iterable[CaseResult]) -> Mapping[str, Scores]:
    """The scores of each feature, in the order of the run."""
    return {name: scores(found) for name, found in _grouped(cases, lambda case: case.feature).items()}


def level_reached(levels: Mapping[int, Scores]) -> int:
    """The level that an engine has reached; 0 for none, or where the run left level 1 out."""
    reached = 0
    while 0 < (score := levels.get(reached + 1, Scores()).scenarios).passed == score.applicable:
        reached += 1
    return reached


def score_lines(cases: Sequence[CaseResult]) -> Iterator[Line]:
    """The table by level with its totals, and the level that was reached; nothing for a single scenario."""
    whole = scores(cases)
    if whole.scenarios.total < 2:
        return
    levels = by_level(cases)
    yield Line("")
    yield Line("level  scenarios  applicable    pass     cases  applicable  conform", "title")
    for level, found in levels.items():
        yield Line(_row(str(level), found))
    yield Line(_row("total", whole), "title")
    if 1 in levels:
        yield Line(_reached(levels))


def _row(name: str, found: Scores) -> str:
    scenarios, cases = found.scenarios, found.cases
    return (
        f"{name:<5}  {scenarios.total:>9}  {scenarios.applicable:>10}  {scenarios.passed:>6}  "
        f"{cases.total:>8}  {cases.applicable:>10}  {cases.passed:>7}"
    )


def _reached(levels: Mapping[int, Scores]) -> str:
    reached = level_reached(levels)
    below = sum((found.scenarios for level, found in levels.items() if level <= max(reached, 1)), Score())
    counted = f"{below.applicable} of {below.total} are applicable"
    if reached:
        return f"level {reached} reached: every applicable scenario up to it passes, and {counted}"
    if not below.applicable:
        return "no level reached: no scenario of level 1 is applicable"
    return f"no level reached: of level 1, {below.passed} applicable scenarios pass, and {counted}"


def _score(cases: Iterable[CaseResult]) -> Score:
    """The score of cases one by one."""
    found = tuple(cases)
    judged = tuple(filter(is_applicable, found))
    return Score(len(found), len(judged), sum(case.verdict.kind == "conforms" for case in judged))


def _grouped(cases: Iterable[CaseResult], key: Callable[[CaseResult], Key]) -> dict[Key, list[CaseResult]]:
    groups: dict[Key, list[CaseResult]] = {}
    for case in cases:
        groups.setdefault(key(case), []).append(case)
    return groups
