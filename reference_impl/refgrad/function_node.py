"""The node of a custom function, which is also the context that its forward and its backward are given.

A subclass of `Function` says how its operation is differentiated; this node does the rest: it keeps what
forward saves, makes zeros of gradients that nobody sent, calls the user's backward, and checks what it
returns. The checks are those that torch makes of every node; refgrad's own rows are right by construction
and go without.

    ctx.save_for_backward(...)      kept with their versions, through hooks for saved tensors where there are
    any ctx.anything = value            kept as it is: no version is checked, no hook sees it
    ctx.saved_tensors               what was saved, unless it was released or written to since

Sources: "Extending torch.autograd" in https://docs.pytorch.org/docs/stable/notes/extending.html,
torch/csrc/autograd/python_function.cpp and, for the checks of gradients, validate_outputs in
torch/csrc/autograd/engine.cpp.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from .anomaly import refuse_nan
from .grad_mode import mode
from .hooks import NodeHooks
from .levels import LEVELS
from .node import SEQUENCE, Node, detection, freed, modified
from .outputs import Output, separate
from .reentrant import Faces, running
from .rules.formulas import fit
from .saved import Held, Hooks, Packed, check_registrable, innermost, packed
from .tensor import Tensor
from .versions import VersionCounter, counter_of


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a gradient of a tensor has to fit."""

    shape: torch.Size
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, tensor: Tensor) -> Metadata:
        """Return the metadata of `tensor`."""
        return cls(tensor._shape, tensor._dtype, tensor._data.device)

    def zeros(self) -> Tensor:
        """Return zeros, which stand for a gradient that nobody sent."""
        return Tensor._of(torch.zeros(self.shape, dtype=self.dtype, device=self.device))


class HeldResult:
    """A saved output of the node that saves it, without the reference to the node that the output has."""

    __slots__ = ("counter", "data", "index", "version")

    def __init__(self, tensor: Tensor, index: int) -> None:
        self.data = tensor._data
        self.index = index
        self.counter: VersionCounter = counter_of(tensor)
        self.version = self.counter.value

    def check(self, node: Node) -> None:
        """Raise RuntimeError if the output of `node` was written to since it was saved."""
        if self.counter.value != self.version:
            raise modified(self.data, self.counter.value, self.version, node)


class FunctionCtx:
    """What the forward of a custom function tells about its inputs and outputs."""

    to_save: tuple[Any, ...] = ()
    saved_for_forward: tuple[Tensor | None, ...] | None = None
    dirty_tensors: tuple[Any, ...] = ()
    non_differentiable: tuple[Any, ...] = ()
    materialize_grads: bool = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (or None) for backward; an input that is written to afterwards is an error there."""
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (or None) for `jvp`. Raises AssertionError for anything else."""
        for tensor in tensors:
            if not (isinstance(tensor, Tensor) or tensor is None):
                raise AssertionError(
                    "save_for_forward expects all arguments to be tensors; you should save non-tensors as "
                    "attributes on ctx."
                )
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """State which inputs forward has written to; they have to be among its outputs."""
        self.dirty_tensors = args

    def mark_shared_storage(self, *pairs: Any) -> None:
        """Deprecated: does nothing but warn."""
        del pairs
        warnings.warn(
            "`mark_shared_storage` is deprecated. Tensors with shared storages are automatically tracked. "
            "Note that calls to `set_()` are not tracked",
            FutureWarning,
            stacklevel=2,
        )

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """State which outputs have no derivative: they do not require grad, and backward gets zeros for
        them.
        """
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """State whether backward gets zeros (the default) or None for an output that no gradient reached."""
        self.materialize_grads = value


