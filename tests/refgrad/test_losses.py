"""Conventions of losses and activations at the ends of their domains; the literals are PyTorch's."""

from __future__ import annotations

import math

import pytest
import torch

import refgrad as rg

F = rg.nn.functional


def _leaf(*values: float) -> rg.Tensor:
    return rg.tensor(values, dtype=torch.float64, requires_grad=True)


def _slope(value: rg.Tensor, by: rg.Tensor) -> list[float]:
    (grad,) = rg.autograd.grad(value.sum(), [by])
    return [float(number) for number in grad.to_torch()]


def test_binary_cross_entropy_is_cut_off_but_not_the_gradient_of_its_target() -> None:
    x, target = _leaf(0.0, 1.0), _leaf(1.0, 0.0)
    loss = F.binary_cross_entropy(x, target, reduction="none")
    assert loss.to_torch().tolist() == [100.0, 100.0]
    assert _slope(loss, x) == [-1e12, 1e12]
    loss = F.binary_cross_entropy(x, target, reduction="none")
    assert _slope(loss, target) == [math.inf, -math.inf]


def test_a_mean_of_ignored_targets_alone_is_nan_with_gradients_of_zero() -> None:
    x = _leaf(0.5, -1.0, 2.0)
    loss = F.nll_loss(x, rg.tensor(-100))
    assert math.isnan(loss.item())
    assert _slope(loss, x) == [0.0, 0.0, 0.0]


def test_a_weight_that_requires_grad_is_refused() -> None:
    x, weight = _leaf(0.5, -1.0), _leaf(1.0, 1.0)
    with pytest.raises(RuntimeError, match="not differentiable with respect to argument 'weight'"):
        F.nll_loss(x, rg.tensor(0), weight)
    with rg.no_grad():
        assert F.nll_loss(x, rg.tensor(0), weight).item() == -0.5


def test_elu_of_large_numbers_has_a_second_derivative() -> None:
    x = _leaf(1000.0, -1.0)
    (grad,) = rg.autograd.grad(F.elu(x).sum(), [x], create_graph=True)
    assert _slope(grad, x) == [0.0, math.exp(-1.0)]


def test_prelu_at_zero_has_the_slope_of_the_left_side() -> None:
    x, weight = _leaf(0.0), _leaf(0.25)
    assert _slope(F.prelu(x, weight), x) == [0.25]


def test_leaky_relu_in_place_refuses_a_negative_slope_in_backward() -> None:
    x = _leaf(1.0)
    y = F.leaky_relu(x * 1, -0.5, inplace=True)
    with pytest.raises(RuntimeError, match="In-place leakyReLu backward calculation"):
        y.backward(rg.tensor([1.0], dtype=torch.float64))


def test_a_large_margin_has_a_small_curvature() -> None:
    """In half precision the quotient rule would leave nothing but rounding: exp(30) / (1 + exp(30))^2."""
    x = rg.tensor([-30.0], dtype=torch.bfloat16, requires_grad=True)
    target = rg.tensor([1.0], dtype=torch.bfloat16)
    (grad,) = rg.autograd.grad(F.soft_margin_loss(x, target), [x], create_graph=True)
    assert grad.tolist() == [-1.0]
    (slope,) = _slope(grad, x)
    assert slope == pytest.approx(math.exp(-30.0), rel=0.05)


def test_chunks_of_linear_cross_entropy_sum_in_single_precision() -> None:
    """Of sixteen bits, the gradient is that of single precision, rounded once."""
    values = torch.linspace(-2, 2, 12).reshape(3, 4), torch.linspace(1, -1, 8).reshape(2, 4)
    half = [rg.from_torch(one.to(torch.bfloat16)).requires_grad_() for one in values]
    wide = [one.detach().to(torch.float32).requires_grad_() for one in half]
    target, options = rg.tensor([0, 1, 1]), rg.nn.LinearCrossEntropyOptions()
    for image, weight in (half, wide):
        F.linear_cross_entropy(image, weight, target, options=options).backward()
    for narrow, exact in zip(half, wide, strict=True):
        assert narrow.grad is not None
        assert exact.grad is not None
        assert narrow.grad.tolist() == exact.grad.to(torch.bfloat16).tolist()


def test_the_losses_of_chunks_record_nothing_and_refuse_what_would_have_to_be() -> None:
    x, weight = _leaf(1.0, -2.0), rg.tensor([[1.0, 0.5]], dtype=torch.float64, requires_grad=True)
    options = rg.nn.LinearCrossEntropyOptions()

    def gradient(cotangent: rg.Tensor) -> rg.Tensor:
        loss = F.linear_cross_entropy(
            x.view(2, 1), weight.view(2, 1), rg.tensor([0, 1]), reduction="none", options=options
        )
        found: rg.Tensor = rg.autograd.grad(loss, x, cotangent, create_graph=True)[0]
        return found

    cotangent = rg.ones(2, dtype=torch.float64)
    assert not gradient(cotangent).requires_grad
    with pytest.raises(RuntimeError, match="arguments don't support automatic differentiation"):
        gradient(cotangent.requires_grad_())
