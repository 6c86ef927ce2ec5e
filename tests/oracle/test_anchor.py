from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gradconform.oracle.anchor import Anchor
from gradconform.oracle.opinions import Opinion
from gradconform.oracle.policy import compared
from gradconform.oracle.spots import NumericMiss, Spot
from gradconform.oracle.tolerance import Miss
from gradconform.program.steps import Apply, Input, Program, Ref
from gradconform.trace import UNSEEN, StateSeen, TensorSeen, Trace

Function = Callable[[torch.Tensor], torch.Tensor]


def program(*numbers: float, dtype: torch.dtype = torch.float32, cast: bool = False) -> Program:
    steps = (Apply("h", "half", (Ref("x"),)),) if cast else ()
    return Program((Input("x", torch.tensor(numbers, dtype=dtype)),), steps)


def rerun(function: Function) -> Callable[[Program], Trace]:
    """Shows `y = function(x)`, computed in whatever dtype the program's input has."""

    def run(program: Program) -> Trace:
        value = function(program.inputs[0].data)
        seen = TensorSeen(value, "cpu", False, True, False, None, 0, UNSEEN)
        return Trace("torch", (StateSeen(0, {"y": seen}, True),))

    return run


def opinion(function: Function, got: torch.Tensor, program: Program) -> Opinion:
    expected = function(program.inputs[0].data)
    miss = compared(expected, got)
    assert isinstance(miss, Miss), "the anchor is asked only where the tolerance is missed"
    return Anchor(program, rerun(function)).opinion(NumericMiss(Spot("y"), 0, expected, got, miss))


def cancel(x: torch.Tensor) -> torch.Tensor:
    """x, after a sum that leaves it few digits."""
    return (x * 1.1 + 1e5) - 1e5


def test_an_engine_that_cancels_less_is_not_blamed() -> None:
    x = program(0.3, 1.7, -2.4)
    exact = cancel(x.inputs[0].data.double()).float()
    assert opinion(cancel, exact, x).vote == "for"


def test_an_engine_that_rounds_the_other_way_is_not_blamed() -> None:
    x = program(0.3, 1.7, -2.4)
    got = cancel(x.inputs[0].data) + 2**-7  # one unit of the float32 numbers around 1e5
    assert opinion(cancel, got, x).vote == "for"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_factor_is_no_rounding(dtype: torch.dtype) -> None:
    x = program(0.3, 1.7, -2.4, dtype=dtype)
    got = x.inputs[0].data.exp() * 1.0005
    found = opinion(torch.exp, got, x)
    assert found.vote == "against"
    assert "off the float64 truth by" in found.reason


def test_a_gross_error_needs_few_runs() -> None:
    x = program(0.3, 1.7)
    runs = 0

    def counted(program: Program) -> Trace:
        nonlocal runs
        runs += 1
        return rerun(torch.exp)(program)

    expected = x.inputs[0].data.exp()
    miss = compared(expected, expected * 2)
    assert isinstance(miss, Miss)
    assert (
        Anchor(x, counted).opinion(NumericMiss(Spot("y"), 0, expected, expected * 2, miss)).vote == "against"
    )
    assert runs == 1 + 2 * 2 * 2


def test_a_float64_program_is_anchored_to_torch_with_the_error_that_float32_foretells() -> None:
    def cancel_more(x: torch.Tensor) -> torch.Tensor:
        return (x * 1.1e12 + x * 0.3e12) - x * 1.4e12

    x = program(0.3, 1.7, dtype=torch.float64)
    got = cancel_more(x.inputs[0].data) + 2**-13  # one unit of the float64 numbers around 1e12
    assert opinion(cancel_more, got, x).vote == "for"
    assert opinion(cancel_more, got + 1e7, x).vote == "against"


