"""Products of matrices and vectors, and distances. Products of other ranks are put together from these, as
torch does.
"""

from __future__ import annotations

from typing import Any

import torch

from .formulas import conj, formula, kernel
from .registry import Missing, rule

T = Any


def _by_columns(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether a matrix lies in memory column by column."""
    return strides[0] == 1 and strides[1] == shape[0]


@formula
def mm_left(grad: T, right: T, shape: tuple[int, ...], strides: tuple[int, ...]) -> T:
    """Return the gradient of the matrix on the left, which lies as that matrix does (`mm_mat1_backward`)."""
    if _by_columns(shape, strides):
        return conj(right).mm(grad.t()).t()
    return grad.mm(conj(right.t()))


@formula
def mm_right(grad: T, left: T, shape: tuple[int, ...], strides: tuple[int, ...]) -> T:
    """Return the gradient of the matrix on the right, which lies as that matrix does (`mm_mat2_backward`)."""
    if _by_columns(shape, strides):
        return grad.t().mm(conj(left)).t()
    return conj(left.t()).mm(grad)


rule(
    "mm",
    grad_fn="MmBackward0",
    tensors="self mat2",
    forward="self.mm(mat2)",
    self="mm_left(grad, mat2, self_shape, self_stride)",
    mat2="mm_right(grad, self, mat2_shape, mat2_stride)",
    saves="self mat2",
)
rule(
    "mv",
    grad_fn="MvBackward0",
    tensors="self vec",
    forward="self.mv(vec)",
    self="grad.unsqueeze(1) * conj(vec)",
    vec="conj(self.t()).mv(grad)",
    saves="self vec",
)
rule(
    "dot",
    grad_fn="DotBackward0",
    tensors="self tensor",
    forward="self.dot(tensor)",
    self="grad * conj(tensor)",
    tensor="grad * conj(self)",
    saves="self tensor",
)
rule(
    "bmm",
    grad_fn="BmmBackward0",
    tensors="self mat2",
    forward="self.bmm(mat2)",
    self="grad.bmm(conj(mat2.transpose(1, 2)))",
    mat2="conj(self.transpose(1, 2)).bmm(grad)",
    saves="self mat2",
)

# --- distances ---

kernel("cdist", torch.cdist)
kernel(
    "cdist_backward",
    lambda grad, x1, x2, distances, p: torch.ops.aten._cdist_backward(grad, x1, x2, p, distances),
)
_twice = Missing("_cdist_backward")
rule(
    "cdist",
    grad_fn="CdistBackward0",
    tensors="x1 x2",
    args="p",
    forward="cdist(x1, x2, p)",
    x1="sum_to(cdist_backward(grad.contiguous(), x1, x2, result, p), x1_shape)",
    x2=(
        "sum_to(cdist_backward(grad.transpose(-2, -1).contiguous(), x2, x1, "
        "result.transpose(-2, -1).contiguous(), p), x2_shape)"
    ),
    saves="x1 x2 result",
)
rule(
    "cdist_backward",
    grad_fn="CdistBackwardBackward0",
    tensors="grad_output x1 x2 distances",
    args="p",
    forward="cdist_backward(grad_output, x1, x2, distances, p)",
    grad_output=_twice,
    x1=_twice,
    x2=_twice,
    distances=_twice,
    saves="",
)
