"""Conventions of statistics, indexed writes and products that their samples do not reach."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import refgrad

rg: Any = refgrad  # the functions of families are set when it is imported


@pytest.mark.filterwarnings("ignore:index_reduce")
def test_a_product_into_two_zeros_has_one_derivative() -> None:
    x = rg.ones(1, dtype=rg.float64)
    for operation, what in (("scatter_reduce", "src"), ("index_reduce", "source")):
        source = rg.tensor([0.0, 0.0, 2.0], dtype=rg.float64, requires_grad=True)
        y = getattr(x, operation)(0, rg.tensor([0, 0, 0]), source, "prod")
        (g,) = rg.autograd.grad(y.sum(), source, create_graph=True)
        assert g.tolist() == [0.0, 0.0, 0.0]
        with pytest.raises(RuntimeError, match=f"Double backward is unsupported for {what}"):
            rg.autograd.grad(g.sum(), source)


def test_a_place_that_is_filled_twice_counts_once() -> None:
    value = rg.tensor(2.0, requires_grad=True)
    y = rg.zeros(3).index_fill(0, rg.tensor([1, 1]), value)
    (g,) = rg.autograd.grad(y, value, rg.tensor([1.0, 10.0, 100.0]))
    assert g.item() == 10.0


def test_quantiles_of_nan() -> None:
    x = rg.tensor([[1.0, math.nan, 3.0], [2.0, 4.0, 6.0]], requires_grad=True)
    assert rg.quantile(x, 0.5, dim=1).tolist()[1] == 4.0
    assert math.isnan(rg.quantile(x, 0.5, dim=1).tolist()[0])
    y = rg.nanquantile(x, 0.5, dim=1)
    assert y.tolist() == [2.0, 4.0]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]


def test_the_gradient_of_a_quantile_reaches_its_rank() -> None:
    q = rg.tensor([0.25], dtype=rg.float64, requires_grad=True)
    rg.quantile(rg.tensor([0.0, 1.0, 5.0], dtype=rg.float64), q).sum().backward()
    assert q.grad is not None
    assert q.grad.tolist() == [2.0]  # rank 0.5 lies between 0 and 1, and two ranks make q = 1


def test_einsum_takes_lists_and_ellipses() -> None:
    a, b = torch.randn(2, 3, 4), torch.randn(4, 5)
    x, w = rg.from_torch(a), rg.from_torch(b)
    expected = torch.einsum("...ij,jk->...ik", a, b)
    torch.testing.assert_close(rg.einsum("...ij,jk->...ik", x, w).to_torch(), expected)
    torch.testing.assert_close(rg.einsum(x, [Ellipsis, 1, 2], w, [2, 3]).to_torch(), expected)
    with pytest.raises(RuntimeError):
        rg.einsum("ij,jk->ik", x, w)


def test_nothing_is_left_for_a_covariance() -> None:
    with pytest.warns(UserWarning, match="degrees of freedom"):
        assert math.isnan(rg.cov(rg.tensor([3.0])).item())


def test_ties_share_the_gradient_of_both_extremes() -> None:
    x = rg.tensor([1.0, 1.0, 1.0, 1.0], requires_grad=True)
    least, largest = rg.aminmax(x)
    (least * 4 + largest * 8).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 3.0, 3.0, 3.0]
