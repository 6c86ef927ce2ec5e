from __future__ import annotations

import pytest
import torch

from gradconform.oracle.precision import (
    casts_down,
    default_dtype,
    is_widest,
    narrower,
    nearby,
    one_ulp_away,
    unit,
    wider,
)
from gradconform.program.steps import Apply, Dtype, Expect, Input, Items, Program, Ref, Step, Within


def program(*steps: Step, dtype: torch.dtype = torch.float32) -> Program:
    return Program((Input("x", torch.tensor([1.0, -0.1, 0.0]).to(dtype), True),), steps)


@pytest.mark.parametrize(
    ("dtype", "wide"),
    [
        (torch.float16, torch.float64),
        (torch.bfloat16, torch.float64),
        (torch.float32, torch.float64),
        (torch.complex64, torch.complex128),
        (torch.int64, torch.int64),
        (torch.bool, torch.bool),
    ],
    ids=str,
)
def test_inputs_are_widened_exactly(dtype: torch.dtype, wide: torch.dtype) -> None:
    before, after = (p.inputs[0].data for p in (program(dtype=dtype), wider(program(dtype=dtype))))
    assert after.dtype == wide
    assert torch.equal(after.to(dtype), before)


def test_dtypes_that_steps_name_are_widened_wherever_they_stand() -> None:
    inner = Apply("y", "to", (Ref("x"), Dtype("float16")))
    options = Apply("z", "zeros", (Items((2,)),), {"dtype": Dtype("bfloat16")})
    steps = wider(
        program(
            Within("no_grad", (), (inner,)),
            Expect("RuntimeError", (options,)),
            Apply("h", "half", (Ref("x"),)),
        )
    ).steps
    assert steps == (
        Within("no_grad", (), (Apply("y", "to", (Ref("x"), Dtype("float64"))),)),
        Expect("RuntimeError", (Apply("z", "zeros", (Items((2,)),), {"dtype": Dtype("float64")}),)),
        Apply("h", "double", (Ref("x"),)),
    )


def test_integer_dtypes_stay() -> None:
    step = Apply("y", "to", (Ref("x"), Dtype("int64")))
    assert wider(program(step)).steps == (step,)


def test_a_float64_program_can_be_narrowed() -> None:
    narrow = narrower(program(Apply("y", "double", (Ref("x"),)), dtype=torch.float64))
    assert narrow.inputs[0].data.dtype == torch.float32
    assert narrow.steps == (Apply("y", "float", (Ref("x"),)),)


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64], ids=str
)
def test_one_ulp_is_the_neighbouring_number(dtype: torch.dtype) -> None:
    value = torch.tensor([1.0, -3.0, 0.0, float("nan"), float("inf")]).to(dtype)
    moved = one_ulp_away(Program((Input("x", value),), ()), 0).inputs[0].data
    before, after = ((torch.view_as_real(v) if v.is_complex() else v) for v in (value, moved))
    up, down = (torch.nextafter(before, torch.full_like(before, s)) for s in (float("inf"), -float("inf")))
    finite = before.isfinite()
    assert bool(((after == up) | (after == down))[finite].all())
    assert torch.equal(after[~finite].nan_to_num(), before[~finite].nan_to_num())


def test_the_same_seed_moves_inputs_alike_and_another_does_not() -> None:
    value = Program((Input("x", torch.ones(64)),), ())
    first, again, other = (one_ulp_away(value, seed).inputs[0].data for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_largest_number_does_not_move_to_infinity() -> None:
    largest = torch.finfo(torch.float32).max
    for seed in range(8):
        assert (
            one_ulp_away(Program((Input("x", torch.tensor([largest])),), ()), seed)
            .inputs[0]
            .data.isfinite()
            .all()
        )


def test_nearby_inputs_are_smaller_by_a_share_and_zeros_stay() -> None:
    value = torch.tensor([1.0, -8.0, 0.0, 1e-3])
    moved = nearby(Program((Input("x", value),), ()), 3, 2**-6).inputs[0].data
    share = ((value - moved) / value)[value != 0]
    assert bool(((share >= 0) & (share <= 2**-6)).all())
    assert bool((share > 0).any())
    assert moved[2] == 0


def test_integer_inputs_are_never_moved() -> None:
    value = Program((Input("i", torch.tensor([1, 2])),), ())
    assert torch.equal(one_ulp_away(value, 0).inputs[0].data, torch.tensor([1, 2]))
    assert torch.equal(nearby(value, 0, 0.5).inputs[0].data, torch.tensor([1, 2]))


def test_the_widest_programs_are_those_with_nothing_narrower_among_the_inputs() -> None:
    wide, narrow = (Input("x", torch.ones(1, dtype=dtype)) for dtype in (torch.float64, torch.float32))
    integer = Input("i", torch.ones(1, dtype=torch.int64))
    assert is_widest(Program((wide, integer), ()))
    assert not is_widest(Program((wide, narrow), ()))
    assert not is_widest(Program((integer,), ()))


@pytest.mark.parametrize(
    ("step", "dtype", "down"),
    [
        (Apply("y", "half", (Ref("x"),)), torch.float32, True),
        (Apply("y", "float", (Ref("x"),)), torch.float32, False),
        (Apply("y", "float", (Ref("x"),)), torch.float64, True),
        (Apply("y", "double", (Ref("x"),)), torch.float32, False),
        (Apply("y", "to", (Ref("x"), Dtype("bfloat16"))), torch.float32, True),
        (Apply("y", "to", (Ref("x"), Dtype("int64"))), torch.float32, False),
        (Apply("y", "zeros", (2,), {"dtype": Dtype("float16")}), torch.float32, True),
        (Apply("y", "exp", (Ref("x"),)), torch.float32, False),
    ],
)
def test_casts_to_a_narrower_dtype_are_found(step: Step, dtype: torch.dtype, down: bool) -> None:
    assert casts_down(program(Within("no_grad", (), (step,)), dtype=dtype)) is down


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.float32, 2**-24),
        (torch.complex64, 2**-24),
        (torch.float64, 2**-53),
        (torch.float16, 2**-11),
        (torch.bfloat16, 2**-8),
    ],
    ids=str,
)
def test_the_unit_roundoff(dtype: torch.dtype, expected: float) -> None:
    assert unit(dtype) == expected


def test_the_default_dtype_is_restored_after_an_exception() -> None:
    def fail() -> None:
        with default_dtype(torch.float64):
            assert torch.tensor(0.1).dtype == torch.float64
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_default_dtype() == torch.float32
