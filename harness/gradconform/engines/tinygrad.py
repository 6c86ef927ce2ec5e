"""tinygrad: lazy tensors with methods much like torch's. `pip install gradconform[tinygrad]`

It computes in Python, so that no compiler is needed, unless DEV says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import tinygrad
import torch
from tinygrad import Device, Tensor, dtypes
from tinygrad.uop.ops import Ops, UOp

from gradconform.engines.base import Handle
from gradconform.engines.by_table import DESCRIBED, TableEngine
from gradconform.engines.method_like import Operators, methods, renamed
from gradconform.engines.numpy_words import NUMBERS

OPERATORS: Operators = {
    **methods(Tensor, dim="axis"),
    "clamp": renamed(Tensor.clamp, min="min_", max="max_"),
    "item": lambda input: _placed(input).item(),
    "nn.functional.leaky_relu": renamed(Tensor.leaky_relu, negative_slope="neg_slope"),
    "nn.functional.gelu": lambda input, approximate="none": input.gelu(approximate),
    "nn.functional.pad": renamed(Tensor.pad, pad="padding"),
}


def _placed(tensor: Tensor) -> Tensor:
    """The tensor on a device: a number that is on none would be computed by a C compiler."""
    return tensor if tensor.device else tensor.clone(device=Device.DEFAULT)


def _copied(memory: UOp) -> UOp:
    """Other memory, with the same numbers where it has any yet."""
    copy = UOp.new_buffer(memory.device, memory.max_numel(), memory.dtype)
    if memory.is_realized:
        copy.buffer.ensure_allocated().copy_from(memory.buffer)
    return copy


def _seen(tensor: Tensor) -> Any:
    """A tensor's numbers, without a trace. Computing it where a write is pending writes for good, and takes
    the graph behind the write away: there it is computed on copies of all memory that it reads or writes."""
    graph = _placed(tensor).uop
    nodes = graph.toposort()
    if any(node.op is Ops.AFTER for node in nodes):
        graph = graph.substitute({node: _copied(node) for node in nodes if node.op is Ops.BUFFER})
    return Tensor(graph).numpy()


class Tinygrad(TableEngine):
    """tinygrad's tensors. Nothing says which of them require grad: a backward gives all of them one."""

    lacking = ("is not defined", "is not supported", "Could not infer dtype", "bad arg", "'int' and 'tuple'")
    writable = ("grad",)

    def __init__(self) -> None:
        tinygrad.helpers.DEV.value = os.environ.setdefault("DEV", "PYTHON")
        super().__init__(
            tinygrad,
            tensor=Tensor,
            name="tinygrad",
            operators=OPERATORS,
            dtypes={name: getattr(dtypes, name) for name in NUMBERS},
            attributes={**DESCRIBED, "grad": lambda handle: handle.grad},
            retains=True,
            records=True,
            policies={"leaky-relu-at-zero": "one", "spread-of-equal-values": "nan"},
        )
        self.version = version("tinygrad")

    def made(self, tensor: torch.Tensor, *, requires_grad: bool) -> Handle:  # noqa: ARG002 - all of them do
        return Tensor(tensor.contiguous().numpy().copy())

    def to_torch(self, handle: Handle) -> torch.Tensor:
        return torch.from_numpy(_seen(handle).copy())

    def taken(self, result: Any) -> Any:
        if isinstance(result, Tensor):
            _seen(result)  # it puts work off: computed at once, an error comes from the step that made it
        return result

    def run_backward(self, root: Handle, gradient: Handle | None) -> None:
        root.backward(gradient)
        for leaf in self._leaves.values():
            self.taken(leaf.grad)

    def gradients(self, root: Handle, targets: Sequence[Handle], gradient: Handle | None) -> list[Handle]:
        return root.gradient(*targets, gradient=gradient)  # type: ignore[no-any-return]


def engine() -> Tinygrad:
    """Makes the engine; named by the `gradconform.engines` entry point `tinygrad`."""
    return Tinygrad()
