"""Arithmetic on what is known before a program runs."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradconform.program.constants import ConstantError, Constants, Unknown, constant_names, is_constant
from gradconform.program.steps import Dtype

KNOWN = Constants({"n": 3, "mode": "no_grad", "nothing": None, "dtype": Dtype("float32"), "flag": True})


def parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n * 2 + 1", 7),
        ("-n ** 2", -9),
        ("16 / 3", 16 / 3),
        ("2 ** 62", 2**62),
        ("-1 * 2 ** 62 * 2", -(2**63)),
        ("1 ** (10 ** 18)", 1),
        ("(-1) ** (10 ** 18 + 1)", -1),
        ("0 ** 10 ** 18", 0),
        ("2 ** -1", 0.5),
        ("2.0 ** 0.5", 2.0**0.5),
        ("1 + 2j", 1 + 2j),
        ("1e308 * 10", float("inf")),
        ("not n", False),
        ("n == 3 and mode == 'no_grad'", True),
        ("n == 4 or nothing", None),
        ("nothing is None and n is not None", True),
        ("1 is True", False),
        ("dtype == float32", True),
        ("dtype != float64", True),
        ("False and 1 / 0", False),
        ("True or 1 / 0", True),
        ("n >= 3", True),
    ],
)
def test_values(text: str, value: object) -> None:
    node = parsed(text)
    assert is_constant(node, KNOWN)
    found = KNOWN.evaluate(node)
    assert (type(found), found) == (type(value), value)


def test_literals_that_python_writes_as_calls() -> None:
    assert str(KNOWN.evaluate(parsed("complex(-0.0, float('nan'))"))) == "(-0+nanj)"
    assert KNOWN.evaluate(parsed("float('-inf')")) == float("-inf")


@pytest.mark.parametrize(
    "text", ["x", "x + 1", "f(1)", "n in [1]", "[1]", "n.real", "n[0]", "(1, 2)", "float(n)"]
)
def test_what_is_no_constant(text: str) -> None:
    node = parsed(text)
    assert not is_constant(node, KNOWN)
    assert KNOWN.lookup(node) == (False, None)


NAMES = ["n", "x", "nothing", "mode", "flag", "float32", "n.real", "f(n)", "..."]
LITERALS = ["0", "-1", "2.5", "1e308", "10 ** 18", "1j", "None", "'a'", "[1]", "float('nan')", "float('a')"]
PARTS = st.sampled_from([*NAMES, *LITERALS, "complex(1, n)", "complex(1j, 2)"])
EXPRESSIONS = st.recursive(
    PARTS,
    lambda inner: st.one_of(
        st.tuples(
            inner,
            st.sampled_from(
                [
                    "+",
                    "-",
                    "*",
                    "/",
                    "**",
                    "@",
                    "//",
                    "==",
                    "!=",
                    "<",
                    ">=",
                    "is",
                    "is not",
                    "in",
                    "and",
                    "or",
                ]
            ),
            inner,
        ).map(lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"),
        inner.map(lambda part: f"-({part})"),
        inner.map(lambda part: f"not ({part})"),
    ),
    max_leaves=12,
)


@given(EXPRESSIONS)
def test_what_looks_like_a_constant_has_a_value_or_a_reason_for_none(text: str) -> None:
    node = parsed(text)
    try:
        KNOWN.evaluate(node)
    except Unknown:
        found = False
    except ConstantError:
        return
    else:
        found = True
    # `and` and `or` may leave what is unknown unread, and so have a value all the same.
    assert found or not is_constant(node, KNOWN)


@given(
    st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1), st.sampled_from(["+", "-", "*", "**"])
)
def test_integers_are_exact_or_refused(a: int, b: int, symbol: str) -> None:
    node = parsed(f"({a}) {symbol} ({b})")
    try:
        found = Constants().evaluate(node)
    except ConstantError:
        return
    if isinstance(found, int):
        assert -(2**63) <= found < 2**63
        assert found == {
            "+": lambda: a + b,
            "-": lambda: a - b,
            "*": lambda: a * b,
            "**": lambda: pow(a, b, 2**70),
        }[symbol]() or (symbol == "**" and abs(a) <= 1)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a = 1\nb = a + n", {"a", "b", "n"}),
        ("a = x", {"n"}),
        ("a = 1\nb = a\na = x", {"n"}),
        ("a = b\nb = c\nc = x", {"n"}),
        ("for i in range(2):\n    a = i", {"a", "i", "n"}),
        ("n = x", set()),
        ("a = 1\na += n", {"a", "n"}),
        ("a = 1\na += x", {"n"}),
        ("a = 1\n(a, b) = f(x)", {"n"}),
        ("a = 1\nwith raises(E):\n    a = 2", {"n"}),
        ("a = 1\nwith no_grad():\n    a = 2", {"a", "n"}),
        ("a = 1\nx[a] = 2\nx.grad = None", {"a", "n"}),
    ],
)
def test_names_that_hold_constants_wherever_they_are_assigned(text: str, names: set[str]) -> None:
    assert constant_names(ast.walk(ast.parse(text)), ["n"], ["x"]) == names


def test_long_chains_of_assignments_take_no_time() -> None:
    lines = [f"a{number} = a{number + 1}" for number in range(1500)]
    assert constant_names(ast.walk(ast.parse("\n".join([*lines, "a1500 = x"]))), [], ["x"]) == frozenset()
