"""Singular values and eigenvalues. Formulas: torch/csrc/autograd/FunctionsManual.cpp.

Singular vectors and eigenvectors are determined up to a factor of absolute value 1, and so have a derivative
only where a function does not depend on it; for complex matrices a gradient that does is refused.
"""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel, operation, zeros_like
from .registry import rule
from .systems import adjoint, pad, solve

T = Any


def _diagonal(value: T) -> T:
    return value.diagonal(0, -2, -1)


def _gaps(values: T) -> T:
    """Return v_j - v_i for each pair of a batch of vectors, and 1 on the diagonal."""
    return values.unsqueeze(-2) - values.unsqueeze(-1) + (zeros_like(values) + 1).diag_embed()


def _skew(value: T) -> T:
    return value - adjoint(value)


def _twice_hermitian(value: T) -> T:
    return value + adjoint(value)


def _off_diagonal(value: T) -> T:
    return value - _diagonal(value).diag_embed()


def _refuse(phases: T, others: T, message: str) -> None:
    """Raise RuntimeError unless both are about equal; the bounds are torch's, wide so as to be sure."""
    one, other = (value if isinstance(value, torch.Tensor) else value._data for value in (phases, others))
    if not torch.allclose(one, other, rtol=1e-2, atol=1e-2):
        raise RuntimeError(message)


# --- singular values: A = U diag(S) V^H ---


@formula
def svd_backward(  # noqa: PLR0917 - torch's signature
    grad_u: T, grad_s: T, grad_v: T, u: T, s: T, v: T, full: bool
) -> T:
    """Return the gradient of A = U diag(S) Vh (`svd_backward` in torch).

    Raises RuntimeError where the gradients of complex U and Vh depend on the phases of the singular vectors.
    """
    if full:
        grad_u, grad_v, u, v = _economical(grad_u, grad_v, u, s, v)
    if grad_u is None and grad_v is None:
        tall = u.shape[-2] >= v.shape[-1]
        return u @ (grad_s.unsqueeze(-1) * v) if tall else (u * grad_s.unsqueeze(-2)) @ v
    left = None if grad_u is None else _skew(adjoint(u) @ grad_u)
    right = None if grad_v is None else _skew(v @ adjoint(grad_v))
    if u.dtype.is_complex:
        _refuse(
            zeros_like(s) if left is None else _diagonal(left).imag,
            zeros_like(s) if right is None else -_diagonal(right).imag,
            "svd_backward: The singular vectors in the complex case are specified up to multiplication by "
            "e^{i phi}. The specified loss function depends on this phase term, making it ill-defined.",
        )
    gaps = _gaps(s * s)
    if left is None:
        inner = s.unsqueeze(-1) * (right / gaps)
    elif right is None:
        inner = (left / gaps) * s.unsqueeze(-2)
    else:
        inner = (left * s.unsqueeze(-2) + s.unsqueeze(-1) * right) / gaps
    if grad_s is not None:
        inner = inner + grad_s.diag_embed()
    if u.dtype.is_complex and left is not None and right is not None:
        inner = inner + (_diagonal(left) / (s * 2)).diag_embed()
    return _between(inner, grad_u, grad_v, u, s, v)


def _economical(grad_u: T, grad_v: T, u: T, s: T, v: T) -> tuple[T, T, T, T]:
    """Return singular vectors and their gradients without those that complete U and Vh: they are no functions
    of A, and no gradient comes from them.
    """
    size = s.shape[-1]
    grad_u = None if grad_u is None else grad_u.narrow(-1, 0, size)
    grad_v = None if grad_v is None else grad_v.narrow(-2, 0, size)
    return grad_u, grad_v, u.narrow(-1, 0, size), v.narrow(-2, 0, size)


