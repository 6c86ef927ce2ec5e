"""`refgrad.linalg`: determinants, inverses, linear systems and norms.

Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from .ops import apply
from .pointwise import conj
from .reductions import vector_norm
from .shapes import dot, squeeze, unsqueeze
from .tensor import Tensor

__all__ = ["det", "inv", "solve", "vdot", "vector_norm"]


def inv(A: Tensor) -> Tensor:  # noqa: N803 - torch's name
    """Return the inverse of each matrix of a batch; raise torch.linalg.LinAlgError if there is none."""
    return apply("inverse", A)


def det(A: Tensor) -> Tensor:  # noqa: N803 - torch's name
    """Return the determinant of each square matrix of a batch, [..., N, N] to [...].

    The gradient is that of a matrix that has an inverse.
    """
    return apply("det", A)


def solve(A: Tensor, B: Tensor) -> Tensor:  # noqa: N803 - torch's names
    """Return X with A X = B; B is a vector [N], or a batch of matrices [..., N, K].

    Raises torch.linalg.LinAlgError if a matrix has no inverse.
    """
    if B.ndim == 1:
        return squeeze(apply("solve", A, unsqueeze(B, 1)), -1)
    return apply("solve", A, B)


def vdot(x: Tensor, y: Tensor) -> Tensor:
    """Return the dot product of the conjugate of one vector with another."""
    return dot(conj(x), y)
