"""Gradients that go back to another device than their operation computed on.

A tensor without dimensions on the CPU may stand beside tensors on another device, and a 0-d cotangent may lie
on any device. Their gradients are moved. Source: `validate_outputs` in torch/csrc/autograd/engine.cpp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .node import SEQUENCE, Node
from .tensor import Tensor

if TYPE_CHECKING:
    import torch


class Placed(Node):
    """Between an operation and an operand on another device: no node that anybody sees."""

    __slots__ = ("device",)

    device: torch.device
    label = "Placed"
    mask = (True,)

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Move the gradient to the operand's device."""
        return grad.to(self.device)

    vjp_graph = vjp

    def as_edge(self) -> tuple[Node | None, int]:
        """Return what is behind."""
        return self.edges[0].as_edge()


def placed(edge: Node, operand: Tensor) -> Node:
    """Return the node that brings a gradient to `operand`, whose own node is `edge`."""
    node = object.__new__(Placed)
    node.next = edge
    node.seq = next(SEQUENCE)
    node.hooks = None
    node.device = operand._data.device
    return node


def misplaced(root: Tensor, cotangent: Tensor, index: int) -> RuntimeError | None:
    """Return torch's error for a cotangent on another device than its root: one without dimensions is
    moved."""
    expected, got = root._data.device, cotangent._data.device
    if expected == got or not cotangent._shape:
        return None
    return RuntimeError(f"invalid gradient at index {index} - expected device {expected} but got {got}")
