"""Leaves: where gradients arrive, and how they are added to `.grad`.

A leaf has no node of its own. Its edges lead to an `AccumulateGrad` node, made when the leaf is first used
and shared by all uses while a graph holds it. The node holds the leaf, and the leaf knows the node weakly:
a graph keeps its leaves alive, as in torch, and there is no reference cycle. Source:
https://docs.pytorch.org/docs/stable/generated/torch.Tensor.grad.html and, for the layout of `.grad`,
"Default gradient layouts" in https://docs.pytorch.org/docs/stable/autograd.html.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Sequence
from sys import getrefcount
from typing import Any

import torch

from .backward import execute
from .grad_mode import mode
from .hooks import await_hooks, hooks_of_leaf
from .node import LEAF, SEQUENCE, Node
from .optional import ABSENT
from .rules.formulas import fit
from .streams import FIRST
from .tensor import Tensor, has_history
from .versions import UNCOUNTED, bump, counter_of

_new = object.__new__


# Threads may accumulate into one leaf at the same time. A leaf has its lock by its address; a few share one.
_LOCKS = tuple(threading.RLock() for _ in range(64))


class AccumulateGrad(Node):
    """Adds the gradients that arrive to `.grad` of its leaf, `variable`."""

    __slots__ = ("former", "variable")

    variable: Tensor
    # Shape and dtype of the leaf before other data were assigned; set by `displace`.
    former: tuple[torch.Size, torch.dtype | None]
    label = "torch::autograd::AccumulateGrad"

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Add plain data to `.grad`.

        A later gradient is added in place, so that `.grad` stays the same object. The first one is taken
        over if nobody else holds this tensor and its layout is right, and copied otherwise. As in torch, it
        is the tensor that counts and not its memory: a gradient that only views have handed on is a view of
        the caller's cotangent, and `.grad` shares memory and version counter with it then.
        """
        leaf = self.variable
        if leaf._node is not LEAF and _takes_nothing(leaf):
            return ()
        owners = _EXCLUSIVE if self.hooks is None else _EXCLUSIVE + self.hooks.owners()
        lock = _LOCKS[id(leaf) >> 4 & 63]
        lock.acquire()  # half the time of a with block
        try:
            have = leaf._grad
            if have is not None:
                have._data.add_(grad)
                bump(have)
            elif getrefcount(grad) > owners or not _same_layout(grad, leaf._data):
                leaf._grad = leaf._like(_copy_for(leaf._data, grad))
            else:
                leaf._grad = leaf._like(grad)
                if grad._base is not None:
                    _share_counter(leaf._grad)
        finally:
            lock.release()
        return ()

    def vjp_graph(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Make `.grad` a new, recorded tensor; one that is held from before keeps its value.

        In forward mode, where nothing need be recorded, it is added to in place as in `vjp`. The first
        gradient is detached there, so that it has no tangent.
        """
        leaf = self.variable
        if leaf._node is not LEAF and _takes_nothing(leaf):
            return ()
        with _LOCKS[id(leaf) >> 4 & 63]:
            have = leaf._grad
            if have is None and mode.enabled:
                leaf._grad = Tensor._of(torch.empty_like(leaf._data)).copy_(grad)
            elif have is None:
                leaf._grad = leaf._like(_copy_for(leaf._data, grad._data))
            elif mode.enabled:
                leaf._grad = have + grad
            else:
                have.add_(grad)
        return ()

    def displace(self) -> None:
        """Note that the leaf is about to get data of another shape or dtype: gradients still come in the
        present ones, and what is recorded from then on may have another node.
        """
        await_hooks(self.variable, self)
        if type(self) is not _Displaced:
            self.expect(self.variable._shape, self.variable._dtype)

    def expect(self, shape: torch.Size, dtype: torch.dtype | None) -> None:
        """Take gradients of this shape and dtype, and no longer those of the leaf; None is any dtype."""
        self.former = shape, dtype
        self.__class__ = _Displaced


class _Displaced(AccumulateGrad):
    """The accumulator of a leaf whose gradients have a shape or dtype that is not the leaf's own:
    `grad_dtype` was set, or the leaf was given data of another shape or dtype while a graph held it.

    It takes gradients of the former shape, also for what is recorded from then on, and leaves a `.grad` that
    does not fit its leaf. Source: `set_data` in torch/csrc/autograd/variable.cpp, `validate_outputs` in
    torch/csrc/autograd/engine.cpp.
    """

    __slots__ = ()

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Add plain data to `.grad`; raise RuntimeError for a gradient that does not fit the former shape."""
        leaf = self.variable
        if leaf._node is not LEAF and _takes_nothing(leaf):
            return ()
        grad = self.received(grad)
        with _LOCKS[id(leaf) >> 4 & 63]:
            have = leaf._grad
            owners = _EXCLUSIVE if self.hooks is None else _EXCLUSIVE + self.hooks.owners()
            shared = getrefcount(grad) > owners
            if have is not None:
                have._data.add_(grad)
                bump(have)
            elif shared or not _same_layout(grad, leaf._data) or _other_strides(grad, leaf._data):
                leaf._grad = Tensor._of(_copy_for(leaf._data.to(grad.dtype), grad))
            else:
                leaf._grad = Tensor._of(grad)
                if grad._base is not None:
                    _share_counter(leaf._grad)
        return ()

    def vjp_graph(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Make `.grad` a new, recorded tensor."""
        leaf = self.variable
        if leaf._node is not LEAF and _takes_nothing(leaf):
            return ()
        grad = self.received(grad)
        with _LOCKS[id(leaf) >> 4 & 63]:
            have = leaf._grad
            if have is not None:
                leaf._grad = have + grad
            elif grad._shape == leaf._shape:
                leaf._grad = Tensor._of(torch.empty_like(leaf._data, dtype=grad._dtype)).copy_(grad)
            else:
                leaf._grad = grad.clone()
        return ()

    def received(self, grad: Any) -> Any:
        """Return `grad` in the expected shape and dtype; raise RuntimeError if it does not broadcast."""
        former, dtype = self.former
        shape = grad.shape
        broadcasts = len(former) <= len(shape) and all(
            size in {1, other} for size, other in zip(reversed(former), reversed(shape), strict=False)
        )
        if not broadcasts:
            raise RuntimeError(
                f"A function returned an invalid gradient for a leaf - got {list(shape)} but expected shape "
                f"compatible with {list(former)}"
            )
        return fit(grad, former, grad.dtype if dtype is None else dtype)


_Displaced.__name__ = _Displaced.__qualname__ = AccumulateGrad.__name__


def accumulator(leaf: Tensor) -> Node | None:
    """Return the node that accumulates into `leaf`, the same one for as long as a graph holds it.

    None for an inference tensor: whether it has one depends on the other operands, see `beside`. Raises
    RuntimeError for a view whose history torch refuses to tell.
    """
    held = leaf._accumulator
    if held is not None:
        node = held()
        if node is not None:
            return node
    if leaf._counter is UNCOUNTED:
        return None
    made = _make(leaf)
    leaf._accumulator = weakref.ref(made)
    return made


def _make(leaf: Tensor) -> Node:
    made: AccumulateGrad = _new(AccumulateGrad)
    made.variable = leaf
    made.next = ()
    # It runs as soon as it can: as in torch these nodes have the largest sequence number there is, all of
    # them the same one.
    made.seq = FIRST
    made.hooks = None
    if leaf._hooks is not None:
        made.hooks = hooks_of_leaf(leaf)
        if leaf._grad_dtype is not None:
            made.expect(leaf._shape, leaf._grad_dtype[0])
    return made


def _share_counter(grad: Tensor) -> None:
    """Give `grad`, a view, the version counter of the cotangent that the caller has given, if it is one of
    that.
    """
    base = grad._data._base
    for cotangent in mode.given:
        if cotangent is not None and (cotangent._data is base or cotangent._data._base is base):
            grad._counter = counter_of(cotangent)


def _takes_nothing(leaf: Tensor) -> bool:
    """Whether `leaf`, which is marked as none any more, does not require grad.

    Raises torch's RuntimeError for one that was cut from the graph and has got a history since.
    """
    if has_history(leaf._node):
        raise RuntimeError("leaf variable has been moved into the graph interior")
    return leaf._node is None


def edge_of(tensor: Tensor) -> Node | None:
    """Return the node that the gradient of `tensor` flows to, or None if it does not require grad."""
    node = tensor._node
    return accumulator(tensor) or _inference_accumulator(tensor) if node is LEAF else node


class _Aside:
    """Knows the accumulator of an inference tensor, weakly, and answers None where a leaf's is asked for."""

    __slots__ = ("reference",)

    def __init__(self, node: Node) -> None:
        self.reference = weakref.ref(node)

    def __call__(self) -> None:
        return None


def _inference_accumulator(leaf: Tensor) -> Node:
    """Return the node that accumulates into a leaf that was made in inference mode."""
    held = leaf._accumulator
    node = held.reference() if isinstance(held, _Aside) else None
    if node is None:
        node = _make(leaf)
        leaf._accumulator = _Aside(node)
    return node


def beside(leaf: Tensor, operands: Iterable[Any]) -> Node | None:
    """Return the accumulator of an inference tensor among `operands`; None if all are inference tensors.

    What has inference tensors alone for operands is not recorded: in torch they lack the dispatch key of
    autograd (a number beside a tensor has it). Source: c10/core/InferenceMode.h.
    """
    alone = all(
        operand is ABSENT or (isinstance(operand, Tensor) and operand._counter is UNCOUNTED)
        for operand in operands
    )
    return None if alone else _inference_accumulator(leaf)


def joins_graph(tensors: Sequence[Tensor]) -> bool:
    """Whether grad mode records what is done with `tensors`: one requires grad, one is normal."""
    return any(tensor._node is not None for tensor in tensors) and any(
        tensor._counter is not UNCOUNTED for tensor in tensors
    )


def _same_layout(grad: torch.Tensor, data: torch.Tensor) -> bool:
    """Whether `grad` lies as a gradient of `data` should: with its strides if `data` is dense, contiguous
    otherwise (`obeys_layout_contract` in torch). A stride of 0 is an expanded tensor's, whatever its size.
    """
    if data.is_contiguous():
        return grad.is_contiguous() and 0 not in grad.stride()
    wanted = data.stride()
    if wanted != torch.empty_like(data).stride():
        return grad.is_contiguous()
    strides = grad.stride()
    return 0 not in strides and all(
        size == 1 or stride == want for size, stride, want in zip(data.shape, strides, wanted, strict=True)
    )


def _other_strides(grad: torch.Tensor, data: torch.Tensor) -> bool:
    """Whether the strides of `grad` differ from those of `data`, which may have another shape, one by one."""
    strides = zip(grad.shape, grad.stride(), data.stride(), strict=False)
    return any(size != 1 and have != want for size, have, want in strides)


def _copy_for(data: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
    """Return a copy of `grad` with the strides of `data` if `data` is dense, contiguous otherwise."""
    fresh = torch.empty_like(data)
    if fresh.stride() != data.stride():
        fresh = torch.empty(grad.shape, dtype=data.dtype, device=data.device)
    return fresh.copy_(grad)


class _Probe(Node):
    """Reports how many references its gradient has when nobody outside the running backward holds it."""

    __slots__ = ("seen",)

    seen: int

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002
        self.seen = getrefcount(grad)
        return ()


class _Source(Node):
    """Sends a fresh gradient along each of its edges."""

    __slots__ = ()

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002
        fresh = [grad + 1 for _ in self.edges]
        return fresh.pop() if len(fresh) == 1 else tuple(fresh)


def _measure_exclusive() -> int:
    """Return the reference count of a gradient that belongs to the running backward alone.

    The count depends on the Python version (some calls borrow their arguments), so it is measured on the real
    backward loop: once for a node with one edge, once for a node with two.
    """
    counts: list[int] = []
    for edges in (1, 2):
        probes: list[_Probe] = []
        for _ in range(edges):
            probe = _new(_Probe)
            probe.next, probe.seq, probe.hooks = (), FIRST, None
            probes.append(probe)
        source = _new(_Source)
        source.next = probes[0] if edges == 1 else tuple(probes)
        source.seq, source.hooks = next(SEQUENCE), None
        execute([(source, torch.zeros(1))], keep=False, graph=False)
        counts.extend(probe.seen for probe in probes)
    return min(counts)


_EXCLUSIVE = _measure_exclusive()
