"""Inverses, determinants and linear systems.

Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from refgrad.ops import apply
from refgrad.shapes import squeeze, unsqueeze
from refgrad.tensor import Tensor

# ruff: noqa: N803 - torch's names of matrices


def inv(A: Tensor) -> Tensor:
    """Return the inverse of each matrix of a batch; raise torch.linalg.LinAlgError if there is none."""
    return apply("inverse", A)


def det(A: Tensor) -> Tensor:
    """Return the determinant of each square matrix of a batch, [..., N, N] to [...].

    The gradient is that of a matrix that has an inverse.
    """
    return apply("det", A)


def solve(A: Tensor, B: Tensor) -> Tensor:
    """Return X with A X = B; B is a vector [N], or a batch of matrices [..., N, K].

    Raises torch.linalg.LinAlgError if a matrix has no inverse.
    """
    if B.ndim == 1:
        return squeeze(apply("solve", A, unsqueeze(B, 1)), -1)
    return apply("solve", A, B)


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """Return X with A X = B, or X A = B if not `left`, where A is triangular: [..., N, N], [..., N, K].

    Only the named triangle of A is looked at, and gets a gradient; with `unitriangular` its diagonal counts
    as ones.
    """
    return apply("linalg_solve_triangular", A, B, upper, left, unitriangular)
