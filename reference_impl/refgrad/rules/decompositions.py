"""Factorisations of matrices. Formulas: torch/csrc/autograd/FunctionsManual.cpp."""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel, operation
from .registry import rule
from .systems import adjoint, solve_triangular

T = Any
pad = operation("pad_constant")


def halve_diagonal(value: T) -> T:
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
    rows, columns = q.shape[-2], r.shape[-1]
    if kind == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
            "linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr."
        )
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
        grad = q @ halve_diagonal(upper + adjoint(upper))
        grad = grad if grad_q is None else grad + grad_q
        return solve_triangular(adjoint(r), grad, False, False, False)
    grad = q @ halve_diagonal((adjoint(inner) - inner).tril())
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
