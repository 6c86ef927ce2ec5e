"""Products of matrices and vectors that are added to another tensor, and products over chosen dimensions.

Source: "BLAS and LAPACK Operations" in https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from .dimensions import wrapped
from .ops import apply
from .out import into
from .shapes import dot, mm, permute, reshape, squeeze, sum  # noqa: A004 - torch's name
from .tensor import Tensor

TORCH = (
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "cross", "ger", "inner", "kron", "outer",
    "tensordot",
)  # fmt: skip
METHODS = ("addbmm", "addmm", "addmv", "addr", "baddbmm", "cross", "ger", "inner", "kron", "outer")
IN_PLACE = ("addbmm", "addmm", "addmv", "addr", "baddbmm")


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: complex = 1, alpha: complex = 1) -> Tensor:
    """Return `beta * input + alpha * (mat1 @ mat2)`; `input` broadcasts to the shape of the product.

    With `beta` 0 the values of `input` do not count, nan included.
    """
    return apply("addmm", input, mat1, mat2, beta, alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: complex = 1, alpha: complex = 1) -> Tensor:
    """Return `beta * input + alpha * (mat @ vec)`; see `addmm`."""
    return apply("addmv", input, mat, vec, beta, alpha)


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: complex = 1, alpha: complex = 1) -> Tensor:
    """Return `beta * input + alpha * outer(vec1, vec2)`; see `addmm`."""
    return apply("addr", input, vec1, vec2, beta, alpha)


def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: complex = 1, alpha: complex = 1
) -> Tensor:
    """Return `beta * input + alpha * (batch1 @ batch2)` for batches of matrices; see `addmm`."""
    return apply("baddbmm", input, batch1, batch2, beta, alpha)


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: complex = 1, alpha: complex = 1) -> Tensor:
    """Return `beta * input + alpha * (batch1 @ batch2).sum(0)` for batches of matrices; see `addmm`."""
    return apply("addbmm", input, batch1, batch2, beta, alpha)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Return the products of all pairs of elements of two vectors: [N], [M] to [N, M].

    Raises RuntimeError for what is no vector.
    """
    for name, vector in (("self", input), ("vec2", vec2)):
        if vector.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {vector.ndim}-D")
    return reshape(input, (input.shape[0], 1)) * vec2


ger = outer


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Return the sums of products over the last dimensions: [..., K], [*, K] to [..., *].

    A 0-d tensor multiplies the other one. Raises RuntimeError if the last sizes differ.
    """
    if not input.ndim or not other.ndim:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    return tensordot(input, other, ([-1], [-1]))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """Return the sums of products over the last `dims` dimensions of `a` and the first of `b`.

    `dims` may also be two lists, of dimensions of `a` and of `b`, which are summed in pairs; where one of
    a pair has size 1 the other is summed by itself. Raises RuntimeError for pairs of other sizes.
    Source: `tensordot` in aten/src/ATen/native/Linear.cpp.
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if out is not None:
        return into(out, "tensordot", a, b, dims=dims)
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got {dims=}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got {dims=}")
        dims = (list(range(a.ndim - dims, a.ndim)), list(range(dims)))
    left, right = (
        [wrapped(one, tensor.ndim) for one in ([of] if isinstance(of, int) else of)]
        for of, tensor in zip(dims, (a, b), strict=True)
    )
    if len(left) != len(right):
        raise RuntimeError("both dimension lists should have same length")
    for one, other in zip(left, right, strict=True):
        if b.shape[other] == 1:
            a = sum(a, one, True)
        elif a.shape[one] == 1:
            b = sum(b, other, True)
        elif a.shape[one] != b.shape[other]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[one]} in dim {one} "
                f"and second has size {b.shape[other]} in dim {other}"
            )
    rows = [dim for dim in range(a.ndim) if dim not in left]
    columns = [dim for dim in range(b.ndim) if dim not in right]
    inner_size = math.prod(a.shape[dim] for dim in left)
    left_size, right_size = ([a.shape[dim] for dim in rows], [b.shape[dim] for dim in columns])
    height, width = math.prod(left_size), math.prod(right_size)
    # Each operation in the order of torch's: gradients of what is multiplied by itself add up in it.
    if (height, width) != (1, 1):
        matrix = reshape(permute(a, [*rows, *left]), (height, inner_size))
        product = mm(matrix, reshape(permute(b, [*right, *columns]), (inner_size, width)))
        return reshape(product, (*left_size, *right_size))
    a, b = permute(a, [*rows, *left]), permute(b, [*right, *columns])
    if a.is_contiguous() and b.is_contiguous():
        b = _in_shape(b, (inner_size,))
        product = dot(_in_shape(a, (inner_size,)), b)
    else:
        b = squeeze(b)
        product = sum(squeeze(a) * b)
    return reshape(product, (*left_size, *right_size))


def _in_shape(input: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the same elements in `shape`; `input` itself if it has it."""
    return input if input.shape == shape else reshape(input, shape)


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Return the Kronecker product: each element of `input` times the whole of `other`, in its place.

    What is multiplied shares memory with the inputs and knows nothing of it, as in torch: a write to them
    goes unnoticed.
    """
    rank = max(input.ndim, other.ndim)
    sizes = [(1,) * (rank - tensor.ndim) + tuple(tensor.shape) for tensor in (input, other)]
    left = apply("unsafe_view", input, [n for size in sizes[0] for n in (size, 1)])
    right = apply("unsafe_view", other, [n for size in sizes[1] for n in (1, size)])
    return apply("unsafe_view", left * right, [one * two for one, two in zip(*sizes, strict=True)])


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Return the cross products of vectors along `dim`: without it, and a warning, the first of size 3.

    Raises RuntimeError if no dimension has size 3; see `linalg.cross`.
    """
    if dim is None:
        warnings.warn(
            "Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim "
            "explicitly or simply use torch.linalg.cross.\nThe default value of dim will change to agree "
            "with that of linalg.cross in a future release.",
            UserWarning,
            stacklevel=2,
        )
        if 3 not in input.shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = list(input.shape).index(3)
    return apply("linalg_cross", input, other, dim)
