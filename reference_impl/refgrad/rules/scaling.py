"""Powers of two, logarithms of sums, lengths, angles: further functions that scale what they are given."""

from __future__ import annotations

import math
from typing import Any

import torch

from .extremes import vector_norm_backward
from .formulas import conj, formula, kernel
from .registry import NON_DIFFERENTIABLE, NOT_IMPLEMENTED, rule

T = Any

kernel("exp2", torch.exp2)
kernel("hypot", torch.hypot)
kernel("ldexp", torch.ldexp)
kernel("logaddexp", torch.logaddexp)
kernel("logaddexp2", torch.logaddexp2)
kernel("conj_physical", torch.conj_physical)

rule(
    "exp2",
    grad_fn="Exp2Backward0",
    tensors="self",
    forward="exp2(self)",
    self=f"grad * conj(result) * {math.log(2)}",
    saves="result",
    elementwise=True,
    diagonal=True,
)
# torch takes two to the exponent in float32, which overflows above 127, in its own backward as well.
rule(
    "frexp",
    grad_fn="FrexpBackward0",
    tensors="self exponent",
    args="mantissa",
    forward="mantissa",
    self="(grad / exp2(exponent)).to(self_dtype)",
    exponent=NON_DIFFERENTIABLE,
    saves="exponent",
    elementwise=True,
)
# With an integer exponent torch takes the power among integers: it is 0 where the exponent is negative.
rule(
    "ldexp",
    grad_fn="LdexpBackward0",
    tensors="self other",
    forward="ldexp(self, other)",
    self="grad * conj(2**other)",
    other=f"grad * conj(result) * {math.log(2)}",
    saves="other result",
    elementwise=True,
    diagonal=True,
)
rule(
    "logaddexp",
    grad_fn="LogaddexpBackward0",
    tensors="self other",
    forward="logaddexp(self, other)",
    self="grad / conj(1 + (other - self).exp())",
    other="grad / conj(1 + (self - other).exp())",
    saves="self other",
    elementwise=True,
    diagonal=True,
)
rule(
    "logaddexp2",
    grad_fn="Logaddexp2Backward0",
    tensors="self other",
    forward="logaddexp2(self, other)",
    self="grad / (1 + 2 ** (other - self))",
    other="grad / (1 + 2 ** (self - other))",
    saves="self other",
    elementwise=True,
    diagonal=True,
)
rule(
    "hypot",
    grad_fn="HypotBackward0",
    tensors="self other",
    forward="hypot(self, other)",
    self="grad * self / result",
    other="grad * other / result",
    saves="self other result",
    elementwise=True,
    diagonal=True,
)
for _name, _node, _factor in (
    ("deg2rad", "Deg2RadBackward0", math.pi / 180),
    ("rad2deg", "Rad2DegBackward0", 180 / math.pi),
):
    rule(
        _name,
        grad_fn=_node,
        tensors="self",
        forward=f"self.{_name}()",
        self=f"grad * {_factor}",
        saves="",
        elementwise=True,
    )
rule(
    "conj_physical",
    grad_fn="ConjPhysicalBackward0",
    tensors="self",
    forward="conj_physical(self)",
    self="conj_physical(grad)",
    saves="",
    elementwise=True,
)
rule(
    "resolve_neg",
    grad_fn="CloneBackward0",
    tensors="self",
    forward="self.resolve_neg()",
    self="grad",
    saves="",
    elementwise=True,
)
rule(
    "round_decimals",
    grad_fn="RoundBackward1",
    tensors="self",
    args="decimals",
    forward="self.round(decimals=decimals)",
    self="zeros_like(grad)",
    saves="",
    elementwise=True,
    diagonal=True,
)
# torch records it, and says that it has no derivative when a gradient arrives.
rule(
    "remainder_of_number",
    grad_fn="torch::autograd::NotImplemented",
    tensors="other",
    args="number",
    forward="number % other",
    other=NOT_IMPLEMENTED,
    saves="",
    elementwise=True,
)


# --- slices brought to a norm ---


# The dtypes in which torch adds up elements of others; on the CPU single precision too is not precise enough.
_SUMS_OF_HALF = {torch.float16: torch.float32, torch.bfloat16: torch.float32}
_SUMS_ON_CPU = {**_SUMS_OF_HALF, torch.float32: torch.float64, torch.complex64: torch.complex128}


@formula
def accumulated(value: T) -> T:
    """Return `value` in the dtype in which torch adds up its elements (ATen/AccumulateType.h)."""
    sums = _SUMS_ON_CPU if value.device.type == "cpu" else _SUMS_OF_HALF
    return value.to(sums.get(value.dtype, value.dtype))


@formula
def all_but(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    """Return all dimensions of a tensor of `shape` but one."""
    return tuple(place for place in range(len(shape)) if place != dim % len(shape))


@formula
def renorm_backward(  # noqa: PLR0917 - a norm, and what is done with it
    grad: T, value: T, norm: T, order: float, dims: tuple[int, ...], maxnorm: float
) -> T:
    """Return the gradient of slices that were brought to a norm of at most `maxnorm`, from what it was.

    The slices that were not longer pass theirs on. As in torch, 1e-7 is added to what is divided by.
    """
    along = conj(value) * grad
    along = accumulated(along.real if along.dtype.is_complex else along).sum(dims, keepdim=True)
    steep = vector_norm_backward(along, value, norm, order, dims, True)
    inverse = (norm + 1e-7).reciprocal()
    scaled = maxnorm * inverse * (grad - inverse * steep)
    return scaled.to(grad.dtype).where(norm > maxnorm, grad)


rule(
    "renorm",
    grad_fn="RenormBackward0",
    tensors="self",
    args="p dim maxnorm",
    forward="self.renorm(p, dim, maxnorm)",
    self=(
        "renorm_backward(grad, self, vector_norm(accumulated(self), p, all_but(self_shape, dim), True), "
        "p, all_but(self_shape, dim), maxnorm)"
    ),
    saves="self",
)
