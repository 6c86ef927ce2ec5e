"""Nodes of the tape: the recorded backward of one operation.

An operation on a tensor that requires grad makes a node. The node keeps edges to the nodes of its inputs,
what its derivative formulas need (saved tensors, sizes, arguments) and a sequence number. Numbers grow in
the order of recording, so an edge always leads to a smaller one and the numbers are a topological order of
the graph. Nodes point from results to inputs only. Nothing points back, so a released graph is gone by
reference counting.

Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#how-autograd-encodes-the-history
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import torch

from .streams import numbers
from .versions import UNCOUNTED, VersionCounter

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hooks import NodeHooks, RemovableHandle
    from .tensor import Tensor

SEQUENCE = numbers()
# Types that torch's messages have no old name for.
_NEW_TYPES = frozenset(("BFloat16", "Bool", "ComplexDouble", "ComplexFloat", "ComplexHalf"))


class Node:
    """The backward of one recorded operation.

    `next` holds the nodes that gradients flow to: one node bare, several in a tuple, one for each input that
    requires grad. `hooks` run around it; `versions` keeps versions other than 0 of saved
    tensors, and `tangents` those of the result in forward mode.
    """

    __slots__ = ("__weakref__", "_metadata", "hooks", "next", "seq", "tangents", "versions")

    next: Node | tuple[Node, ...]
    seq: int
    hooks: NodeHooks | None
    versions: dict[str, int]
    tangents: dict[Any, Any]

    label: ClassVar[str] = "Node"
    # For each tensor input that the operation can be differentiated in, whether `next` has an edge for it.
    mask: ClassVar[tuple[bool, ...]] = ()

    def vjp(self, grad: Any, keep: bool) -> Any:
        """Return the gradient for each edge of `next`, computed on plain torch data.

        `grad` is the cotangent of the operation's result, of its shape, dtype and device, and is never
        changed. One edge gets a bare gradient, several a tuple. Saved tensors are released unless `keep`.
        """
        raise NotImplementedError

    def vjp_graph(self, grad: Any, keep: bool) -> Any:
        """Do what `vjp` does on refgrad tensors, recording the work so that it can be differentiated
        again.
        """
        raise NotImplementedError

    def vjp_of(self, wanted: tuple[bool, ...], grad: Any, keep: bool, graph: bool) -> Any:  # noqa: ARG002
        """Do what `vjp` does, or with `graph` `vjp_graph`, where only the gradients of some edges are wanted.

        The others are computed all the same, as by torch's custom functions, unless a node knows better.
        """
        return self.vjp_graph(grad, keep) if graph else self.vjp(grad, keep)

    def nothing(self, keep: bool) -> Any:  # noqa: ARG002 - nodes that save tensors release them
        """Do what `vjp` does where no gradient arrived: None stands for one that is nothing but zeros.

        Returns None for each edge.
        """
        return (None,) * len(self.next) if type(self.next) is tuple else None

    def resave(self, change: Callable[[Tensor], Tensor]) -> None:
        """Keep `change(x)` in the place of each saved operand `x`; it has the memory and version of `x`."""

    def name(self) -> str:
        """Return torch's name of the node, such as `AddBackward0`."""
        return self.label

    @property
    def edges(self) -> tuple[Node, ...]:
        """The nodes that gradients flow to."""
        following = self.next
        return following if type(following) is tuple else (following,)  # type: ignore[return-value]

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """A (node, output number) pair for each tensor input that the operation can be differentiated in; the
        node is None for a constant one.
        """
        edges = iter(self.edges)
        return tuple(next(edges).as_edge() if needed else (None, 0) for needed in self.input_mask())

    def received(self, grad: Any) -> Any:
        """Return `grad`, which has arrived here, as hooks and callers see it."""
        return grad

    def as_edge(self) -> tuple[Node | None, int]:
        """Return this node as an element of `next_functions`."""
        return self, 0

    def output_count(self) -> int:
        """Return how many outputs the operation has."""
        return 1

    def input_mask(self) -> tuple[bool, ...]:
        """Return for each tensor input that can be differentiated whether `next` has an edge for it."""
        return self.mask

    def __lt__(self, other: Node) -> bool:
        """No node is smaller than another: in a queue those of one sequence number are ties.

        torch leaves ties to std::priority_queue, which keeps its heap by the same steps as heapq.
        """
        return False

    @property
    def metadata(self) -> dict[str, Any]:
        """A dict for users to keep things in for as long as the node lives."""
        try:
            return self._metadata
        except AttributeError:
            self._metadata: dict[str, Any] = {}
            return self._metadata

    if TYPE_CHECKING:  # what `methods` sets, since hooks are given tensors and tensors have nodes

        def register_hook(self, fn: Callable[..., Any]) -> RemovableHandle: ...

        def register_prehook(self, fn: Callable[..., Any]) -> RemovableHandle: ...

    def __call__(self, *grads: Any) -> Any:
        """Return the gradients of the inputs for the gradient of the output, with saved tensors kept."""
        if len(grads) != 1:
            raise TypeError(f"expected 1 arguments, got {len(grads)} instead")
        return self.vjp_graph(grads[0], keep=True)

    def _sequence_nr(self) -> int:
        return self.seq

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {id(self):#x}>"


# What is called with each node as it is recorded, and with its result if that is there by then: hooks for
# saved tensors and anomaly mode, while any thread uses them.
OBSERVERS: list[Callable[[Node, Any], None]] = []


def observe(node: Node, out: Any) -> None:
    """Show `node`, just recorded, to each of `OBSERVERS` once."""
    for observer in dict.fromkeys(OBSERVERS):
        observer(node, out)


class Detection:
    """Whether anomaly mode is on, and whether it takes nan in a gradient for an error."""

    enabled: bool = False
    check_nan: bool = True


detection = Detection()


class Sentinel(Node):
    """A mark in a tensor's `_node` that is no recorded operation; gradients that reach one are dropped."""

    __slots__ = ()
    label = "Sentinel"

    def __init__(self) -> None:
        self.next = ()
        self.seq = next(SEQUENCE)
        self.hooks = None

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002
        """Drop the gradient."""
        return ()

    vjp_graph = vjp

    def as_edge(self) -> tuple[Node | None, int]:
        """Return no node: there is no history here."""
        return None, 0


# `_node` of a leaf that requires grad: its edges lead to `accumulator(leaf)`.
LEAF = Sentinel()
# `_node` of a view that was made in no-grad mode of a tensor that requires grad: it requires grad as its
# base does, and no gradient passes.
UNTRACKED = Sentinel()


class Refusal:
    """Stands in for the accumulator of a view whose history torch refuses to tell; `before` was its node.

    Asking it for the accumulator raises torch's RuntimeError, `text`.
    """

    __slots__ = ("before", "text")

    def __init__(self, before: Node | None, text: str) -> None:
        self.before = before
        self.text = text

    def __call__(self) -> NoReturn:
        raise RuntimeError(self.text)


# --- what generated nodes call ---


def freed() -> RuntimeError:
    """Return torch's error for a saved tensor that was released by an earlier backward."""
    return RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors after they "
        "have already been freed). Saved intermediate values of the graph are freed when you call "
        ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
        "graph a second time or if you need to access saved tensors after calling backward."
    )


