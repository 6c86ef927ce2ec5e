"""Views: tensors that share memory with a base, and what an in-place write does to their histories.

A view knows its base (the tensor at the root, as in torch) and the steps that lead from it, so that it can
be taken again. The base knows its views weakly. A write to the base or to any of its views moves all their
histories:

    a write to a view        the new history of the base is `CopySlices`: the old base outside the view, and
                             what was written inside it
    a write to any of them   each live view is taken again from the base (`AsStridedBackward0`)

so a gradient always follows the memory.
Source: "In-place operations" in https://docs.pytorch.org/docs/stable/notes/autograd.html and the note
"View + Inplace update for base tensor" in torch/csrc/autograd/variable.h.
torch takes views again when their history is next read; doing it at the write gives the same graph.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from .grad_mode import mode
from .hooks import leave_behind
from .node import LEAF, UNTRACKED, Node
from .tensor import Tensor
from .versions import counter_of


@dataclass(frozen=True, slots=True)
class Path:
    """The way from a base to a view of it: one view operation, after those of `before`.

    `take` takes the view and `give_back` brings its gradient back, each for plain data and tensors alike.
    """

    before: Path | None
    take: Callable[[Any], Any]
    give_back: Callable[[Any], Any]

    def _steps(self) -> list[Path]:
        """Return this step and those before it, the last one first."""
        steps = [self]
        while (before := steps[-1].before) is not None:
            steps.append(before)
        return steps

    def after(self, take: Callable[[Any], Any], give_back: Callable[[Any], Any]) -> Path:
        """Return the way that begins with one more step."""
        path = Path(None, take, give_back)
        for step in reversed(self._steps()):
            path = Path(path, step.take, step.give_back)
        return path

    def view(self, base: Any) -> Any:
        """Return the view of `base`."""
        for step in reversed(self._steps()):
            base = step.take(base)
        return base

    def embed(self, grad: Any) -> Any:
        """Return the gradient of the base: `grad` in the place of the view, zeros elsewhere."""
        for step in self._steps():
            grad = step.give_back(grad)
        return grad


@dataclass(frozen=True, slots=True)
class ViewOf:
    """What a view is a view of. `guard`, if set, is the reason why it must not be written to in grad mode."""

    base: Tensor
    path: Path
    guard: str | None


class Views:
    """The live views of one base, held weakly."""

    __slots__ = ("limit", "references")

    def __init__(self) -> None:
        self.references: list[weakref.ref[Tensor]] = []
        self.limit = 16

    def add(self, view: Tensor) -> None:
        """Remember `view`; forget those that are gone whenever the list has doubled."""
        if len(self.references) >= self.limit:
            self.references = [reference for reference in self.references if reference() is not None]
            self.limit = max(16, 2 * len(self.references))
        self.references.append(weakref.ref(view))

    def live(self) -> list[Tensor]:
        """Return the views that still exist, oldest first."""
        return [view for view in (reference() for reference in self.references) if view is not None]


IN_NO_GRAD = (
    "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that "
    "this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving "
    "both the view and the inplace either both inside the no_grad block (if you don't want the inplace to "
    "be tracked) or both outside (if you want the inplace to be tracked)."
)


def track(out: Tensor, source: Tensor, take: Callable[[Any], Any], give_back: Callable[[Any], Any]) -> None:
    """Make `out` a view of `source` (of its base, if `source` is a view) by one more step."""
    above = source._view
    if above is None:
        base, path, guard = source, Path(None, take, give_back), None
    else:
        base, path, guard = above.base, Path(above.path, take, give_back), above.guard
    if not mode.enabled:
        guard = IN_NO_GRAD
        if source._node is not None:
            out._node = UNTRACKED
    out._counter = counter_of(source)
    out._view = ViewOf(base, path, guard)
    views = base._views
    if views is None:
        views = base._views = Views()
    views.add(out)


def rebase(tensor: Tensor, node: Node, operations: Any) -> None:
    """Give `tensor`, which was just written to, the history `node`, and its base and their views theirs."""
    view = tensor._view
    if view is None:
        base = tensor
        _set_history(base, node)
    else:
        base = view.base
        written = Tensor._of(tensor._data)
        written._node = node
        merged = Tensor._of(base._data)
        old = Tensor._of(base._data)
        old._node = base._node
        operations["copy_slices"].record(merged, old, written, view.path)
        _set_history(base, merged._node)
    if base._views is not None:
        for other in base._views.live():
            retake(other, operations)


def retake(view: Tensor, operations: Any) -> None:
    """Record `view` as taken from its base as the base is now."""
    of = cast("ViewOf", view._view)
    if of.guard is IN_NO_GRAD:
        return
    again = Tensor._of(view._data)
    operations["as_strided"].record(again, of.base, of.path)
    _set_history(view, again._node)


def _set_history(tensor: Tensor, node: Node | None) -> None:
    """Set the node of `tensor`; hooks on it stay with the old one, `retain_grad()` goes along."""
    old = tensor._node
    tensor._node = node
    leave_behind(tensor, old, node)


def refuse_write(tensor: Tensor, joins: bool = False) -> None:
    """Raise torch's RuntimeError if `tensor` must not be written to in the present grad mode.

    `joins` says that what is written requires grad. A view requires grad if its base does, and counts as a
    view of a leaf also where the flag of the leaf has changed since (`check_inplace` in
    torch/csrc/autograd/VariableTypeUtils.h).
    """
    if not mode.enabled:
        return
    view = tensor._view
    if view is None:
        if tensor._node is LEAF:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        return
    requires_grad = tensor._node is not None or view.base._node is not None
    if view.guard is not None and (requires_grad or joins):
        raise RuntimeError(view.guard)
    if requires_grad and view.base.is_leaf:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )
