"""MyGrad: numpy with a tape. `pip install gradconform[mygrad]`"""

from __future__ import annotations

import operator as python
from collections.abc import Callable
from typing import Any

import mygrad
import numpy as np
import torch
from mygrad import Tensor, nnet

from gradconform.engines.base import Handle
from gradconform.engines.by_table import TableEngine
from gradconform.engines.numpy_like import operators
from gradconform.engines.numpy_words import CASTS
from gradconform.engines.torch_like import IN_PLACE

DTYPES = {
    name: np.dtype(name)
    for name in ("float16", "float32", "float64", "bool", "uint8", "int8", "int16", "int32", "int64")
}


class Gradient(Tensor):  # type: ignore[misc]
    """A gradient, which is an array, as a tensor."""


def _arrays(tree: Any) -> Any:
    """Tensors as arrays, where MyGrad takes no tensors: what comparisons give, and indices."""
    if isinstance(tree, tuple | list):
        return type(tree)(map(_arrays, tree))
    return tree.data if isinstance(tree, Tensor) else tree


def _target(handle: Any) -> Any:
    """What a write to a tensor writes to: MyGrad's gradients are arrays, and so are theirs who edit them."""
    return handle.data if isinstance(handle, Gradient) else handle


def _writing(function: Callable[..., Any]) -> Callable[..., Any]:
    def write(input: Any, other: Any) -> Any:
        if not isinstance(input, Gradient):
            return function(input, other)
        function(input.data, _arrays(other))
        return input

    return write


SHARED = operators(mygrad, nnet.activations, dtypes=DTYPES)
OF_NO_GRAPH = {"to", *CASTS}
"""Casts: what they give is a copy that belongs to no graph."""

OPERATORS: dict[str, Callable[..., Any]] = {
    **{word: function for word, function in SHARED.items() if word not in OF_NO_GRAPH},
    **{word: _writing(function) for word, function in IN_PLACE.items()},
    "getitem": lambda input, index: input[_arrays(index)],
    "setitem": lambda input, index, value: python.setitem(_target(input), _arrays(index), value),
    "where": lambda condition, input, other: mygrad.where(_arrays(condition), input, other),
    "builtins.bool": lambda object: bool(_arrays(object)),
    "item": lambda input: input.item(),
    "numel": lambda input: input.size,
    "dim": lambda input: input.ndim,
    "numpy": lambda input: input.data,
    "softmax": lambda input, dim: nnet.softmax(input, axis=dim),
    "log_softmax": lambda input, dim: nnet.logsoftmax(input, axis=dim),
    "relu": lambda input: nnet.relu(input),
    "nn.functional.leaky_relu": lambda input, negative_slope=0.01: nnet.leaky_relu(input, negative_slope),
    "nn.functional.elu": lambda input, alpha=1.0: nnet.elu(input, alpha),
    "nn.functional.selu": lambda input: nnet.selu(input),
    "nn.functional.softsign": lambda input: nnet.soft_sign(input),
    "nn.functional.hardtanh": lambda input, min_val=-1.0, max_val=1.0: nnet.hard_tanh(
        input, lower_bound=min_val, upper_bound=max_val
    ),
}


ATTRIBUTES: dict[str, Callable[[Tensor], Any]] = {
    "grad": lambda handle: None if handle.grad is None else Gradient(handle.grad, constant=True, copy=False),
    "requires_grad": lambda handle: not handle.constant,
    **{name: python.attrgetter(name) for name in ("shape", "dtype", "ndim", "T")},
}
"""What requires grad is what is not constant. A gradient is an array."""


LACKS = (
    "cannot involve non-constant mygrad tensors",
    "is not a differentiable operation",
    "Tensor data must be of",
    "unexpected keyword argument 'keepdims'",
)


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
    """MyGrad's tensors."""

    def __init__(self) -> None:
        super().__init__(
            mygrad,
            tensor=Tensor,
            name="mygrad",
            operators=OPERATORS,
            dtypes=DTYPES,
            attributes=ATTRIBUTES,
            modes={"no_grad": lambda: mygrad.no_autodiff},
            policies=POLICIES,
        )

    def made(self, tensor: torch.Tensor, *, requires_grad: bool) -> Handle:
        return Tensor(tensor.numpy().copy(), constant=not requires_grad)

    def declared(self, handle: Handle, *, requires_grad: bool) -> Handle:
        return Tensor(handle.data, constant=not requires_grad, copy=False)

    def taken(self, result: Any) -> Any:
        return Tensor(result, constant=True) if isinstance(result, np.ndarray | np.generic) else result

    def to_torch(self, handle: Handle) -> torch.Tensor:
        return torch.from_numpy(np.array(handle.data))

    def run_backward(self, root: Handle, gradient: Handle | None) -> None:
        root.backward(None if gradient is None else gradient.data)

    def identity(self, handle: Handle) -> int:
        return id(handle.data if isinstance(handle, Gradient) else handle)

    def lacks(self, error: Exception) -> bool:
        return any(words in str(error) for words in LACKS)


def engine() -> Mygrad:
    """Makes the engine; named by the `gradconform.engines` entry point `mygrad`."""
    return Mygrad()
