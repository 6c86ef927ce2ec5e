from __future__ import annotations

import ast
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gradconform.errors import Place
from gradconform.spec.corpus import all_files
from gradconform.spec.load import Loaded, load_files
from gradconform.spec.scenario import ProgramText, Scenario, in_order, references

Load = Callable[..., Loaded]

PROGRAMS = {
    "block": ["program: |", "  x = 1", "  y = x + x"],
    "indented block": ["program: |", "        x = 1", "        y = x + x"],
    "block with indicators and a comment": ["program: |2-   # as it stands", "  x = 1", "  y = x + x"],
    "block after blank lines": ["program: |", "", "  ", "  x = 1", "", "  y = x + x"],
    "block of accents": ["program: |", "  # caf\u00e9", "  x = '\u00e9' + '\U0001f600'; y = x + x"],
    "plain": ["program: x = 1; y = x + x"],
    "plain on the next line": ["program:", "  x = 1; y = x + x"],
    "single quotes": ["program: 'x = 1; y = x + x'"],
    "double quotes": ['program: "x = 1; y = x + x"'],
}


def names(text: str) -> Iterator[ast.Name]:
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("lines", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_a_position_in_a_program_is_a_position_in_its_file(
    lines: list[str], newline: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.yaml"
    head = ["schema: 1", "feature: tests", "scenarios:", "- id: tests/one", "  says: A rule."]
    text = newline.join([*head, *(f"  {line}" for line in lines), ""])
    path.write_bytes(text.encode())
    loaded = load_files([path])
    assert loaded.problems == ()
    (scenario,) = loaded.scenarios
    file_lines = text.splitlines()
    seen = [
        file_lines[place.line - 1][place.column - 1]
        for node in names(scenario.text.text)
        for place in [scenario.text.place(node.lineno, node.col_offset)]
    ]
    assert sorted(seen) == ["x", "x", "x", "y"]


def test_every_name_of_the_corpus_is_found_in_its_file() -> None:
    count = 0
    for path in all_files():
        lines = path.read_text(encoding="utf-8").splitlines()
        for scenario in load_files([path]).scenarios:
            if scenario.text.derived:
                assert scenario.text.place(1, 0) == scenario.place
                continue
            for node in names(scenario.text.text):
                place = scenario.text.place(node.lineno, node.col_offset)
                assert lines[place.line - 1][place.column - 1 :].startswith(node.id)
                count += 1
    assert count > 100


def test_a_place_outside_the_text_is_still_a_place() -> None:
    text = ProgramText("x = 1\n", "f.yaml", 10, 5)
    assert text.place(1, 4) == Place("f.yaml", 10, 9)
    assert text.place(2, 0) == Place("f.yaml", 11, 5)
    assert text.place(9, 3) == Place("f.yaml", 18, 5)


def test_a_row_of_a_table_takes_a_fourth_of_the_draws_and_at_least_one() -> None:
    written, derived = (ProgramText("x = 1\n", "f.yaml", 10, 5, derived) for derived in (False, True))
    asked = (0, 1, 4, 5, 100)
    for text, drawn in ((written, asked), (derived, (0, 1, 1, 2, 25))):
        scenario = Scenario("tests/one", "tests", "A rule.", 1, text, Place("f.yaml", 1, 1))
        assert tuple(map(scenario.draws, asked)) == drawn


def test_variables_are_ordered_after_those_they_refer_to(load: Load) -> None:
    (scenario,) = load(
        "u: {like: f(x), example: [1.0, 2.0]}",
        "b: {tensor: broadcastable(u), example: 1.0}",
        "n: {integer: 1..3, example: 2}",
        "x: {tensor: '[N]', values: domain(f), example: [1.0, 2.0]}",
        "f: {operator: unary, example: sqrt}",
    ).scenarios
    assert [references(scenario.let[name]) for name in "ubnxf"] == [("f", "x"), ("u",), (), ("f",), ()]
    assert in_order(scenario.let) == ("f", "x", "u", "b", "n")
    assert list(scenario.let) == ["u", "b", "n", "x", "f"]


def test_a_scenario_travels_between_processes(load: Load) -> None:
    (scenario,) = load("x: {tensor: '[N] with N>=2', example: [1.0, 2.0]}").scenarios
    again = pickle.loads(pickle.dumps(scenario))  # noqa: S301 - its own bytes
    assert isinstance(again, Scenario)
    assert again == scenario