def test_where_float32_loses_every_digit_it_foretells_nothing_about_float64() -> None:
    def swallow(x: torch.Tensor) -> torch.Tensor:
        return (x * 1.1 + 1e12) - 1e12

    x = program(0.3, 1.7, dtype=torch.float64)
    expected = swallow(x.inputs[0].data)
    assert opinion(swallow, expected + 2**-13, x).vote == "unsure"
    assert opinion(swallow, expected + 100, x).vote == "against"


def test_where_the_two_precisions_take_different_sides_of_a_kink_the_anchor_does_not_vote() -> None:
    third = torch.tensor(1.0) / 3

    def step(x: torch.Tensor) -> torch.Tensor:
        # In float32 3 * third rounds to 1 and the difference to 0; in float64 it does not.
        return (x * 3 - 1 > 0).to(x.dtype)

    x = program(float(third))
    assert step(x.inputs[0].data) == 0
    assert step(x.inputs[0].data.double()) == 1
    assert opinion(step, torch.tensor([1.0]), x).vote == "torch is off"
    assert opinion(step, torch.tensor([0.5]), x).vote == "torch is off"


def test_at_an_exact_kink_another_convention_is_no_rounding() -> None:
    assert (
        opinion(lambda x: (x > 0).to(x.dtype), torch.tensor([0.5, 1.0]), program(0.0, 2.0)).vote == "against"
    )


@pytest.mark.parametrize(("expected", "got"), [(float("nan"), 1.0), (1.0, float("inf")), (float("inf"), 1.0)])
def test_rounding_excuses_no_nan_and_no_infinity(expected: float, got: float) -> None:
    found = opinion(lambda x: torch.full_like(x, expected), torch.tensor([got]), program(1.0))
    assert found.vote == "against"


def test_what_is_small_beside_the_rest_is_left_open() -> None:
    def mixed(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[0] * 0 + 1e6, x[0] * 0])

    x = program(0.5)
    assert opinion(mixed, torch.tensor([1e6, 0.5]), x).vote == "unsure"
    assert opinion(mixed, torch.tensor([1e6, 5.0]), x).vote == "against"


def test_a_place_that_the_wider_program_does_not_show_leaves_the_anchor_silent() -> None:
    def only_narrow(x: torch.Tensor) -> torch.Tensor:
        return x if x.dtype == torch.float32 else x.reshape(-1, 1)

    assert opinion(only_narrow, torch.tensor([2.0]), program(1.0)).vote == "none"


def test_a_cast_on_purpose_counts_as_rounding() -> None:
    def through_half(x: torch.Tensor) -> torch.Tensor:
        return x.half().float() * 1.0 if x.dtype == torch.float32 else x

    x = program(0.3, 1.7, cast=True)
    truncated = through_half(x.inputs[0].data) + torch.tensor([2**-12, 2**-10])  # a unit of float16
    assert opinion(through_half, truncated, x).vote == "for"
    assert opinion(through_half, x.inputs[0].data * 2, x).vote == "against"


def test_ties_that_only_a_cast_makes_leave_no_digit_to_compare() -> None:
    def share(x: torch.Tensor) -> torch.Tensor:
        y = x.half().float() if x.dtype == torch.float32 else x
        return (y == y.amax()).to(y.dtype) / (y == y.amax()).sum()

    x = program(1.0, 1.0 + 2**-20, cast=True)
    assert share(x.inputs[0].data).tolist() == [0.5, 0.5]
    assert opinion(share, torch.tensor([0.0, 1.0]), x).vote == "none"


def test_complex_numbers_are_anchored_by_the_modulus() -> None:
    def turn(x: torch.Tensor) -> torch.Tensor:
        return (x * (1 + 2j) + 1e5) - 1e5

    x = program(0.3, 1.7, dtype=torch.complex64)
    exact = turn(x.inputs[0].data.to(torch.complex128)).to(torch.complex64)
    assert opinion(turn, exact, x).vote == "for"
    assert opinion(turn, exact.conj().resolve_conj(), x).vote == "against"
