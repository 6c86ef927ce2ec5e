"""MyGrad: numpy with a tape. `pip install gradconform[mygrad]`"""

from __future__ import annotations

import operator as python
from typing import Any

import mygrad
import numpy as np
import torch
from mygrad import Tensor, nnet

from gradconform.engines.base import Handle
from gradconform.engines.by_table import DESCRIBED, TableEngine
from gradconform.engines.numpy_like import operators
from gradconform.engines.numpy_words import CASTS, NUMBERS
from gradconform.engines.torch_like import IN_PLACE
from gradconform.errors import Unsupported

DTYPES = {name: np.dtype(name) for name in NUMBERS}


def _array(handle: Handle | None) -> Any:
    return handle.data if isinstance(handle, Tensor) else handle


def _view(input: Handle, *shape: Any) -> Handle:
    viewed = input.reshape(*shape)
    if viewed.size and not np.shares_memory(_array(viewed), _array(input)):
        raise Unsupported("view (reshape makes a copy)")
    return viewed


OPERATORS = {
    # What casts give belongs to no graph.
    **operators(mygrad, nnet.activations, dtypes=DTYPES, without=("to", *CASTS)),
    **IN_PLACE,
    "getitem": python.getitem,
    "setitem": python.setitem,
    "numpy": _array,
    "view": _view,
    "nn.functional.hardtanh": lambda input, min_val=-1.0, max_val=1.0: nnet.hard_tanh(
        input, lower_bound=min_val, upper_bound=max_val
    ),
}

ATTRIBUTES = {
    **DESCRIBED,
    "grad": lambda handle: getattr(handle, "grad", None),
    "requires_grad": lambda handle: not getattr(handle, "constant", True),
}

POLICIES = {
    "atan2-at-the-origin": "nan",
    "clamp-at-bounds": "zero",
    "leaky-relu-at-zero": "zero",
    "norm-at-zero": "nan",
    "relu-at-nan": "zero",
    "spread-of-equal-values": "nan",
    "ties-between-tensors": "none",
    "ties-within-a-tensor": "first",
}


class Mygrad(TableEngine):
    """MyGrad's tensors, and numpy's arrays: masks, gradients and what has none are arrays in MyGrad."""

    lacking = (
        *("cannot involve non-constant mygrad tensors", "is not a differentiable operation"),
        *("Tensor data must be of", "unexpected keyword argument 'keepdims'"),
    )

    def __init__(self) -> None:
        tables: dict[str, Any] = {"operators": OPERATORS, "attributes": ATTRIBUTES, "dtypes": DTYPES}
        tables |= {"modes": {"no_grad": lambda: mygrad.no_autodiff}, "policies": POLICIES}
        super().__init__(mygrad, tensor=Tensor | np.ndarray, name="mygrad", **tables)

    def made(self, tensor: torch.Tensor, *, requires_grad: bool) -> Handle:
        array = tensor.numpy().copy()
        return array if array.dtype == bool else Tensor(array, constant=not requires_grad)

    def declared(self, handle: Handle, *, requires_grad: bool) -> Handle:
        return Tensor(handle.data, constant=not requires_grad, copy=False)

    def taken(self, result: Any) -> Any:
        return np.asarray(result) if isinstance(result, np.generic) else result

    def to_torch(self, handle: Handle) -> torch.Tensor:
        return torch.from_numpy(np.array(_array(handle)))

    def run_backward(self, root: Handle, gradient: Handle | None) -> None:
        root.backward(_array(gradient))


def engine() -> Mygrad:
    """Makes the engine; named by the `gradconform.engines` entry point `mygrad`."""
    return Mygrad()
