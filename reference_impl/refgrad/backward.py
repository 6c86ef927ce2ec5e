"""The backward pass: one loop over the nodes of the graph, without recursion.

A node runs once all gradients for its output have arrived and been summed. Among the nodes that are ready,
the one recorded last runs first; accumulation into leaves runs before everything else. This is torch's
order, so hooks fire and errors come in torch's order too: a backward that fails half way has filled the
same leaves. The first pass counts, for each node, the edges that lead to it; the second follows them.
Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#how-autograd-encodes-the-history and
torch/csrc/autograd/engine.cpp (compute_dependencies, ReadyQueue).

The loop works on plain torch tensors; with `graph` it works on refgrad tensors, and what the formulas do is
recorded. It also works on refgrad tensors while a level of forward mode is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, cast

from . import anomaly, hooks, streams
from .grad_mode import mode
from .levels import LEVELS
from .node import SEQUENCE, Node, detection
from .outputs import Output, part
from .reentrant import DEEPEST, Faces, Task, running, with_empty_stack

if TYPE_CHECKING:
    from .tensor import Tensor


@dataclass(slots=True)
class Capture:
    """What `grad()` and `backward(inputs=...)` restrict a backward to.

    `wanted` holds the gradients that are asked for, once known: those of some outputs of a node, by number.
    `accumulate` are the nodes that run although nothing behind them is asked for. `faces` are the tensors as
    which hooks have seen gradients.
    """

    wanted: dict[Node, dict[int, Any]] = field(default_factory=dict)
    accumulate: set[Node] = field(default_factory=set)
    faces: Faces = field(default_factory=Faces)


def execute(
    roots: Sequence[tuple[Node, Any]],
    *,
    keep: bool,
    graph: bool,
    capture: Capture | None = None,
    given: Sequence[Tensor | None] = (),
) -> None:
    """Run backward from `roots`: pairs of a node and the cotangent of its output.

    `keep` keeps saved tensors for another backward. `graph` records the work. With `capture`, only nodes on
    a path to what is asked for run. Hooks see `given`, the cotangents of the caller, as the tensors they are.
    """
    if running.depth > DEEPEST:
        with_empty_stack(lambda: execute(roots, keep=keep, graph=graph, capture=capture, given=given))
        return
    path = None if capture is None else _paths(roots, capture)
    pending = _count_edges(roots, path)
    ready: list[tuple[int, Node]] = []
    arrived: dict[Node, Any] = {}
    # All of this thread's state at once: each attribute of a thread-local object takes as long.
    state = mode.__dict__
    before = state.copy()
    state["asked" if before["inference"] else "enabled"] = graph
    state["running"] = next(SEQUENCE)
    state["given"] = given
    state["crossing"] = crossing = streams.crossing(SEQUENCE, arrived)
    # Tangents are carried by refgrad's operations alone.
    graph = graph or bool(LEVELS)
    try:
        for node, grad in roots:
            if path is None or node in path or len(roots) == 1:
                _deliver(node, grad, arrived, pending, ready)
        if capture is None:
            _run(ready, arrived, pending, keep, graph, roots, given)
        else:
            state["restricted"] = True
            _run_captured(
                ready, arrived, pending, keep, graph, Task(roots, path or set(), capture, capture.faces)
            )
    finally:
        state.update(before)
        if crossing is not None:
            crossing.leave()


def _run(  # noqa: PLR0917 - the state of one backward pass
    ready: list[tuple[int, Node]],
    arrived: dict[Node, Any],
    pending: dict[Node, int],
    keep: bool,
    graph: bool,
    roots: Sequence[tuple[Node, Any]],
    given: Sequence[Tensor | None],
) -> None:
    """Run all nodes that are reached."""
    task = None
    watched = detection.enabled or mode.crossing is not None
    while ready:
        node = heappop(ready)[1]
        grad = arrived.pop(node)
        while True:
            if node.hooks is not None or watched:
                task = task or Task(roots, faces=Faces(given))
                held, grad = [grad], None
                grads = _run_node(node, held, keep, graph, task)
            elif grad is None:
                grads = node.nothing(keep)
            else:
                grads = node.vjp_graph(grad, keep) if graph else node.vjp(grad, keep)
            following = node.next
            # Nothing here may hold on to a gradient: its last owner may take over its memory.
            grad = None
            if type(following) is tuple:
                for index, edge in enumerate(following):
                    _deliver(edge, grads[index], arrived, pending, ready)
            elif following in pending or (ready and ready[0][0] <= -following.seq):  # type: ignore[union-attr]
                _deliver(following, grads, arrived, pending, ready)  # type: ignore[arg-type]
            else:
                # The only input is next in order: go on with it without a detour through the queue.
                node, grad, grads = following, grads, None  # type: ignore[assignment]
                continue
            grads = None
            break


def _run_captured(  # noqa: PLR0917 - the state of one backward pass
    ready: list[tuple[int, Node]],
    arrived: dict[Node, Any],
    pending: dict[Node, int],
    keep: bool,
    graph: bool,
    task: Task,
) -> None:
    """Run the nodes on the path of `task`, and keep the gradients that are asked for.

    A gradient that is asked for is seen after the tensor hooks where it ends, but before them where it also
    flows on, as in torch: there the hooks are part of running the node.
    """
    capture, path = cast("Capture", task.capture), cast("set[Node]", task.path)
    watched = detection.enabled or mode.crossing is not None
    while ready:
        node = heappop(ready)[1]
        grad = arrived.pop(node)
        ends = node not in capture.accumulate and path.isdisjoint(node.edges)
        found = capture.wanted.get(node)
        if found is not None:
            seen = None if grad is None else node.received(grad)
            if node.hooks is None:
                for index in found:
                    found[index] = part(seen, index)
            else:
                shown = hooks.show(node, seen, graph, task)
                if ends:
                    shown = hooks.run_tensor_hooks(node, shown, task)
                for index in found:
                    found[index] = shown[index]
                shown = ()
            seen = None
        if ends:
            # An only root is visited in any case: its tensor hooks run though nothing that is asked for is
            # behind it.
            if found is None and grad is not None:
                if type(node) is Output:
                    node, grad = node.edges[0], node.vjp(grad, keep)
                if node.hooks is not None:
                    hooks.run_tensor_hooks(node, hooks.show(node, node.received(grad), graph, task), task)
            continue
        if node.hooks is not None or watched:
            held, grad = [grad], None
            grads = _run_node(node, held, keep, graph, task)
        elif grad is None:
            grads = node.nothing(keep)
        elif (wanted := task.wanted(node)) is not None:
            grads = node.vjp_of(wanted, grad, keep, graph)
        else:
            grads = node.vjp_graph(grad, keep) if graph else node.vjp(grad, keep)
        following = node.next
        if type(following) is not tuple:
            following, grads = (following,), (grads,)  # type: ignore[assignment]
        # As in `_run`, nothing here may hold on to a gradient.
        grad = None
        for index, edge in enumerate(following):  # type: ignore[arg-type]
            if edge in path:
                _deliver(edge, grads[index], arrived, pending, ready)
        grads = None


def _run_node(node: Node, held: list[Any], keep: bool, graph: bool, task: Task) -> Any:
    """Run one node, whatever stands around it: hooks, anomaly mode, and another stream.

    `held` holds the gradient, which is taken out of it: nobody but the node may have it while it runs.
    """
    if mode.crossing is not None:
        mode.crossing.enter(node.seq, held[0])

    def run() -> Any:
        if node.hooks is not None:
            return hooks.run_node(node, held, keep, graph, task)
        grad = held.pop()
        if grad is None:
            return node.nothing(keep)
        if (wanted := task.wanted(node)) is not None:
            return node.vjp_of(wanted, grad, keep, graph)
        return node.vjp_graph(grad, keep) if graph else node.vjp(grad, keep)

    return anomaly.run_watched(node, run, graph) if detection.enabled else run()


def _deliver(
    node: Node, grad: Any, arrived: dict[Node, Any], pending: dict[Node, int], ready: list[tuple[int, Node]]
) -> None:
    """Add `grad` to what has arrived for `node`, and queue the node if nothing more will come."""
    if node in pending:
        have = arrived.get(node)
        if have is None:
            arrived[node] = grad
        elif grad is not None:
            arrived[node] = have + grad
        left = pending[node]
        if left:
            pending[node] = left - 1
            return
    else:
        arrived[node] = grad
    heappush(ready, (-node.seq, node))


def _count_edges(roots: Iterable[tuple[Node, Any]], path: set[Node] | None) -> dict[Node, int]:
    """Return for each node how many gradients come after the first; a node that gets one only has no
    entry.
    """
    seen: set[Node] = set()
    more: dict[Node, int] = {}
    stack = []
    for node, _ in roots:
        if node in seen:
            more[node] = more.get(node, 0) + 1
        elif path is None or node in path:
            seen.add(node)
            stack.append(node)
    while stack:
        following = stack.pop().next
        while type(following) is not tuple:
            if following in seen:
                more[following] = more.get(following, 0) + 1
                break
            if path is not None and following not in path:
                break
            seen.add(following)  # type: ignore[arg-type]
            following = following.next  # type: ignore[union-attr]
        else:
            for node in following:
                if node in seen:
                    more[node] = more.get(node, 0) + 1
                elif path is None or node in path:
                    seen.add(node)
                    stack.append(node)
    return more


def _paths(roots: Iterable[tuple[Node, Any]], capture: Capture) -> set[Node]:
    """Return the nodes from which something asked for can be reached, those asked for included."""
    seen = {node for node, _ in roots}
    stack = list(seen)
    while stack:
        for node in stack.pop().edges:
            if node not in seen:
                seen.add(node)
                stack.append(node)
    path = {node for node in seen if node in capture.wanted or node in capture.accumulate}
    # Edges lead to smaller sequence numbers, accumulation aside, and that has no edges: one pass in order
    # is enough.
    for node in sorted(seen, key=lambda node: node.seq):
        if not path.isdisjoint(node.edges):
            path.add(node)
    return path
