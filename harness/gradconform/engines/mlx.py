"""MLX on the CPU. `pip install gradconform[mlx]`"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import mlx.nn
import numpy as np
import torch

from gradconform.engines.functional import FunctionalEngine
from gradconform.engines.numpy_like import operators
from gradconform.engines.numpy_words import NUMBERS
from gradconform.engines.recorded import Array, Function

DTYPES = {
    **{name: getattr(mx, name) for name in (*NUMBERS, "bfloat16", "complex64") if name != "bool"},
    "bool": mx.bool_,
}


class Mlx(FunctionalEngine):
    """MLX puts work off; here each operation is computed when it is called, so that an error comes there."""

    def __init__(self) -> None:
        mx.set_default_device(mx.cpu)
        super().__init__(
            name="mlx",
            version=mx.__version__,
            operators={**operators(mx, mlx.nn, dtypes=DTYPES), "clone": mx.array},
            dtypes=DTYPES,
            policies=POLICIES,
        )

    def array_of(self, tensor: torch.Tensor) -> Array:
        dtype = DTYPES[str(tensor.dtype).removeprefix("torch.")]
        if tensor.dtype == torch.bfloat16:  # numpy has none
            return mx.array(tensor.float().numpy()).astype(dtype)
        return mx.array(tensor.numpy(), dtype=dtype)

    def tensor_of(self, array: Array) -> torch.Tensor:
        if array.dtype == mx.bfloat16:
            return torch.from_numpy(np.array(array.astype(mx.float32))).bfloat16()
        return torch.from_numpy(np.array(array))

    def is_array(self, value: object) -> bool:
        return isinstance(value, mx.array)

    def settle(self, arrays: Sequence[Array]) -> None:
        mx.eval(*arrays)

    def lacks(self, error: Exception) -> bool:
        # MLX has no class of its own for what it does not have yet.
        return super().lacks(error) or any(words in str(error).lower() for words in _LACKING)

    def vjp(
        self, function: Function, primals: Sequence[Array], cotangents: Sequence[Array]
    ) -> Sequence[Array | None]:
        _, gradients = mx.vjp(function, list(primals), list(cotangents))
        return gradients  # type: ignore[no-any-return]


_LACKING = (
    "not implemented",
    "not yet support",
    "not supported",
    "arrays must have type",
    "input arrays must promote to",
    "cannot index mlx array",
    "incompatible function arguments",
    "cannot calculate vjp",
)

POLICIES = {
    "atan2-at-the-origin": "nan",
    "clamp-at-bounds": "zero",
    "leaky-relu-at-zero": "one",
    "median-of-an-even-count": "mean",
    "extremes-of-nan": "nan",
    "nan-between-tensors": "none",
    "norm-at-zero": "nan",
    "relu-at-nan": "zero",
    "spread-of-equal-values": "nan",
    "ties-between-tensors": "second",
    "unreached-inputs": "zero",
    "views": "copies",
    "zero-to-the-zero": "nan",
}


def engine() -> Mlx:
    """Makes the engine; named by the `gradconform.engines` entry point `mlx`."""
    return Mlx()
