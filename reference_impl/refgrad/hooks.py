"""Hooks: functions of the user that backward calls; and `retain_grad()`.

When a node runs, the hooks around it run in this order:

    tensor hooks            on the gradient of each output          tensor.register_hook
    retained gradients      are added to `.grad` of the outputs     tensor.retain_grad
    node pre-hooks          on the gradients of all outputs         node.register_prehook
    (the node)
    post-accumulate hooks   on the leaf that it accumulates into    tensor.register_post_accumulate_grad_hook
    node post-hooks         on the gradients of the inputs          node.register_hook

Where the gradient of a tensor is asked for and its node does not run, only the first two do.

A tensor keeps its hooks in a table, and the node of which it is an output knows the table. An in-place write
gives the tensor another node: its hooks stay behind with the value that they were registered on, later ones
go to a new table, and `retain_grad()` follows the tensor. The hooks of a leaf stay with the leaf; its
accumulation node, which comes and goes with the graphs that use the leaf, takes them up when it is made.
A node holds a tensor that retains its gradient weakly. Nothing here costs anything where there are no hooks:
backward asks each node once whether it has any.

Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#backward-hooks-execution. The list there has
retained gradients after node pre-hooks; torch runs them before (call_function in
torch/csrc/autograd/engine.cpp).
Checks of what hooks return: torch/csrc/autograd/python_hook.cpp.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, cast

import torch

from .node import LEAF, UNTRACKED, Node
from .outputs import combine, separate
from .reentrant import Task, UserCode
from .tensor import Tensor

Hook = Callable[..., Any]
# Hooks by the number of their handle, in order of registration.
Table = OrderedDict[int, Hook]


class RemovableHandle:
    """Removes the hook that it was returned for, by `remove()` or at the end of a `with` block.

    Source: torch/utils/hooks.py.
    """

    next_id = 0

    def __init__(self, hooks_dict: Table) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1

    def remove(self) -> None:
        """Remove the hook; a second call does nothing. A pass that is calling the table's hooks goes on."""
        table = self.hooks_dict_ref()
        if table is not None:
            table.pop(self.id, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def _add(table: Table, hook: Hook) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    return handle


class NodeHooks:
    """What is to be called when one node runs."""

    __slots__ = ("after", "post", "pre", "retained", "tensor")

    def __init__(self) -> None:
        # output number and table, in the order in which the tables came into being
        self.tensor: list[tuple[int, Table]] = []
        # the tensor that retains the gradient of an output
        self.retained: dict[int, weakref.ref[Tensor]] = {}
        self.pre: Table = OrderedDict()
        self.post: Table = OrderedDict()
        # the post-accumulate hooks of the leaf
        self.after: Table | None = None

    def owners(self) -> int:
        """Return how many own a gradient beside the node: post-hooks get it too, and see what becomes of it.

        Source: num_expected_refs in torch/csrc/autograd/functions/accumulate_grad.cpp.
        """
        return 1 if self.post else 0


def hooks_of(node: Node) -> NodeHooks:
    """Return the hooks of `node`, made now if it has none."""
    hooks = node.hooks
    if hooks is None:
        hooks = node.hooks = NodeHooks()
    return hooks


def hooks_of_leaf(leaf: Tensor) -> NodeHooks:
    """Return what an accumulation node that is made for `leaf`, which has hooks, starts with."""
    hooks = NodeHooks()
    if leaf._hooks is not None:
        hooks.tensor.append((0, leaf._hooks))
    hooks.after = leaf._post_accumulate
    return hooks


def await_hooks(leaf: Tensor, node: Node) -> None:
    """Let `node`, which accumulates into `leaf`, see hooks that the leaf gets when another node does so."""
    if leaf._hooks is None:
        leaf._hooks = OrderedDict()
        hooks_of(node).tensor.append((0, leaf._hooks))
    if leaf._post_accumulate is None:
        leaf._post_accumulate = OrderedDict()
        hooks_of(node).after = leaf._post_accumulate


# --- registration ---


def register_hook(self: Tensor, hook: Hook) -> RemovableHandle:
    """Call `hook(grad)` with the gradient of this tensor whenever one is computed.

    It may return a gradient of the same shape and dtype to go on with instead. On a leaf it sees the
    gradient of one backward, not the sum in `.grad`. Raises RuntimeError if this tensor does not require
    grad; backward raises RuntimeError or TypeError if the hook returns something else.
    """
    node = self._node
    if node is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    return _add(_table_of(self, node), hook)


def register_post_accumulate_grad_hook(self: Tensor, hook: Hook) -> RemovableHandle:
    """Call `hook(leaf)` whenever backward has accumulated into `.grad` of this leaf.

    It must return None (or the leaf itself). Raises RuntimeError for a tensor that does not require grad
    and for a non-leaf.
    """
    node = self._node
    if node is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if not _is_leaf(node):
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    table = self._post_accumulate
    if table is None:
        table = self._post_accumulate = OrderedDict()
        _table_of(self, node)  # an accumulation node that is made asks for the first kind of hooks only
        if (accumulator := _live_accumulator(self)) is not None:
            hooks_of(accumulator).after = table
    return _add(table, hook)


def register_node_prehook(self: Node, fn: Hook) -> RemovableHandle:
    """Call `fn(grad_outputs)` before this node runs; it may return a tuple to go on with instead."""
    return _add(hooks_of(self).pre, fn)


def register_node_hook(self: Node, fn: Hook) -> RemovableHandle:
    """Call `fn(grad_inputs, grad_outputs)` after this node ran; it may return another tuple of `grad_inputs`.

    There is one gradient for each tensor input, None for an input that requires none.
    """
    return _add(hooks_of(self).post, fn)


def retain_grad(self: Tensor) -> None:
    """Fill `.grad` of this non-leaf in later backward passes; does nothing for a leaf.

    Raises RuntimeError if this tensor does not require grad.
    """
    node = self._node
    if node is None:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if _is_leaf(node) or self._retained:
        return
    self._retained = True
    owner, index = _output(node)
    hooks_of(owner).retained[index] = weakref.ref(self)


def leave_behind(tensor: Tensor, old: Node | None, new: Node | None) -> None:
    """Do what a write that changed the node of `tensor` from `old` to `new` does to its hooks."""
    accumulator = None if tensor._hooks is None else _live_accumulator(tensor)
    if accumulator is not None:  # of a leaf that is none any more
        kept = hooks_of(accumulator)
        kept.tensor = [entry for entry in kept.tensor if entry[1] is not tensor._hooks]
    if tensor._hooks is not None:
        tensor._hooks = None
    if tensor._retained and old is not None and new is not None and not _is_leaf(old):
        owner, index = _output(old)
        reference = hooks_of(owner).retained.pop(index, None)
        if reference is not None:
            owner, index = _output(new)
            hooks_of(owner).retained[index] = reference


def _table_of(tensor: Tensor, node: Node) -> Table:
    """Return the hooks of `tensor`, which has the node `node`, as that knows them."""
    table = tensor._hooks
    if table is None:
        table = tensor._hooks = OrderedDict()
        if not _is_leaf(node):
            owner, index = _output(node)
            hooks_of(owner).tensor.append((index, table))
        # That of a leaf, or of what was one when a graph was recorded: it asks the tensor for its hooks.
        if (accumulator := _live_accumulator(tensor)) is not None:
            hooks_of(accumulator).tensor.append((0, table))
    return table


def _is_leaf(node: Node) -> bool:
    return node is LEAF or node is UNTRACKED


def _output(node: Node) -> tuple[Node, int]:
    """Return the recorded node behind that of a tensor, and which output of it the tensor is."""
    owner, index = node.as_edge()
    return owner or node, index


def _live_accumulator(leaf: Tensor) -> Node | None:
    return None if leaf._accumulator is None else leaf._accumulator()


# --- what backward calls ---


def run_node(node: Node, held: list[Any], keep: bool, graph: bool, task: Task) -> Any:
    """Run `node`, which has hooks; return the gradient for each edge as `node.vjp` does.

    `held` holds the gradient, which is taken out of it.
    """
    hooks = cast("NodeHooks", node.hooks)
    grad = held.pop()
    grads = _wrap(separate(node, None if grad is None else node.received(grad)), graph, task)
    with UserCode(task):
        grads = _on_outputs(hooks, grads)
        if hooks.pre:
            grads = _call(hooks.pre, grads)
    grad = combine(node, _unwrap(grads, graph, task))
    if not hooks.post:
        grads = ()  # so that the memory of the gradient has no other owner than the node
    with UserCode(task):  # that of a custom function
        wanted = task.wanted(node)
        if grad is None:
            results = node.nothing(keep)
        elif wanted is not None:
            results = node.vjp_of(wanted, grad, keep, graph)
        elif graph:
            results = node.vjp_graph(grad, keep)
        else:
            results = node.vjp(grad, keep)
    if not hooks.after and not hooks.post:
        return results
    with UserCode(task):
        if hooks.after:
            leaf = cast("Any", node).variable  # only nodes that accumulate have such hooks
            if _call(hooks.after, leaf) is not leaf:
                raise RuntimeError("Tensor post accumulate grad hooks should return None.")
        if hooks.post:
            single = type(node.next) is not tuple
            mask = node.input_mask()
            found = iter(_wrap((results,) if single else results, graph, task))
            replaced = _call(hooks.post, tuple(next(found) if needed else None for needed in mask), grads)
            following = _unwrap(
                tuple(value for value, needed in zip(replaced, mask, strict=True) if needed), graph, task
            )
            results = following[0] if single else following
    return results


def show(node: Node, grad: Any, graph: bool, task: Task) -> tuple[Tensor | None, ...]:
    """Return the gradient of each output of `node` as hooks see it."""
    return _wrap(separate(node, grad), graph, task)


def run_tensor_hooks(node: Node, grads: tuple[Tensor | None, ...], task: Task) -> tuple[Tensor | None, ...]:
    """Return the gradients of the outputs of `node`, which does not run itself, after the hooks on them."""
    with UserCode(task):
        return _on_outputs(cast("NodeHooks", node.hooks), grads)


def _on_outputs(hooks: NodeHooks, grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    """Call the tensor hooks, and fill what retains its gradient."""
    for index, table in hooks.tensor:
        replaced = _call(table, grads[index])
        if replaced is not grads[index]:
            grads = (*grads[:index], replaced, *grads[index + 1 :])
    for index, reference in hooks.retained.items():
        tensor, grad = reference(), grads[index]
        if tensor is not None and grad is not None:
            have = tensor._grad
            tensor._grad = grad.clone(memory_format=torch.contiguous_format) if have is None else have + grad
    return grads


def _wrap(grads: tuple[Any, ...], graph: bool, task: Task) -> tuple[Tensor | None, ...]:
    """Return gradients as tensors, which hooks take: they are plain data unless the pass is recorded."""
    if graph:
        return grads
    return tuple(None if grad is None else task.faces.of(grad) for grad in grads)


def _unwrap(grads: tuple[Tensor | None, ...], graph: bool, task: Task) -> tuple[Any, ...]:
    """Do the inverse of `_wrap`."""
    if graph:
        return grads
    for grad in grads:
        if grad is not None:
            task.faces.add(grad)
    return tuple(None if grad is None else grad._data for grad in grads)


def _call(table: Table, value: Any, *rest: Any) -> Any:
    """Return what the hooks in `table` make of `value`, a tensor, a tuple of tensors or None.

    Hooks that are added or removed meanwhile count from the next pass on.
    """
    for hook in list(table.values()):
        result = hook(value, *rest)
        if result is None or result is value:
            continue
        if isinstance(value, tuple):
            _check_tuple(value, result, hook)
        else:
            _check(value, result, hook)
        value = result
    return value


def _check_tuple(before: tuple[Any, ...], result: Any, hook: Hook) -> None:
    """Raise torch's error if `result` does not stand for `before`, gradients of several tensors."""
    if not isinstance(result, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(result).__name__}'")
    if len(result) != len(before):
        raise RuntimeError(
            f"hook '{_name(hook)}' has returned an incorrect number of values (got {len(result)}, but "
            f"expected {len(before)})"
        )
    for one, other in zip(before, result, strict=True):
        _check(one, other, hook)


def _check(before: Any, result: Any, hook: Hook) -> None:
    """Raise torch's error if `result` does not stand for `before`, the gradient of one tensor."""
    if result is None:
        return
    if before is None:
        raise RuntimeError("can't replace a None gradient with a non-None value")
    if not isinstance(result, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}'")
    was, now = before._data.type(), result._data.type()
    if was != now:
        raise RuntimeError(f"hook '{_name(hook)}' has changed the type of value (was {was} got {now})")
    if before._shape != result._shape:
        raise RuntimeError(f"hook '{_name(hook)}' has changed the size of value")


def _name(hook: Hook) -> str:
    return getattr(hook, "__name__", "<unknown>")
