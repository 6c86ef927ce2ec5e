"""The registry refuses rows that do not hold together."""

from __future__ import annotations

from typing import Any

import pytest

from refgrad.rules.registry import NON_DIFFERENTIABLE, NOT_IMPLEMENTED, TABLE, RuleError, check, rule

GOOD: dict[str, Any] = {
    "grad_fn": "TestBackward0",
    "tensors": "self other",
    "forward": "self * other",
    "self": "grad * conj(other)",
    "other": "grad * conj(self)",
    "saves": "self other",
}


def test_every_row_holds_together() -> None:
    assert len(TABLE) > 60
    for row in TABLE.values():
        assert check(row) == []
        assert set(row.derivatives) == set(row.tensors)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"other": None}, "nothing is stated for 'other'"),
        ({"third": "grad"}, "no tensor 'third'"),
        ({"self": "grad * alpha"}, "uses 'alpha'"),
        ({"saves": "self"}, r"saves says \['self'\], and the formulas use \['other', 'self'\]"),
        ({"saves": "self other result"}, "saves says"),
        ({"number": "self"}, "number names 'self'"),
        ({"forward": "self * scale"}, "forward uses 'scale'"),
        ({"forward_mode": {"self": "grad * alpha"}}, "forward mode's formula for 'self' uses 'alpha'"),
        ({"forward_mode": {"third": "grad"}}, "forward_mode names 'third'"),
        (
            {"forward_mode": {"grad": "grad"}, "forward": "several(self, other)", "outputs": "one two"},
            "forward_mode names 'grad'",
        ),
        ({"diagonal": True}, "diagonal is for an elementwise operation"),
        ({"zeros": "third"}, "zeros names 'third'"),
    ],
)
def test_a_bad_row_is_refused(change: dict[str, Any], complaint: str) -> None:
    row = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(RuleError, match=complaint):
        rule("a row of the tests", **row)
    assert "a row of the tests" not in TABLE


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(RuleError, match=r"nothing is stated for 'other'.*uses 'alpha'.*saves says"):
        rule(
            "a row of the tests",
            grad_fn="T",
            tensors="self other",
            forward="self",
            saves="other",
            self="grad * alpha",
        )


def test_a_name_is_given_once() -> None:
    with pytest.raises(RuleError, match="there is a row of this name already"):
        rule("mul", **GOOD)


def test_rows_state_what_has_no_formula() -> None:
    assert TABLE["where"].derivatives["condition"] is NON_DIFFERENTIABLE
    assert TABLE["where"].differentiable == ("self", "other")
    assert TABLE["floor_divide"].derivatives["self"] is NOT_IMPLEMENTED


def test_forward_mode_may_leave_tensors_out() -> None:
    constant, refused = TABLE["scatter_prod"], TABLE["index_reduce"]
    assert constant.differentiable == ("self", "src")
    assert constant.pushed == ()
    assert refused.pushed == refused.differentiable == ("self", "source")
    for row, tensor in ((constant, "src"), (refused, "source")):
        assert row.formula(tensor) is not None
        assert row.pulled(tensor) is None
