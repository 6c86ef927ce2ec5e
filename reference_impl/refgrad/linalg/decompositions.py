"""Factorisations of matrices.

Where a factor is determined up to signs, phases or rotations, the gradient is right for functions that do
not depend on the choice. Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from typing import Any

import torch

from refgrad.ops import apply
from refgrad.tensor import Tensor

# ruff: noqa: N803 - torch's names of matrices
_types: Any = torch.return_types


def qr(A: Tensor, mode: str = "reduced") -> Any:
    """Return Q [..., M, K] and R [..., K, N] with A = Q R, where Q has orthonormal columns.

    mode: "reduced", K = min(M, N); "complete", K = M; or "r", where Q is empty. Backward raises RuntimeError
    for "r", and for "complete" with M > N.
    """
    return _types.linalg_qr(apply("linalg_qr", A, mode))
