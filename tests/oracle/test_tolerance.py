from __future__ import annotations

import math

import pytest
import torch

from gradconform.oracle.policy import compared
from gradconform.oracle.tolerance import TOLERANCES, Miss, distance, within

NAN, INF = math.nan, math.inf
# complex32 warns that it is experimental wherever it is used.
INEXACT = sorted(TOLERANCES.keys() - {torch.complex32}, key=str)


@pytest.mark.parametrize("dtype", INEXACT, ids=str)
def test_the_tolerances_are_those_of_torch_testing(dtype: torch.dtype) -> None:
    # Multiples of the tolerance around 1, from well inside to well outside; those so near to its edge that
    # the rounding of torch.testing's own arithmetic decides are left out.
    rtol, atol = TOLERANCES[dtype]
    expected = torch.ones((), dtype=dtype)
    verdicts = set()
    for share in (0.0, 0.2, 0.5, 0.9, 1.1, 2.0, 5.0, 100.0):
        got = torch.tensor(1 + share * (rtol + atol), dtype=torch.float64).to(dtype)
        apart = float(distance(expected, got)) / (rtol + atol)
        if 0.99 < apart < 1.01:
            continue
        try:
            torch.testing.assert_close(got, expected)
        except AssertionError:
            close = False
        else:
            close = True
        assert (compared(expected, got) in ("bits", "tolerance")) is close, share
        verdicts.add(close)
    assert verdicts == {True, False}


@pytest.mark.parametrize("dtype", INEXACT, ids=str)
def test_equal_numbers_are_equal_in_bits(dtype: torch.dtype) -> None:
    value = torch.tensor([1.0, -2.0, NAN, INF, -INF, 0.0]).to(dtype)
    assert compared(value, value.clone()) == "bits"


def test_the_sign_of_zero_and_the_payload_of_nan_are_not_asked_for() -> None:
    assert compared(torch.tensor([0.0, NAN]), torch.tensor([-0.0, -NAN])) == "bits"


@pytest.mark.parametrize(
    ("expected", "got"),
    [(NAN, 1.0), (1.0, NAN), (INF, -INF), (INF, 3e38), (3e38, INF), (NAN, INF), (-INF, NAN)],
)
def test_nan_and_infinities_must_match_place_by_place(expected: float, got: float) -> None:
    miss = compared(torch.tensor([1.0, expected]), torch.tensor([1.0, got]))
    assert isinstance(miss, Miss)
    assert (miss.count, miss.total, miss.index, miss.absolute) == (1, 2, (1,), INF)
    assert "must match place by place" in str(miss)


def test_a_finite_miss_beside_a_matching_infinity_is_found() -> None:
    miss = compared(torch.tensor([INF, 1.0]), torch.tensor([INF, 2.0]))
    assert isinstance(miss, Miss)
    assert (miss.index, miss.absolute) == ((1,), 1.0)


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        (complex(1, 2), complex(1, 2), True),
        (complex(1, 2), complex(1, -2), False),
        (complex(NAN, 1), complex(NAN, 1), True),
        (complex(NAN, 1), complex(1, NAN), False),
        (complex(INF, 1), complex(INF, 1 + 1e-6), True),
        (complex(INF, 1), complex(INF, 1.1), False),
        (complex(1, INF), complex(1, -INF), False),
        (complex(1e4, 0), complex(1e4, 0.012), True),  # by the modulus: 0.012 is small beside 1e4
        (complex(1e4, 0), complex(1e4, 0.02), False),
    ],
)
def test_complex_numbers_are_compared_part_by_part_where_they_are_not_finite(
    expected: complex, got: complex, same: bool
) -> None:
    a, b = (torch.tensor([value], dtype=torch.complex64) for value in (expected, got))
    assert isinstance(compared(a, b), str) is same


def test_conjugated_views_are_compared_by_their_numbers() -> None:
    value = torch.tensor([1 + 2j, 3 - 1j])
    assert compared(value.conj(), torch.tensor([1 - 2j, 3 + 1j])) == "bits"
    assert isinstance(compared(value.conj(), value), Miss)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool], ids=str)
def test_integers_and_bools_are_exact(dtype: torch.dtype) -> None:
    miss = compared(torch.tensor([0, 1], dtype=dtype), torch.tensor([0, 0], dtype=dtype))
    assert isinstance(miss, Miss)
    assert (miss.count, miss.index) == (1, (1,))
    assert "compared exactly" in str(miss)


def test_large_integers_that_float64_cannot_tell_apart_differ() -> None:
    big = 2**53
    assert isinstance(compared(torch.tensor([big]), torch.tensor([big + 1])), Miss)


def test_differences_do_not_overflow_in_half_precision() -> None:
    miss = compared(*(torch.tensor([value], dtype=torch.float16) for value in (60000.0, -60000.0)))
    assert isinstance(miss, Miss)
    assert miss.absolute == pytest.approx(120000, rel=1e-3)


def test_a_difference_that_overflows_float64_is_a_miss() -> None:
    assert isinstance(compared(torch.tensor([1e308]).double() * 10, torch.tensor([1.0]).double()), Miss)
    assert isinstance(compared(*(torch.tensor([v], dtype=torch.float64) for v in (1e308, -1e308))), Miss)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (torch.zeros(2), torch.zeros(1)),
        (torch.zeros(2), torch.zeros(2, 1)),
        (torch.zeros(()), torch.zeros(1)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.float64)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.int64)),
    ],
)
def test_nothing_is_broadcast_or_promoted(a: torch.Tensor, b: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="must be the same"):
        compared(a, b)


@pytest.mark.parametrize("shape", [(0,), (2, 0, 3)])
def test_empty_tensors_of_one_shape_are_equal(shape: tuple[int, ...]) -> None:
    assert compared(torch.zeros(shape), torch.ones(shape)) == "bits"


def test_a_miss_says_how_many_where_and_by_how_much() -> None:
    miss = compared(torch.tensor([[2.0, 2.0], [2.0, 2.0]]), torch.tensor([[1.0, 2.0], [2.0, 1.5]]))
    assert miss == Miss(2, 4, (0, 0), 2.0, 1.0, 1.0, 0.5, 1.3e-6 * 2 + 1e-5, torch.float32)
    assert str(miss) == (
        "float32, 2 of 4 elements differ, largest difference 1 at [0, 0], "
        "allowed 1.3e-06 * |expected| + 1e-05"
    )


def test_a_miss_of_a_tensor_without_dimensions_has_no_place() -> None:
    miss = compared(torch.tensor(2.0, dtype=torch.float64), torch.tensor(3.0, dtype=torch.float64))
    assert (
        str(miss)
        == "float64, 1 of 1 element differs, largest difference 1, allowed 1e-07 * |expected| + 1e-07"
    )


def test_within_tells_element_by_element() -> None:
    near = within(torch.tensor([1.0, 1.0, NAN, INF]), torch.tensor([1.0 + 1e-6, 1.1, NAN, 1.0]))
    assert near.tolist() == [True, False, True, False]


@pytest.mark.parametrize("factor", [1.0005, 0.9995])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_factor_of_a_half_per_mille_is_beyond_the_tolerance(dtype: torch.dtype, factor: float) -> None:
    expected = torch.tensor([0.1, 1.0, -30.0], dtype=dtype)
    miss = compared(expected, expected * factor)
    assert isinstance(miss, Miss)
    assert miss.count == 3
