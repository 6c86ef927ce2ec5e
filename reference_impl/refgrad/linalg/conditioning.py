"""Condition numbers and ranks.

Source: `linalg_cond` in aten/src/ATen/native/LinearAlgebra.cpp.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from refgrad.shapes import narrow, squeeze, unsqueeze
from refgrad.tensor import Tensor

from .decompositions import svdvals
from .norms import matrix_norm
from .systems import inv, inv_ex

_ORDERS = (None, 1, -1, 2, -2, math.inf, -math.inf, "fro", "nuc")


def cond(A: Tensor, p: Any = None) -> Tensor:  # noqa: N803 - torch's name
    """Return the norm of each matrix times that of its inverse; infinite where there is none.

    p: as `ord` of `matrix_norm`; None and 2 are the largest singular value over the smallest one, -2 the
    reverse, for matrices that are not square too. Raises RuntimeError for another p, and for matrices that
    are not square where they have to be. Backward raises RuntimeError but for None, 2, -2 and "nuc".
    """
    if p not in _ORDERS:
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    if not A.numel():
        real = A._dtype.to_real() if A._dtype.is_complex else A._dtype
        return Tensor._of(A._data.new_zeros(A._shape[:-2], dtype=real))
    if p in {None, 2, -2}:
        values = svdvals(A)
        ends = narrow(values, -1, 0, 1), narrow(values, -1, values._shape[-1] - 1, 1)
        return squeeze(ends[1] / ends[0] if p == -2 else ends[0] / ends[1], -1)
    rows, columns = A._shape[-2:]
    if rows != columns:
        raise RuntimeError(
            f"linalg.cond(ord={p}): A must be batches of square matrices, but they are {rows} by {columns} "
            "matrices"
        )
    if p == "nuc":
        return matrix_norm(A, p) * matrix_norm(inv(A), p)
    inverse, info = inv_ex(A)
    # torch writes to the inverse that was saved, so backward raises RuntimeError for these norms.
    inverse.masked_fill_(unsqueeze(unsqueeze(info, -1), -1) > 0, math.inf)
    found: Tensor = matrix_norm(A, p) * matrix_norm(inverse, p)
    # Of a matrix of zeros it is infinite, as in NumPy.
    return found.nan_to_num(math.inf, math.inf, -math.inf)


def matrix_rank(
    A: Tensor,  # noqa: N803 - torch's name
    tol: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
) -> Tensor:
    """Return how many singular values of each matrix exceed a bound, an integer without a history.

    The bound is `atol` or the share `rtol` of the largest one, whichever is larger; `tol` is an older name of
    `atol`. They are numbers or tensors that broadcast with the batch. Without any of them it is the dtype's
    precision times the larger side. Of `hermitian` matrices the eigenvalues are counted by their size. Raises
    RuntimeError for fewer than two dimensions.
    """
    bounds = {"tol": tol, "atol": atol, "rtol": rtol}
    given = {name: getattr(bound, "_data", bound) for name, bound in bounds.items() if bound is not None}
    return Tensor._of(torch.linalg.matrix_rank(A._data, hermitian=hermitian, **given))
