"""Operator tables and tables of points: what contradicts itself is refused, and nothing of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradconform.spec.load import load_files

ROW = """\
schema: 1
operators: own
about: A row of the tests.
docs: torch.html
rows:
- name: atan2
  signature: input, other
  call: atan2(x, w)
  let:
    x: {tensor: any, example: [1.0], requires_grad: true}
    w: {tensor: any, example: [2.0], requires_grad: true}
"""
POINT = """\
schema: 1
points: own
about: A point of the tests.
docs: notes/autograd
rows:
- {id: relu-at-zero, call: relu(x), at: {x: [0.0]}, gradient: {x: [0.0]}}
"""


def load(text: str, folder: Path) -> tuple[list[str], list[str]]:
    path = folder / "own.yaml"
    path.write_text(text, "utf-8")
    loaded = load_files([path])
    return [one.id for one in loaded.scenarios], [one.message for one in loaded.problems]


def test_what_a_row_gives(tmp_path: Path) -> None:
    ids, problems = load(ROW + "  in_place: a.atan2_(w)\n  numbers: [w]\n  promotes: [w]\n", tmp_path)
    whats = (
        "gradients",
        "second-order",
        "forward-mode",
        "same-tensor",
        "number-w",
        "promotion-w",
        "in-place",
    )
    assert not problems
    assert set(ids) == {f"operators/atan2/{what}" for what in (*whats, "in-place")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("  linear: [z]\n", "'z' is no variable of the row"),
        ("  constant: [indices]\n", "'indices' is no result of the row"),
        ("  results: [values, k]\n", "derived programs call something else 'k'"),
        ("  constant: [y]\n", "no result is differentiable"),
        ('  forms: {other: {call: "atan2(w, x)"}}\n', "a row has either 'call' or 'forms'"),
        ("  kind: elementwise\n", "unknown key 'kind'"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(change: str, message: str, tmp_path: Path) -> None:
    ids, problems = load(ROW + change, tmp_path)
    assert not ids
    assert any(message in one for one in problems), problems


def test_a_point_and_one_that_names_what_it_does_not_have(tmp_path: Path) -> None:
    assert "points/relu-at-zero" in load(POINT, tmp_path)[0]
    ids, problems = load(POINT.replace("gradient: {x:", "gradient: {w:"), tmp_path)
    assert not ids
    assert any("'gradient' names 'w'" in one for one in problems)
