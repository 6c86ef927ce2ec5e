from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from gradconform.oracle.facts import Facts, check
from gradconform.program.expressions import Constant, Expression, Operation, Place, Shown
from gradconform.program.steps import Expect, Fact, Fail, Program
from gradconform.trace import UNSEEN, ErrorSeen, OpaqueSeen, Seen, TensorSeen, Trace, Unseen


def seen(
    numbers: object, *, identity: int = 0, storage: int | Unseen = UNSEEN, dtype: Any = torch.float32
) -> TensorSeen:
    return TensorSeen(torch.tensor(numbers, dtype=dtype), "cpu", False, True, False, None, identity, storage)


def op(name: str, *operands: Expression, **options: object) -> Operation:
    return Operation(name, operands, options)


def hold(expression: Expression, *shown: Seen, law: bool = True) -> Facts:
    names = "abcdef"[: len(shown)]
    fact = Fact(law, expression, tuple(map(Place, names)), "the fact's text")
    return check(Program((), (fact,)), Trace("engine", facts={0: (shown,)}))


def kept(expression: Expression, *shown: Seen, law: bool = True) -> bool:
    facts = hold(expression, *shown, law=law)
    assert facts.kept + len(facts.broken) + len(facts.apart) + len(facts.rounded) == 1
    return facts.kept == 1


A, B, C = Shown(0), Shown(1), Shown(2)
ONE = seen([1.0])
NEAR = seen([1.0 + 2**-20], identity=1)


@pytest.mark.parametrize(
    ("literal", "holds"),
    [
        ((1.0, 2.0), True),
        ((1, 2), True),
        ((1.0, 2.5), False),
        ((1.0, 2.0, 3.0), False),
        (((1.0, 2.0),), False),
        (1.0, False),
        (None, False),
        ("float32", False),
    ],
)
def test_a_tensor_equals_a_literal_of_its_shape(literal: object, holds: bool) -> None:
    assert kept(op("eq", A, Constant(literal)), seen([1.0, 2.0])) is holds
    assert kept(op("eq", Constant(literal), A), seen([1.0, 2.0])) is holds
    assert kept(op("ne", A, Constant(literal)), seen([1.0, 2.0])) is not holds


@pytest.mark.parametrize(
    ("tensor", "literal", "holds"),
    [
        (seen(3.0), 3, True),
        (seen(0.1), 0.1, True),
        (seen([0.1], dtype=torch.bfloat16), (0.1,), True),
        (seen([1, 2], dtype=torch.int64), (1, 2), True),
        (seen([0], dtype=torch.int64), (0.5,), False),
        (seen([True], dtype=torch.bool), (True,), True),
        (seen([1 + 2j], dtype=torch.complex64), (1 + 2j,), True),
        (seen([math.nan, math.inf]), (math.nan, math.inf), True),
        (seen([math.inf]), (-math.inf,), False),
        (seen([]), (), True),
    ],
)
def test_a_literal_takes_the_dtype_of_the_tensor(tensor: TensorSeen, literal: object, holds: bool) -> None:
    assert kept(op("eq", A, Constant(literal)), tensor) is holds


@pytest.mark.parametrize(
    "other", [seen([[1.0]]), seen([1.0], dtype=torch.float64), seen([1], dtype=torch.int64), seen([2.0])]
)
def test_tensors_are_equal_only_with_one_shape_dtype_and_numbers(other: TensorSeen) -> None:
    assert kept(op("eq", A, B), ONE, seen([1.0]))
    assert not kept(op("eq", A, B), ONE, other)


def test_a_law_is_exact_and_a_shown_value_has_the_tolerance_of_its_dtype() -> None:
    equal = op("eq", A, B)
    rounded = hold(equal, ONE, NEAR)
    assert (len(rounded.rounded), len(rounded.apart), len(rounded.broken)) == (1, 0, 0)
    assert kept(equal, ONE, NEAR, law=False)
    assert kept(op("close", A, B), ONE, NEAR)
    apart = hold(equal, ONE, seen([1.1]))
    assert (len(apart.rounded), len(apart.apart), len(apart.broken)) == (0, 1, 0)
    assert not kept(op("close", A, B), ONE, seen([1.1]))


@pytest.mark.parametrize("law", [True, False])
def test_rounding_is_no_excuse_for_exactly_and_identical(law: bool) -> None:
    for name in ("exactly", "identical"):
        assert kept(op(name, A, B), ONE, seen([1.0]), law=law)
        missed = hold(op(name, A, B), ONE, NEAR, law=law)
        assert (len(missed.rounded), len(missed.apart), len(missed.broken)) == (0, 0, 1)
        assert not kept(op(name, A, B), ONE, seen([[1.0]]), law=law)


@pytest.mark.parametrize(
    ("value", "literal", "same"),
    [
        (seen([0.0, -0.0]), (0.0, -0.0), True),
        (seen([0.0]), (-0.0,), False),
        (seen(-0.0), 0.0, False),
        (seen([math.nan, -1.0]), (-math.nan, -1.0), True),
        (seen([complex(0.0, -0.0)], dtype=torch.complex64), (complex(0.0, 0.0),), False),
    ],
)
def test_identical_asks_for_the_signs_of_zeros(value: TensorSeen, literal: object, same: bool) -> None:
    assert kept(op("exactly", A, Constant(literal)), value)
    assert kept(op("identical", A, Constant(literal)), value) is same


