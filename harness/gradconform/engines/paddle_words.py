"""Where Paddle has another word than torch, or another meaning of the same word; and how numbers cross."""

from __future__ import annotations

import operator as python
from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
import torch
from paddle import Tensor, compat

from gradconform.errors import Unsupported

DTYPES = {
    name: getattr(paddle, name)
    for name in (
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
        *("bool", "uint8", "int8", "int16", "int32", "int64"),
    )
}


def of_numbers(tensor: torch.Tensor, requires_grad: bool) -> Tensor:
    """A leaf that lies in memory as this tensor does."""
    numbers = tensor.float() if tensor.dtype == torch.bfloat16 else tensor  # numpy has no bfloat16
    dtype = DTYPES[str(tensor.dtype).removeprefix("torch.")]
    if numbers.is_contiguous():
        return paddle.to_tensor(numbers.numpy(), dtype=dtype, stop_gradient=not requires_grad)
    # Of an array Paddle makes a copy in order, whatever the strides: it is handed the memory itself.
    flat = numbers.as_strided((numbers.untyped_storage().nbytes() // numbers.itemsize,), (1,), 0)
    memory = paddle.to_tensor(flat.numpy(), dtype=dtype)
    start = numbers.storage_offset() * tensor.itemsize  # it counts in bytes
    laid_out = paddle.as_strided(memory, list(tensor.shape), list(numbers.stride()), start)
    laid_out.stop_gradient = not requires_grad
    return laid_out


def numbers_of(handle: Tensor) -> torch.Tensor:
    """A copy of the numbers. Raises Unsupported for what has none, as a gradient that was taken away."""
    narrow = handle.dtype == paddle.bfloat16
    try:
        numbers = handle.detach().astype("float32").numpy() if narrow else handle.numpy()
    except RuntimeError as error:
        raise Unsupported("a tensor without memory") from error
    if numbers.shape != tuple(handle.shape):
        raise Unsupported("a tensor without memory")
    tensor = torch.from_numpy(np.array(numbers))
    return tensor.bfloat16() if narrow else tensor


SAME = ("grad", "requires_grad", "is_leaf", "dtype", "ndim", "T", "mT", "data")

ATTRIBUTES: dict[str, Callable[[Tensor], Any]] = {
    **{name: python.attrgetter(name) for name in SAME},
    "shape": lambda handle: tuple(handle.shape),
    "real": lambda handle: handle.real(),
    "imag": lambda handle: handle.imag(),
    "_version": lambda handle: handle.inplace_version,
}
"""Without `grad_fn`, which its leaves have too."""

OF_TORCH = ("max", "min", "sort", "split", "unique", "slogdet", "nanmedian")
OF_NETWORKS = ("relu", "celu", "selu", "prelu", "threshold", "hardshrink", "log_softmax")

WORDS = {
    **{word: f"compat.{word}" for word in OF_TORCH},
    **{f"nn.functional.{word}": f"compat.nn.functional.{word}" for word in dir(compat.nn.functional)},
    **{word: f"nn.functional.{word}" for word in (*OF_NETWORKS, "pixel_shuffle", "pixel_unshuffle")},
    "linalg.slogdet": "compat.slogdet",
    "movedim": "moveaxis",
    "retain_grad": "retain_grads",
}
"""Paddle has functions with torch's meaning beside its own of the same name."""


def _std(input: Tensor, dim: Any = None, *, correction: Any = 1, keepdim: bool = False) -> Tensor:
    if correction not in {0, 1}:
        raise Unsupported("operator std(correction=...)")
    return input.std(dim, unbiased=bool(correction), keepdim=keepdim)


def _copy_(input: Tensor, src: Tensor) -> Tensor:
    """Paddle's own counterpart; its tensors' `copy_`, which is no part of its interface, has no gradient."""
    if (input.shape, input.dtype) != (src.shape, src.dtype):
        raise Unsupported("operator copy_ (of another shape or dtype)")  # it would take them over
    return paddle.assign(src, output=input)


def _nan_to_num(input: Tensor, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
    if input.dtype not in {paddle.float32, paddle.float64}:  # it asserts that, and says nothing
        raise Unsupported(f"operator nan_to_num ({input.dtype})")
    return paddle.nan_to_num(input, nan, posinf, neginf)


OPERATORS: dict[str, Callable[..., Any] | None] = {
    "numel": lambda input: int(input.size),
    "std": _std,
    "copy_": _copy_,
    "nan_to_num": _nan_to_num,
    "median": lambda input: input.median(),
    "gather": lambda input, dim, index: paddle.take_along_axis(input, index, dim, broadcast=False),
    "cholesky_solve": lambda B, L, upper=False: paddle.linalg.cholesky_solve(B, L, upper),  # noqa: N803
    **dict.fromkeys(
        ("transpose", "swapaxes", "swapdims"), lambda input, dim0, dim1: input.transpose(dim0, dim1)
    ),
    "linalg.eigvals": None,  # in an order of its own, of which nobody promises one
    # These mean something else to it, or take their arguments in another order, or in bytes.
    **dict.fromkeys(
        ("linalg.lu", "lu", "lu_unpack", "linalg.norm", "polygamma_", "as_strided", "gradient"), None
    ),
    **{f"nn.functional.{word}": None for word in ("cross_entropy", "batch_norm", "instance_norm")},
    **{f"nn.functional.avg_pool{number}d": None for number in (1, 2, 3)},
}

LACKS = (
    *("is not registered", "op registered", "nimplemented", "any grad op"),
    *("The data type of", "The dtype of", "tensor's dtype must be"),
    *(
        "must be Tensor",
        "must be int or float",
        "object has no attribute 'shape'",
        "must be scalar type",
        "'replace'",
        "The Scalar only",
    ),
    *("Excepted Input X is", "should be 3D", "should be 4D", "should be 4-D", "must be 2-dimensional"),
    *(
        "must be a 2-D tensor",
        "Input(Scale) must be 1",
        "in Op(LayerNorm) should be",
        "dimension of input should be",
        "dimension of input minus the size",
        "Expected 2 or more dimensions",
        "rank should be less than",
        "(Eigen limit)",
        "not enough values to unpack",
    ),
    *(
        "only support",
        "can only be 'area'",
        "isn't consistent",
        "is not supported yet",
        "'int' object is not iterable",
    ),
)
"""What its exceptions say of what it does not have."""

POLICIES = {
    "abs-at-nan": "nan",
    "atan2-at-the-origin": "nan",
    "extremes-of-nan": "nan",
    "leaky-relu-at-zero": "one",
    "median-of-an-even-count": "mean",
    "nan-between-tensors": "none",
    "spread-of-equal-values": "nan",
}
