"""The nodes of rows with several outputs.

Each result that gradients come from has an `Output` in the graph (see `outputs`), unless there is but one:
then its node is that of the operation, as everywhere. Results that are saved are kept as bare data, since
keeping a result itself would be a reference cycle, and come back with the history that they had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from .levels import LEVELS
from .node import SEQUENCE, Node, check_version, freed
from .outputs import Output, combine
from .saved import Packed, SavedNode
from .tensor import Tensor
from .versions import counter_of


class SeveralNode(SavedNode):
    """The node of an operation with several results, of which it may keep `x` in `s_x`.

    `outputs` names the results; `numbers` has the output number of each that gradients come from.
    """

    __slots__ = ()

    outputs: ClassVar[tuple[str, ...]] = ()
    numbers: ClassVar[Mapping[str, int]] = {}

    def output_count(self) -> int:
        """Return how many results gradients come from."""
        return len(self.numbers)

    def output(self, number: int) -> Node:
        """Return the node that the gradient of an output flows to."""
        if len(self.numbers) == 1:
            return self
        made = Output.__new__(Output)
        made.next, made.seq, made.hooks, made.index = self, next(SEQUENCE), None, number
        return made

    def restore(self, name: str) -> Tensor:
        """Return a saved result after its checks, with its history."""
        return unpack_output(self, name)

    def kept_results(self, out: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return those of the results `out` that this node keeps, by name."""
        return {name: out[self.outputs.index(name)] for name in self.results}

    def __call__(self, *grads: Any) -> Any:
        """Return the gradients of the inputs for those of the outputs, with saved tensors kept."""
        if len(grads) != len(self.numbers):
            raise TypeError(f"expected {len(self.numbers)} arguments, got {len(grads)} instead")
        grad = combine(self, grads)
        return self.nothing(keep=True) if grad is None else self.vjp_graph(grad, keep=True)


def attach(node: SeveralNode, out: Sequence[Tensor]) -> None:
    """Give the results `out` of an operation, recorded as `node`, their histories."""
    for name, number in node.numbers.items():
        out[node.outputs.index(name)]._node = node.output(number)


def unpack_output(node: Any, name: str) -> Tensor:
    """Return the saved result `name` of `node` as a tensor with its history."""
    saved = getattr(node, f"s_{name}")
    if saved is None:
        raise freed()
    number = node.numbers.get(name)
    origin = None if number is None else node.output(number)
    if type(saved) is Packed:
        made = saved.value
        data, counter = made._data, counter_of(made)
    else:
        data, counter = saved, getattr(node, f"c_{name}")
        check_version(node, name, counter, data, origin)
    out = Tensor._of(data)
    out._counter, out._node = counter, origin
    if LEVELS:
        out._tangents = getattr(node, "tangents", {}).get(name)
    return out
