"""Linear systems, inverses and determinants. Formulas: torch/csrc/autograd/FunctionsManual.cpp."""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel, operation, unreadable, zeros_like
from .registry import NON_DIFFERENTIABLE, rule

T = Any

_lu_factor = operation("linalg_lu_factor_ex")
_lu_solve = operation("linalg_lu_solve")
pad = operation("pad_constant")
svd = operation("linalg_svd")


def adjoint(value: T) -> T:
    """Return the conjugate transpose of each matrix of a batch."""
    return value.mH


@formula
def triangle(value: T, upper: bool, unit: bool = False) -> T:
    """Return one triangle of each matrix of a batch, without its diagonal if that is taken to be ones."""
    return value.triu(int(unit)) if upper else value.tril(-int(unit))


@formula
def column(value: T, vector: bool) -> T:
    """Return a vector as a matrix of one column."""
    return value.unsqueeze(-1) if vector else value


@formula
def no_column(value: T, vector: bool) -> T:
    """Return a matrix of one column as a vector; the inverse of `column`."""
    return value.squeeze(-1) if vector else value


def scaled_identity(value: T, size: int) -> T:
    """Return the identity of `size` times each element of a batch of numbers."""
    return value.unsqueeze(-1).expand((*value.shape, size)).diag_embed()


# --- triangular systems: A X = B, or X A = B if the matrix stands on the right ---

kernel(
    "linalg_solve_triangular",
    lambda matrix, other, upper, left, unit: torch.linalg.solve_triangular(
        matrix, other, upper=upper, left=left, unitriangular=unit
    ),
)
solve_triangular = operation("linalg_solve_triangular")


@formula
def triangular_matrix(pulled: T, result: T, upper: bool, left: bool, unit: bool) -> T:
    """Return the gradient of the matrix of a triangular system, given that of the right-hand side."""
    full = pulled @ adjoint(result) if left else adjoint(result) @ pulled
    return triangle(-full, upper, unit)


_PULLED = "linalg_solve_triangular(self.mH, grad, not upper, left, unitriangular)"
rule(
    "linalg_solve_triangular",
    grad_fn="LinalgSolveTriangularBackward0",
    tensors="self B",
    args="upper left unitriangular",
    forward="linalg_solve_triangular(self, B, upper, left, unitriangular)",
    self=f"sum_to(triangular_matrix({_PULLED}, result, upper, left, unitriangular), self_shape)",
    B=f"sum_to({_PULLED}, B_shape)",
    saves="self result",
    joint=True,
)

kernel(
    "triangular_solve",
    lambda other, matrix, upper, transpose, unit: tuple(
        torch.triangular_solve(other, matrix, upper, transpose, unit)
    ),
)


@formula
def triangular_solve_other(  # noqa: PLR0917 - torch's signature
    grad: T, matrix: T, shape: tuple[int, ...], upper: bool, transpose: bool, unit: bool
) -> T:
    """Return the gradient of b of `triangular_solve`, zeros where no gradient arrived at the solution."""
    if grad is None:
        return matrix.new_zeros(shape)
    if transpose:
        return solve_triangular(matrix.conj(), grad, upper, True, unit)
    return solve_triangular(adjoint(matrix), grad, not upper, True, unit)


@formula
def triangular_solve_matrix(  # noqa: PLR0917 - torch's signature
    grad: T, grad_copy: T, matrix: T, result: T, upper: bool, transpose: bool, unit: bool
) -> T:
    """Return the gradient of A of `triangular_solve`, which returns a copy of it as well."""
    if grad is None:
        return grad_copy
    pulled = triangular_solve_other(grad, matrix, (), upper, transpose, unit)
    full = result.conj() @ pulled.mT if transpose else pulled @ adjoint(result)
    found = triangle(-full, upper, unit)
    return found if grad_copy is None else found + grad_copy


rule(
    "triangular_solve",
    grad_fn="TriangularSolveBackward0",
    tensors="self A",
    args="upper transpose unitriangular",
    outputs="solution cloned_coefficient",
    forward="triangular_solve(self, A, upper, transpose, unitriangular)",
    self="triangular_solve_other(grad_solution, A, self_shape, upper, transpose, unitriangular)",
    A=(
        "triangular_solve_matrix(grad_solution, grad_cloned_coefficient, A, solution, upper, transpose, "
        "unitriangular)"
    ),
    saves="self A solution",
    joint=True,
    kept="self",
)

