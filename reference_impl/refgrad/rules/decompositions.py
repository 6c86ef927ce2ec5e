"""Factorisations of matrices. Formulas: torch/csrc/autograd/FunctionsManual.cpp."""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel, operation
from .registry import NON_DIFFERENTIABLE, rule
from .systems import adjoint, pad, solve_triangular

T = Any


def _halve_diagonal(value: T) -> T:
    """Return each matrix of a batch with half of its diagonal."""
    return value - value.diagonal(0, -2, -1).diag_embed() * 0.5


# --- QR: A = Q R, where Q has orthonormal columns and R is upper triangular ---

kernel("linalg_qr", lambda matrix, kind: tuple(torch.linalg.qr(matrix, kind)))


@formula
def linalg_qr_backward(grad_q: T, grad_r: T, q: T, r: T, kind: str) -> T:
    """Return the gradient of A = Q R (`linalg_qr_backward` in torch).

    Raises RuntimeError for the kind "r", which has no Q, and for "complete" with more rows than columns: the
    columns that complete Q are no function of A.
    """
    if kind == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
            "linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr."
        )
    rows, columns = q.shape[-2], r.shape[-1]
    if kind == "complete" and rows > columns:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols."
        )
    inner: T = None if grad_q is None else -(adjoint(q) @ grad_q)
    if grad_r is not None:
        outer = grad_r @ adjoint(r)
        inner = outer if inner is None else outer + inner
    if rows >= columns:
        upper = inner.triu()
        grad = q @ _halve_diagonal(upper + adjoint(upper))
        grad = grad if grad_q is None else grad + grad_q
        return solve_triangular(adjoint(r), grad, False, False, False)
    grad = q @ _halve_diagonal((adjoint(inner) - inner).tril())
    grad = solve_triangular(adjoint(r.narrow(-1, 0, rows)), grad, False, False, False)
    grad = pad(grad, (0, columns - rows), 0)
    return grad if grad_r is None else grad + q @ grad_r


rule(
    "linalg_qr",
    grad_fn="LinalgQrBackward0",
    tensors="A",
    args="kind",
    outputs="Q R",
    forward="linalg_qr(A, kind)",
    A="linalg_qr_backward(grad_Q, grad_R, Q, R, kind)",
    saves="Q R",
)

# --- Cholesky: A = L L^H, where L is lower triangular ---


@formula
def cholesky_backward(grad: T, upper: bool, factor: T) -> T:
    """Return the gradient of A = L L^H, or U^H U; as A it is Hermitian."""
    lower = adjoint(factor) if upper else factor
    grad = adjoint(grad) if upper else grad
    inner = (adjoint(lower) @ grad).tril()
    inner = (inner + adjoint(inner.tril(-1))) * 0.5
    inner = solve_triangular(adjoint(lower), inner, True, True, False)
    return solve_triangular(lower, inner, False, False, False)


kernel("cholesky", torch.cholesky)
rule(
    "cholesky",
    grad_fn="CholeskyBackward0",
    tensors="self",
    args="upper",
    forward="cholesky(self, upper)",
    self="cholesky_backward(grad, upper, result)",
    saves="result",
)


def _cholesky_ex(matrix: torch.Tensor, upper: bool, check: bool, strict: bool) -> Any:
    """Return the factor and its info; `strict` is `torch.linalg.cholesky`, which raises."""
    if strict:
        factor = torch.linalg.cholesky(matrix, upper=upper)
        return factor, factor.new_zeros(factor.shape[:-2], dtype=torch.int32)
    return tuple(torch.linalg.cholesky_ex(matrix, upper=upper, check_errors=check))


kernel("linalg_cholesky_ex", _cholesky_ex)
rule(
    "linalg_cholesky_ex",
    grad_fn="LinalgCholeskyExBackward0",
    tensors="self",
    args="upper check strict",
    outputs="L info",
    forward="linalg_cholesky_ex(self, upper, check, strict)",
    self="cholesky_backward(grad_L, upper, L)",
    info=NON_DIFFERENTIABLE,
    saves="L",
)


