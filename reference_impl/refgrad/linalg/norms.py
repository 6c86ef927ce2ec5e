"""Norms of vectors and of matrices.

Source: aten/src/ATen/native/LinearAlgebra.cpp, from `linalg_matrix_norm` on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from refgrad.arrangement import movedim
from refgrad.reductions import amax, amin, vector_norm
from refgrad.shapes import sum, unsqueeze  # noqa: A004 - torch's name
from refgrad.tensor import Tensor

from .decompositions import svdvals

if TYPE_CHECKING:
    import torch

# ruff: noqa: N803 - torch's names of matrices


def matrix_norm(
    A: Tensor,
    ord: Any = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return the norm of the matrices that the two dimensions `dim` hold.

    ord: "fro", the root of the sum of squares; "nuc", the sum of the singular values; 2 and -2, the largest
    and smallest of them; 1 and -1, the largest and smallest sum of absolute values of a column; inf and -inf,
    of a row. Raises RuntimeError for others, for a tensor without two dimensions and for one of integers.
    """
    _check_matrix(A, ord, dim)
    if ord == "fro":
        return vector_norm(A, 2, tuple(dim), keepdim, dtype=dtype)
    value = A if dtype is None else A.to(dtype)
    first, second = (one % A.ndim for one in dim)
    if ord == "nuc" or abs(ord) == 2:
        singular = svdvals(movedim(value, (first, second), (-2, -1)))
        found = sum(singular, -1) if ord == "nuc" else (amax if ord > 0 else amin)(singular, -1)
        if not keepdim:
            return found
        low, high = sorted((first, second))
        return unsqueeze(unsqueeze(found, low), high)
    summed, compared = (second, first) if math.isinf(ord) else (first, second)
    sizes = vector_norm(value, 1, summed, keepdim)
    if not keepdim and compared > summed:
        compared -= 1
    return (amax if ord > 0 else amin)(sizes, compared, keepdim)


def _check_matrix(A: Tensor, ord: Any, dim: Sequence[int]) -> None:
    """Raise torch's RuntimeError for what is no norm of matrices."""
    if A.ndim < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    if not (A.dtype.is_floating_point or A.dtype.is_complex):
        raise RuntimeError("linalg.matrix_norm: Expected a floating point or complex tensor as input.")
    if ord not in ("fro", "nuc") and (isinstance(ord, str) or abs(ord) not in (1, 2, math.inf)):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {tuple(dim)}")
    if dim[0] % A.ndim == dim[1] % A.ndim:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got {tuple(dim)}")


def norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """Return a norm of vectors or of matrices.

    Without `ord` it is the root of the sum of squares over `dim`, all by default. With it, an int `dim` means
    vectors, two dimensions mean matrices (see `matrix_norm`), and without `dim` a tensor of one dimension is
    a vector and one of two a matrix. Raises RuntimeError for other tensors then.
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    dims = (dim,) if isinstance(dim, int) else dim
    if isinstance(ord, str):
        return matrix_norm(A, ord, (-2, -1) if dims is None else dims, keepdim, dtype=dtype)
    if dims is None and A.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    if (A.ndim if dims is None else len(dims)) == 2:
        return matrix_norm(A, ord, (0, 1) if dims is None else dims, keepdim, dtype=dtype)
    return vector_norm(A, ord, dims, keepdim, dtype=dtype)