# --- inverses ---

kernel("linalg_inv", torch.linalg.inv)
rule(
    "linalg_inv",
    grad_fn="LinalgInvExBackward0",
    tensors="self",
    forward="linalg_inv(self)",
    self="-(result.mH @ (grad @ result.mH))",
    saves="result",
)
kernel("linalg_inv_ex", lambda matrix, check: tuple(torch.linalg.inv_ex(matrix, check_errors=check)))
rule(
    "linalg_inv_ex",
    grad_fn="LinalgInvExBackward0",
    tensors="A",
    args="check",
    outputs="inverse info",
    forward="linalg_inv_ex(A, check)",
    A="-(inverse.mH @ (grad_inverse @ inverse.mH))",
    info=NON_DIFFERENTIABLE,
    saves="inverse",
)

# --- linear systems of square matrices ---


def _solve_adjoint(matrix: T, other: T, left: bool = True) -> T:
    """Return X with A^H X = B, or X A^H = B.

    For a singular matrix a first derivative is infinite or nan, and further ones raise
    torch.linalg.LinAlgError: torch's first one goes on from the LU decomposition of the forward.
    """
    if isinstance(matrix, torch.Tensor):
        return torch.linalg.solve_ex(matrix.mH, other, left=left)[0]
    return solve(adjoint(matrix), other, left)


@formula
def solve_other(grad: T, matrix: T, left: bool, vector: bool) -> T:
    """Return the gradient of the right-hand side of a linear system."""
    return no_column(_solve_adjoint(matrix, column(grad, vector), left), vector)


@formula
def solve_matrix(grad: T, result: T, matrix: T, left: bool, vector: bool) -> T:
    """Return the gradient of the matrix of a linear system."""
    pulled = _solve_adjoint(matrix, column(grad, vector), left)
    found = adjoint(column(result, vector))
    return -(pulled @ found) if left else -(found @ pulled)


def _solve_ex(matrix: torch.Tensor, other: torch.Tensor, left: bool, check: bool, strict: bool) -> Any:
    """Return the solution and its info; `strict` is `torch.linalg.solve`, which raises."""
    if strict:
        result = torch.linalg.solve(matrix, other, left=left)
        return result, matrix.new_zeros(matrix.shape[:-2], dtype=torch.int32)
    return tuple(torch.linalg.solve_ex(matrix, other, left=left, check_errors=check))


kernel("linalg_solve_ex", _solve_ex)
rule(
    "linalg_solve_ex",
    grad_fn="LinalgSolveExBackward0",
    tensors="A B",
    args="left vector check strict",
    outputs="result info",
    forward="linalg_solve_ex(A, B, left, check, strict)",
    A="solve_matrix(grad_result, result, A, left, vector)",
    B="solve_other(grad_result, A, left, vector)",
    info=NON_DIFFERENTIABLE,
    saves="A result",
    joint=True,
)
_solve = operation("linalg_solve_ex")


def solve(matrix: T, other: T, left: bool = True) -> T:
    """Return X with A X = B, or X A = B; raise torch.linalg.LinAlgError for a matrix without an inverse."""
    if isinstance(matrix, torch.Tensor):
        return torch.linalg.solve(matrix, other, left=left)
    return _solve(matrix, other, left, False, False, True)[0]


# --- determinants ---


@formula
def det_backward(grad: T, det: T, matrix: T) -> T:
    """Return the gradient of a determinant, which exists for singular matrices too.

    There, and inside of vmap everywhere, it comes from the adjugate, by a singular value decomposition, where
    it may be differentiated again.
    The gradient alone is zero if the determinant is exactly 0, as torch has it: what is solved for is scaled
    by the determinant, with the zeros of U nudged (`linalg_det_backward`).
    """
    if matrix.numel() == 0:
        return zeros_like(matrix)
    if matrix.shape[-1] == 1:
        return grad.unsqueeze(-1).unsqueeze(-1)
    if isinstance(matrix, torch.Tensor):
        return det_transposed(grad, det, matrix)
    if unreadable(matrix) or unreadable(grad):
        return _adjugate(grad, matrix)
    wanted = scaled_identity(grad * det.conj(), matrix.shape[-1])
    singular = det.abs() < 100 * torch.finfo(det.dtype).eps
    if not singular.any():
        return solve(adjoint(matrix), wanted)
    if singular.all():
        return _adjugate(grad, matrix)
    regular = ~singular
    found = zeros_like(matrix).index_put((singular,), _adjugate(grad[singular], matrix[singular]))
    return found.index_put((regular,), solve(adjoint(matrix[regular]), wanted[regular]))