@formula
def of_product(common: T, factor: T, upper: bool) -> T:
    """Return the gradient of a Cholesky factor, from that of the product which it stands for."""
    return -(factor @ common) if upper else -(common @ factor)


@formula
def twice_hermitian(value: T) -> T:
    """Return each matrix of a batch plus its adjoint."""
    return value + adjoint(value)


kernel("cholesky_inverse", torch.cholesky_inverse)
rule(
    "cholesky_inverse",
    grad_fn="CholeskyInverseBackward0",
    tensors="self",
    args="upper",
    forward="cholesky_inverse(self, upper)",
    self="of_product(result @ (twice_hermitian(grad) @ result), self, upper)",
    saves="self result",
)
kernel("cholesky_solve", torch.cholesky_solve)
rule(
    "cholesky_solve",
    grad_fn="CholeskySolveBackward0",
    tensors="self input2",
    args="upper",
    forward="cholesky_solve(self, input2, upper)",
    self="sum_to(cholesky_solve(grad, input2, upper), self_shape)",
    input2=(
        "sum_to(of_product(twice_hermitian(cholesky_solve(grad, input2, upper) @ result.mH), input2, upper), "
        "input2_shape)"
    ),
    saves="self input2 result",
    joint=True,
    kept="self",
)

# --- LU: A = P L U, where L has ones on its diagonal ---


@formula
def linalg_lu_backward(grad_l: T, grad_u: T, p: T, lower: T, upper: T, pivot: bool) -> T:  # noqa: PLR0917
    """Return the gradient of A = P L U; a matrix that is not square has a square block and a rest."""
    rows, columns = lower.shape[-2], upper.shape[-1]
    size = min(rows, columns)
    low, up = lower.narrow(-2, 0, size), upper.narrow(-1, 0, size)
    inner: T = None
    if grad_l is not None:
        inner = (adjoint(low) @ grad_l.narrow(-2, 0, size)).tril(-1)
    if grad_u is not None:
        part = (grad_u.narrow(-1, 0, size) @ adjoint(up)).triu()
        inner = part if inner is None else inner + part
    rest: T = None
    if rows < columns and grad_u is not None:
        wide = grad_u.narrow(-1, size, columns - size)
        inner = inner - (wide @ adjoint(upper.narrow(-1, size, columns - size))).tril(-1)
        rest = solve_triangular(adjoint(low), wide, True, True, True)
    if rows > columns and grad_l is not None:
        tall = grad_l.narrow(-2, size, rows - size)
        inner = inner - (adjoint(lower.narrow(-2, size, rows - size)) @ tall).triu()
        rest = solve_triangular(adjoint(up), tall, False, False, False)
    grad = solve_triangular(adjoint(up), inner, False, False, False)
    grad = solve_triangular(adjoint(low), grad, True, True, True)
    grad = pad(grad, (0, columns - size, 0, rows - size), 0)
    if rest is not None:
        grad = grad + pad(rest, (size if rows < columns else 0, 0, size if rows > columns else 0, 0), 0)
    return p @ grad if pivot else grad


kernel("linalg_lu", lambda matrix, pivot: tuple(torch.linalg.lu(matrix, pivot=pivot)))
rule(
    "linalg_lu",
    grad_fn="LinalgLuBackward0",
    tensors="A",
    args="pivot",
    outputs="P L U",
    forward="linalg_lu(A, pivot)",
    A="linalg_lu_backward(grad_L, grad_U, P, L, U, pivot)",
    P=NON_DIFFERENTIABLE,
    saves="P L U",
)


kernel(
    "lu_unpack",
    lambda factors, pivots, data, places: tuple(
        torch.lu_unpack(factors, pivots, unpack_data=data, unpack_pivots=places)
    ),
)
_unpack = operation("lu_unpack")


