from __future__ import annotations

from collections.abc import Callable

import pytest

from gradconform.cases import CaseResult
from gradconform.report.lines import plain
from gradconform.report.score import Score, by_feature, by_level, level_reached, score_lines, scores
from gradconform.verdict import (
    Conforms,
    Crashed,
    Declared,
    Diverges,
    Inconclusive,
    OracleDisputed,
    TimedOut,
    Unsupporting,
    Verdict,
)

Make = Callable[..., CaseResult]

LACK = Unsupporting("operator sqrt")


@pytest.mark.parametrize(
    ("verdicts", "scenario", "cases"),
    [
        ([Conforms(), Conforms()], Score(1, 1, 1), Score(2, 2, 2)),
        ([Conforms(), LACK], Score(1, 1, 1), Score(2, 1, 1)),
        ([Conforms(), Crashed("segmentation fault")], Score(1, 1, 0), Score(2, 2, 1)),
        ([Conforms(), TimedOut(60)], Score(1, 1, 0), Score(2, 2, 1)),
        ([Conforms(), Declared(("relu-at-zero: half",))], Score(1, 1, 0), Score(2, 2, 1)),
        ([Conforms(), Inconclusive("on a kink")], Score(1, 1, 1), Score(2, 1, 1)),
        ([OracleDisputed("torch is wrong"), LACK], Score(1, 0, 0), Score(2, 0, 0)),
        ([LACK], Score(1, 0, 0), Score(1, 0, 0)),
    ],
)
def test_what_is_applicable_and_what_passes(
    case: Make, verdicts: list[Verdict], scenario: Score, cases: Score
) -> None:
    found = scores([case(verdict, draw=draw) for draw, verdict in enumerate(verdicts)])
    assert (found.scenarios, found.cases) == (scenario, cases)


def test_a_scenario_that_diverges_in_one_dtype_does_not_pass(case: Make, overwritten: Diverges) -> None:
    found = scores([case(Conforms()), case(overwritten, dtype="float64")])
    assert (found.scenarios, found.cases) == (Score(1, 1, 0), Score(2, 2, 1))


def test_scores_of_features(case: Make) -> None:
    cases = [case(Conforms(), "a/one"), case(LACK, "a/two"), case(Conforms(), "b/one")]
    assert {name: str(found.scenarios) for name, found in by_feature(cases).items()} == {
        "a": "1/1/2",
        "b": "1/1/1",
    }


@pytest.mark.parametrize(
    ("verdicts", "reached", "told"),
    [
        (
            {1: [Conforms()], 2: [Conforms(), LACK]},
            2,
            "level 2 reached: every applicable scenario up to it passes, and 2 of 3 are applicable",
        ),
        (
            {1: [Conforms()], 2: [Conforms(), Crashed("it")], 3: [Conforms()]},
            1,
            "level 1 reached: every applicable scenario up to it passes, and 1 of 1 are applicable",
        ),
        (
            {1: [Conforms(), Crashed("it"), LACK], 2: [Conforms()]},
            0,
            "no level reached: of level 1, 1 applicable scenarios pass, and 2 of 3 are applicable",
        ),
        ({1: [LACK], 2: [Conforms()]}, 0, "no level reached: no scenario of level 1 is applicable"),
        # a level without anything applicable is not reached, nor those above it
        (
            {1: [Conforms()], 2: [LACK], 3: [Conforms()]},
            1,
            "level 1 reached: every applicable scenario up to it passes, and 1 of 1 are applicable",
        ),
        # a run that left level 1 out says nothing of levels
        ({2: [Conforms()], 3: [Conforms()]}, 0, ""),
    ],
)
def test_the_level_that_is_reached(
    case: Make, verdicts: dict[int, list[Verdict]], reached: int, told: str
) -> None:
    cases = [
        case(verdict, f"a/{level}-{index}", level=level)
        for level, found in verdicts.items()
        for index, verdict in enumerate(found)
    ]
    assert level_reached(by_level(cases)) == reached
    last = list(score_lines(cases))[-1].text
    assert last == told if told else "level" not in last


def test_the_table_by_level(case: Make) -> None:
    cases = [
        case(Conforms(), "a/one", level=1),
        *(case(Conforms(), "a/two", level=2, draw=draw) for draw in range(10)),
        case(LACK, "a/three", level=2),
    ]
    assert (
        plain(score_lines(cases))
        == """
level  scenarios  applicable    pass     cases  applicable  conform
1              1           1       1         1           1        1
2              2           1       1        11          10       10
total          3           2       2        12          11       11
level 2 reached: every applicable scenario up to it passes, and 2 of 3 are applicable
"""
    )


def test_a_single_scenario_has_no_table(case: Make) -> None:
    assert not list(score_lines([case(Conforms()), case(LACK, draw=1)]))
