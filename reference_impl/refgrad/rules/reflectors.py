"""Products of Householder reflectors, as geqrf gives them. Formulas: torch/csrc/autograd/FunctionsManual.cpp.

The reflectors are I - tau_i v_i v_i^H, where v_i is a column of a matrix of which only what lies below the
diagonal is looked at; the diagonal counts as ones.
"""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel, zeros_like
from .registry import rule
from .systems import adjoint, pad

T = Any


def _reflect(value: T, vector: T, factor: T, left: bool) -> T:
    """Return (I - t v v^H) K, or K (I - t v v^H)."""
    scaled = factor.unsqueeze(-1) * vector
    if left:
        return value - scaled @ (adjoint(vector) @ value)
    return value - (value @ scaled) @ adjoint(vector)


@formula
def reflectors_backward(  # noqa: PLR0917 - torch's signature, and which gradient is asked for
    grad: T, result: T, matrix: T, tau: T, flip: bool, of_tau: bool
) -> T:
    """Return the gradient of the vectors, or of `tau`, of a product of reflectors.

    One matrix goes round: the inverse of each reflector is taken off at one side of it and the reflector put
    on at the other (`householder_product_backward` in torch). `flip` goes from the last to the first.
    """
    if not matrix.numel() or not tau.numel():
        return None
    rows, columns = matrix.shape[-2:]
    count = tau.shape[-1]
    ones = (zeros_like(matrix.diagonal(0, -2, -1)) + 1).diag_embed()
    size = ones.shape[-1]
    vectors = matrix.tril(-1) + pad(ones, (0, columns - size, 0, rows - size), 0)
    used = vectors.narrow(-1, 0, count)
    inverse = tau / (tau * (used * used.conj()).sum(-2) - 1)
    inner = result @ adjoint(grad)
    order = range(count - 1, -1, -1) if flip else range(count)
    found: T = None
    before: int | None = None
    for index in order:
        vector, factor = vectors.narrow(-1, index, 1), tau.narrow(-1, index, 1)
        inner = _reflect(inner, vector, inverse.narrow(-1, index, 1), not flip)
        if before is not None:
            inner = _reflect(inner, vectors.narrow(-1, before, 1), tau.narrow(-1, before, 1), flip)
        before = index
        row = adjoint(vector) @ inner
        if of_tau:
            part = pad(-(row @ vector).conj().squeeze(-1), (index, count - index - 1), 0)
        else:
            scale = factor.unsqueeze(-1)
            slope = -adjoint(scale * row) - scale * (inner @ vector)
            part = pad(slope, (index, columns - index - 1), 0)
        found = part if found is None else found + part
    return found if of_tau else found.tril(-1)


kernel("linalg_householder_product", torch.linalg.householder_product)
rule(
    "linalg_householder_product",
    grad_fn="LinalgHouseholderProductBackward0",
    tensors="input tau",
    forward="linalg_householder_product(input, tau)",
    input="reflectors_backward(grad, result, input, tau, False, False)",
    tau="reflectors_backward(grad, result, input, tau, False, True)",
    saves="input tau result",
    joint=True,
)


@formula
def ormqr_reflectors(  # noqa: PLR0917 - torch's signature
    grad: T, result: T, matrix: T, tau: T, left: bool, transpose: bool, of_tau: bool
) -> T:
    """Return the gradient of the reflectors that another matrix is multiplied by."""
    turned = left == transpose
    if transpose:
        first, second = (result, grad) if turned else (adjoint(grad), adjoint(result))
    else:
        first, second = (adjoint(result), adjoint(grad)) if turned else (grad, result)
    return reflectors_backward(first, second, matrix, tau, turned, of_tau)


kernel("ormqr", torch.ormqr)
rule(
    "ormqr",
    grad_fn="OrmqrBackward0",
    tensors="self input2 input3",
    args="left transpose",
    forward="ormqr(self, input2, input3, left, transpose)",
    self="ormqr_reflectors(grad, result, self, input2, left, transpose, False)",
    input2="ormqr_reflectors(grad, result, self, input2, left, transpose, True)",
    input3="ormqr(self, input2, grad, left, not transpose)",
    saves="self input2 input3 result",
    joint=True,
    kept="input3",
)
