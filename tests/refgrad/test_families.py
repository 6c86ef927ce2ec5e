"""Values, gradients and gradients of gradients of refgrad's larger families, against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import refgrad as rg

Call = Callable[[Any, Any], Any]


def _function(name: str) -> Call:
    return lambda m, x: getattr(m, name)(x / 4)


def _activation(name: str) -> Call:
    return lambda m, x: getattr(m.nn.functional, name)(x)


def _method(name: str, *args: int) -> Call:
    return lambda _, x: getattr(x, name)(*args)


FUNCTIONS = ("acos", "asin", "asinh", "atan", "atanh", "cosh", "erf", "erfinv", "sinc", "sinh")
ACTIVATIONS = ("celu", "elu", "gelu", "leaky_relu", "logsigmoid", "mish", "selu", "silu", "softplus")
ALONG = ("cumprod", "cumsum", "log_softmax", "logcumsumexp", "logsumexp", "softmax")
OVER_ALL = ("max", "median", "norm", "prod", "std", "var")

CALLS: dict[str, Call] = {
    **{name: _function(name) for name in FUNCTIONS},
    **{name: _activation(name) for name in ACTIVATIONS},
    **{name: _method(name, 1) for name in ALONG},
    **{name: _method(name) for name in OVER_ALL},
    "amax": lambda m, x: x.amax(1),
    "cdist": lambda m, x: m.cdist(x, x * x).sum(),
    "clamp": lambda m, x: x.clamp(-0.5, 0.5) * x,
    "conv1d": lambda m, x: m.nn.functional.conv1d(x.unsqueeze(0), x[:, :2].unsqueeze(0)),
    "det": lambda m, x: x[:, :3].det(),
    "einsum": lambda m, x: m.einsum("ij,kj->ik", x, x),
    "gather": lambda m, x: x.gather(1, m.tensor([[0, 0], [1, 3], [2, 2]])) ** 2,
    "inverse": lambda m, x: x[:, :3].inverse(),
    "layer_norm": lambda m, x: m.nn.functional.layer_norm(x, (4,)),
    "pad": lambda m, x: m.nn.functional.pad(x, (1, 2), mode="reflect") ** 2,
    "repeat": lambda m, x: x.repeat(2, 3) ** 2,
    "rfft": lambda m, x: m.fft.rfft(x).abs() ** 2,
    "scatter_reduce": lambda m, x: x[0].scatter_reduce(0, m.tensor([0, 0, 1]), x[1, :3], "prod"),
    "sort": lambda m, x: x.sort()[0] ** 2,
}


@pytest.mark.parametrize("zeros", [False, True], ids=["smooth", "zeros"])
@pytest.mark.parametrize("name", CALLS)
def test_value_and_two_derivatives(name: str, zeros: bool) -> None:
    call = CALLS[name]
    data = torch.linspace(-1.5, 1.7, 12, dtype=torch.float64)[
        torch.tensor([4, 9, 1, 6, 11, 0, 7, 2, 10, 5, 3, 8])
    ]
    data = data.reshape(3, 4)
    if zeros and name in {"prod", "cumprod"}:
        data[0, 1] = data[0, 2] = 0
    x, y = data.clone().requires_grad_(), rg.from_torch(data.clone()).requires_grad_()
    value, got = call(torch, x), call(rg, y)
    torch.testing.assert_close(got.to_torch(), value.detach())
    if name == "cdist":
        # torch has no derivative of this derivative.
        value.backward()
        got.backward()
        assert y.grad is not None
        torch.testing.assert_close(y.grad.to_torch(), x.grad)
        return
    (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (found,) = rg.autograd.grad(got.sum(), y, create_graph=True)
    torch.testing.assert_close(found.to_torch(), slope.detach())
    if slope.requires_grad:
        (second,) = torch.autograd.grad((slope * slope).sum(), x)
        (again,) = rg.autograd.grad((found * found).sum(), y)
        torch.testing.assert_close(again.to_torch(), second)
