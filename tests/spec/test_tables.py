"""Operator tables and tables of points: what contradicts itself is refused, and nothing of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gradconform.cli import main
from gradconform.program.installed import lacking
from gradconform.spec.corpus import operator_files
from gradconform.spec.load import load_files, load_operators

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
        "in-place-view",
        "in-place-promotion-w",
    )
    assert not problems
    assert set(ids) == {f"operators/atan2/{what}" for what in whats}


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


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("signature: input, other=,, *", "'input, other=,, *' is no list of parameters"),
        ("signature: 'input: 0 + (lambda x'", "is no list of parameters"),
        ("signature: ', )'", "is no list of parameters"),
        ("call: atan2(x, w); atan2(x, w)", "'atan2(x, w); atan2(x, w)' is not one expression"),
        ("call: y = atan2(x, w)", "is not one expression"),
        ("results: [x]", "'x' is an argument and a result"),
        ("in_place: a.atan2_(w); a.atan2_(w)", "is not one statement"),
        ("kinks: {x: [.nan]}", "the kinks of 'x' are numbers that are finite"),
        ("kinks: {x: [0.0, .inf]}", "the kinks of 'x' are numbers that are finite"),
        ("kinks: {z: [0.0]}", "'z' is no variable of the row"),
    ],
)
def test_a_row_of_another_form_is_refused_at_the_key(changed: str, message: str, tmp_path: Path) -> None:
    key = changed.partition(":")[0]
    lines = [line for line in ROW.splitlines() if not line.startswith(f"  {key}:")]
    path = tmp_path / "own.yaml"
    path.write_text("\n".join([*lines, f"  {changed}"]), "utf-8")
    loaded = load_files([path])
    assert not loaded.scenarios
    assert [problem.place.line for problem in loaded.problems if message in problem.message] == [
        len(lines) + 1
    ]


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("", "the point holds nothing"),
        ("tangent: [1.0], forward_mode: false", "'tangent' is stated, and 'forward_mode' is false"),
        ("tangent: [1.0], given: [x]", "'tangent' is stated, and no tangent reaches the result"),
        ("value: [0.0], raises: RAISES", "a point that raises has no 'value'"),
        ("gradient: {x: [0.0]}, raises: RAISES", "a point that raises has no 'gradient'"),
        ("tangent: null, raises: RAISES", "a point that raises has no 'tangent'"),
        ("value: [abc]", "the text 'abc' is no number of an example"),
        ("gradient: {x: [0.0, [1.0]]}", "a list of 1 where the example has a number before it"),
        ("tangent: [true, zero]", "the text 'zero' is no number of an example"),
        ("value: 0.0, results: [x]", "'x' is an input and a result"),
    ],
)
def test_a_point_that_says_nothing_or_too_much_is_refused(rest: str, message: str, tmp_path: Path) -> None:
    row = rest.replace("RAISES", "{error: RuntimeError, phase: forward, match: no}")
    text = POINT.replace("gradient: {x: [0.0]}}", row + "}")
    ids, problems = load(text, tmp_path)
    assert not ids
    assert any(message in one for one in problems), problems


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("{x: [0.0]}", "{x: zero}"), "the text 'zero' is no number of an example"),
        (("{x: [0.0]}", "{y: [0.0]}"), "'y' is an input and a result"),
        (("relu(x)", "relu(x); relu(x)"), "'relu(x); relu(x)' is not one expression"),
    ],
)
def test_a_point_at_what_is_no_number(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    ids, problems = load(POINT.replace(*change, 1), tmp_path)
    assert not ids
    assert any(message in one for one in problems), problems


def test_a_number_of_a_point_may_be_text(tmp_path: Path) -> None:
    text = POINT.replace("at: {x: [0.0]}", 'at: {x: [["1.5"], ["-inf"]]}').replace("[0.0]", "[[1.0], [0.0]]")
    path = tmp_path / "own.yaml"
    path.write_text(
        text.replace("relu(x),", "relu(x), given: [], forward_mode: true, rounded: true,"), "utf-8"
    )
    loaded = load_files([path])
    assert not loaded.problems
    (forward,) = (one for one in loaded.scenarios if one.id.endswith("forward-mode"))
    assert 'tensor([[float("1.5")], [float("-inf")]], dtype=dtype)' in forward.text.text


TYPED = """\
schema: 1
operators: own
about: An operator with a mistake in its name.
docs: torch.html
rows:
- name: NAME
  signature: input
  call: CALL
  let:
    x: {tensor: any, example: [1.0], requires_grad: true}
"""


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("lgama", "", "has no operator 'lgama'\n    did you mean 'lgamma'"),
        ("__import__", "", "has no operator '__import__'"),
        ("linalg.dett", "", "has no operator 'linalg.dett'\n    did you mean 'det'"),
        ("no_such_family.exp", "", "has no operator 'no_such_family.exp'\n    where a newer torch has it"),
        ("exq", "method: true", "has no method of tensors 'exq'"),
        ("exp", "in_place: a.exq_()", "have no method 'exq_'"),
        ("lgama", "torch: '2.11'", "has no operator 'lgama'"),
    ],
)
def test_an_operator_that_torch_does_not_have(name: str, more: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    call = f"x.{name}()" if "method" in more else f"{name}(x)"
    path.write_text(TYPED.replace("NAME", name).replace("CALL", call) + (more and f"  {more}\n"), "utf-8")
    result = CliRunner().invoke(main, ["validate", str(path)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{path}:6:")
    assert message in result.stderr


def test_an_operator_that_needs_a_newer_torch_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    text = TYPED.replace("NAME", "not_yet_there").replace("CALL", "not_yet_there(x)")
    path.write_text(f"{text}  torch: '98.7'\n", "utf-8")
    result = CliRunner().invoke(main, ["validate", "-j", "1", str(path)])
    assert result.exit_code == 0
    assert "it is too old for 3 more" in result.stdout


def test_torch_has_the_operators_of_the_shipped_tables() -> None:
    assert not list(lacking(load_operators(operator_files())))