class FunctionNode(Node, FunctionCtx):
    """The node of one call of a custom function.

    Attributes of the tape begin with an underscore or are those of `Node`; `next` and `seq` are refused as
    names for what users keep here.
    """

    _forward_cls: ClassVar[Any]

    needs_input_grad: tuple[bool, ...] = ()
    _inputs: tuple[Metadata | None, ...] = ()
    _outputs: tuple[Metadata | None, ...] = ()
    # whether apply was recorded: otherwise this is the context of one forward and no more
    _recorded: bool = False
    _single: bool = True
    _saved: list[Held | HeldResult | Packed | None] | None = None
    _released: bool = False
    _cleared: bool = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("next", "seq"):
            raise AttributeError(f"{name!r} is an attribute of the tape; keep the value under another name")
        object.__setattr__(self, name, value)

    # --- what a node is to the tape ---

    def attach(self, edges: tuple[Node, ...]) -> None:
        """Give this node its place on the tape, with `edges` to the histories of the inputs."""
        object.__setattr__(self, "next", edges[0] if len(edges) == 1 else edges)
        object.__setattr__(self, "seq", next(SEQUENCE))
        # Hooks or none, backward calls the user's code here, and that runs where hooks run.
        self.hooks = NodeHooks()

    def name(self) -> str:
        """Return the name of the function followed by `Backward`."""
        return type(self).__name__

    def output_count(self) -> int:
        """Return how many values forward returned, those that are no tensors included."""
        return max(1, len(self._outputs))

    def input_mask(self) -> tuple[bool, ...]:
        """Return for each tensor among the inputs whether it requires grad."""
        return tuple(
            needed
            for needed, given in zip(self.needs_input_grad, self._inputs, strict=True)
            if given is not None
        )

    def __call__(self, *grads: Any) -> Any:  # noqa: ARG002 - whatever is given
        raise TypeError(f"'{type(self).__name__}' object is not callable")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    # --- saving ---

    def keep_saved(self) -> None:
        """Save what forward asked to be saved; its outputs have their histories by now."""
        hooks = innermost()
        self._saved = [None if tensor is None else self._save(tensor, hooks) for tensor in self.to_save]
        self.to_save = ()

    def _save(self, tensor: Tensor, hooks: Hooks | None) -> Held | HeldResult | Packed:
        owner = None if tensor._node is None else tensor._node.as_edge()[0]
        if owner is not self:
            return Held(tensor) if hooks is None else packed(hooks, tensor, tensor)
        index = tensor.output_nr
        return HeldResult(tensor, index) if hooks is None else Packed(hooks, tensor, index=index)

    def resave(self, change: Callable[[Tensor], Tensor]) -> None:
        """Keep `change(x)` in the place of each saved tensor `x` that is no result of this node."""
        for saved in self._saved or ():
            if isinstance(saved, Held):
                saved.tensor = change(saved.tensor)

    def _unpack(self, saved: Held | HeldResult | Packed | None) -> Tensor | None:
        if saved is None:
            return None
        if isinstance(saved, Held):
            return saved.read()
        if isinstance(saved, Packed):
            if saved.index is None:
                return saved.value
            made = saved.value
            data, counter, index = made._data, counter_of(made), saved.index
        else:
            saved.check(self)
            data, counter, index = saved.data, saved.counter, saved.index
        out = Tensor._of(data)
        out._counter = counter
        out._node = self.output(index)
        return out

    def output(self, index: int) -> Node:
        """Return the node that the gradient of output `index` flows to."""
        if self._single:
            return self
        made = Output.__new__(Output)
        made.next, made.seq, made.hooks, made.index = self, next(SEQUENCE), None, index
        return made

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What forward saved.

        Raises RuntimeError once it was released, if a tensor was written to since, and at the second access
        if the function states `clear_saved_tensors_on_access`.
        """
        if self.saved_for_forward is not None:  # jvp is running
            return self.saved_for_forward
        if self._released:
            raise freed()
        if self._cleared:
            raise RuntimeError(
                "saved_tensors can only be accessed once when clear_saved_tensors_on_access=True is set on "
                "the autograd.Function. Either access saved_tensors only once, or set "
                "clear_saved_tensors_on_access=False."
            )
        found = tuple(self._unpack(saved) for saved in self._saved or ())
        if self._forward_cls.clear_saved_tensors_on_access and found:
            self._saved, self._cleared = [], True
        return found

    @property
    def saved_variables(self) -> tuple[Tensor | None, ...]:
        """Deprecated: `saved_tensors`."""
        warnings.warn(
            "'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2
        )
        return self.saved_tensors

    @property
    def _raw_saved_tensors(self) -> tuple[SavedByFunction, ...]:
        """The saved tensors as things that hooks can be registered on."""
        if self._released:
            raise freed()
        return tuple(SavedByFunction(self, place) for place in range(len(self._saved or ())))

    # --- backward ---

    def vjp(self, grad: Any, keep: bool) -> Any:
        """Call the user's backward on tensors made of plain data."""
        task = running.task
        faces = Faces() if task is None else task.faces
        results = self._call(
            tuple(None if given is None else faces.of(given) for given in separate(self, grad)), keep
        )
        found = tuple(None if result is None else result._data for result in results)
        return found if type(self.next) is tuple else found[0]

    def vjp_graph(self, grad: Any, keep: bool) -> Any:
        """Call the user's backward; what it does with tensors is recorded."""
        found = self._call(separate(self, grad), keep)
        return found if type(self.next) is tuple else found[0]

    def nothing(self, keep: bool) -> Any:
        """Call the user's backward although no gradient arrived for any output."""
        # The pass works on plain data unless it is recorded or carries tangents.
        on_tensors = mode.enabled or bool(LEVELS)
        found = self._call((None,) * self.output_count(), keep)
        plain = tuple(result if result is None or on_tensors else result._data for result in found)
        return plain if type(self.next) is tuple else plain[0]

    def _call(self, grads: tuple[Any, ...], keep: bool) -> tuple[Any, ...]:
        """Return the checked gradient for each edge, given one for each output."""
        if self.materialize_grads:
            grads = tuple(
                metadata.zeros() if grad is None and metadata is not None else grad
                for grad, metadata in zip(grads, self._outputs, strict=True)
            )
        backward = self._get_user_fn()
        if self._forward_cls.boxed_grads_call:
            results = backward(self, list(grads))
        else:
            results = backward(self, *grads)
        checked = self._checked(results if isinstance(results, tuple) else (results,))
        if not keep:
            self._saved, self._released = None, True
        return checked

    def _get_user_fn(self) -> Callable[..., Any]:
        from .function import Function

        has_backward = self._forward_cls.backward is not Function.backward
        has_vjp = self._forward_cls.vjp is not Function.vjp
        if has_backward and has_vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should "
                "only implement one of them."
            )
        return self._forward_cls.vjp if has_vjp else self._forward_cls.backward  # type: ignore[no-any-return]

    def _checked(self, results: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the gradient for each edge; raise torch's errors for gradients that cannot be ones."""
        expected = len(self._inputs)
        if len(results) > expected and all(extra is None for extra in results[expected:]):
            results = results[:expected]
        if len(results) != expected:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {expected}, got "
                f"{len(results)})"
            )
        found: list[Tensor | None] = []
        given: list[Tensor | None] = []
        for place, (result, metadata) in enumerate(zip(results, self._inputs, strict=True)):
            if metadata is None:
                if result is not None:
                    raise RuntimeError(
                        f"function {self.name()} returned a gradient different than None at position "
                        f"{place + 1}, but the corresponding forward input was not a Variable"
                    )
                continue
            if result is not None and not isinstance(result, Tensor):
                raise RuntimeError(f"expected Variable or None (got {type(result).__name__})")
            needed = self.needs_input_grad[place]
            grad = self._fitted(result, metadata, len(given)) if needed and result is not None else result
            given.append(grad)
            if needed:
                found.append(grad)
        if detection.enabled and detection.check_nan:  # for inputs that need no gradient too
            for number, grad in enumerate(given):
                refuse_nan(self, number, None if grad is None else grad._data)
        return tuple(found)

    def _fitted(self, grad: Tensor, metadata: Metadata, number: int) -> Tensor:
        """Return `grad`, for the tensor input `number`, reduced and cast to what the input is."""
        problem = None
        if not _is_expandable(metadata.shape, grad._shape):
            problem = f"got {list(grad._shape)} but expected shape compatible with {list(metadata.shape)}"
        elif grad._data.device != metadata.device:
            problem = f"expected device {metadata.device} but got {grad._data.device}"
        if problem is not None:
            raise RuntimeError(
                f"Function {self.name()} returned an invalid gradient at index {number} - {problem}"
            )
        if grad._dtype.is_complex and not metadata.dtype.is_complex:
            raise RuntimeError(
                "Expected isFloatingType(grad.scalar_type()) || (input_is_complex == grad_is_complex) to be "
                "true, but got false.  (Could this error message be improved?  If so, please report an "
                "enhancement request to PyTorch.)"
            )
        return fit(grad, metadata.shape, metadata.dtype)  # type: ignore[no-any-return]


def _is_expandable(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    """Return whether a tensor of `shape` can be expanded to `wanted`."""
    if len(shape) > len(wanted):
        return False
    lead = len(wanted) - len(shape)
    return all(size in (1, wanted[lead + dim]) for dim, size in enumerate(shape))


class SavedByFunction:
    """One tensor that a custom function has saved: an element of `node._raw_saved_tensors`."""

    __slots__ = ("_node", "_place")

    def __init__(self, node: FunctionNode, place: int) -> None:
        self._node, self._place = node, place

    def register_hooks(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        """Pack the tensor with this pair of hooks now; raises what `SavedTensor.register_hooks` raises."""
        node = self._node
        saved = None if node._saved is None else node._saved[self._place]
        check_registrable(saved, was_saved=node._saved is None or saved is not None)
        hooks = Hooks(pack_hook, unpack_hook)
        if isinstance(saved, HeldResult):
            made: Any = Packed(hooks, Tensor._of(saved.data), index=saved.index)
        else:
            tensor = saved.tensor  # type: ignore[union-attr]
            made = packed(hooks, tensor, tensor.detach())
        node._saved[self._place] = made  # type: ignore[index]