def _between(inner: T, grad_u: T, grad_v: T, u: T, s: T, v: T) -> T:  # noqa: PLR0917
    """Return U `inner` Vh and what of the gradients lies outside of the spaces of U and Vh."""
    rows, columns = u.shape[-2], v.shape[-1]
    if rows > columns and grad_u is not None:
        outside = grad_u / s.unsqueeze(-2)
        return (u @ inner + outside - u @ (adjoint(u) @ outside)) @ v
    if rows < columns and grad_v is not None:
        outside = grad_v / s.unsqueeze(-1)
        return u @ (inner @ v + outside - (outside @ adjoint(v)) @ v)
    return u @ (inner @ v) if rows >= columns else (u @ inner) @ v


@formula
def svd_transposed(  # noqa: PLR0917 - torch's signature
    grad_u: T, grad_s: T, grad_v: T, u: T, s: T, v: T, full: bool
) -> T:
    """Return the same gradient for forward mode, which divides last by the gaps between singular values.

    There nothing is refused, and both U and Vh turn by half of the phase. Source: `linalg_svd_jvp` in
    torch/csrc/autograd/FunctionsManual.cpp.
    """
    if full:
        grad_u, grad_v, u, v = _economical(grad_u, grad_v, u, s, v)
    left, right = adjoint(u) @ grad_u, grad_v @ adjoint(v)
    gaps = _gaps(s * s)
    inner = _twice_hermitian(_off_diagonal(left / gaps)) * s.unsqueeze(-2)
    inner = inner - s.unsqueeze(-1) * _twice_hermitian(_off_diagonal(right / gaps)) + grad_s.diag_embed()
    if u.dtype.is_complex:
        phases = (_diagonal(left).imag + _diagonal(right).imag) / (s * 2)
        inner = inner + (phases * 1j).diag_embed()
    return _between(inner, grad_u, grad_v, u, s, v)


def _svd(matrix: torch.Tensor, full: bool, driver: str | None) -> Any:
    return tuple(torch.linalg.svd(matrix, full, driver=driver))


kernel("linalg_svd", _svd)
rule(
    "linalg_svd",
    grad_fn="LinalgSvdBackward0",
    tensors="A",
    args="full_matrices driver",
    outputs="U S Vh",
    forward="linalg_svd(A, full_matrices, driver)",
    A="svd_backward(grad_U, grad_S, grad_Vh, U, S, Vh, full_matrices)",
    saves="U S Vh",
    forward_mode={"A": "svd_transposed(grad_U, grad_S, grad_Vh, U, S, Vh, full_matrices)"},
)

# --- eigenvalues: A = V diag(L) V^-1, and V diag(L) V^H for a Hermitian A ---


@formula
def eig_backward(grad_values: T, grad_vectors: T, values: T, vectors: T, hermitian: bool) -> T:
    """Return the gradient of eigenvalues and eigenvectors of norm 1 (`linalg_eig_backward` in torch).

    Raises RuntimeError where that of complex eigenvectors depends on their phases.
    Source: C. Boeddeker et al., "On the computation of complex-valued gradients" (2017), equation 4.77.
    """
    back = adjoint(vectors)
    if grad_vectors is None:
        if hermitian:
            return (vectors * grad_values.unsqueeze(-2)) @ back
        return solve(back, grad_values.unsqueeze(-1) * back)
    inner = back @ grad_vectors
    if vectors.dtype.is_complex:
        phases = _diagonal(inner).imag
        _refuse(
            phases,
            zeros_like(phases),
            f"{'linalg_eigh_backward' if hermitian else 'linalg_eig_backward'}: The eigenvectors in the "
            "complex case are specified up to multiplication by e^{i phi}. The specified loss function "
            "depends on this quantity, so it is ill-defined.",
        )
    if hermitian:
        inner = _skew(inner) * 0.5
    else:
        # The eigenvectors keep their norm.
        inner = inner - back @ (vectors * _diagonal(inner).real.unsqueeze(-2))
    inner = inner / _gaps(values.conj())
    if grad_values is not None:
        inner = _off_diagonal(inner) + grad_values.diag_embed()
    return vectors @ (inner @ back) if hermitian else solve(back, inner @ back)


