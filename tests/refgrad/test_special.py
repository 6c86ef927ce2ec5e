"""Special functions, samples and dropout at the places that ordinary numbers do not reach, against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import refgrad as rg

Call = Callable[[Any, Any], Any]
# What families add to the package, type checkers do not know.
refgrad: Any = rg
HALF = 0.5

# Bounds, zeros, poles and ties: what torch does there is a choice.
PLACES: dict[str, tuple[Call, list[float]]] = {
    "digamma": (lambda m, x: m.digamma(x), [0.0, -1.0, 1.0]),
    "entr": (lambda m, x: m.special.entr(x), [0.0, -1.0, 1.0]),
    "frexp": (lambda m, x: m.frexp(x)[0], [0.0, 2.0**126, 2.0**128, 1e300]),
    "hypot": (lambda m, x: m.hypot(x, x.detach()), [0.0, 1.0]),
    "i0e": (lambda m, x: m.special.i0e(x), [0.0, -1.0]),
    "i1": (lambda m, x: m.special.i1(x), [0.0, 1e-17, -1e-15, 2.0]),
    "i1e": (lambda m, x: m.special.i1e(x), [0.0, 1e-17, -1e-15, 2.0]),
    "ldexp": (lambda m, x: m.ldexp(x, m.tensor([-2, 0, 3])), [1.0, 2.0, 3.0]),
    "log_ndtr": (lambda m, x: m.special.log_ndtr(x), [-40.0, 0.0, 40.0]),
    "logaddexp": (lambda m, x: m.logaddexp(x, -x), [800.0, 0.0, float("-inf")]),
    "logaddexp2": (lambda m, x: m.logaddexp2(x, m.zeros_like(x)), [2000.0, 0.0, -2000.0]),
    "logit": (lambda m, x: m.logit(x), [-0.5, 0.0, 0.5, 1.0, 1.5]),
    "logit-eps": (lambda m, x: m.logit(x, 0.25), [-0.5, 0.25, 0.5, 0.75, 1.5]),
    "mvlgamma": (lambda m, x: m.mvlgamma(x, 1), [0.25, 3.0]),
    "polar": (lambda m, x: m.polar(x, x.detach()).real, [0.0, -2.0, 2.0]),
    "renorm": (lambda m, x: m.renorm(x.reshape(2, 2), 2, 0, 5.0), [3.0, 4.0, 6.0, 8.0]),
    "renorm-inf": (lambda m, x: m.renorm(x.reshape(2, 2), float("inf"), 0, 1.0), [3.0, 3.0, 0.0, 0.0]),
    "sinc": (lambda m, x: m.sinc(x), [0.0, 0.5]),
    "xlog1py": (lambda m, x: m.special.xlog1py(x, m.full_like(x, -1.0)), [0.0, 1.0]),
    "xlogy": (lambda m, x: m.xlogy(0.0, x), [0.0, 1.0]),
}


def _orders(module: Any, call: Call, data: torch.Tensor) -> list[torch.Tensor]:
    """Return the value, its gradient and, unless it is constant, the gradient of that."""
    x = (rg.from_torch(data.clone()) if module is rg else data.clone()).requires_grad_()
    y = call(module, x)
    (slope,) = module.autograd.grad(y, x, module.ones_like(y), create_graph=True)
    found = [y, slope]
    if slope.requires_grad:
        found += module.autograd.grad(slope, x, module.ones_like(slope))
    return [part.to_torch() if module is rg else part.detach() for part in found]


@pytest.mark.parametrize("name", PLACES)
def test_bounds_zeros_and_poles(name: str) -> None:
    call, numbers = PLACES[name]
    data = torch.tensor(numbers, dtype=torch.float64)
    for ours, theirs in zip(_orders(rg, call, data), _orders(torch, call, data), strict=True):
        torch.testing.assert_close(ours, theirs, equal_nan=True)


def test_the_derivative_of_i1_is_missing_in_half_precision() -> None:
    x = rg.ones(2, dtype=rg.bfloat16, requires_grad=True)
    with pytest.raises(NotImplementedError):
        rg.special.i1(x).sum().backward()


@pytest.mark.parametrize("name", ["igamma", "igammac", "special.zeta"])
def test_the_first_argument_has_no_derivative(name: str) -> None:
    function = rg.special.zeta if name == "special.zeta" else getattr(rg, name)
    s, x = (rg.tensor([1.5, 2.5], requires_grad=True) for _ in range(2))
    function(s.detach(), x).sum().backward()
    assert x.grad is not None
    with pytest.raises(NotImplementedError):
        function(s, x.detach()).sum().backward()


def test_the_remainder_of_a_number_has_no_derivative() -> None:
    x = rg.tensor([2.0, 3.0], requires_grad=True)
    y = 5 % x
    assert y.requires_grad
    with pytest.raises(RuntimeError, match="not implemented"):
        y.sum().backward()


@pytest.mark.parametrize("size", [(2,), (1, 2, 3), (-1, 3), (3, 2)])
def test_sum_to_a_size_that_does_not_expand(size: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError, match="is not expandable to size"):
        torch.ones(2, 3).sum_to_size(size)
    with pytest.raises(RuntimeError, match="is not expandable to size"):
        rg.ones(2, 3).sum_to_size(size)


def test_sum_to_its_own_size_is_the_tensor_itself() -> None:
    x = rg.ones(2, 3)
    assert x.sum_to_size(2, 3) is x


def test_a_float_power_in_place_needs_the_wide_dtype() -> None:
    with pytest.raises(
        RuntimeError, match="has dtype Float but the operation's result requires dtype Double"
    ):
        rg.ones(2).float_power_(2)
    assert rg.ones(2, dtype=rg.float64).float_power_(2).dtype is torch.float64


def test_conversions_to_what_a_tensor_is_already() -> None:
    x = rg.ones(2, 3, 4, 5)
    assert x.float() is x
    assert x.float(memory_format=torch.contiguous_format) is x
    moved = x.float(memory_format=torch.channels_last)
    assert moved is not x
    assert moved.is_contiguous(memory_format=torch.channels_last)
    assert moved.float(memory_format=torch.channels_last) is moved


# --- samples: the same numbers as torch's, and zero gradients ---

SAMPLES: dict[str, Call] = {
    "bernoulli": lambda m, x: m.bernoulli(x),
    "bernoulli_": lambda m, x: (x * 2).bernoulli_(0.25),
    "bernoulli_-tensor": lambda m, x: (x.detach() * 0).bernoulli_(x),
    "cauchy_": lambda m, x: (x * 2).cauchy_(1.0, 2.0),
    "exponential_": lambda m, x: (x * 2).exponential_(2.0),
    "geometric_": lambda m, x: (x * 2).geometric_(0.5),
    "log_normal_": lambda m, x: (x * 2).log_normal_(),
    "normal-mean": lambda m, x: m.normal(x, 2.0),
    "normal-std": lambda m, x: m.normal(1.0, x),
    "normal-both": lambda m, x: m.normal(x, x.detach()[:, :1]),
    "normal_": lambda m, x: (x * 2).normal_(mean=1.0),
    "poisson": lambda m, x: m.poisson(x),
    "random_": lambda m, x: (x * 2).random_(2, 7),
    "uniform_": lambda m, x: (x * 2).uniform_(-1, 1),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name: str) -> None:
    data = torch.linspace(0.1, 0.9, 12, dtype=torch.float64).reshape(3, 4)
    found = []
    for module in (torch, rg):
        x = (rg.from_torch(data.clone()) if module is rg else data.clone()).requires_grad_()
        torch.manual_seed(5)
        y = SAMPLES[name](module, x)
        (slope,) = module.autograd.grad(y.sum(), x)
        found.append((y, slope))
    (theirs, slope), (ours, found_slope) = found
    assert torch.equal(ours.to_torch(), theirs.detach())
    assert torch.equal(found_slope.to_torch(), slope)
    assert not slope.any()


def test_one_probability_for_all_has_no_derivative() -> None:
    y = rg.ones(3, requires_grad=True).bernoulli(0.5)
    assert y.requires_grad
    with pytest.raises(RuntimeError, match="not implemented"):
        y.sum().backward()


def test_a_generator_of_ones_own() -> None:
    x = rg.full((20,), HALF)
    theirs = torch.bernoulli(x.to_torch(), generator=torch.Generator().manual_seed(7))
    ours = refgrad.bernoulli(x, generator=rg.Generator().manual_seed(7))
    assert torch.equal(ours.to_torch(), theirs)


# --- dropout ---

DROPOUTS = ("dropout", "alpha_dropout", "feature_alpha_dropout", "dropout1d", "dropout2d", "dropout3d")


@pytest.mark.parametrize("inplace", [False, True], ids=["copy", "in-place"])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", DROPOUTS)
@pytest.mark.filterwarnings("ignore:dropout.d")
def test_dropout(name: str, p: float, inplace: bool) -> None:
    shape = {"dropout1d": (4, 3), "dropout2d": (2, 4, 3), "dropout3d": (4, 3, 2, 2)}.get(name, (3, 4, 2))
    data = torch.linspace(-1, 1, torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)
    found = []
    for module in (torch, rg):
        x = (rg.from_torch(data.clone()) if module is rg else data.clone()).requires_grad_()
        torch.manual_seed(5)
        y = getattr(module.nn.functional, name)(x * 1, p, True, inplace)
        (slope,) = module.autograd.grad(y, x, module.ones_like(y))
        found.append((y, slope))
    (theirs, slope), (ours, found_slope) = found
    torch.testing.assert_close(ours.to_torch(), theirs.detach())
    torch.testing.assert_close(found_slope.to_torch(), slope)


@pytest.mark.parametrize("name", DROPOUTS)
def test_dropout_refuses_what_is_no_probability(name: str) -> None:
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1"):
        getattr(rg.nn.functional, name)(rg.ones(2, 3), 1.5)
    with pytest.raises(RuntimeError, match="dropout probability has to be between 0 and 1"):
        refgrad.dropout(rg.ones(2, 3), -0.5, True)


@pytest.mark.parametrize("train", [True, False])
def test_native_dropout_gives_its_mask(train: bool) -> None:
    x = rg.ones(50, requires_grad=True)
    torch.manual_seed(3)
    y, mask = refgrad.native_dropout(x, 0.25, train)
    torch.manual_seed(3)
    theirs, kept = torch.native_dropout(torch.ones(50), 0.25, train)
    assert torch.equal(y.to_torch(), theirs)
    assert torch.equal(mask.to_torch(), kept)
    assert not mask.requires_grad
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad.to_torch(), theirs)