def test_close_neither_broadcasts_nor_promotes() -> None:
    assert not kept(op("close", A, B), seen([1.0, 1.0]), ONE)
    assert not kept(op("close", A, B), ONE, seen([1.0], dtype=torch.float64))
    assert not kept(op("close", A, B), ONE, None)


@pytest.mark.parametrize(
    ("value", "literal", "law", "holds"),
    [
        (3, 3, True, True),
        (3, 4, False, False),
        (True, 1, True, False),
        (True, True, True, True),
        (0.1, 0.1, True, True),
        (0.1, 0.1 + 1e-9, True, False),
        (0.1, 0.1 + 1e-9, False, True),
        (0.1, 0.11, False, False),
        (2, 2.0, True, True),
        (None, None, True, True),
        (None, 0, True, False),
        ("float32", "float32", True, True),
        ((1, 2), (1, 2), True, True),
        ((1, 2), (1, 2, 3), True, False),
        ((), (), True, True),
    ],
)
def test_plain_values_are_equal_as_in_python_but_a_bool_is_no_number(
    value: Seen, literal: object, law: bool, holds: bool
) -> None:
    assert kept(op("eq", A, Constant(literal)), value, law=law) is holds


def test_arithmetic_is_torchs() -> None:
    x = seen([1.0, 2.0])
    assert kept(op("eq", A, op("mul", Constant(5), op("ones_like", B))), seen([5.0, 5.0]), x)
    assert kept(op("eq", A, op("sum", B)), seen(3.0), x)
    assert kept(op("eq", A, op("sum", B, dim=0, keepdim=True)), seen([3.0]), x)
    assert kept(op("eq", A, op("getitem", B, Constant(1))), seen(2.0), x)
    assert kept(op("eq", A, op("to", B, Constant("float64"))), seen([1.0, 2.0], dtype=torch.float64), x)
    assert kept(op("eq", A, op("zeros", Constant(2), dtype="float64")), seen([0.0, 0.0], dtype=torch.float64))
    assert kept(op("eq", A, op("neg", op("pow", B, Constant(2)))), seen([-1.0, -4.0]), x)
    assert kept(op("eq", op("stack", op("list", A, A)), Constant(((1.0, 2.0), (1.0, 2.0)))), x)
    assert kept(op("eq", A, op("mul", Constant(2), Constant(3))), 6)


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("lt", (True, False, False)),
        ("le", (True, True, False)),
        ("gt", (False, False, False)),
        ("ge", (False, False, True)),
    ],
)
def test_an_order_must_hold_for_every_element(name: str, holds: tuple[bool, ...]) -> None:
    values = ((0.0, 1.0), (1.0, 2.0), (2.0, 3.0))
    assert tuple(kept(op(name, A, Constant(2.0)), seen(value)) for value in values) == holds


def test_is_asks_for_the_same_object() -> None:
    g, same, other = seen([1.0], identity=4), seen([1.0], identity=4), seen([1.0], identity=5)
    assert kept(op("is", A, B), g, same)
    assert not kept(op("is", A, B), g, other)
    assert kept(op("is_not", A, B), g, other)
    assert kept(op("is", A, Constant(None)), None)
    assert not kept(op("is", A, Constant(None)), g)
    assert kept(op("is_not", A, Constant(None)), OpaqueSeen("object"))
    assert kept(op("is", A, Constant(True)), True)
    assert not kept(op("is", A, Constant(True)), 1)


def test_two_objects_that_are_no_tensors_cannot_be_told_apart() -> None:
    facts = hold(op("is", A, B), OpaqueSeen("object"), OpaqueSeen("object"))
    assert (facts.kept, len(facts.undecided), facts.broken) == (0, 1, ())


def test_shares_storage_asks_for_shared_memory() -> None:
    a, b, c = (seen([1.0], identity=i, storage=label) for i, label in enumerate((7, 7, 8)))
    assert kept(op("shares_storage", A, B), a, b)
    assert not kept(op("shares_storage", A, B), a, c)
    assert kept(op("not", op("shares_storage", A, B)), a, c)
    assert hold(op("shares_storage", A, B), a, replace(b, storage=UNSEEN)).undecided


def test_in_len_and_not() -> None:
    items = op("tuple", A, B)
    assert kept(op("in", Constant(2), items), 1, 2)
    assert not kept(op("in", Constant(3), items), 1, 2)
    assert kept(op("not_in", Constant(3), items), 1, 2)
    assert kept(op("eq", op("len", A), Constant(2)), seen([1.0, 1.0]))
    assert kept(op("eq", op("len", A), Constant(3)), (1, 2, 3))
    assert kept(op("not", A), False)
    assert not kept(op("not", A), True)


