"""Distances between the rows of a matrix."""

from __future__ import annotations

import torch

from .formulas import kernel
from .registry import Missing, rule

_aten = torch.ops.aten

kernel("pdist", torch.pdist)
kernel(
    "pdist_backward",
    lambda grad, value, distances, p: _aten._pdist_backward(grad.contiguous(), value, p, distances),
)
_twice = Missing("_pdist_backward")
rule(
    "pdist",
    grad_fn="PdistBackward0",
    tensors="self",
    args="p",
    forward="pdist(self, p)",
    self="pdist_backward(grad, self, result, p)",
    saves="self result",
)
rule(
    "pdist_backward",
    grad_fn="PdistBackwardBackward0",
    tensors="grad_output self distances",
    args="p",
    forward="pdist_backward(grad_output, self, distances, p)",
    grad_output=_twice,
    self=_twice,
    distances=_twice,
    saves="",
)
