"""JAX on the CPU, in all of its dtypes. `pip install gradconform[jax]`"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import torch

from gradconform.engines.functional import FunctionalEngine
from gradconform.engines.numpy_like import operators
from gradconform.engines.recorded import Array, Function

DTYPES = {
    name: jnp.dtype(name)
    for name in (
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
        *("bool", "uint8", "int8", "int16", "int32", "int64"),
    )
}


class Jax(FunctionalEngine):
    """JAX's functions, each run at once: what jit makes of them is another question."""

    def __init__(self) -> None:
        # Without it float64 is float32, and int64 is int32.
        jax.config.update("jax_enable_x64", True)
        self._cpu = jax.devices("cpu")[0]
        self._programs = 0
        super().__init__(
            name="jax",
            version=jax.__version__,
            operators={
                **operators(jnp, jax.nn, jax.scipy.special, jax.lax, dtypes=DTYPES),
                "complex": lambda real, imag: jax.lax.complex(real, imag),
                "nn.functional.gelu": lambda input, approximate="none": jax.nn.gelu(
                    input, approximate=approximate == "tanh"
                ),
            },
            dtypes=DTYPES,
            conjugates=True,
            policies=POLICIES,
        )

    def reset(self) -> None:
        self._programs = (self._programs + 1) % 20
        if not self._programs:
            jax.clear_caches()  # the code of each function for each shape, 2 MB each

    def array_of(self, tensor: torch.Tensor) -> Array:
        if tensor.dtype == torch.bfloat16:  # numpy has it from JAX alone
            return jax.device_put(
                tensor.contiguous().view(torch.int16).numpy().view(DTYPES["bfloat16"]), self._cpu
            )
        return jax.device_put(tensor.numpy().copy(), self._cpu)

    def tensor_of(self, array: Array) -> torch.Tensor:
        numbers = np.array(array)
        if numbers.dtype == DTYPES["bfloat16"]:
            return torch.from_numpy(numbers.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(numbers)

    def is_array(self, value: object) -> bool:
        return isinstance(value, jax.Array)

    def vjp(
        self, function: Function, primals: Sequence[Array], cotangents: Sequence[Array]
    ) -> Sequence[Array | None]:
        _, pull = jax.vjp(function, *primals)
        return pull(list(cotangents))  # type: ignore[no-any-return]


POLICIES = {
    "abs-at-nan": "minus-one",
    "abs-at-zero": "one",
    "atan2-at-the-origin": "nan",
    "clamp-at-bounds": "half",
    "leaky-relu-at-zero": "one",
    "median-of-an-even-count": "mean",
    "extremes-of-nan": "nan",
    "nan-between-tensors": "none",
    "norm-at-zero": "nan",
    "relu-at-nan": "zero",
    "spread-of-equal-values": "nan",
    "ties-along-a-dimension": "share",
    "unreached-inputs": "zero",
    "views": "copies",
    "zero-to-the-zero": "nan-of-floats",
}


def engine() -> Jax:
    """Makes the engine; named by the `gradconform.engines` entry point `jax`."""
    return Jax()