def test_what_is_not_seen_is_undecided_and_never_kept() -> None:
    facts = hold(op("eq", A, Constant(1)), UNSEEN)
    assert (facts.kept, len(facts.undecided), facts.broken) == (0, 1, ())
    assert hold(op("is", A, Constant(None)), UNSEEN).undecided
    assert hold(op("eq", A, Constant((1, 2))), (1, UNSEEN)).undecided


@pytest.mark.parametrize(
    ("name", "first", "second", "outcome"),
    [
        ("and", True, True, "kept"),
        ("and", True, False, "broken"),
        ("and", UNSEEN, False, "broken"),
        ("and", UNSEEN, True, "undecided"),
        ("or", False, True, "kept"),
        ("or", False, False, "broken"),
        ("or", UNSEEN, True, "kept"),
        ("or", False, UNSEEN, "undecided"),
    ],
)
def test_connectives_are_decided_by_what_is_seen(name: str, first: Seen, second: Seen, outcome: str) -> None:
    facts = hold(op(name, A, B), first, second)
    assert {"kept": facts.kept, "broken": len(facts.broken), "undecided": len(facts.undecided)}[outcome] == 1


def test_a_fact_that_cannot_be_computed_is_broken_and_says_why() -> None:
    (broken,) = hold(op("eq", op("add", A, B), A), seen([1.0, 2.0]), seen([1.0, 2.0, 3.0])).broken
    assert broken.got == "no answer"
    assert "RuntimeError: The size of tensor a (2)" in broken.detail
    assert not kept(op("eq", op("mul", Constant(2), A), B), None, ONE)


def test_an_object_is_neither_true_nor_false() -> None:
    for expression in (A, op("not", A)):
        (broken,) = hold(expression, OpaqueSeen("object")).broken
        assert "neither true nor false" in broken.detail


def test_a_broken_fact_says_what_was_expected_and_what_was_seen() -> None:
    (apart,) = hold(op("eq", A, op("mul", Constant(5), B)), seen([3.0]), ONE).apart
    assert (apart.what, apart.where, apart.step) == ("law", "a, b", 0)
    assert (apart.expected, apart.got) == ("[5.0]", "[3.0]")
    assert apart.detail == (
        "float32, 1 of 1 element differs, largest difference 2 at [0], allowed 1.3e-06 * |expected| + 1e-05; "
        "seen: a = [3.0] (float32), b = [1.0] (float32)"
    )
    (broken,) = hold(op("eq", A, Constant((2.0,))), None, law=False).broken
    assert (broken.what, broken.expected, broken.got) == ("shown value", "(2.0,)", "None")


def test_facts_that_the_program_did_not_reach_are_not_counted() -> None:
    program = Program((), (Fact(True, Constant(False), (), "assert False"),))
    assert check(program, Trace("engine")) == Facts()


def raised(*classes: str, phase: Any = "backward", message: str = "freed (twice)") -> ErrorSeen:
    return ErrorSeen(1, phase, classes, message)


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (raised("RuntimeError", "Exception"), None),
        (raised("MyError", "RuntimeError"), None),
        (None, "missing error"),
        (raised("ValueError"), "error class"),
        (raised("RuntimeError", phase="forward"), "error phase"),
        (raised("RuntimeError", message="something else"), "error text"),
    ],
)
def test_an_expected_error_has_a_class_a_phase_and_a_text(error: ErrorSeen | None, what: str | None) -> None:
    program = Program((), (Expect("RuntimeError", (Fail("RuntimeError"),), "backward", "freed ("),))
    facts = check(program, Trace("engine", caught={0: error}))
    assert [broken.what for broken in facts.broken] == ([] if what is None else [what])
    assert facts.kept == (what is None)


@pytest.mark.parametrize(
    ("match", "message", "kept"),
    [
        ("(", "freed (twice)", 1),
        ("[[a", "it said [[a", 1),
        ("a{99999999999}", "a", 0),
        ("FREED", "freed", 0),
        ("f.eed", "freed", 0),
        ("(" * 3000, "freed", 0),
        (r"^(([a-zA-Z ,().])+)+#$", "one of the variables needed (for gradient computation) " * 20, 0),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_text_of_an_error_is_a_piece_of_its_message(match: str, message: str, kept: int) -> None:
    program = Program((), (Expect("RuntimeError", (Fail("RuntimeError"),), match=match),))
    facts = check(program, Trace("engine", caught={0: raised("RuntimeError", message=message)}))
    assert (facts.kept, len(facts.broken)) == (kept, 1 - kept)


def test_an_engine_with_errors_of_its_own_is_asked_only_whether_and_when_it_raises() -> None:
    program = Program((), (Expect("RuntimeError", (Fail("RuntimeError"),), "backward", "freed"),))

    def broken(error: ErrorSeen | None) -> list[str]:
        return [
            found.what
            for found in check(program, Trace("engine", caught={0: error}), torch_errors=False).broken
        ]

    assert broken(raised("MyError", message="mine")) == []
    assert broken(raised("MyError", phase="forward")) == ["error phase"]
    assert broken(None) == ["missing error"]
