"""`refgrad.linalg`: factorisations, determinants, inverses, linear systems and norms.

Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from refgrad.reductions import vector_norm

from .decompositions import qr
from .products import cross, diagonal, matrix_power, multi_dot, vander, vdot, vecdot
from .systems import det, inv, solve, solve_triangular

__all__ = [
    "cross",
    "det",
    "diagonal",
    "inv",
    "matrix_power",
    "multi_dot",
    "qr",
    "solve",
    "solve_triangular",
    "vander",
    "vdot",
    "vecdot",
    "vector_norm",
]