@formula
def det_transposed(grad: T, det: T, matrix: T) -> T:
    """Return the gradient of a determinant by the factors L and U that torch has of it already."""
    wanted = scaled_identity(grad * det.conj(), matrix.shape[-1])
    return _by_factors(matrix, wanted, torch.finfo(det.dtype).eps)


def _by_factors(matrix: T, other: T, nudge: float = 0.0) -> T:
    """Return X with A^H X = B by the factors L and U of A, infinite or nan where A has no inverse.

    `nudge` stands in the place of zeros in U.
    """
    # torch's forward has decomposed the transpose of a contiguous real matrix.
    transposed = matrix.is_contiguous() and not matrix.dtype.is_complex
    factors, pivots, _ = _lu_factor(matrix.mT if transposed else matrix, True, False, False)
    if nudge:
        zero = factors.diagonal(0, -2, -1) == 0
        factors = factors + (zero.to(factors.dtype) * nudge).diag_embed()
    return _lu_solve(factors, pivots, other, True, not transposed)


def _adjugate(grad: T, matrix: T) -> T:
    """Return the adjoint of the adjugate of singular matrices, times `grad`."""
    left, values, right = svd(matrix, False, None)
    scale = (det_of(left) * det_of(right)).conj() * grad
    # The product of all singular values but one, without a division.
    before = pad(values.narrow(-1, 0, values.shape[-1] - 1), (1, 0), 1).cumprod(-1)
    after = pad(values.narrow(-1, 1, values.shape[-1] - 1), (0, 1), 1).flip(-1).cumprod(-1).flip(-1)
    return (left * (scale.unsqueeze(-1) * (before * after)).unsqueeze(-2)) @ right


kernel("linalg_det", torch.linalg.det)
rule(
    "linalg_det",
    grad_fn="LinalgDetBackward0",
    tensors="A",
    forward="linalg_det(A)",
    A="det_backward(grad, result, A)",
    saves="A result",
    forward_mode={"A": "det_transposed(grad, result, A)"},
)
det_of = operation("linalg_det")


@formula
def slogdet_backward(grad_sign: T, grad_log: T, matrix: T, sign: T) -> T:
    """Return the gradient of sign and logarithm of a determinant; a real sign is constant."""
    found = _logarithmic(grad_sign, grad_log, matrix, sign)
    return None if found is None else _solve_adjoint(matrix, found)


@formula
def slogdet_transposed(grad_sign: T, grad_log: T, matrix: T, sign: T) -> T:
    """Return the same gradient by the factors L and U, which raises for no matrix."""
    return _by_factors(matrix, _logarithmic(grad_sign, grad_log, matrix, sign))


def _logarithmic(grad_sign: T, grad_log: T, matrix: T, sign: T) -> T:
    """Return the gradient of the logarithm of a determinant, complex if that is, times the identity."""
    found = grad_log
    if matrix.dtype.is_complex and grad_sign is not None:
        turn = (grad_sign.conj() * sign).imag * 1j
        found = -turn if found is None else found - turn
    if found is None:
        return None
    return scaled_identity(found.to(matrix.dtype), matrix.shape[-1])


kernel("linalg_slogdet", lambda matrix: tuple(torch.linalg.slogdet(matrix)))
rule(
    "linalg_slogdet",
    grad_fn="LinalgSlogdetBackward0",
    tensors="A",
    outputs="sign logabsdet",
    forward="linalg_slogdet(A)",
    A="slogdet_backward(grad_sign, grad_logabsdet, A, sign)",
    saves="A sign",
    forward_mode={"A": "slogdet_transposed(grad_sign, grad_logabsdet, A, sign)"},
)