def note_version(node: Node, name: str, counter: VersionCounter) -> None:
    """Remember the version at which the tensor `name` is saved; 0 goes without saying.

    Raises torch's RuntimeError for an inference tensor.
    """
    if counter.value:
        if counter is UNCOUNTED:
            raise RuntimeError(
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
                "inference mode in computation tracked by autograd. To work around this, you can make a "
                "clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of "
                "`torch.inference_mode()`."
            )
        try:
            node.versions[name] = counter.value
        except AttributeError:
            node.versions = {name: counter.value}


def check_saved(node: Node, name: str, saved: Any) -> None:
    """Raise torch's RuntimeError if the operand `name` was written to since `node` saved it, or was cut from
    its history.
    """
    origin = saved.grad_fn
    if origin is None and saved._cut is not None and saved._cut > node.seq:
        raise RuntimeError(
            "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_()."
            "This is not supported, please use out-of-place `.detach()` instead"
        )
    check_version(node, name, saved._counter, saved._data, origin)


def check_version(node: Node, name: str, counter: VersionCounter, data: Any, origin: Node | None) -> None:
    """Raise torch's RuntimeError if the saved tensor `name` was written to since it was saved.

    `origin` is the node that the tensor is a result of, named in the message.
    """
    versions: dict[str, int] = getattr(node, "versions", {})
    expected = versions.get(name, 0)
    if counter.value == expected:
        return
    if isinstance(data, tuple):  # the index tensors of one expression
        data = next(index for index in data if isinstance(index, torch.Tensor))
    raise modified(data, counter.value, expected, origin)


def modified(data: torch.Tensor, version: int, expected: int, origin: Node | None) -> RuntimeError:
    """Return torch's error for a saved tensor, a result of `origin`, that was written to since then."""
    of = "" if origin is None else f", which is output {origin.as_edge()[1]} of {plain_name(origin)},"
    hint = (
        "the backtrace further above shows the operation that failed to compute its gradient. The variable "
        "in question was changed in there or anywhere later. Good luck!"
        if detection.enabled
        else "enable anomaly detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{_type_name(data)} {list(data.shape)}]{of} is at version {version}; expected version "
        f"{expected} instead. Hint: {hint}"
    )


def _type_name(data: torch.Tensor) -> str:
    """Return the name of the type of `data` in torch's messages: the old one, where there is an old one."""
    name = data.type()
    kind = name.rpartition(".")[2].removesuffix("Tensor")
    return f"{data.device.type.upper()}{kind}Type" if kind in _NEW_TYPES else name


def plain_name(node: Node) -> str:
    """Return the name of the operation as torch's messages print it: `Add` for `AddBackward0`, `Sum1` for
    `SumBackward1`, `Exp` for the `ExpBackward` of a custom function.
    """
    name = (node.as_edge()[0] or node).name()
    stem, _, number = name.rpartition("Backward")
    if not stem or (number and not number.isdecimal()):
        return name
    return stem if number == "0" else stem + number
