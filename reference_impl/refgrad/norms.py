"""`refgrad.norm`, which chooses among the norms of `refgrad.linalg`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .linalg import matrix_norm, vector_norm
from .out import into
from .tensor import Tensor

if TYPE_CHECKING:
    import torch

TORCH = ("norm",)
METHODS = ("norm",)


def norm(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    p: Any = "fro",
    dim: Any = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return the norm of order `p` over `dim` (all by default).

    A number means the norm of a vector, whatever the number of dimensions, and so does "fro", of order 2;
    "nuc" is the sum of the singular values of matrices. Raises RuntimeError for other words.
    """
    if out is not None:
        return into(out, "norm", input, p, dim=dim, keepdim=keepdim, dtype=dtype)
    if not isinstance(p, str) or (p == "fro" and (dim is None or isinstance(dim, int) or len(dim) <= 2)):
        return vector_norm(input, 2 if p in (None, "fro") else p, dim, keepdim, dtype=dtype)
    dims = range(input.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    return matrix_norm(input, p, tuple(dims), keepdim, dtype=dtype)
