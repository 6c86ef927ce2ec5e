"""What rows are compiled to."""

from __future__ import annotations

import ast
import traceback
import tracemalloc

import pytest
import torch

import refgrad as rg
from refgrad.generate import source
from refgrad.rules import TABLE


@pytest.mark.parametrize("name", TABLE)
def test_every_row_gives_readable_text(name: str) -> None:
    text = source(TABLE[name])
    tree = ast.parse(text)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    tensors = len(TABLE[name].differentiable)
    if tensors > 1:
        # One is for views that were not recorded: they require grad, and no gradient passes.
        assert "fit(" not in ast.unparse(classes.pop())
    # An operation with several results has no variants for plain tensors.
    assert len(classes) == (2**tensors - 1) * (1 if TABLE[name].outputs else 2)
    for made in classes:
        general = made.name.endswith("_general")
        body = ast.unparse(made)
        assert ("fit(" in body) == (general and "raise not_implemented(" not in body)
        if not general:
            assert "conj(" not in body.replace(".conj(", "")


def test_a_node_saves_what_its_inputs_need_and_no_more() -> None:
    x, c = rg.ones(2, requires_grad=True), rg.ones(2)
    node = (x * c).grad_fn
    assert type(node).__slots__ == ("s_other",)  # type: ignore[union-attr]
    node = (x * x).grad_fn
    assert type(node).__slots__ == ("s_other", "s_self")  # type: ignore[union-attr]
    node = (x + c).grad_fn
    assert type(node).__slots__ == ()  # type: ignore[union-attr]


def test_a_traceback_shows_the_generated_line() -> None:
    x = rg.ones(2, requires_grad=True)
    y = x * x
    y.sum().backward()
    with pytest.raises(RuntimeError) as caught:
        y.sum().backward()
    shown = "".join(traceback.format_tb(caught.value.__traceback__))
    assert "<refgrad rule mul>" in shown
    assert "raise freed()" in shown


def test_a_node_is_small() -> None:
    x = rg.ones(1, requires_grad=True)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    y = x
    for _ in range(2000):
        y = y + 1
    size = (tracemalloc.get_traced_memory()[0] - before) / 2000
    tracemalloc.stop()
    assert size <= 250


def test_torch_kernels_see_the_numbers_that_torch_sees() -> None:
    numbers = [0, 0.0, -0.0, 1, 2, 0.1, -3, 1e-8, 1e30, 2**24 + 1, 2**40, float("inf"), float("nan")]
    data = torch.tensor([1.5, -0.0, 0.0, 3.3, float("inf"), 1e-40])
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64):
        value = data.to(dtype) if dtype.is_floating_point else torch.tensor([1, -7, 0])
        for number in numbers:
            for _ in range(2):  # the second time from the store
                for name in (
                    "__add__",
                    "__sub__",
                    "__mul__",
                    "__truediv__",
                    "__radd__",
                    "__rsub__",
                    "__rmul__",
                ):
                    mine = getattr(rg.from_torch(value), name)(number).to_torch()
                    expected = getattr(value, name)(number)
                    assert mine.dtype is expected.dtype
                    same = torch.equal(mine.nan_to_num(7), expected.nan_to_num(7))
                    assert same, (dtype, number, name, mine, expected)
                    assert torch.equal(mine.signbit(), expected.signbit()), (dtype, number, name)


def test_the_store_of_numbers_is_bounded() -> None:
    from refgrad.scalars import _KEPT, _LIMIT

    x = rg.ones(1)
    for index in range(2 * _LIMIT):
        x + (index + 0.123)
    assert all(len(kept) <= _LIMIT for kept in _KEPT.values())
