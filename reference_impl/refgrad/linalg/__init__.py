"""`refgrad.linalg`: factorisations, determinants, inverses, linear systems and norms.

Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from refgrad.pointwise import conj
from refgrad.reductions import vector_norm
from refgrad.shapes import dot
from refgrad.tensor import Tensor

from .decompositions import qr
from .systems import det, inv, solve, solve_triangular

__all__ = ["det", "inv", "qr", "solve", "solve_triangular", "vdot", "vector_norm"]


def vdot(x: Tensor, y: Tensor) -> Tensor:
    """Return the dot product of the conjugate of one vector with another."""
    return dot(conj(x), y)
