"""The map from documented behaviours to scenarios holds together, and its page is up to date."""

from __future__ import annotations

from statistics import median
from types import ModuleType

from gradconform.program.parse import Template


def test_every_scenario_that_is_named_exists(behaviours: ModuleType, corpus: tuple[Template, ...]) -> None:
    known = {template.id for template in corpus}
    assert not [
        (row, one)
        for area in behaviours.areas()
        for row, ids in area.covered.items()
        for one in ids
        if one not in known
    ]


def test_a_behaviour_stands_in_one_area(behaviours: ModuleType) -> None:
    rows = [row for area in behaviours.areas() for row in (*area.covered, *area.left)]
    assert len(rows) == len(set(rows))


def test_a_scenario_without_free_variables_says_why(corpus: tuple[Template, ...]) -> None:
    assert not [t.id for t in corpus if not t.scenario.let and not t.scenario.fixed]


def test_half_of_the_scenarios_have_two_free_variables_or_more(corpus: tuple[Template, ...]) -> None:
    assert median(len(template.scenario.let) for template in corpus) >= 2
