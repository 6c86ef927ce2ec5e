from __future__ import annotations

import pytest
import torch

from gradconform.oracle.text import at_places, describe, number, tensor
from gradconform.trace import UNSEEN, OpaqueSeen, Seen, TensorSeen


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (0.1, torch.float32, "0.1"),
        (0.1, torch.float64, "0.1"),
        (1 / 3, torch.float32, "0.33333334"),
        (1 / 3, torch.float64, "0.3333333333333333"),
        (218.375, torch.float16, "218.375"),
        (48640.0, torch.bfloat16, "48640.0"),
        (float("nan"), torch.float32, "nan"),
        (float("-inf"), torch.float16, "-inf"),
        (-0.0, torch.float32, "-0.0"),
        (1e-45, torch.float32, "1.4013e-45"),
        (1 - 2j, torch.complex64, "1.0-2.0j"),
        (3, torch.int64, "3"),
        (True, torch.bool, "True"),
    ],
)
def test_a_number_has_the_digits_that_tell_it_apart(value: complex, dtype: torch.dtype, text: str) -> None:
    assert number(torch.tensor(value, dtype=dtype).item(), dtype) == text


def test_small_tensors_are_written_whole_and_large_ones_not() -> None:
    assert tensor(torch.tensor([[1.0, 2.5], [3.0, 4.0]])) == "[[1.0, 2.5], [3.0, 4.0]]"
    assert tensor(torch.tensor(2.0)) == "2.0"
    assert tensor(torch.zeros(0)) == "[]"
    assert tensor(torch.zeros(64, 64)) == "a float32 tensor of shape [64, 64]"


def test_of_a_large_tensor_the_differing_places_are_written() -> None:
    value = torch.arange(100.0).reshape(10, 10)
    wrong = torch.zeros(10, 10, dtype=torch.bool)
    wrong[2, 5] = wrong[9, 9] = True
    assert at_places(value, wrong) == "[2, 5]: 25.0, [9, 9]: 99.0"
    assert at_places(value, ~wrong).endswith("[0, 3]: 3.0, and 94 more")


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (None, "None"),
        (True, "True"),
        ("AddBackward0", "'AddBackward0'"),
        ((1, None), "(1, None)"),
        ((2,), "(2,)"),
        (UNSEEN, "not seen"),
        (OpaqueSeen("array"), "array"),
        (TensorSeen(torch.ones(2), "cpu", False, True, False, None, 0, 0), "[1.0, 1.0] (float32)"),
    ],
)
def test_any_observed_value_can_be_described(seen: Seen, text: str) -> None:
    assert describe(seen) == text
