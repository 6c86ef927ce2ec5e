"""Padding, joins, copies of views and Fourier transforms where PyTorch's operator samples do not reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import refgrad as rg

Call = Callable[[Any, Any], Any]

CALLS: dict[str, tuple[tuple[int, ...], Call]] = {
    "irfft of one place": ((1,), lambda m, x: m.fft.irfft(x, n=1)),
    "irfft of an odd size": ((4,), lambda m, x: m.fft.irfft(x, n=7)),
    "hfft of an even size": ((4,), lambda m, x: m.fft.hfft(x, n=6)),
    "rfft of one place": ((1,), lambda m, x: m.fft.rfft(x)),
    "rfftn cut and filled up": ((3, 4), lambda m, x: m.fft.rfftn(x, s=(5, 2))),
    "repeat nothing": ((2, 3), lambda m, x: x.repeat(0, 2)),
    "block_diag of every rank": ((2,), lambda m, x: m.block_diag(x[0], x, x.view(2, 1))),
    "circular, one side cut": ((1, 2, 4), lambda m, x: m.nn.functional.pad(x, (-1, 2), mode="circular")),
    "replicate a single place": ((1, 2, 1), lambda m, x: m.nn.functional.pad(x, (2, 3), mode="replicate")),
    "combinations of none": ((1,), lambda m, x: m.combinations(x, 2)),
    "expand_copy of nothing": ((1,), lambda m, x: m.expand_copy(x, (0, 3))),
}


def _gradient(module: Any, call: Call, x: Any) -> torch.Tensor:
    y = call(module, x.requires_grad_())
    flat = y.abs() if y.dtype.is_complex else y * y
    (grad,) = module.autograd.grad(flat.sum(), [x])
    found: torch.Tensor = grad if isinstance(grad, torch.Tensor) else grad.to_torch()
    return found


@pytest.mark.parametrize("name", CALLS)
def test_the_gradient_is_torchs(name: str) -> None:
    """At the borders: single places, odd sizes, nothing at all."""
    shape, call = CALLS[name]
    data = torch.linspace(0.5, 2.0, steps=torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)
    expected = _gradient(torch, call, data.clone())
    got = _gradient(rg, call, rg.from_torch(data.clone()))
    torch.testing.assert_close(got, expected)


def test_the_transform_of_an_impulse_is_flat() -> None:
    """By hand: the transform of (1, 0, 0, 0) is 1 everywhere, and the gradient of its sum is (4, 0, 0, 0)."""
    x = rg.tensor([1.0, 0.0, 0.0, 0.0], requires_grad=True)
    y = rg.fft.fft(x)
    assert y.tolist() == [1, 1, 1, 1]
    y.real.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [4, 0, 0, 0]


@pytest.mark.parametrize("name", ["select_copy", "slice_copy"])
def test_torch_does_not_differentiate_these_copies_of_complex_tensors(name: str) -> None:
    """The same error, before anything is computed; without a gradient the copy is made."""
    arguments = (0, 0)
    for module in (torch, rg):
        x: Any = module.ones(2, dtype=module.complex64, requires_grad=True)
        with pytest.raises(RuntimeError, match="does not support automatic differentiation"):
            getattr(module, name)(x, *arguments)
        assert getattr(module, name)(x.detach(), *arguments).dtype is torch.complex64


def test_what_a_copy_shows_is_on_memory_of_its_own() -> None:
    """A write to the copy leaves the tensor as it is."""
    x = rg.zeros(2, 2)
    copy = rg.t_copy(x)
    copy.fill_(1.0)
    assert x.sum().item() == 0
    assert copy.is_contiguous()


def test_a_tensor_that_has_the_shape_is_not_expanded() -> None:
    """broadcast_tensors returns it as it is, as torch does."""
    x, w = rg.ones(2, 3), rg.ones(3)
    first, second = rg.broadcast_tensors(x, w)
    assert first is x
    assert second.shape == (2, 3)


def test_parts_that_do_not_fit_are_refused() -> None:
    """Sizes that do not add up, and sections that do not divide."""
    x = rg.ones(4, 3)
    with pytest.raises(RuntimeError):
        rg.split_with_sizes(x, [1, 2])
    with pytest.raises(RuntimeError, match="not divisible"):
        rg.hsplit(x, 2)
