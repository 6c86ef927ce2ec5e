"""`refgrad.nn.functional`: linear maps and one-hot vectors, with torch's signatures.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html
"""

from __future__ import annotations

import math
from typing import Any

import torch

from .ops import apply
from .padding import pad
from .shapes import matmul, t, view
from .tensor import Tensor

__all__ = [
    "linear",
    "one_hot",
    "pad",
]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return `input @ weight.T + bias`: [..., K], [N, K], [N] to [..., N].

    Rows that lie one after the other are one matrix to it, as in torch: `_flatten_nd_linear` in
    aten/src/ATen/native/Linear.cpp.
    """
    if bias is not None and input.ndim == 2:
        return apply("addmm", bias, input, t(weight), 1, 1)
    if bias is not None and bias.ndim and input.is_contiguous():
        lead = tuple(input.shape[:-1])
        rows = view(input, math.prod(lead), input.shape[-1])
        return view(apply("addmm", bias, rows, t(weight), 1, 1), *lead, weight.shape[0])
    product = matmul(input, t(weight))
    return product if bias is None else product + bias


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Return 0 and 1 for each class of integers; raise RuntimeError for other dtypes."""
    made: Any = torch.nn.functional.one_hot(tensor._data, num_classes)
    return Tensor._of(made)
