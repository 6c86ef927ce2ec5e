"""Products of vectors and of several matrices, powers, diagonals and Vandermonde matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from refgrad.arrangement import diagonal as diagonal_of
from refgrad.complex_support import scalar_type
from refgrad.creation import eye, zeros_like
from refgrad.multiple import cat
from refgrad.ops import apply
from refgrad.pointwise import conj
from refgrad.reductions import cumprod
from refgrad.shapes import clone, expand, matmul, sum, unsqueeze, view  # noqa: A004 - torch's name
from refgrad.tensor import Tensor

from .systems import inv

# ruff: noqa: N803 - torch's names of matrices


def vdot(x: Tensor, y: Tensor) -> Tensor:
    """Return the dot product of the conjugate of one vector with another."""
    return apply("vdot", x, y)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Return the dot products of the conjugate of `x` with `y` along `dim`; other dimensions broadcast.

    Raises RuntimeError for integers and for different dtypes.
    """
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        raise RuntimeError(
            f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {scalar_type(x.dtype)}"
        )
    if x.dtype is not y.dtype:
        raise RuntimeError(
            "linalg.vecdot: Expected x and y to have the same dtype, but found x of type "
            f"{scalar_type(x.dtype)} and y of type {scalar_type(y.dtype)} instead"
        )
    return vdot(x, y) if x.ndim == 1 and y.ndim == 1 else sum(conj(x) * y, dim)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Return the cross products of vectors along `dim`, of size 3; other dimensions broadcast.

    Raises RuntimeError for other sizes and for different numbers of dimensions.
    """
    return apply("linalg_cross", input, other, dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return a view of the diagonal of each matrix, as the last dimension."""
    return diagonal_of(A, offset, dim1, dim2)


def matrix_power(A: Tensor, n: int) -> Tensor:
    """Return the `n`-th power of each square matrix; of its inverse if `n` is negative.

    Squares are multiplied, so that about log n products are made. Raises RuntimeError for matrices that are
    not square, torch.linalg.LinAlgError for a negative power of one without an inverse.
    """
    if A.ndim < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            "linalg.matrix_power: A must be batches of square matrices, but they are "
            f"{A.shape[-2]} by {A.shape[-1]} matrices"
        )
    if n == 0:
        return zeros_like(A).copy_(A).copy_(eye(A.shape[-1], dtype=A.dtype, device=A.device))
    if n == -1:
        return inv(A)
    if n < 0:
        return matrix_power(inv(A), -n)
    if n == 1:
        return clone(A)
    if n == 3:
        return matmul(matmul(A, A), A)
    result: Tensor | None = None
    square = A
    while n:
        if n & 1:
            result = square if result is None else matmul(result, square)
        n >>= 1
        if n:
            square = matmul(square, square)
    assert result is not None  # noqa: S101 - n is positive
    return result


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """Return the product of two or more matrices, multiplied in the order that takes the fewest operations.

    The first may be a vector, a row, and the last one a column. Raises RuntimeError for other dimensions and
    for fewer than two tensors.
    """
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    *_, last = factors = list(tensors)
    first = factors[0]
    shape: tuple[int, ...] = ()
    if first.ndim == 1:
        factors[0] = unsqueeze(first, 0)
    elif first.ndim == 2:
        shape = (first.shape[0],)
    else:
        raise RuntimeError(
            f"multi_dot(): the first tensor must be 1D or 2D but got a tensor with {first.ndim} dimensions"
        )
    if last.ndim == 1:
        factors[-1] = unsqueeze(last, -1)
    elif last.ndim == 2:
        shape = (*shape, last.shape[1])
    else:
        raise RuntimeError(
            f"multi_dot(): the last tensor must be 1D or 2D but got a tensor with {last.ndim} dimensions"
        )
    for place, factor in enumerate(factors):
        if factor.ndim != 2:
            raise RuntimeError(
                f"multi_dot(): tensor {place} must be 2D but got a tensor with {factor.ndim} dimensions"
            )
    sizes = [factor.shape[0] for factor in factors] + [factors[-1].shape[1]]
    product = _chain(factors, _splits(sizes), 0, len(factors) - 1)
    return view(product, shape)


def _splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Return where to split each chain of factors `first` to `last`, factor i of sizes[i] by sizes[i + 1].

    Where two places take as many operations it is the first of them; of three factors, as in torch, the last.
    Source: Cormen et al., Introduction to Algorithms, 3rd edition, 15.2, "Matrix-chain multiplication".
    """
    count = len(sizes) - 1
    cost = {(place, place): 0 for place in range(count)}
    splits = {}
    for length in range(1, count):
        for first in range(count - length):
            last = first + length
            costs = {
                split: cost[first, split]
                + cost[split + 1, last]
                + sizes[first] * sizes[split + 1] * sizes[last + 1]
                for split in range(first, last)[:: -1 if count == 3 else 1]
            }
            best = min(costs, key=costs.__getitem__)
            cost[first, last], splits[first, last] = costs[best], best
    return splits


def _chain(factors: list[Tensor], splits: dict[tuple[int, int], int], first: int, last: int) -> Tensor:
    """Return the product of the factors `first` to `last`."""
    if first == last:
        return factors[first]
    split = splits[first, last]
    right = _chain(factors, splits, split + 1, last)
    return matmul(_chain(factors, splits, first, split), right)


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """Return the powers 0 to N - 1 of each element as a new last dimension; N is the last size by default.

    A 0-d tensor counts as a vector. Raises RuntimeError for an N below 2.
    """
    x = x if x.ndim else unsqueeze(x, 0)
    count = x.shape[-1] if N is None else N
    if count < 2:
        raise RuntimeError("N must be greater than 1.")
    powers: Any = cumprod(expand(unsqueeze(x, -1), (*x.shape, count - 1)), -1)
    return cat([Tensor._of(torch.ones_like(powers._data[..., :1])), powers], -1)
