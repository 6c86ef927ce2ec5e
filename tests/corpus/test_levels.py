"""Levels are those of the rule, and the page that tells it is up to date."""

from __future__ import annotations

from types import ModuleType

import pytest

from gradconform.program.levels import TITLES, level_of, needs
from gradconform.program.parse import Template


def test_every_level_is_that_of_the_rule(corpus: tuple[Template, ...]) -> None:
    wrong = {
        template.id: (template.scenario.level, level_of(template), [n.what for n in needs(template)])
        for template in corpus
        if template.scenario.level != level_of(template)
    }
    assert not wrong, "run python docs/levels.py --specs"


def test_every_level_has_scenarios(corpus: tuple[Template, ...]) -> None:
    assert {template.scenario.level for template in corpus} == set(TITLES)


def test_the_page_is_up_to_date(level_page: ModuleType, corpus: tuple[Template, ...]) -> None:
    assert level_page.page(corpus) == level_page.PAGE.read_text("utf-8"), "run python docs/levels.py"


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("backward/product-of-two-leaves", 1),
        ("accumulation/two-branches", 2),
        ("retain-graph/retained-graph-can-be-used-again", 3),
        ("autograd-grad/second-derivative", 4),
        ("hooks/removed", 5),
        ("threads/have-their-own-mode", 6),
    ],
)
def test_the_rule_on_some_that_everybody_would_agree_on(
    corpus: tuple[Template, ...], name: str, level: int
) -> None:
    (template,) = (template for template in corpus if template.id == name)
    assert level_of(template) == level
