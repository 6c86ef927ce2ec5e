"""tinygrad: lazy tensors with methods much like torch's. `pip install gradconform[tinygrad]`

It computes in Python, so that no compiler is needed, unless DEV says otherwise.
"""

from __future__ import annotations

import operator as python
import os
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import tinygrad
import torch
from tinygrad import Device, Tensor, dtypes
from tinygrad.helpers import DEV

from gradconform.engines.base import Handle
from gradconform.engines.by_table import TableEngine
from gradconform.engines.method_like import methods, renamed

OPERATORS = {
    **methods(Tensor, dim="axis"),
    "clamp": renamed(Tensor.clamp, min="min_", max="max_"),
    "item": lambda input: _placed(input).item(),
    "nn.functional.leaky_relu": renamed(Tensor.leaky_relu, negative_slope="neg_slope"),
    "nn.functional.gelu": lambda input, approximate="none": input.gelu(approximate),
    "nn.functional.pad": renamed(Tensor.pad, pad="padding"),
    "nn.functional.binary_cross_entropy": Tensor.binary_crossentropy,
    "nn.functional.binary_cross_entropy_with_logits": Tensor.binary_crossentropy_logits,
}

ATTRIBUTES = {name: python.attrgetter(name) for name in ("grad", "shape", "dtype", "ndim", "T")}

DTYPES = {
    name: getattr(dtypes, name)
    for name in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")
}


def _placed(tensor: Tensor) -> Tensor:
    """The tensor on a device: a number that was never put on one would be computed by a C compiler."""
    return tensor if tensor.device else tensor.clone(device=Device.DEFAULT)


LACKS = ("is not defined", "is not supported", "Could not infer dtype")


class Tinygrad(TableEngine):
    """tinygrad's tensors. Nothing says which of them require grad: a backward gives all of them one."""

    def __init__(self) -> None:
        DEV.value = os.environ.setdefault("DEV", "PYTHON")
        super().__init__(
            tinygrad,
            tensor=Tensor,
            name="tinygrad",
            operators=OPERATORS,
            dtypes=DTYPES,
            attributes=ATTRIBUTES,
            retains=True,
            records=True,
            policies={"leaky-relu-at-zero": "one", "spread-of-equal-values": "nan"},
        )
        self.version = version("tinygrad")

    def made(self, tensor: torch.Tensor, *, requires_grad: bool) -> Handle:  # noqa: ARG002 - all of them do
        return Tensor(tensor.contiguous().numpy().copy())

    def to_torch(self, handle: Handle) -> torch.Tensor:
        return torch.from_numpy(_placed(handle).numpy().copy())

    def taken(self, result: Any) -> Any:
        # tinygrad puts work off: computed at once, an error comes from the step that made it.
        if isinstance(result, Tensor):
            _placed(result).numpy()
        return result

    def run_backward(self, root: Handle, gradient: Handle | None) -> None:
        root.backward(gradient)
        for leaf in self._leaves.values():
            self.taken(leaf.grad)

    def gradients(self, root: Handle, targets: Sequence[Handle], gradient: Handle | None) -> list[Handle]:
        return root.gradient(*targets, gradient=gradient)  # type: ignore[no-any-return]

    def set(self, handle: Handle, attribute: str, value: Any) -> None:
        if attribute == "grad" and self.is_tensor(handle):
            handle.grad = value
        else:
            super().set(handle, attribute, value)

    def lacks(self, error: Exception) -> bool:
        return any(words in str(error) for words in LACKS)


def engine() -> Tinygrad:
    """Makes the engine; named by the `gradconform.engines` entry point `tinygrad`."""
    return Tinygrad()
