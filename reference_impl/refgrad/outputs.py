"""Nodes with several outputs, and how gradients reach them.

Each output has an `Output` in the graph: it passes its gradient on under its number, and the node behind it
runs once it has been told of all that are used. What it is given is `Parts`; an output that is not there
counts as zero. Users never see an `Output`: `as_edge()` names the node behind it and the number, which are
torch's `grad_fn` and `output_nr`, and hooks on an output are hooks of that node.
"""

from __future__ import annotations

from typing import Any

from .node import Node


class Parts:
    """Gradients for some outputs of one node, by output number."""

    __slots__ = ("grads",)

    def __init__(self, grads: dict[int, Any]) -> None:
        self.grads = grads

    def __add__(self, other: Parts) -> Parts:
        merged = dict(self.grads)
        for index, grad in other.grads.items():
            have = merged.get(index)
            merged[index] = grad if have is None else have + grad
        return Parts(merged)


class Output(Node):
    """One output, numbered `index`, of the node that is its only edge."""

    __slots__ = ("index",)

    index: int
    label = "Output"
    mask = (True,)

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Pass the gradient on under the number of the output."""
        return Parts({self.index: grad})

    vjp_graph = vjp

    def as_edge(self) -> tuple[Node | None, int]:
        """Return the node behind, and the number."""
        return self.edges[0], self.index


def part(grad: Any, index: int) -> Any:
    """Return what `grad`, the gradient that a node is given, holds for output `index`; None if nothing."""
    return grad.grads.get(index) if type(grad) is Parts else grad


def separate(node: Node, grad: Any) -> tuple[Any, ...]:
    """Return the gradient of each output of `node`, None for those that got none."""
    return tuple(part(grad, index) for index in range(node.output_count()))


def combine(node: Node, grads: tuple[Any, ...]) -> Any:
    """Return the gradient to give to `node`, from that of each output; the inverse of `separate`."""
    if node.output_count() == 1:
        return grads[0]
    found = {index: grad for index, grad in enumerate(grads) if grad is not None}
    return Parts(found) if found else None
