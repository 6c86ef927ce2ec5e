"""Backward inside of backward: a hook or a custom function may run a backward pass of its own.

Each pass is a loop with its own state (see `backward`), so passes nest like any calls. Only their number is
limited by the stack: after `DEEPEST` passes within each other the next one runs in a new thread, whose stack
is empty, while this one waits. torch does the same, after 60 passes.

Source: torch/csrc/autograd/engine.h (MAX_DEPTH), "Reentrant backwards" in torch/csrc/autograd/engine.cpp, and
https://docs.pytorch.org/docs/stable/notes/autograd.html#multithreaded-autograd for what belongs to a thread.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from .node import Node
from .streams import STREAMS, aside
from .tensor import Tensor
from .thread_state import CARRIED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from .backward import Capture

# Python allows some 1000 calls within each other; a pass with what it calls takes about ten.
DEEPEST = 20


class Faces:
    """The tensors as which users see the plain gradients of a pass: the same one for the same gradient.

    `given` are the cotangents of the caller; the others are known weakly.
    """

    __slots__ = ("given", "shown")

    def __init__(self, given: Sequence[Tensor | None] = ()) -> None:
        self.given = given
        self.shown: dict[int, weakref.ref[Tensor]] = {}

    def of(self, data: torch.Tensor) -> Tensor:
        """Return the tensor for `data`."""
        reference = self.shown.get(id(data))
        known = None if reference is None else reference()
        if known is not None and known._data is data:
            return known
        for cotangent in self.given:
            if cotangent is None:
                continue
            if cotangent._data is data:
                return cotangent
            if cotangent._base is not None and cotangent._base._data is data:
                return cotangent._base
        made = Tensor._of(data)
        self.add(made)
        if data._is_view():
            from .views import by_backward

            by_backward(made, self.of(cast("torch.Tensor", data._base)))
        return made

    def add(self, tensor: Tensor) -> None:
        """Note that `tensor`, which a hook returned, stands for its data from now on."""
        self.shown[id(tensor._data)] = weakref.ref(tensor)


@dataclass(eq=False, slots=True, weakref_slot=True)
class Task:
    """One backward pass that is running: where it started, and which nodes it is restricted to."""

    roots: Sequence[tuple[Node, Any]]
    path: set[Node] | None = None
    capture: Capture | None = None
    faces: Faces = field(default_factory=Faces)
    _reached: set[Node] = field(default_factory=set)

    def wanted(self, node: Node) -> tuple[bool, ...] | None:
        """Return which edges of `node` are on the way to what is asked for; None where all of them are."""
        path = self.path
        if path is None or type(node.next) is not tuple or path.issuperset(node.next):
            return None
        return tuple(edge in path for edge in node.next)

    def runs(self, node: Node) -> bool:
        """Return whether the pass runs `node`, or stops there because its gradient is asked for."""
        if self.path is not None:
            return node in self.path
        if not self._reached:
            stack = [root for root, _ in self.roots]
            self._reached.update(stack)
            while stack:
                for edge in stack.pop().edges:
                    if edge not in self._reached:
                        self._reached.add(edge)
                        stack.append(edge)
        return node in self._reached


class _Running(threading.local):
    """How many passes of this thread wait for a user's function, and the innermost one, if it is known."""

    depth: int = 0
    task: Task | None = None


running = _Running()


class UserCode:
    """A block in which `task` calls functions of the user, which may run backward again."""

    __slots__ = ("before", "task")

    def __init__(self, task: Task | None) -> None:
        self.task = task

    def __enter__(self) -> None:
        running.depth += 1
        self.before = running.task
        running.task = self.task

    def __exit__(self, *exception: object) -> None:
        running.depth -= 1
        running.task = self.before


def with_empty_stack(work: Callable[[], None]) -> None:
    """Do `work` in a new thread that goes on in the state of this one; raise what it raises."""
    state = [(local, dict(vars(local))) for local in CARRIED]
    stream = aside()
    raised: list[BaseException] = []

    def go_on() -> None:
        for local, values in state:
            vars(local).update(values)
        if stream is not None:
            STREAMS.set_stream(stream)
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            raised.append(error)

    thread = threading.Thread(target=go_on, name="refgrad backward")
    thread.start()
    thread.join()
    if raised:
        try:
            raise raised[0]
        finally:
            raised.clear()  # the error's own frames would otherwise refer to it