@formula
def eigh_transposed(grad_values: T, grad_vectors: T, values: T, vectors: T) -> T:
    """Return the same gradient for forward mode, which takes the tangent of a Hermitian matrix for Hermitian,
    and refuses nothing (`linalg_eig_jvp` in torch).
    """
    back = adjoint(vectors)
    inner = _off_diagonal((back @ grad_vectors) / _gaps(values)) + grad_values.diag_embed()
    return vectors @ (inner @ back)


kernel("linalg_eig", lambda matrix: tuple(torch.linalg.eig(matrix)))
rule(
    "linalg_eig",
    grad_fn="LinalgEigBackward0",
    tensors="self",
    outputs="eigenvalues eigenvectors",
    forward="linalg_eig(self)",
    self="eig_backward(grad_eigenvalues, grad_eigenvectors, eigenvalues, eigenvectors, False)",
    saves="eigenvalues eigenvectors",
)
kernel("linalg_eigh", lambda matrix, part: tuple(torch.linalg.eigh(matrix, part)))
rule(
    "linalg_eigh",
    grad_fn="LinalgEighBackward0",
    tensors="A",
    args="part",
    outputs="eigenvalues eigenvectors",
    forward="linalg_eigh(A, part)",
    A="eig_backward(grad_eigenvalues, grad_eigenvectors, eigenvalues, eigenvectors, True)",
    saves="eigenvalues eigenvectors",
    forward_mode={"A": "eigh_transposed(grad_eigenvalues, grad_eigenvectors, eigenvalues, eigenvectors)"},
)

# --- the exponential of a matrix ---


@formula
def matrix_exp_backward(grad: T, matrix: T) -> T:
    """Return the gradient of exp(A), read off exp of a matrix of four blocks.

    Source: R. Mathias, "A chain rule for matrix functions and applications" (1996).
    """
    return _upper_right(matrix_exp(_blocks(adjoint(matrix), grad)))


def _blocks(matrix: T, other: T) -> T:
    """Return the matrix of the four blocks `matrix`, `other`, 0 and `matrix`."""
    size = matrix.shape[-1]
    twice = pad(matrix, (0, size, 0, size), 0) + pad(matrix, (size, 0, size, 0), 0)
    return twice + pad(other, (size, 0, 0, size), 0)


def _upper_right(blocks: T) -> T:
    size = blocks.shape[-1] // 2
    return blocks.narrow(-2, 0, size).narrow(-1, size, size)


kernel("matrix_exp", torch.linalg.matrix_exp)
kernel("matrix_exp_pulled", matrix_exp_backward)
matrix_exp = operation("matrix_exp")
rule(
    "matrix_exp",
    grad_fn="LinalgMatrixExpBackward0",
    tensors="self",
    forward="matrix_exp(self)",
    self="matrix_exp_backward(grad, self)",
    saves="self",
    forward_mode={"self": "matrix_exp_pulled(grad, self)"},
)


@formula
def matrix_exp_second(grad: T, grad_output: T, matrix: T) -> T:
    """Return the gradient of A, given that of the gradient of A."""
    size = matrix.shape[-1]
    whole = matrix_exp_backward(pad(grad, (size, 0, 0, size), 0), _blocks(adjoint(matrix), grad_output))
    ends = (whole.narrow(-2, start, size).narrow(-1, start, size) for start in (0, size))
    return adjoint(next(ends) + next(ends))


# The gradient as an operation of its own, which is linear in `grad_output` as it is written.
rule(
    "matrix_exp_pulled",
    grad_fn="LinalgMatrixExpBackwardBackward0",
    tensors="grad_output self",
    forward="matrix_exp_pulled(grad_output, self)",
    grad_output="matrix_exp_backward(grad, self.mH)",
    self="matrix_exp_second(grad, grad_output, self)",
    saves="grad_output self",
)
