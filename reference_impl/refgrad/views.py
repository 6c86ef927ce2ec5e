"""Views: tensors that share memory with a base, and what an in-place write does to their histories.

A view knows its base (the tensor at the root, as in torch) and the steps that lead from it, so that it can
be taken again. The version counter, which all aliases share, knows the views weakly. A write to the base or
to any of its views moves all their histories:

    a write to a view        the new history of the base is `CopySlices`: the old base outside the view, and
                             what was written inside it
    a write to any of them   each live view is taken again from the base (`AsStridedBackward0`)

so a gradient always follows the memory. A view requires grad if its base does. If it was taken while
nothing was recorded it has no history of its own though: it is a leaf that no gradient reaches
(`UNTRACKED`), unless its own flag was set. What may happen to a view also depends on how it came about
(`Guard`): one that was taken in no-grad or inference mode, as one of several results, or in a custom
function must not be written to in grad mode, and once its base is written to torch refuses to tell its
history at all (`Refusal`).

Sources: "In-place operations" in https://docs.pytorch.org/docs/stable/notes/autograd.html, and in
torch/csrc/autograd the notes "View + Inplace update for base tensor" and "View + Inplace detection" in
variable.h, `grad_fn` and `handle_view_on_rebase` in variable.cpp, `check_inplace` in VariableTypeUtils.h.
torch looks for writes when a history is next read; doing it at the write gives the same graph.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from .accumulate import edge_of
from .grad_mode import mode
from .hooks import leave_behind
from .node import LEAF, UNTRACKED, Node, Refusal, plain_name
from .tensor import Tensor
from .versions import UNCOUNTED, VersionCounter, counter_of

if TYPE_CHECKING:
    from .compile import Operation


@dataclass(frozen=True, slots=True)
class Path:
    """The way from a base to a view of it: one view operation, after those of `before`.

    `take` takes the view and `give_back` brings its gradient back, each for plain data and tensors alike.
    `reinterprets` says that the operation reads the elements as something else: another dtype, conjugates.
    """

    before: Path | None
    take: Callable[[Any], Any]
    give_back: Callable[[Any], Any]
    reinterprets: bool = False

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
            path = Path(path, step.take, step.give_back, step.reinterprets)
        return path

    def stages(self) -> list[Path]:
        """Return the ways that lead to the view one after another when it is taken again.

        Strides over a base tell all steps at once, but none that reinterprets; torch takes such a step again,
        and what comes after it step by step. Source: `ViewInfo::chain` in torch/csrc/autograd/variable.cpp.
        """
        steps = self._steps()[::-1]
        first = next((place for place, step in enumerate(steps) if step.reinterprets), None)
        if first is None:
            return [self]
        before = steps[first].before
        alone = [Path(None, step.take, step.give_back, step.reinterprets) for step in steps[first:]]
        return alone if before is None else [before, *alone]

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


def _no_way(_tensor: Any) -> Any:
    raise AssertionError("a view that must not be written to is not taken again")


# The way to a view that a formula has taken of a gradient.
_UNKNOWN = Path(None, _no_way, _no_way)


@dataclass(frozen=True, slots=True)
class Guard:
    """How a view came about, where that forbids writes in grad mode; with the advice that torch gives.

    `place` is the mode that the view was taken in, and empty where it was recorded.
    """

    place: str
    advice: str


def _moving_advice(place: str) -> str:
    return (
        "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code "
        f"by moving both the view and the inplace either both inside the {place} block (if you don't want "
        "the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
    )


IN_NO_GRAD = Guard("no_grad", _moving_advice("no_grad"))
IN_INFERENCE = Guard("inference", _moving_advice("inference_mode"))
ONE_OF_SEVERAL = Guard(
    "",
    "This view is the output of a function that returns multiple views. Such functions do not allow the "
    "output views to be modified inplace. You should replace the inplace operation by an out-of-place one.",
)
IN_CUSTOM_FUNCTION = Guard(
    "",
    "This view was created inside a custom Function (or because an input was returned as-is) and the "
    "autograd logic to handle view+inplace would override the custom backward associated with the "
    "custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix this by "
    "cloning the output of the custom Function.",
)


@dataclass(frozen=True, slots=True)
class ViewOf:
    """What a view is a view of, and the version of the memory at which its history is right.

    `guard`, if set, is why it must not be written to in grad mode.
    """

    base: Tensor
    path: Path
    guard: Guard | None
    version: int


class Views:
    """The live views of one piece of memory, held weakly."""

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
        found = [(reference(), reference) for reference in self.references]
        self.references = [reference for view, reference in found if view is not None]
        return [view for view, _ in found if view is not None]

    def refresh(self, rewritten: bool = False) -> None:
        """Bring the histories of all views up to date with the memory and with the flags of their bases.

        `rewritten` tells that the history of the memory has changed, whatever its version.
        """
        for view in self.live():
            _refresh(view, rewritten)


_operations: Mapping[str, Operation] = {}


def connect(operations: Mapping[str, Operation]) -> None:
    """Give this module the compiled operations, which need it to be compiled themselves."""
    global _operations  # noqa: PLW0603 - set once, when the operations are there
    _operations = operations


def track(
    out: Tensor,
    source: Tensor,
    take: Callable[[Any], Any],
    give_back: Callable[[Any], Any],
    reinterprets: bool,
) -> None:
    """Make `out` a view of `source` (of its base, if `source` is a view) by one more step, see `Path`.

    Views of inference tensors are inference tensors themselves, and nothing keeps track of them.
    """
    out._counter = counter = counter_of(source)
    if counter is UNCOUNTED:
        return
    guard = None if mode.enabled else IN_INFERENCE if mode.inference else IN_NO_GRAD
    above = source._view
    if above is None:
        base, path = source, Path(None, take, give_back, reinterprets)
    else:
        base, guard = above.base, guard or above.guard
        path = Path(above.path, take, give_back, reinterprets)
    if base._node is not None and not mode.enabled:
        out._node = UNTRACKED
    out._view = ViewOf(base, path, guard, counter.value)
    views = counter.views
    if views is None:
        views = counter.views = Views()
    views.add(out)


def by_backward(view: Tensor, base: Tensor) -> None:
    """Make `view`, a gradient that backward has computed on plain data as a view, one of `base`.

    As in torch it counts as made in no-grad mode. Which gradients are views depends on the formulas.
    """
    if view._counter is UNCOUNTED:
        return
    view._counter = counter = counter_of(base)
    view._view = ViewOf(base, _UNKNOWN, IN_NO_GRAD, counter.value)
    view._node = None if base._node is None else UNTRACKED
    if counter.views is None:
        counter.views = Views()
    counter.views.add(view)


def views_of(base: Tensor) -> list[Tensor]:
    """Return the live views of `base`, oldest first."""
    counter = base._counter
    if counter is None or counter.views is None:
        return []
    return [view for view in counter.views.live() if cast("ViewOf", view._view).base is base]


def rebase(tensor: Tensor, node: Node) -> None:
    """Give `tensor`, which was just written to, the history `node`, and its base and their views theirs."""
    view = tensor._view
    if view is None:
        _set_history(tensor, node)
    else:
        base = view.base
        written = Tensor._of(tensor._data)
        written._node = node
        merged = Tensor._of(base._data)
        old = Tensor._of(base._data)
        old._node = base._node
        _operations["copy_slices"].record(merged, old, written, view.path, base._data.stride())
        _set_history(base, merged._node)
    counter = cast("VersionCounter", tensor._counter)
    if counter.views is not None:
        counter.views.refresh(rewritten=True)


def _refresh(view: Tensor, rewritten: bool) -> None:
    """Give `view` the history that it has now: after a write, or after the flag of its base has changed."""
    of = cast("ViewOf", view._view)
    node = view._node
    if node is LEAF and isinstance(view._accumulator, Refusal):
        node = view._accumulator.before
    if of.base._node is None and (node is None or node is LEAF or node is UNTRACKED):
        node = LEAF if node is LEAF else None
    elif not rewritten and of.version == cast("VersionCounter", view._counter).value:
        node = UNTRACKED if node is None else node
    elif of.guard is None:
        retake(view)
        return
    else:
        view._node, view._accumulator = (
            LEAF,
            Refusal(node, _refusal(of.guard, node, "its base or another view of its base has been")),
        )
        return
    if node is not view._node:
        view._node = node
    if isinstance(view._accumulator, Refusal):
        view._accumulator = None


def retake(view: Tensor) -> None:
    """Record `view` as taken from its base as the base is now."""
    of = cast("ViewOf", view._view)
    _set_history(view, taken_again(view))
    view._view = replace(of, version=cast("VersionCounter", view._counter).value)


def history_before(tensor: Tensor) -> Node | None:
    """Return the history that a write to `tensor` goes on from.

    For a view it is the base's, seen at the place of the view: what has happened to the view itself, such as
    hooks, is no part of it.
    """
    node = tensor._node
    if tensor._view is None or node is None or tensor._view.base._node is None:
        return node
    base = tensor._view.base
    old, before = Tensor._of(base._data), Tensor._of(tensor._data)
    old._node = edge_of(base)
    _operations["before_write"].record(before, old, tensor._view.path, base._data.stride())
    return before._node


def taken_again(view: Tensor) -> Node | None:
    """Return the history of `view` if it were taken from its base now."""
    of = cast("ViewOf", view._view)
    stages = of.path.stages()
    again = Tensor._of(of.base._data)
    again._node = edge_of(of.base)
    if again._node is None and stages[0] is of.path:
        again._node = UNTRACKED  # the base was cut from a history, which in one step the view does not notice
    recording = mode.enabled
    mode.enabled = True
    try:
        for stage in stages:
            again = stage.take(again) if stage.reinterprets else _at_once(again, stage)
    finally:
        mode.enabled = recording
    return again._node


def _at_once(tensor: Tensor, path: Path) -> Tensor:
    """Return the view of `tensor` that `path` leads to, recorded as one step."""
    out = Tensor._of(path.view(tensor._data))
    if tensor._node is not None:
        _operations["as_strided"].record(out, tensor, path)
    return out


def _set_history(tensor: Tensor, node: Node | None) -> None:
    """Set the node of `tensor`; hooks on it stay with the old one, `retain_grad()` goes along."""
    old = tensor._node
    tensor._node = node
    leave_behind(tensor, old, node)


def _refusal(guard: Guard, node: Node | None, modified: str) -> str:
    """Return torch's message for a view with the history `node` that `modified` says what happened to."""
    known = node is not None and node is not LEAF and node is not UNTRACKED
    output = f"Output {node.as_edge()[1]} of {plain_name(node)}" if known else ""  # type: ignore[union-attr, arg-type]
    if known and not guard.place:
        return f"{output} is a view and {modified} modified inplace. {guard.advice}"
    what = f"{output} is a view of a view which was created in" if known else "A view was created in"
    when = "in normal mode" if guard is IN_INFERENCE else "with grad mode enabled"
    # A view that was recorded nowhere counts as one from no-grad mode.
    return f"{what} {guard.place or 'no_grad'} mode and {modified} modified inplace {when}. {guard.advice}"


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
    requires_grad = tensor._node is not None
    if view.guard is not None and (requires_grad or joins):
        node = tensor._node
        if node is LEAF and isinstance(tensor._accumulator, Refusal):
            node = tensor._accumulator.before
        raise RuntimeError(_refusal(view.guard, node, "is being"))
    if requires_grad and view.base.is_leaf:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )
