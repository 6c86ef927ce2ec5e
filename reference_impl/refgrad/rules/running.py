"""Products of elements, and running sums and products. Formulas: torch/csrc/autograd/FunctionsManual.cpp, and
`cumprod_backward` in aten/src/ATen/native/ReduceOps.cpp.

Without zeros the gradient of a product is a quotient. Beside zeros it is multiplied out, which costs more,
and torch has short cuts where the gradient is not recorded. They take a product with a zero for zero, and
so differ from it beside infinity and nan. Inside of vmap, where nothing is known of zeros, it is always
multiplied out.
"""

from __future__ import annotations

from typing import Any

import torch

from .formulas import conj, formula, recorded, unreadable, zeros_like
from .registry import rule

T = Any


# --- products ---


@formula
def prod_backward(grad: T, value: T, result: T) -> T:
    """Return the gradient of a product: at a zero, the product of the others and not 0 / 0."""
    if not value.dim():
        return grad
    if not unreadable(value):
        zeros = (value == 0).sum().item()
        if not zeros:
            return grad * conj(result / value)
        if zeros > 1 and not recorded(value):
            return zeros_like(value)
    return _times_others(grad.reshape(-1), value.reshape(-1), 0).reshape(value.shape)


@formula
def prod_dim_backward(grad: T, value: T, result: T, dim: int, keepdim: bool) -> T:
    """Return the gradient of products along `dim`."""
    if not value.dim():
        return grad
    if not keepdim:
        grad, result = grad.unsqueeze(dim), result.unsqueeze(dim)
    if unreadable(value) or bool((value == 0).any()):
        return _times_others(grad, value, dim)
    return grad * conj(result / value)


def _times_others(grad: T, value: T, dim: int) -> T:
    """Return the gradient of each element from the product of the others along `dim`, without a division."""
    if value.shape[dim] == 1:
        return grad
    return grad * conj(_before(value, dim) * _before(value.flip(dim), dim).flip(dim))


def _before(value: T, dim: int) -> T:
    """Return for each element the product of those before it along `dim`; 1 for the first."""
    shape = [1] * value.dim()
    shape[dim] = value.shape[dim]
    first = (torch.arange(value.shape[dim], device=value.device) == 0).reshape(shape)
    return value.roll(1, dim).masked_fill(first, 1).cumprod(dim)


rule(
    "prod",
    grad_fn="ProdBackward0",
    tensors="self",
    args="dtype",
    forward="self.prod(dtype=dtype)",
    self="prod_backward(grad, self.to(grad.dtype), result)",
    saves="self result",
)
rule(
    "prod_dim",
    grad_fn="ProdBackward1",
    tensors="self",
    args="dim keepdim dtype",
    forward="self.prod(dim, keepdim, dtype=dtype)",
    self="prod_dim_backward(grad, self.to(grad.dtype), result, dim, keepdim)",
    saves="self result",
)

# --- running products ---


@formula
def cumprod_backward(grad: T, value: T, result: T, dim: int) -> T:
    """Return the gradient of running products."""
    if value.numel() <= 1 or value.shape[dim] == 1:
        return grad
    zero = value == 0
    hidden = unreadable(value) or unreadable(grad)
    if not hidden and not bool(zero.any()):
        return _summed_from_end(grad * conj(result), dim) / conj(value)
    if recorded(value) or hidden:
        return _multiplied_out(grad, value, dim)
    zeros = zero.cumsum(dim)
    # Up to the next zero the products are 0 but for the derivative by the zero before it.
    first, between = zero & (zeros == 1), ~zero & (zeros == 1)
    until = value.masked_fill(zeros > 0, 1).cumprod(dim).narrow(dim, value.shape[dim] - 1, 1)
    since = value.masked_fill(~between, 1).cumprod(dim)
    at_zero = (conj(since) * grad.masked_fill(zeros != 1, 0)).sum(dim, keepdim=True) * conj(until)
    return _before_zeros(grad, value, result, zeros, dim) + at_zero.masked_fill(~first, 0)


@formula
def cumprod_transposed(grad: T, value: T, result: T, dim: int) -> T:
    """Return the same gradient by sums alone, for `cumprod_jvp` in torch/csrc/autograd/FunctionsManual.cpp:
    from the first zero on the products are linear in it alone.
    """
    zero = value == 0
    zeros = zero.cumsum(dim)
    first = zero & (zeros == 1)
    others = value.masked_fill(first, 1).cumprod(dim)
    at_zero = (conj(others) * grad.masked_fill(zeros == 0, 0)).sum(dim, keepdim=True)
    return _before_zeros(grad, value, result, zeros, dim) + at_zero.masked_fill(~first, 0)


def _summed_from_end(value: T, dim: int) -> T:
    """Return the running sums along `dim` from its end."""
    return value.flip(dim).cumsum(dim).flip(dim)


def _before_zeros(grad: T, value: T, result: T, zeros: T, dim: int) -> T:
    """Return the gradient of running products of the elements before the first zero, and 0 for the others;
    `zeros` counts the zeros along `dim`.
    """
    after = zeros > 0
    summed = _summed_from_end(conj(result) * grad.masked_fill(after, 0), dim)
    return (summed / conj(value)).masked_fill(after, 0)


def _multiplied_out(grad: T, value: T, dim: int) -> T:
    """Return the gradient of running products without a division.

    The derivative of product j by element k is the product of what comes before k and of what lies between k
    and j.
    """
    along, size = value.transpose(dim, -1), value.shape[dim]
    column = torch.arange(size, device=value.device)
    row = column.unsqueeze(1)
    rows = along.unsqueeze(-2).expand(*along.shape[:-1], size, size)
    products = _before(along, -1).unsqueeze(-1) * rows.masked_fill(column <= row, 1).cumprod(-1)
    parts = conj(products) * grad.transpose(dim, -1).unsqueeze(-2)
    return parts.masked_fill(column < row, 0).sum(-1).transpose(dim, -1)


rule(
    "cumprod",
    grad_fn="CumprodBackward0",
    tensors="self",
    args="dim dtype",
    forward="self.cumprod(dim, dtype=dtype)",
    self="cumprod_backward(grad.to(self_dtype), self, result, dim)",
    saves="self result",
    forward_mode={"self": "cumprod_transposed(grad, self, result, dim)"},
)

# --- running sums ---


@formula
def cumsum_backward(grad: T, dim: int) -> T:
    """Return the running sums of the gradient from the end; the gradient itself if there is one place."""
    if grad.numel() <= 1 or grad.shape[dim] == 1:
        return grad
    return _summed_from_end(grad, dim)


rule(
    "cumsum",
    grad_fn="CumsumBackward0",
    tensors="self",
    args="dim dtype",
    forward="self.cumsum(dim, dtype=dtype)",
    self="cumsum_backward(grad, dim)",
    saves="",
)
