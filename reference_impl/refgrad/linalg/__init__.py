"""`refgrad.linalg`: factorisations, determinants, inverses, linear systems and norms.

Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from refgrad.reductions import vector_norm

from .conditioning import cond, matrix_rank
from .decompositions import (
    cholesky,
    cholesky_ex,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    householder_product,
    lu,
    lu_factor,
    lu_factor_ex,
    matrix_exp,
    qr,
    svd,
    svdvals,
)
from .norms import matrix_norm, norm
from .products import cross, diagonal, matrix_power, multi_dot, vander, vdot, vecdot
from .systems import (
    det,
    inv,
    inv_ex,
    lstsq,
    lu_solve,
    pinv,
    slogdet,
    solve,
    solve_ex,
    solve_triangular,
    tensorinv,
    tensorsolve,
)

__all__ = [
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "householder_product",
    "inv",
    "inv_ex",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_factor_ex",
    "lu_solve",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vdot",
    "vecdot",
    "vector_norm",
]
