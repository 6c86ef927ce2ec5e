"""Programs computed by hand. Nothing of gradconform is used: no spec, no interpreter, no comparison.

Each number below was derived with pencil and paper; the derivation stands beside it.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import refgrad

ENGINES = [pytest.param(torch, id="torch"), pytest.param(refgrad, id="refgrad")]


@pytest.mark.parametrize("engine", ENGINES)
def test_sum_of_a_product(engine: Any) -> None:
    x = engine.tensor([2.0, 3.0], requires_grad=True)
    y = engine.tensor([5.0, 7.0], requires_grad=True)
    s = (x * y).sum()
    s.backward()
    assert s.item() == 31.0  # 2*5 + 3*7
    assert x.grad.tolist() == [5.0, 7.0]  # ds/dx = y
    assert y.grad.tolist() == [2.0, 3.0]  # ds/dy = x


@pytest.mark.parametrize("engine", ENGINES)
def test_gradients_of_two_calls_are_added(engine: Any) -> None:
    x = engine.tensor([1.0], requires_grad=True)
    (x * 2).backward()
    assert x.grad.tolist() == [2.0]
    held = x.grad
    (x * 3).backward()
    assert x.grad.tolist() == [5.0]  # 2 + 3
    assert held is x.grad


@pytest.mark.parametrize("engine", ENGINES)
def test_mean_of_a_polynomial(engine: Any) -> None:
    x = engine.tensor([[1.0, 1.0], [1.0, 1.0]], requires_grad=True)
    y = x + 2
    out = (y * y * 3).mean()
    out.backward()
    assert out.item() == 27.0  # 3 * 3**2
    assert x.grad.tolist() == [[4.5, 4.5], [4.5, 4.5]]  # 3 * 2 * (1 + 2) / 4


@pytest.mark.parametrize("engine", ENGINES)
def test_a_path_that_forks_and_joins(engine: Any) -> None:
    x = engine.tensor([2.0], requires_grad=True)
    a = x * 3
    b = x * x
    (a * b + a).backward()
    # y = 3 x^3 + 3 x, dy/dx = 9 x^2 + 3 = 36 + 3
    assert x.grad.tolist() == [39.0]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_row_and_a_column_are_summed_back(engine: Any) -> None:
    column = engine.tensor([[1.0], [2.0]], requires_grad=True)
    row = engine.tensor([10.0, 20.0, 30.0], requires_grad=True)
    (column * row).sum().backward()
    assert column.grad.tolist() == [[60.0], [60.0]]  # 10 + 20 + 30 for each
    assert row.grad.tolist() == [3.0, 3.0, 3.0]  # 1 + 2 for each


@pytest.mark.parametrize("engine", ENGINES)
def test_a_matrix_product_with_a_cotangent(engine: Any) -> None:
    a = engine.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    b = engine.tensor([[5.0], [6.0]], requires_grad=True)
    c = a @ b
    assert c.tolist() == [[17.0], [39.0]]  # 5 + 12, 15 + 24
    c.backward(engine.tensor([[1.0], [10.0]]))
    assert a.grad.tolist() == [[5.0, 6.0], [50.0, 60.0]]  # v b^T
    assert b.grad.tolist() == [[31.0], [42.0]]  # a^T v: 1 + 30, 2 + 40


@pytest.mark.parametrize("engine", ENGINES)
def test_a_quotient(engine: Any) -> None:
    x = engine.tensor([6.0], requires_grad=True)
    y = engine.tensor([2.0], requires_grad=True)
    (x / y).backward()
    assert x.grad.tolist() == [0.5]  # 1 / y
    assert y.grad.tolist() == [-1.5]  # -x / y^2


@pytest.mark.parametrize("engine", ENGINES)
def test_a_chain_of_functions(engine: Any) -> None:
    x = engine.tensor([0.25], dtype=engine.float64, requires_grad=True)
    y = engine.exp(engine.sqrt(x))
    y.backward()
    # d exp(sqrt x) / dx = exp(sqrt x) / (2 sqrt x), and 2 sqrt(1/4) = 1
    assert y.item() == pytest.approx(1.6487212707001282, rel=1e-15)
    assert x.grad.item() == pytest.approx(math.exp(0.5), rel=1e-15)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_detached_factor_is_a_constant(engine: Any) -> None:
    x = engine.tensor([3.0], requires_grad=True)
    (x * x.detach()).backward()
    assert x.grad.tolist() == [3.0]  # not 6


@pytest.mark.parametrize("engine", ENGINES)
def test_no_grad_records_nothing_and_ends_with_its_block(engine: Any) -> None:
    x = engine.tensor([1.0], requires_grad=True)
    results = []

    def fail_inside() -> None:
        with engine.no_grad():
            results.append(x * 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert results[0].requires_grad is False
    assert (x * 2).requires_grad is True


@pytest.mark.parametrize("engine", ENGINES)
def test_a_second_backward_needs_what_was_saved(engine: Any) -> None:
    x = engine.tensor([4.0], requires_grad=True)
    plain = x + 1
    plain.backward()
    plain.backward()
    assert x.grad.tolist() == [2.0]  # an addition saves nothing
    square = x * x
    square.backward(retain_graph=True)
    square.backward()
    assert x.grad.tolist() == [18.0]  # 2 + 8 + 8
    with pytest.raises(RuntimeError):
        square.backward()
    assert x.grad.tolist() == [18.0]


@pytest.mark.parametrize("engine", ENGINES)
def test_grad_gives_what_it_is_asked_for(engine: Any) -> None:
    x = engine.tensor([3.0], requires_grad=True)
    u = engine.tensor([1.0], requires_grad=True)
    y = x * x * x
    first, unused = engine.autograd.grad(y, [x, u], create_graph=True, allow_unused=True)
    assert first.tolist() == [27.0]  # 3 x^2
    assert unused is None
    (second,) = engine.autograd.grad(first, [x])
    assert second.tolist() == [18.0]  # 6 x
    assert x.grad is None


@pytest.mark.parametrize("engine", ENGINES)
def test_an_in_place_product_is_differentiated(engine: Any) -> None:
    x = engine.tensor([2.0, 5.0], requires_grad=True)
    y = x * 1
    y.mul_(3)
    y.sum().backward()
    assert y.tolist() == [6.0, 15.0]
    assert x.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("engine", ENGINES)
def test_three_steps_of_gradient_descent(engine: Any) -> None:
    w = engine.tensor([8.0], requires_grad=True)
    optimizer = engine.optim.SGD([w], lr=0.25)
    seen = []
    for _ in range(3):
        optimizer.zero_grad()
        (w * w).backward()
        seen.append(w.grad.item())
        optimizer.step()
    # each step halves w: 8 - 0.25 * 16 = 4, then 2, then 1
    assert seen == [16.0, 8.0, 4.0]
    assert w.tolist() == [1.0]
