"""Saved tensors: what a node keeps for its backward, and the hooks that stand between.

A node keeps an operand as it is, with the version it had, and its own result as bare data: keeping the
result itself would be a reference cycle. Reading one back checks that nothing was written since. A pair of
hooks changes this: `pack` turns the tensor into whatever is kept, and `unpack` makes a tensor of it at every
reading. What `unpack` returns is trusted; versions are no longer checked. The innermost pair of the thread is
given each tensor when it is saved, in grad mode off, operands first in the order in which the formulas of
the operation name them, then the result, which has its history by then. `register_hooks` gives a pair to one
saved tensor afterwards.

A tensor that comes back from hooks is a new object with the history of the one that was saved, so a
gradient of a gradient goes where it would have gone without hooks.

Nothing of this costs anything while no hooks are there: `OBSERVERS` in `node` is empty then.
Source: "Hooks for saved tensors" in https://docs.pytorch.org/docs/stable/notes/autograd.html and
torch/csrc/autograd/saved_variable.cpp.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import torch

from .grad_mode import mode
from .levels import LEVELS
from .node import LEAF, OBSERVERS, Node, check_saved, check_version, freed, modified
from .optional import ABSENT
from .tensor import Tensor
from .thread_state import CARRIED
from .versions import VersionCounter, counter_of


@dataclass(frozen=True, slots=True)
class Hooks:
    """A pair of hooks: `unpack` of what `pack` returned is the tensor that backward uses."""

    pack: Callable[[Tensor], Any]
    unpack: Callable[[Any], Tensor]


class Packed:
    """A saved operand in the keeping of a pair of hooks; it has the attributes that generated nodes read.

    `edge` is the node of the tensor that was saved, of a leaf its accumulator. `index` is the number of an
    output that its own node saves: the node is not referred to then, and gives the history.
    """

    __slots__ = ("_edge", "_is_leaf", "_kept", "_unpack", "index")

    _counter: Final = None
    _node: Final = None
    grad_fn: Final = None

    def __init__(
        self,
        hooks: Hooks,
        tensor: Tensor,
        edge: Node | None = None,
        *,
        is_leaf: bool = False,
        index: int | None = None,
    ) -> None:
        counter = counter_of(tensor)
        before, enabled = counter.value, mode.enabled
        mode.enabled = False
        try:
            self._kept = hooks.pack(tensor)
        finally:
            mode.enabled = enabled
        if counter.value != before:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack "
                "hook cannot be modified by in-place operations as this can lead to unexpected "
                "side-effects. Please open an issue if you need to perform in-place operations on the input "
                "to a pack hook."
            )
        self._unpack, self._edge, self._is_leaf, self.index = hooks.unpack, edge, is_leaf, index

    def _unpacked(self) -> Tensor:
        made = self._unpack(self._kept)
        if not isinstance(made, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(made).__name__}"
            )
        return made

    @property
    def _data(self) -> torch.Tensor:
        """The data that formulas compute with."""
        return self._unpacked()._data

    @property
    def value(self) -> Tensor:
        """The tensor that recorded formulas compute with."""
        made = self._unpacked()
        edge = self._edge
        if edge is None and made._node is None:
            return made
        out = Tensor._of(made._data)
        out._counter = counter_of(made)
        if self._is_leaf:
            out._become_leaf()
            out._accumulator = None if edge is None else weakref.ref(edge)
        else:
            out._node = edge
        return out


# The counter of a result that hooks keep: its value sends generated nodes on the way that looks further.
_IN_KEEPING = VersionCounter()
_IN_KEEPING.value = -1


class SavedNode(Node):
    """A node that keeps tensors: the operand `x` in `s_x` and its result in `s_result`.

    `operands` names the operands that this class keeps, in the order in which they are saved; `results`
    those of the results; `savable` what any class of the same operation keeps.
    """

    __slots__ = ()

    operands: ClassVar[tuple[str, ...]] = ()
    results: ClassVar[tuple[str, ...]] = ()
    savable: ClassVar[tuple[str, ...]] = ()
    some: ClassVar[Callable[..., Any]]
    """What gives `vjp`, or with a second argument `vjp_graph`, of the wanted gradients alone."""

    def vjp_of(self, wanted: tuple[bool, ...], grad: Any, keep: bool, graph: bool) -> Any:
        """Compute the wanted gradients alone; the others are None (`should_compute_output` in torch)."""
        return type(self).some(wanted, graph)(self, grad, keep)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_raw_saved_"):
            operand = name.removeprefix("_raw_saved_")
            if operand in self.savable:
                return SavedTensor(self, operand)
        elif name.startswith("_saved_"):
            operand = name.removeprefix("_saved_")
            if operand in self.savable:
                return self.read(operand)
            if not operand.startswith("_"):
                return getattr(self, f"a_{operand}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def read(self, name: str) -> Tensor | None:
        """Return a saved tensor after its checks, or None if this node had no need to save it."""
        if name in self.results:
            return self.restore(name)
        if name not in self.operands:
            return None
        value = unpack(self, name)
        return value if value is None or isinstance(value, Tensor) else Tensor._of(torch_scalar(value))

    def restore(self, name: str) -> Tensor:  # noqa: ARG002 - nodes of several results have several
        """Return a saved result after its checks, with its history."""
        return unpack_result(self)

    def kept_results(self, out: Any) -> dict[str, Tensor]:
        """Return what this node keeps of `out`, the result of the operation, by name."""
        return dict.fromkeys(self.results, out)

    def resave(self, change: Callable[[Tensor], Tensor]) -> None:
        """Keep `change(x)` in the place of each saved operand `x`; what hooks keep stays theirs."""
        for name in self.operands:
            saved = getattr(self, f"s_{name}")
            if isinstance(saved, Tensor):
                setattr(self, f"s_{name}", change(saved))

    def nothing(self, keep: bool) -> Any:
        """Let no gradient pass: what is saved is still read, and released unless `keep`."""
        for name in self.operands:
            unpack(self, name)
            if not keep:
                setattr(self, f"s_{name}", None)
        for name in self.results:
            self.restore(name)
            if not keep:
                setattr(self, f"s_{name}", None)
        return super().nothing(keep)


def torch_scalar(value: Any) -> torch.Tensor:
    """Return a number as the 0-d tensor that torch makes of it."""
    return torch.tensor(value)


def unpack(node: Any, name: str) -> Any:
    """Return the saved operand `name` of `node` as it was saved: the tensor itself, or a number."""
    saved = getattr(node, f"s_{name}")
    if saved is None:
        raise freed()
    if saved._counter is not None:
        check_saved(node, name, saved)
    return saved if isinstance(saved, Tensor) else saved.value


def unpack_result(node: Any) -> Tensor:
    """Return the saved result of `node` as a tensor whose history is `node`."""
    saved = node.s_result
    if saved is None:
        raise freed()
    if type(saved) is Packed:
        made = saved.value
        out = Tensor._of(made._data)
        out._counter = counter_of(made)
    else:
        check_version(node, "result", node.c_result, saved, node)
        out = Tensor._of(saved)
        out._counter = node.c_result
    out._node = node
    if LEVELS:
        out._tangents = getattr(node, "tangents", None)
    return out


def result_data(node: Any, name: str) -> torch.Tensor:
    """Return the data of the saved result `name` of `node` where it is not simply the data that was saved."""
    saved = getattr(node, f"s_{name}")
    return saved._data if type(saved) is Packed else node.restore(name)._data


# --- hooks for all tensors that are saved ---


class _State(threading.local):
    """The open pairs of the running thread, innermost last, and why none may be used."""

    disabled: str | None = None

    def __init__(self) -> None:
        self.stack: list[Hooks] = []


_state = _State()
CARRIED.append(_state)


def push(hooks: Hooks) -> None:
    """Give what this thread saves from now on to `hooks`; raise RuntimeError while that is disabled."""
    if _state.disabled is not None:
        raise RuntimeError(_state.disabled)
    _state.stack.append(hooks)
    OBSERVERS.append(pack_saved)


def pop() -> None:
    """Go back to the pair of hooks before the last."""
    OBSERVERS.remove(pack_saved)
    _state.stack.pop()


def disable(message: str | None) -> str | None:
    """Let `push` raise `message`, or work again for None; return what was set before."""
    previous = _state.disabled
    _state.disabled = message
    return previous


def innermost() -> Hooks | None:
    """Return the pair of hooks that tensors saved now are given, if there is one."""
    return _state.stack[-1] if _state.stack else None


def pack_saved(node: Node, out: Any) -> None:
    """Give what `node` saves to the innermost hooks: operands, and the results if `out` is there already."""
    hooks = innermost()
    if hooks is None or not isinstance(node, SavedNode):
        return
    for name in node.operands:
        saved = getattr(node, f"s_{name}")
        if isinstance(saved, Tensor):
            setattr(node, f"s_{name}", packed(hooks, saved, saved))
        elif hasattr(saved, "packed"):  # several tensors in the place of one
            setattr(node, f"s_{name}", saved.packed(lambda tensor: packed(hooks, tensor, tensor)))
    if out is not None:
        pack_result(node, out)


def pack_result(node: Node, out: Any) -> None:
    """Give the saved results of `node`, which are in `out`, to the innermost hooks."""
    hooks = innermost()
    if hooks is not None and isinstance(node, SavedNode):
        for name, result in node.kept_results(out).items():
            _keep_result(node, name, Packed(hooks, result, index=0))


def _keep_result(node: SavedNode, name: str, saved: Packed) -> None:
    """Let hooks keep the result `name` of `node`."""
    setattr(node, f"s_{name}", saved)
    setattr(node, f"c_{name}", _IN_KEEPING)


def packed(hooks: Hooks, tensor: Tensor, given: Tensor) -> Packed:
    """Return `tensor`, which is no result of the node that saves it, packed; the hook sees `given`."""
    is_leaf = tensor._node is LEAF
    edge = tensor._node
    if is_leaf:
        edge = None if tensor._accumulator is None else tensor._accumulator()
    return Packed(hooks, given, edge, is_leaf=is_leaf)


# --- hooks for one saved tensor ---


class SavedTensor:
    """One tensor that a node has saved, such as `node._raw_saved_self`."""

    __slots__ = ("_name", "_node")

    def __init__(self, node: SavedNode, name: str) -> None:
        self._node, self._name = node, name

    def register_hooks(self, pack_hook: Any, unpack_hook: Any) -> None:
        """Pack the tensor with this pair of hooks now.

        Raises RuntimeError if there is a pair already, if the tensor was released, if nothing was saved,
        or if `pack_hook` writes to its argument.
        """
        if not callable(pack_hook) or not callable(unpack_hook):
            raise TypeError("register_hooks(): incompatible function arguments: two callables are expected")
        hooks = Hooks(pack_hook, unpack_hook)
        node, name = self._node, self._name
        keeps = name in node.results or name in node.operands
        saved: Any = getattr(node, f"s_{name}") if keeps else None
        check_registrable(saved, was_saved=keeps and saved is not ABSENT)
        if name in node.results:
            _keep_result(node, name, Packed(hooks, Tensor._of(saved), index=0))
        else:
            tensor = saved if isinstance(saved, Tensor) else Tensor._of(torch_scalar(saved.value))
            setattr(node, f"s_{name}", packed(hooks, tensor, tensor.detach()))


def check_registrable(saved: Any, was_saved: bool) -> None:
    """Raise torch's RuntimeError if `saved`, None once it is released, cannot be given hooks."""
    if isinstance(saved, Packed):
        raise RuntimeError(  # noqa: TRY004 - torch's class
            "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair "
            "of hooks is allowed at a time."
        )
    if not was_saved:
        raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")
    if saved is None:
        raise RuntimeError(
            "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values of "
            "the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if "
            "you need to backward through the graph a second time or if you need to access saved variables "
            "after calling backward."
        )


# --- what nodes written by hand keep ---


class Held:
    """A saved tensor that is no result of the node that saves it."""

    __slots__ = ("tensor", "version")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.version = 0 if tensor._counter is None else tensor._counter.value

    def read(self) -> Tensor:
        """Return the tensor; raise RuntimeError if it was written to since it was saved."""
        tensor = self.tensor
        now = 0 if tensor._counter is None else tensor._counter.value
        if now != self.version:
            raise modified(tensor._data, now, self.version, tensor._node)
        return tensor
