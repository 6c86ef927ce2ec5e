from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gradconform.oracle.policy import compared
from gradconform.oracle.spots import NumericMiss, Spot
from gradconform.oracle.spread import Spread
from gradconform.oracle.tolerance import Miss
from gradconform.program.steps import Input, Program
from gradconform.trace import UNSEEN, StateSeen, TensorSeen, Trace

Function = Callable[[torch.Tensor], torch.Tensor]


def vote(function: Function, x: float, got: float, dtype: torch.dtype = torch.float32) -> str:
    """The vote on an engine that shows `got` where torch shows `function(x)`."""

    def run(program: Program) -> Trace:
        seen = TensorSeen(function(program.inputs[0].data), "cpu", False, True, False, None, 0, UNSEEN)
        return Trace("torch", (StateSeen(0, {"y": seen}, True),))

    program = Program((Input("x", torch.tensor([x], dtype=dtype)),), ())
    expected = function(program.inputs[0].data)
    theirs = torch.tensor([got]).to(expected.dtype)
    miss = compared(expected, theirs)
    assert isinstance(miss, Miss)
    return Spread(program, run).opinion(NumericMiss(Spot("y"), 0, expected, theirs, miss)).vote


def kink(x: torch.Tensor) -> torch.Tensor:
    return (x > 1).to(x.dtype)


def steep(x: torch.Tensor) -> torch.Tensor:
    return 1e-7 / (x - 1)


@pytest.mark.parametrize("got", [1.0])
def test_on_a_kink_either_side_is_excused(got: float) -> None:
    assert vote(kink, 1.0, got) == "for"


@pytest.mark.parametrize("got", [3.0, -2.5])
def test_what_lies_beyond_both_sides_cannot_be_decided(got: float) -> None:
    assert vote(kink, 1.0, got) == "none"


def test_away_from_the_kink_nothing_is_excused() -> None:
    assert vote(kink, 1.5, 0.0) == "against"


def test_an_ill_conditioned_value_is_excused_within_its_own_spread() -> None:
    x = 1.0 + 2**-20
    expected = 1e-7 * 2**20
    assert vote(steep, x, expected * 1.05) == "for"
    assert vote(steep, x, expected * 3) == "none"


def test_a_well_conditioned_value_is_not_excused() -> None:
    assert vote(torch.exp, 1.0, 2.72) == "against"


def test_an_infinity_is_excused_where_torch_shows_the_same_one_ulp_away() -> None:
    def pole(x: torch.Tensor) -> torch.Tensor:
        return 1 / (x - 1 - 2**-23)

    assert vote(pole, 1.0, float("inf")) == "for"
    assert vote(pole, 1.0, float("-inf")) == "none"
    assert vote(torch.exp, 1.0, float("inf")) == "against"
    assert vote(torch.exp, 1.0, float("nan")) == "against"


def test_the_parts_of_a_complex_number_are_excused_one_by_one() -> None:
    def half(x: torch.Tensor) -> torch.Tensor:
        return torch.complex((x.real > 1).float(), x.real)

    expected = torch.tensor([0 + 1j])
    program = Program((Input("x", torch.tensor([1 + 0j])),), ())

    def run(program: Program) -> Trace:
        seen = TensorSeen(half(program.inputs[0].data), "cpu", False, True, False, None, 0, UNSEEN)
        return Trace("torch", (StateSeen(0, {"y": seen}, True),))

    votes = []
    for got in (1 + 1j, 0 + 2j):
        theirs = torch.tensor([got])
        miss = compared(expected, theirs)
        assert isinstance(miss, Miss)
        votes.append(Spread(program, run).opinion(NumericMiss(Spot("y"), 0, expected, theirs, miss)).vote)
    assert votes == ["for", "none"]


def test_a_place_that_torch_does_not_show_again_leaves_the_spread_silent() -> None:
    program = Program((Input("x", torch.tensor([1.0])),), ())
    expected, got = torch.tensor([1.0]), torch.tensor([2.0])
    miss = compared(expected, got)
    assert isinstance(miss, Miss)
    found = Spread(program, lambda _: Trace("torch")).opinion(NumericMiss(Spot("y"), 0, expected, got, miss))
    assert found.vote == "none"