@formula
def lu_unpack_backward(grad_l: T, grad_u: T, shape: tuple[int, ...]) -> T:
    """Return the gradient of L and U in one matrix of `shape`, where each has a triangle of its own."""
    rows, columns = shape[-2:]
    size = min(rows, columns)
    low = None if grad_l is None else pad(grad_l.tril(-1), (0, columns - size), 0)
    up = None if grad_u is None else pad(grad_u.triu(), (0, 0, 0, rows - size), 0)
    return up if low is None else low if up is None else low + up


rule(
    "lu_unpack",
    grad_fn="LuUnpackBackward0",
    tensors="LU_data LU_pivots",
    args="data places",
    outputs="P L U",
    forward="lu_unpack(LU_data, LU_pivots, data, places)",
    LU_data="lu_unpack_backward(grad_L, grad_U, LU_data_shape)",
    LU_pivots=NON_DIFFERENTIABLE,
    P=NON_DIFFERENTIABLE,
    saves="",
)


@formula
def lu_factor_backward(grad: T, factors: T, pivots: T, pivot: bool) -> T:
    """Return the gradient of A, given that of its factors in one matrix."""
    p, lower, upper = _unpack(factors, pivots, True, pivot)
    size = lower.shape[-1]
    return linalg_lu_backward(grad.narrow(-1, 0, size), grad.narrow(-2, 0, size), p, lower, upper, pivot)


def _lu_factor(matrix: torch.Tensor, pivot: bool, check: bool, strict: bool) -> Any:
    """Return factors, pivots and info; `strict` is `torch.linalg.lu_factor`, which raises."""
    if strict:
        factors, pivots = torch.linalg.lu_factor(matrix, pivot=pivot)
        return factors, pivots, pivots.new_zeros(pivots.shape[:-1])
    return tuple(torch.linalg.lu_factor_ex(matrix, pivot=pivot, check_errors=check))


kernel("linalg_lu_factor_ex", _lu_factor)
rule(
    "linalg_lu_factor_ex",
    grad_fn="LinalgLuFactorExBackward0",
    tensors="A",
    args="pivot check strict",
    outputs="LU pivots info",
    forward="linalg_lu_factor_ex(A, pivot, check, strict)",
    A="lu_factor_backward(grad_LU, LU, pivots, pivot)",
    pivots=NON_DIFFERENTIABLE,
    info=NON_DIFFERENTIABLE,
    saves="LU pivots",
)

kernel(
    "linalg_lu_solve",
    lambda factors, pivots, other, left, adjoint: torch.linalg.lu_solve(
        factors, pivots, other, left=left, adjoint=adjoint
    ),
)


@formula
def lu_solve_factors(  # noqa: PLR0917 - torch's signature
    grad: T, factors: T, pivots: T, result: T, left: bool, adjointed: bool
) -> T:
    """Return the gradient of the factors of a linear system (`linalg_lu_solve_LU` in torch)."""
    p, lower, upper = _unpack(factors, pivots, True, left == adjointed)
    if left != adjointed:
        inner = -(grad @ adjoint(result)) if left else -(adjoint(grad) @ result)
        inner = solve_triangular(adjoint(upper), inner, False, True, False)
        low = solve_triangular(adjoint(lower), inner @ adjoint(upper), True, True, True)
        return low.tril(-1) + inner.triu()
    inner = result @ adjoint(grad) if left else adjoint(result) @ grad
    inner = solve_triangular(adjoint(lower), -(p.mT @ inner @ p), True, False, True)
    up = solve_triangular(adjoint(upper), adjoint(lower) @ inner, False, False, False)
    return inner.tril(-1) + up.triu()


rule(
    "linalg_lu_solve",
    grad_fn="LinalgLuSolveBackward0",
    tensors="LU pivots B",
    args="left adjoint",
    forward="linalg_lu_solve(LU, pivots, B, left, adjoint)",
    LU="sum_to(lu_solve_factors(grad, LU, pivots, result, left, adjoint), LU_shape)",
    pivots=NON_DIFFERENTIABLE,
    B="sum_to(linalg_lu_solve(LU, pivots, grad, left, not adjoint), B_shape)",
    saves="LU pivots result",
)
