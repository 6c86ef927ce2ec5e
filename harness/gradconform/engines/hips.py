"""HIPS autograd: numpy, differentiated. `pip install gradconform[autograd]`"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import autograd.numpy
import autograd.scipy.special
import numpy as np
import torch
from autograd import make_vjp
from autograd.builtins import tuple as traced_tuple

from gradconform.engines.functional import FunctionalEngine
from gradconform.engines.numpy_like import operators
from gradconform.engines.numpy_words import NUMBERS
from gradconform.engines.recorded import Array, Function

DTYPES = {name: np.dtype(name) for name in (*NUMBERS, "complex64", "complex128")}


class Hips(FunctionalEngine):
    """autograd's functions take and give numpy's arrays, and its scalars for what has no dimensions."""

    def __init__(self) -> None:
        modules = (autograd.numpy, autograd.scipy.special)
        super().__init__(
            name="autograd",
            version=version("autograd"),
            operators={
                **operators(*modules, dtypes=DTYPES),
                "sigmoid": autograd.scipy.special.expit,
                "relu": _relu,
                "nn.functional.relu": _relu,
            },
            composed={"relu": "maximum(input, 0)"},
            dtypes=DTYPES,
            conjugates=True,
            policies=POLICIES,
        )

    def array_of(self, tensor: torch.Tensor) -> Array:
        return tensor.numpy().copy()

    def tensor_of(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(np.array(array))

    def is_array(self, value: object) -> bool:
        return isinstance(value, np.ndarray | np.generic)

    def lacks(self, error: Exception) -> bool:
        return super().lacks(error) or any(words in str(error) for words in LACKING)

    def vjp(
        self, function: Function, primals: Sequence[Array], cotangents: Sequence[Array]
    ) -> Sequence[Array | None]:
        try:
            pull, _ = make_vjp(lambda arguments: traced_tuple(function(*arguments)))(traced_tuple(primals))
        except KeyError as error:  # a rule that is missing for one of three arguments or more
            raise NotImplementedError(f"VJP wrt argnum {error} not defined") from error
        gradients: Any = pull(traced_tuple(cotangents))
        return tuple(gradients)


LACKING = ("Can't handle", "not supported for the input types")
"""It says so in an AssertionError and in a TypeError."""


def _relu(input: Array) -> Array:
    return autograd.numpy.maximum(input, 0)


POLICIES = {
    "abs-at-nan": "nan",
    "atan2-at-the-origin": "nan",
    "clamp-at-bounds": "zero",
    "clamp-at-nan": "one",
    "extremes-of-nan": "nan",
    "nan-between-tensors": "none",
    "norm-at-zero": "nan",
    "relu-at-nan": "zero",
    "relu-at-zero": "half",
    "spread-of-equal-values": "nan",
    "ties-along-a-dimension": "share",
    "unreached-inputs": "zero",
    "views": "copies",
}


def engine() -> Hips:
    """Makes the engine; named by the `gradconform.engines` entry point `autograd`."""
    return Hips()
