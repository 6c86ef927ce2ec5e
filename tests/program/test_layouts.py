import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradconform.errors import UsageError
from gradconform.program.layouts import fresh
from gradconform.program.steps import Input, Layout

LAYOUTS: tuple[Layout, ...] = ("contiguous", "transposed", "strided", "expanded")
DTYPES = (torch.float16, torch.float32, torch.complex128, torch.int64, torch.bool)


def numbers(shape: tuple[int, ...], dtype: torch.dtype, layout: Layout) -> torch.Tensor:
    count = math.prod(shape)
    data = torch.arange(count).reshape(shape).to(dtype)
    if dtype.is_floating_point and count:
        data.view(-1)[0] = math.nan
    if layout == "expanded" and shape and shape[0]:
        data = data[:1].expand(shape).contiguous()
    return data


@settings(max_examples=300)
@given(
    shape=st.lists(st.integers(0, 4), max_size=4).map(tuple),
    dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(LAYOUTS),
)
def test_every_layout_holds_the_same_numbers_in_a_storage_of_its_own(
    shape: tuple[int, ...], dtype: torch.dtype, layout: Layout
) -> None:
    data = numbers(shape, dtype, layout)
    before = repr(data.tolist())
    tensor = fresh(Input("x", data, layout=layout), "cpu")
    assert tensor.shape == shape
    assert tensor.dtype == dtype
    assert repr(tensor.tolist()) == before
    assert tensor.is_leaf
    assert not tensor.requires_grad
    assert not tensor._is_view()
    assert tensor._version == 0
    if layout != "expanded" and data.numel():  # torch refuses writes to memory that several elements share
        tensor.zero_()
        assert repr(data.tolist()) == before
    if data.numel():
        assert tensor.untyped_storage().data_ptr() != data.untyped_storage().data_ptr()


def test_the_places_in_memory_are_those_that_the_layout_names() -> None:
    strides = {
        layout: fresh(Input("x", numbers((2, 3), torch.float32, layout), layout=layout), "cpu").stride()
        for layout in LAYOUTS
    }
    assert strides == {"contiguous": (3, 1), "transposed": (1, 2), "strided": (6, 2), "expanded": (0, 1)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.int64, torch.bool])
def test_the_gaps_of_a_strided_tensor_are_no_ordinary_numbers(dtype: torch.dtype) -> None:
    tensor = fresh(Input("x", torch.zeros(3, dtype=dtype), layout="strided"), "cpu")
    assert tensor.storage_offset() == 1
    gaps = torch.empty(0, dtype=dtype).set_(tensor.untyped_storage())[::2]
    assert gaps.shape == (3,)
    assert gaps.isnan().all() if dtype.is_floating_point or dtype.is_complex else (gaps > 0).all()


def test_a_strided_scalar_lies_behind_a_gap() -> None:
    tensor = fresh(Input("x", torch.tensor(5.0), layout="strided"), "cpu")
    assert tensor.shape == ()
    assert tensor.storage_offset() == 1


def test_each_call_makes_another_tensor() -> None:
    for layout in LAYOUTS:
        one = Input("x", numbers((2, 2), torch.float64, layout), layout=layout)
        assert fresh(one, "cpu").data_ptr() != fresh(one, "cpu").data_ptr()


def test_rows_that_differ_cannot_be_expanded() -> None:
    with pytest.raises(UsageError, match=r"input 'x' is to be expanded .* but its rows differ"):
        fresh(Input("x", torch.tensor([1.0, 2.0]), layout="expanded"), "cpu")
    with pytest.raises(UsageError, match="rows differ"):
        fresh(Input("x", torch.tensor([0.0, -0.0]), layout="expanded"), "cpu")
    assert fresh(Input("x", torch.tensor([math.nan] * 2), layout="expanded"), "cpu").stride() == (0,)
