"""micrograd: a tape of Python's numbers. `pip install gradconform[micrograd]`

A tensor is one number: what has a shape is unsupported.
"""

from __future__ import annotations

import operator as python
from importlib.metadata import version
from typing import Any

import torch
from micrograd import engine as micrograd
from micrograd.engine import Value

from gradconform.engines.base import Handle
from gradconform.engines.by_table import TableEngine
from gradconform.errors import Unsupported
from gradconform.trace import UNSEEN, Unseen

OPERATORS = {
    "add": python.add,
    "sub": python.sub,
    "mul": python.mul,
    "div": python.truediv,
    "pow": python.pow,
    "neg": python.neg,
    "relu": Value.relu,
    "item": lambda input: input.data,
    "ones_like": lambda input: Value(1.0),  # noqa: ARG005 - all of them are alike
}

ATTRIBUTES = {"grad": lambda handle: Value(handle.grad)}
"""A gradient is a number, 0 from the start: before the first backward it says nothing."""


class Micrograd(TableEngine):
    """micrograd's values, each the one number of a tensor without dimensions."""

    lacking = ("only supporting",)

    def __init__(self) -> None:
        super().__init__(
            micrograd,
            tensor=Value,
            name="micrograd",
            operators=OPERATORS,
            dtypes={"float64": float},
            attributes=ATTRIBUTES,
            retains=True,
        )
        self.version = version("micrograd")
        self._passed = False

    def made(self, tensor: torch.Tensor, *, requires_grad: bool) -> Handle:  # noqa: ARG002 - all of them do
        if tensor.dim():
            raise Unsupported("tensors with dimensions")
        return Value(tensor.item())

    def to_torch(self, handle: Handle) -> torch.Tensor:
        return torch.tensor(handle.data, dtype=torch.float64)

    def run_backward(self, root: Handle, gradient: Handle | None) -> None:
        if gradient is not None and gradient.data != 1:
            raise Unsupported("cotangents other than one")
        self._passed = True
        root.backward()

    def reset(self) -> None:
        super().reset()
        self._passed = False

    def peek(self, handle: Handle, attribute: str) -> Any:
        if attribute == "grad" and not self._passed:
            raise Unsupported("gradients before the first backward")
        return super().peek(handle, attribute)

    def identity(self, handle: Handle) -> int | Unseen:  # noqa: ARG002 - a gradient is no object
        return UNSEEN


def engine() -> Micrograd:
    """Makes the engine; named by the `gradconform.engines` entry point `micrograd`."""
    return Micrograd()
