from __future__ import annotations

import math

import pytest

from gradconform.errors import Place
from gradconform.spec.source import Report, SourceText
from gradconform.spec.tree import MAX_DEPTH, Node, Scalar, Sequence, Table, Value, parse_yaml, plain


def parse(text: str) -> tuple[Node | None, list[str]]:
    report = Report(SourceText("f.yaml", text, tuple(text.splitlines())), [])
    return parse_yaml(report), [f"{problem.place} {problem.message}" for problem in report.problems]


def value(text: str) -> Value:
    node, problems = parse(text)
    assert problems == []
    assert node is not None
    return plain(node)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("-7", -7),
        ("+7", 7),
        ("012", 12),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e5", 1e5),
        ("1e-05", 1e-5),
        ("-2.5E+3", -2500.0),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        # What YAML 1.1 makes of these, and a reader does not expect.
        ("yes", "yes"),
        ("on", "on"),
        ("n", "n"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1..5", "1..5"),
        ("nan", "nan"),
        ("1+2j", "1+2j"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_scalar_is_read_as_json_and_editors_read_it(text: str, expected: Value) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_nan_and_the_sign_of_zero_are_kept() -> None:
    found = value("[.nan, -0.0]")
    assert isinstance(found, tuple)
    assert math.isnan(found[0])  # type: ignore[arg-type]
    assert math.copysign(1, found[1]) == -1  # type: ignore[arg-type]


def test_every_key_and_value_knows_its_place() -> None:
    root, problems = parse("a: 1\nb:\n  - \u00e9: {c: 'x'}\n  - 2\n")
    assert problems == []
    assert isinstance(root, Table)
    b = root.get("b")
    assert isinstance(b, Sequence)
    first, second = b.items
    assert isinstance(first, Table)
    inner = first.fields["\u00e9"]
    assert isinstance(inner.value, Table)
    assert (root.fields["a"].key.place, root.get("a")) == (
        Place("f.yaml", 1, 1),
        Scalar(1, Place("f.yaml", 1, 4), "", 1),
    )
    assert inner.key.place == Place("f.yaml", 3, 5)
    assert inner.value.fields["c"].value == Scalar("x", Place("f.yaml", 3, 12), "'", 3)
    assert second.place == Place("f.yaml", 4, 5)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: !!int 1", "f.yaml:1:4 YAML tags are not allowed: tag:yaml.org,2002:int"),
        ("a: !mine {}", "f.yaml:1:4 YAML tags are not allowed: !mine"),
        ("a: &x 1", "f.yaml:1:4 YAML anchors and aliases are not allowed: x"),
        ("a: *x", "f.yaml:1:4 YAML anchors and aliases are not allowed: x"),
        ("a: 1\n--- \nb: 2", "f.yaml:2:1 the file holds more than one YAML document"),
        ("a: 1\na: 2", "f.yaml:2:1 key 'a' stands here twice"),
        ("1: a", "f.yaml:1:1 1 cannot be a key: keys are text"),
        ("null: a", "f.yaml:1:1 None cannot be a key: keys are text"),
        ("? [a, b]\n: c", "f.yaml:1:3 a list or mapping cannot be a key: keys are text"),
        ("", "f.yaml:1:1 the file is empty"),
        ("# a comment\n", "f.yaml:1:1 the file is empty"),
        ("a: b\n c: \x07", "f.yaml:2:5 this is not YAML: control characters are not allowed"),
        ("a: [1\nb: 2", "f.yaml:2:2 this is not YAML: did not find expected ',' or ']' while parsing"),
        ("a: 'x", "f.yaml:1:6 this is not YAML: found unexpected end of stream while scanning"),
    ],
)
def test_what_is_not_a_plain_tree_is_refused_where_it_stands(text: str, problem: str) -> None:
    _, problems = parse(text)
    assert len(problems) == 1
    assert problems[0].startswith(problem)


def test_depth_is_bounded_before_the_stack_is() -> None:
    assert value("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    for text in ("[" * (MAX_DEPTH + 1), "[" * 500_000, "{a: " * 200_000, "- " * 400_000 + "a"):
        root, problems = parse(text)
        assert root is None
        assert problems == [problems[0]]
        assert "nests more than 32 levels deep" in problems[0]


def test_an_alias_bomb_is_a_few_problems() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 1000))]
    root, problems = parse("\n".join(lines))
    assert root is None
    assert len(problems) == 20
