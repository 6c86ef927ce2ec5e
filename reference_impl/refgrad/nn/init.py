"""`refgrad.nn.init`: filling parameters, in place and unrecorded.

Source: https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

from refgrad.grad_mode import no_grad
from refgrad.tensor import Tensor

__all__ = ["constant_", "normal_", "ones_", "uniform_", "zeros_"]


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill `tensor` with one number."""
    with no_grad():
        return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill `tensor` with zeros."""
    with no_grad():
        return tensor.zero_()


def ones_(tensor: Tensor) -> Tensor:
    """Fill `tensor` with ones."""
    return constant_(tensor, 1.0)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Fill `tensor` with numbers drawn uniformly between `a` and `b`."""
    with no_grad():
        return tensor.uniform_(a, b)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Fill `tensor` with numbers drawn from a normal distribution."""
    with no_grad():
        return tensor.normal_(mean, std)
