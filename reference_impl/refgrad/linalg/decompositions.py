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


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """Return the lower triangular L with A = L L^H, or its adjoint; A is Hermitian and positive definite.

    The gradient is Hermitian. Raises torch.linalg.LinAlgError if a matrix is not positive definite.
    """
    found: Tensor = apply("linalg_cholesky_ex", A, upper, False, True)[0]
    return found


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """Return what `cholesky` returns, and not 0 in `info` where a matrix is not positive definite."""
    return _types.linalg_cholesky_ex(apply("linalg_cholesky_ex", A, upper, check_errors, False))


def lu(A: Tensor, *, pivot: bool = True) -> Any:
    """Return P, L and U with A = P L U: a permutation, a lower triangular matrix with a diagonal of ones and
    an upper triangular one.
    """
    return _types.linalg_lu(apply("linalg_lu", A, pivot))


def lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """Return L and U of `lu` in one matrix, and the rows that were exchanged, counted from 1.

    Raises torch.linalg.LinAlgError if a matrix has no inverse.
    """
    return _types.linalg_lu_factor(apply("linalg_lu_factor_ex", A, pivot, False, True)[:2])


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """Return what `lu_factor` returns, and not 0 in `info` where a matrix has no inverse."""
    return _types.linalg_lu_factor_ex(apply("linalg_lu_factor_ex", A, pivot, check_errors, False))


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """Return U, S and Vh with A = U diag(S) Vh, the singular values in S from the largest on.

    `full_matrices` completes U and Vh to square matrices; gradients pass through the first min(M, N) vectors
    alone. Backward raises RuntimeError if a complex function depends on the phases of the vectors, and gives
    infinities for singular values that are equal. `driver` is for CUDA.
    """
    return _types.linalg_svd(apply("linalg_svd", A, full_matrices, driver))


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """Return the singular values, from the largest on."""
    found: Tensor = apply("linalg_svd", A, False, driver)[1]
    return found


def eig(A: Tensor) -> Any:
    """Return the eigenvalues of square matrices and eigenvectors of norm 1, in columns; both are complex.

    Backward raises RuntimeError if a function depends on the phases of the vectors.
    """
    return _types.linalg_eig(apply("linalg_eig", A))


def eigvals(A: Tensor) -> Tensor:
    """Return the eigenvalues of square matrices, as complex numbers."""
    found: Tensor = apply("linalg_eig", A)[0]
    return found


def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """Return the real eigenvalues of Hermitian matrices, ascending, and eigenvectors of norm 1 in columns.

    One triangle of A is looked at, "L" or "U"; the gradient is that for Hermitian matrices. Backward raises
    RuntimeError if a complex function depends on the phases of the vectors.
    """
    return _types.linalg_eigh(apply("linalg_eigh", A, UPLO))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Return the eigenvalues of Hermitian matrices, ascending."""
    found: Tensor = apply("linalg_eigh", A, UPLO)[0]
    return found


def householder_product(input: Tensor, tau: Tensor) -> Tensor:
    """Return the first columns of a product of reflectors, [..., M, N] with N <= M; `tau` is [..., K]."""
    return apply("linalg_householder_product", input, tau)


def matrix_exp(A: Tensor) -> Tensor:
    """Return the exponential of each square matrix of a batch."""
    return apply("matrix_exp", A)
