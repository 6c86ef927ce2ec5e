"""Linear systems of any shape: least squares and the pseudo-inverse. Formulas:
torch/csrc/autograd/FunctionsManual.cpp.
"""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel, operation
from .registry import NON_DIFFERENTIABLE, rule
from .systems import adjoint, column, no_column

T = Any


@formula
def pinv_backward(grad: T, inverse: T, matrix: T) -> T:
    """Return the gradient of the pseudo-inverse of a matrix, where the rank is constant.

    Source: G. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems
    whose variables separate" (1973).
    """
    back, pulled = adjoint(inverse), adjoint(grad)
    if matrix.shape[-2] <= matrix.shape[-1]:
        inner = pulled @ inverse
        outer = inner @ back
        rest = (back @ inverse) @ (pulled - inner @ matrix)
        return -adjoint(inverse @ inner) + outer - (matrix @ inverse) @ outer + rest
    inner = inverse @ pulled
    outer = back @ inner
    rest = (pulled - matrix @ inner) @ inverse @ back
    return -adjoint(inner @ inverse) + rest + outer - outer @ inverse @ matrix


kernel(
    "linalg_pinv",
    lambda matrix, atol, rtol, hermitian: torch.linalg.pinv(
        matrix, atol=atol, rtol=rtol, hermitian=hermitian
    ),
)
rule(
    "linalg_pinv",
    grad_fn="LinalgPinvBackward0",
    tensors="self",
    args="atol rtol hermitian",
    forward="linalg_pinv(self, atol, rtol, hermitian)",
    self="pinv_backward(grad, result, self)",
    saves="self result",
)
_pinv = operation("linalg_pinv")


@formula
def lstsq_matrix(grad: T, grad_residuals: T, matrix: T, other: T, solution: T, vector: bool) -> T:  # noqa: PLR0917
    """Return the gradient of the matrix of a least-squares problem (`linalg_lstsq_backward` in torch)."""
    other, solution = column(other, vector), column(solution, vector)
    found = None
    if grad is not None:
        pulled = column(grad, vector) @ adjoint(other)
        found = pinv_backward(pulled, _pinv(matrix, None, None, False), matrix)
    if _some(grad_residuals):
        off = grad_residuals.unsqueeze(-2) * (matrix @ solution - other)
        part = (off @ adjoint(solution)) * 2
        found = part if found is None else found + part
    return found


@formula
def lstsq_other(grad: T, grad_residuals: T, matrix: T, other: T, solution: T, vector: bool) -> T:  # noqa: PLR0917
    """Return the gradient of the right-hand side of a least-squares problem."""
    found = None
    if grad is not None:
        inverse = _pinv(matrix, None, None, False)
        found = no_column(adjoint(inverse) @ column(grad, vector), vector)
    if _some(grad_residuals):
        off = matrix @ column(solution, vector) - column(other, vector)
        part = no_column(grad_residuals.unsqueeze(-2) * off * -2, vector)
        found = part if found is None else found + part
    return found


def _some(grad: T) -> bool:
    """Whether there are residuals and a gradient arrived at them."""
    return grad is not None and grad.numel() > 0


kernel(
    "linalg_lstsq",
    lambda matrix, other, rcond, driver: tuple(torch.linalg.lstsq(matrix, other, rcond, driver=driver)),
)
rule(
    "linalg_lstsq",
    grad_fn="LinalgLstsqBackward0",
    tensors="self b",
    args="rcond driver vector",
    outputs="solution residuals rank singular_values",
    forward="linalg_lstsq(self, b, rcond, driver)",
    self="lstsq_matrix(grad_solution, grad_residuals, self, b, solution, vector)",
    b="lstsq_other(grad_solution, grad_residuals, self, b, solution, vector)",
    rank=NON_DIFFERENTIABLE,
    singular_values=NON_DIFFERENTIABLE,
    saves="self b solution",
    joint=True,
)
