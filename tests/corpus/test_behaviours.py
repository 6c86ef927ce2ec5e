"""The map from documented behaviours to scenarios holds together, and its page is up to date."""

from __future__ import annotations

from pathlib import Path
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


def test_the_map_is_whole_and_most_of_it_is_covered(behaviours: ModuleType) -> None:
    areas = behaviours.areas()
    covered = sum(len(area.covered) for area in areas)
    assert len(areas) == 35
    assert covered + sum(len(area.left) for area in areas) == 867
    assert covered >= 800


def test_the_page_is_up_to_date(behaviours: ModuleType) -> None:
    assert behaviours.page(behaviours.areas()) == behaviours.PAGE.read_text("utf-8"), (
        "run python docs/behaviours.py"
    )


def test_ids_are_immutable(corpus: tuple[Template, ...]) -> None:
    listed = set((Path(__file__).parent / "ids.txt").read_text("utf-8").split())
    names = {name for t in corpus for name in (t.id, *t.scenario.aliases)}
    assert listed - names == set(), "an id stays for ever; after a rename it is an alias"
    assert {template.id for template in corpus} - listed == set(), "add new ids to tests/corpus/ids.txt"
