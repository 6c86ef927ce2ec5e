"""Factorisations and linear systems under the names that torch has for them outside of `linalg`.

Most of these are older forms of functions of `linalg`, with other arguments and the same nodes.
Source: "BLAS and LAPACK Operations" in https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

import math
from typing import Any

import torch

from . import linalg
from .arrangement import broadcast_to
from .linalg import slogdet
from .ops import apply
from .pointwise import where
from .shapes import matmul, mean
from .tensor import Tensor

# ruff: noqa: N803 - torch's names of matrices
_types: Any = torch.return_types
det = linalg.det
inverse = linalg.inv
matrix_exp = linalg.matrix_exp
orgqr = linalg.householder_product


def logdet(input: Tensor) -> Tensor:
    """Return the logarithm of each determinant; nan for a negative one of a real matrix."""
    sign, logarithm = slogdet(input)
    if input._dtype.is_complex:
        total: Tensor = logarithm + sign.log()
        return total
    found: Tensor = where(sign == -1.0, math.nan, logarithm)
    return found


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """Return the pseudo-inverse; singular values up to `rcond` times the largest count as 0."""
    return linalg.pinv(input, rcond)


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """Return the Cholesky factor; see `linalg.cholesky`."""
    return apply("cholesky", input, upper)


def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """Return the inverse of the matrix that has L, or the adjoint of it, as its Cholesky factor."""
    return apply("cholesky_inverse", L, upper)


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """Return X with A X = B, where A has L, or the adjoint of it, as its Cholesky factor."""
    return apply("cholesky_solve", B, L, upper)


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> tuple[Tensor, ...]:
    """Return the factors in one matrix and the pivots of `linalg.lu_factor`; with `get_infos` also its info.

    Raises torch.linalg.LinAlgError for a matrix without an inverse, unless info is asked for.
    """
    if out is not None:
        raise NotImplementedError("lu: out= is not implemented")
    found: tuple[Tensor, ...] = tuple(linalg.lu_factor_ex(A, pivot=pivot, check_errors=not get_infos))
    return found if get_infos else found[:2]


def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """Return X with A X = b, where A is given by `lu`."""
    return linalg.lu_solve(LU_data, LU_pivots, b)


def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """Return P, L and U of what `lu` returns; those that are not asked for are empty."""
    return _types.lu_unpack(apply("lu_unpack", LU_data, LU_pivots, unpack_data, unpack_pivots))


def ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    """Return the product of `other` with the reflectors of `input` and `tau`, or with its adjoint."""
    return apply("ormqr", input, tau, other, left, transpose)


def qr(input: Tensor, some: bool = True) -> Any:
    """Return Q and R; see `linalg.qr`, whose mode is "complete" unless `some`."""
    return _types.qr(linalg.qr(input, "reduced" if some else "complete"))


def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """Return X with A X = b for a triangular A, or with its transpose; and a copy of A."""
    return _types.triangular_solve(apply("triangular_solve", b, A, upper, transpose, unitriangular))


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """Return U, S and V (not its adjoint); zeros for U and V unless `compute_uv`. See `linalg.svd`."""
    if compute_uv:
        left, values, right = linalg.svd(input, not some)
        return _types.svd((left, values, right.mH))
    values = linalg.svdvals(input)
    *batch, rows, columns = input._shape
    u, v = (Tensor._of(input._data.new_zeros((*batch, size, size))) for size in (rows, columns))
    return _types.svd((u, values, v))


def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return U, S and V of an approximation of A - M of rank `q`, by `niter` rounds from random vectors.

    Source: N. Halko et al., "Finding structure with randomness" (2009), algorithms 4.4 and 5.1.
    """
    rank = 6 if q is None else q
    wide = A._shape[-2] < A._shape[-1]
    tall, less = A, None if M is None else broadcast_to(M, A._shape)
    if wide:
        tall, less = A.mH, None if less is None else less.mH
    basis = _basis(tall, rank, 2 if niter is None else niter, less)
    inner = matmul(basis.mH, tall)
    if less is not None:
        inner = inner - matmul(basis.mH, less)
    left, values, right = linalg.svd(inner, False)
    u, v = matmul(basis, left), right.mH
    return (v, values, u) if wide else (u, values, v)


def _basis(A: Tensor, rank: int, rounds: int, less: Tensor | None) -> Tensor:
    """Return orthonormal columns whose span nearly has that of A - `less` in it."""

    def product(by: Tensor, back: bool) -> Tensor:
        found = matmul(A.mH if back else A, by)
        return found if less is None else found - matmul(less.mH if back else less, by)

    data = A._data
    start = torch.randn(data.shape[-1], rank, dtype=data.dtype, device=data.device)
    found: Tensor = linalg.qr(product(Tensor._of(start), False))[0]
    for _ in range(rounds):
        found = linalg.qr(product(found, True))[0]
        found = linalg.qr(product(found, False))[0]
    return found


def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `svd_lowrank` returns for A, less the mean of its rows if `center`.

    Raises ValueError if `q` is not between 0 and the size of A, and if `niter` is negative.
    """
    most = min(A._shape[-2:])
    rank = min(6, most) if q is None else q
    if not 0 <= rank <= most:
        raise ValueError(f"q(={rank}) must be non-negative integer and not greater than min(m, n)={most}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - mean(A, -2, True) if center else A, rank, niter)


_BOTH = (
    "cholesky", "cholesky_inverse", "cholesky_solve", "det", "inverse", "logdet", "lu_solve", "matrix_exp",
    "orgqr", "ormqr", "pinverse", "qr", "slogdet", "svd", "triangular_solve",
)  # fmt: skip
TORCH = (*_BOTH, "lu", "lu_unpack", "pca_lowrank", "svd_lowrank")
METHODS = (*_BOTH, "lu")
