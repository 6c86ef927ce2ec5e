"""Products that are added to another tensor, with factors `beta` and `alpha`; products of vectors."""

from __future__ import annotations

from typing import Any

import torch

from .formulas import conj, formula, kernel
from .registry import rule

T = Any


@formula
def times(value: T, factor: complex) -> T:
    """Return `value` times the conjugate of a number, or itself for 1 (`maybe_multiply` in torch)."""
    return value if factor == 1 else value * conj(factor)


def _added(name: str, factors: tuple[str, str], gradients: tuple[str, str]) -> None:
    """Add the row of `beta * self + alpha * product`, for a product of the two tensors `factors`."""
    kernel(name, getattr(torch, name))
    first, second = factors
    stated: dict[str, Any] = {
        factor: f"times({gradient}, alpha)" for factor, gradient in zip(factors, gradients, strict=True)
    }
    rule(
        name,
        grad_fn=f"{name.capitalize()}Backward0",
        tensors=f"self {first} {second}",
        args="beta alpha",
        forward=f"{name}(self, {first}, {second}, beta=beta, alpha=alpha)",
        self="sum_to(times(grad, beta), self_shape)",
        saves=f"{first} {second}",
        **stated,
    )


_added(
    "addmm",
    ("mat1", "mat2"),
    ("mm_left(grad, mat2, mat1_shape, mat1_stride)", "mm_right(grad, mat1, mat2_shape, mat2_stride)"),
)
_added("addmv", ("mat", "vec"), ("grad.unsqueeze(1) * conj(vec)", "conj(mat.t()).mv(grad)"))
_added("addr", ("vec1", "vec2"), ("grad.mv(conj(vec2))", "grad.t().mv(conj(vec1))"))
_added(
    "baddbmm",
    ("batch1", "batch2"),
    ("grad.bmm(conj(batch2.transpose(1, 2)))", "conj(batch1.transpose(1, 2)).bmm(grad)"),
)
# The products of the batch are summed: each of them gets the gradient of the sum.
_added(
    "addbmm",
    ("batch1", "batch2"),
    (
        "grad.expand(batch1_shape[0], *grad.shape).bmm(conj(batch2.transpose(1, 2)))",
        "conj(batch1.transpose(1, 2)).bmm(grad.expand(batch1_shape[0], *grad.shape))",
    ),
)

# --- products of vectors ---

rule(
    "vdot",
    grad_fn="VdotBackward0",
    tensors="self other",
    forward="self.vdot(other)",
    self="conj(grad) * other",
    other="grad * self",
    saves="self other",
)
kernel("linalg_cross", lambda left, right, dim: torch.linalg.cross(left, right, dim=dim))
rule(
    "linalg_cross",
    grad_fn="LinalgCrossBackward0",
    tensors="self other",
    args="dim",
    forward="linalg_cross(self, other, dim)",
    self="linalg_cross(conj(other), grad, dim)",
    other="linalg_cross(grad, conj(self), dim)",
    saves="self other",
    elementwise=True,
)

# --- distances of rows from a product: |a - b|^2 = |a|^2 - 2 a.b + |b|^2 ---

kernel("euclidean_dist", torch.ops.aten._euclidean_dist.default)


@formula
def per_distance(grad: T, result: T) -> T:
    """Return the gradient divided by the distances, and 0 where those are 0."""
    return (grad / result).masked_fill(result == 0, 0)


@formula
def euclidean_dist_backward(ratio: T, x1: T, x2: T) -> T:
    """Return the gradient of `x1`, given that of the distances divided by them."""
    return x1 * ratio.sum(-1, keepdim=True) - ratio @ x2


rule(
    "euclidean_dist",
    grad_fn="EuclideanDistBackward0",
    tensors="x1 x2",
    forward="euclidean_dist(x1, x2)",
    x1="euclidean_dist_backward(per_distance(grad, result), x1, x2)",
    x2="euclidean_dist_backward(per_distance(grad, result).transpose(-2, -1), x2, x1)",
    saves="x1 x2 result",
    joint=True,
)
