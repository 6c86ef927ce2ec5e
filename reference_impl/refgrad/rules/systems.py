"""Linear systems, inverses and determinants. Formulas: torch/csrc/autograd/FunctionsManual.cpp."""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel, operation
from .registry import rule

T = Any


@formula
def adjoint(value: T) -> T:
    """Return the conjugate transpose of each matrix of a batch."""
    return value.mH


@formula
def triangle(value: T, upper: bool, unit: bool) -> T:
    """Return one triangle of each matrix of a batch, without its diagonal if that is taken to be ones."""
    return value.triu(int(unit)) if upper else value.tril(-int(unit))


# --- triangular systems: A X = B, or X A = B if the matrix stands on the right ---

kernel(
    "linalg_solve_triangular",
    lambda matrix, other, upper, left, unit: torch.linalg.solve_triangular(
        matrix, other, upper=upper, left=left, unitriangular=unit
    ),
)
solve_triangular = operation("linalg_solve_triangular")


@formula
def solve_triangular_matrix(  # noqa: PLR0917 - torch's signature
    grad: T, matrix: T, result: T, upper: bool, left: bool, unit: bool
) -> T:
    """Return the gradient of the matrix of a triangular system (`linalg_solve_triangular_backward`)."""
    pulled = solve_triangular(adjoint(matrix), grad, not upper, left, unit)
    full = pulled @ adjoint(result) if left else adjoint(result) @ pulled
    return triangle(-full, upper, unit)


rule(
    "linalg_solve_triangular",
    grad_fn="LinalgSolveTriangularBackward0",
    tensors="self B",
    args="upper left unitriangular",
    forward="linalg_solve_triangular(self, B, upper, left, unitriangular)",
    self="solve_triangular_matrix(grad, self, result, upper, left, unitriangular)",
    B="linalg_solve_triangular(adjoint(self), grad, not upper, left, unitriangular)",
    saves="self result",
)
