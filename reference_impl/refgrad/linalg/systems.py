"""Inverses, determinants and linear systems.

Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from refgrad.arrangement import movedim
from refgrad.ops import apply
from refgrad.shapes import reshape
from refgrad.tensor import Tensor

# ruff: noqa: N803 - torch's names of matrices
_types: Any = torch.return_types


def inv(A: Tensor) -> Tensor:
    """Return the inverse of each matrix of a batch; raise torch.linalg.LinAlgError if there is none."""
    return apply("linalg_inv", A)


def inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """Return the inverse of each matrix of a batch, and not 0 in `info` where there is none."""
    return _types.linalg_inv_ex(apply("linalg_inv_ex", A, check_errors))


def det(A: Tensor) -> Tensor:
    """Return the determinant of each square matrix of a batch, [..., N, N] to [...]."""
    return apply("linalg_det", A)


def slogdet(A: Tensor) -> Any:
    """Return the sign of each determinant and the logarithm of its absolute value."""
    return _types.linalg_slogdet(apply("linalg_slogdet", A))


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """Return X with A X = B, or X A = B if not `left`; B holds vectors [..., N], or matrices [..., N, K].

    Raises torch.linalg.LinAlgError if a matrix has no inverse.
    """
    found: Tensor = apply("linalg_solve_ex", A, B, left, _vector(A, B), False, True)[0]
    return found


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """Do what `solve` does, and return not 0 in `info` where a matrix has no inverse."""
    found = apply("linalg_solve_ex", A, B, left, _vector(A, B), check_errors, False)
    return _types.linalg_solve_ex(found)


def _vector(A: Tensor, B: Tensor) -> bool:
    """Whether B holds vectors (`linalg_solve_is_vector_rhs` in torch)."""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and A._shape[:-1] == B._shape)


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """Return X with A X = B, or X A = B if not `left`, where A is triangular: [..., N, N], [..., N, K].

    Only the named triangle of A is looked at, and gets a gradient; with `unitriangular` its diagonal counts
    as ones.
    """
    return apply("linalg_solve_triangular", A, B, upper, left, unitriangular)


def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """Return X with A X = B, X A = B if not `left`, where A, or its adjoint, is given by `lu_factor`."""
    return apply("linalg_lu_solve", LU, pivots, B, left, adjoint)


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """Return X with the least |A X - B|, the squares of what is left over, and the rank of A.

    A is [..., M, N]; B is [..., M, K], or holds vectors [..., M]. X and what is left over have gradients, for
    matrices of full rank. `residuals` is empty unless M > N and the rank is full.
    """
    return _types.linalg_lstsq(apply("linalg_lstsq", A, B, rcond, driver, _vector(A, B)))


def pinv(
    A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """Return the pseudo-inverse of each matrix, [..., M, N] to [..., N, M].

    Singular values up to max(atol, rtol * the largest) count as 0. The derivative is right where the rank is
    constant.
    """
    bounds = (_plain(atol), _plain(rcond if rtol is None else rtol))
    return apply("linalg_pinv", A, *bounds, hermitian)


def _plain(value: Any) -> Any:
    return value._data if isinstance(value, Tensor) else value


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """Return the inverse of A as a linear map from its last dimensions to its first `ind`.

    Raises RuntimeError if `ind` is not positive or the two have different numbers of elements.
    """
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    rows, columns = A._shape[:ind], A._shape[ind:]
    size = math.prod(columns)
    if math.prod(rows) != size:
        raise RuntimeError(
            f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but "
            f"got {size} != {math.prod(rows)}"
        )
    return reshape(inv(reshape(A, (size, size))), (*columns, *rows))


def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """Return X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first.

    Raises RuntimeError if A is not a square linear map then.
    """
    last = () if dims is None else tuple(dims)
    mapping = movedim(A, last, tuple(range(A.ndim - len(last), A.ndim))) if last else A
    rows, shape = mapping._shape[: B.ndim], mapping._shape[B.ndim :]
    size = math.prod(shape)
    if math.prod(rows) != size:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {size} != {math.prod(rows)}"
        )
    flat = solve(reshape(mapping, (size, size)), reshape(B, (size,)))
    return reshape(flat, shape)
