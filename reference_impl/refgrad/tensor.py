"""The tensor: plain torch data, and where it stands in the graph.

`_data` is a torch tensor that never requires grad, so torch's autograd has no part in anything that is done
with it. `_node` says how the tensor came about: None if it does not require grad, `LEAF` for a leaf that
does, a recorded node otherwise. Shape and dtype are kept beside the data because asking torch for them
takes as long as a small kernel. Slots that few tensors need (`_OPTIONAL`) stay unset until they are used.
Attribute semantics and error messages: https://docs.pytorch.org/docs/stable/tensors.html.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import torch

from . import printing
from .assignment import check_grad
from .conversions import Conversions
from .grad_mode import mode
from .node import LEAF, SEQUENCE, UNTRACKED, Node, Refusal
from .transform_state import refuse_flags
from .versions import UNCOUNTED, VersionCounter, counter_of, version_of

if TYPE_CHECKING:
    from .hooks import Table
    from .levels import Level
    from .views import ViewOf

_new = object.__new__
_OPTIONAL = frozenset(
    (
        "_accumulator",
        "_cut",
        "_grad",
        "_grad_dtype",
        "_hooks",
        "_post_accumulate",
        "_retained",
        "_tangents",
        "_view",
    )
)
_NOT_A_LEAF = (
    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
    "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
)
_GRAD_OF_NON_LEAF = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
    "won't be populated during autograd.backward(). If you indeed want the .grad field to be populated "
    "for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor "
    "by mistake, make sure you access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 "
    "for more information."
)


def has_history(node: Node | None) -> bool:
    """Whether what has `node` is the result of a recorded operation."""
    return not (node is None or node is LEAF or node is UNTRACKED)


class Tensor(Conversions):
    """A tensor with torch's autograd semantics. `Tensor(data)` is torch's legacy constructor."""

    __slots__ = (
        "__weakref__",
        "_accumulator",
        "_counter",
        "_cut",
        "_data",
        "_dtype",
        "_grad",
        "_grad_dtype",
        "_hooks",
        "_node",
        "_post_accumulate",
        "_retained",
        "_shape",
        "_tangents",
        "_view",
    )

    _data: torch.Tensor
    _shape: torch.Size
    _dtype: torch.dtype
    _node: Node | None
    _counter: VersionCounter | None
    # when `detach_()` has cut this tensor from its history, in the numbers of nodes
    _cut: int | None
    # `.grad`; the node of this leaf, known weakly
    _grad: Tensor | None
    _accumulator: Callable[[], Node | None] | None
    # what `grad_dtype` was set to
    _grad_dtype: tuple[torch.dtype | None] | None
    # hooks on the gradient, and on its accumulation into a leaf; whether `.grad` of this non-leaf is filled
    _hooks: Table | None
    _post_accumulate: Table | None
    _retained: bool | None
    # the tangents of this tensor in forward mode, level by level
    _tangents: dict[Level, Tensor] | None
    # what this tensor is a view of
    _view: ViewOf | None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make a tensor as `torch.Tensor(...)` does: sizes, or data in the default dtype."""
        plain = [arg._data if isinstance(arg, Tensor) else arg for arg in args]
        return cls._of(torch.Tensor(*plain, **kwargs).detach())

    def __getattr__(self, name: str) -> Any:
        if name in _OPTIONAL:
            return None
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @classmethod
    def _of(cls, data: torch.Tensor) -> Self:
        """Return a tensor without history on `data`, which must not require grad."""
        out: Self = _new(cls)
        out._data = data
        out._shape = data.shape
        out._dtype = data.dtype
        out._counter = UNCOUNTED if mode.inference else None
        out._node = None
        return out

    def _like(self, data: torch.Tensor) -> Tensor:
        """Return a tensor on `data`, which has the shape and dtype of this one."""
        out: Tensor = _new(Tensor)
        out._data = data
        out._shape = self._shape
        out._dtype = self._dtype
        out._counter = UNCOUNTED if mode.inference else None
        out._node = None
        return out

    def to_torch(self) -> torch.Tensor:
        """Return the data as a torch tensor on the same memory; it does not require grad."""
        return self._data.detach()

    # --- place in the graph ---

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are computed for this tensor; may be set on a leaf."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError("requires_grad must be a bool")  # noqa: TRY004 - torch's class
        if value and not self._may_require_grad():
            # requires_grad_() says the same without the complex dtypes.
            raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
        self._flag(value)

    @requires_grad.deleter
    def requires_grad(self) -> None:
        raise RuntimeError("requires_grad must be a bool")

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set the flag in place and return this tensor. A view of a tensor that requires grad keeps doing so.

        Raises RuntimeError for a non-leaf that would lose it, for a dtype that is neither floating nor
        complex, for an inference tensor outside of inference mode, and inside a transform of `func`.
        """
        refuse_flags()
        return self._flag(requires_grad)

    def _flag(self, requires_grad: bool) -> Tensor:
        """Do what `requires_grad_` does, inside transforms too."""
        refusal = self._accumulator if self._node is LEAF and isinstance(self._accumulator, Refusal) else None
        if has_history(self._node if refusal is None else refusal.before):
            if not requires_grad:
                raise RuntimeError(_NOT_A_LEAF)
            return self
        if requires_grad and not self._may_require_grad():
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if requires_grad and self._counter is UNCOUNTED and not mode.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
            )
        if refusal is not None:
            refusal.before = LEAF if requires_grad else None
        elif not requires_grad:
            self._node = None
        elif self._node is not LEAF:
            self._become_leaf()
        self._tell_views()
        return self

    def _tell_views(self) -> None:
        """Let the views of this memory follow a change of a flag or history that is no write."""
        if self._counter is not None and self._counter.views is not None:
            self._counter.views.refresh()

    def _recorded(self) -> bool:
        """Whether this tensor has a history; of a view whose history may not be told False."""
        return has_history(self._node)

    def _check_history(self) -> None:
        """Raise RuntimeError for a view whose history torch refuses to tell."""
        if isinstance(self._accumulator, Refusal):
            self._accumulator()

    def _may_require_grad(self) -> bool:
        return self._dtype.is_floating_point or self._dtype.is_complex

    def _become_leaf(self) -> None:
        """Make this tensor a leaf that requires grad, and set the slots that every use of a leaf reads."""
        self._node = LEAF
        self._grad, self._accumulator, self._hooks = self._grad, self._accumulator, self._hooks

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor: true of all tensors that do not require grad.

        Reading it, or `grad_fn`, raises RuntimeError for a view that was not recorded, or not alone, if its
        memory was written to since (see `views`).
        """
        node = self._node
        if node is LEAF:
            self._check_history()
            return True
        return node is None or node is UNTRACKED

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation that made this tensor; None for a leaf."""
        node = self._node
        if node is LEAF:
            self._check_history()
        return None if node is None or node is LEAF or node is UNTRACKED else node.as_edge()[0]

    @property
    def output_nr(self) -> int:
        """Which output of `grad_fn` this tensor is."""
        return 0 if self._node is None else self._node.as_edge()[1]

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, or None. Reading it on a non-leaf that does not retain it warns."""
        if self._recorded() and not self._retained and self._grad is None:
            warnings.warn(_GRAD_OF_NON_LEAF, UserWarning, stacklevel=2)
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                kind = type(value).__name__
                raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {kind}")
            check_grad(self, value)
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def retains_grad(self) -> bool:
        """Whether this is a non-leaf that had `retain_grad()` called on it."""
        return bool(self._retained)

    def detach(self) -> Tensor:
        """Return a tensor on the same memory, without history; the two share a version counter.

        It is no view: what is taken of it has it for a base.
        """
        data = self._data
        out = Tensor._of(data.detach() if data._is_view() else data)
        out._counter = counter_of(self)
        return out

    def detach_(self) -> Tensor:
        """Cut this tensor from its history, in place; raise RuntimeError for a view."""
        if self._view is not None:
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using "
                "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as True, "
                "gradients are views of DDP buckets, and hence detach_() cannot be called on these "
                "gradients. To fix this error, please refer to the Optimizer.zero_grad() function in "
                "torch/optim/optimizer.py as the solution."
            )
        if self._recorded():
            # What has saved the tensor before asks about the cut where it asks about writes.
            self._cut = next(SEQUENCE)
            counter_of(self)
        self._node = None
        self._tell_views()
        return self

    def _displace(self, keep: bool) -> None:
        """Tell the accumulator that graphs hold that gradients come in the present shape and dtype.

        Unless `keep`, graphs from now on get one of their own, and to those from before this is no input any
        more.
        """
        held = self._accumulator
        node = None if held is None or isinstance(held, Refusal) else held()
        if node is not None:
            node.displace()  # type: ignore[attr-defined]
        if not keep:
            self._accumulator = None

    @property
    def data(self) -> Tensor:
        """A tensor on the same memory, without history and with a version counter of its own; may be set."""
        out = Tensor._of(self._data.data)
        out._counter = UNCOUNTED if self._counter is UNCOUNTED else None
        return out

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if not torch._has_compatible_shallow_copy_type(self._data, value._data):
            raise RuntimeError(
                "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have "
                "incompatible tensor type."
            )
        if self._node is not None and not (value._dtype.is_floating_point or value._dtype.is_complex):
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype"
            )
        same = value._dtype is self._dtype and value.device == self.device
        if not same or value._shape != self._shape:
            self._displace(keep=same)
        self._data, self._shape, self._dtype = value._data, value._shape, value._dtype

    @data.deleter
    def data(self) -> None:
        raise RuntimeError("Deleting tensor data is not allowed. Delete tensor instead!")

    @property
    def _version(self) -> int:
        return version_of(self)

    @property
    def _base(self) -> Tensor | None:
        return None if self._view is None else self._view.base

    def is_inference(self) -> bool:
        """Whether this tensor was made in inference mode, or is a view of one that was."""
        return self._counter is UNCOUNTED

    def _is_view(self) -> bool:
        return self._view is not None

    # --- data ---

    @property
    def shape(self) -> torch.Size:
        """The size of each dimension."""
        return self._shape

    @property
    def _stride(self) -> tuple[int, ...]:
        return self._data.stride()

    @property
    def dtype(self) -> torch.dtype:
        """The type of the elements."""
        return self._dtype

    @property
    def device(self) -> torch.device:
        """The device that holds the storage."""
        return self._data.device

    @property
    def layout(self) -> torch.layout:
        """The memory layout; always strided."""
        return self._data.layout

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._shape)

    def __repr__(self) -> str:
        if isinstance(self._accumulator, Refusal):
            return printing.represent(self._data, True, "Invalid")
        node = self.grad_fn
        return printing.represent(
            self._data, self.requires_grad, None if node is None else type(node).__name__
        )

    def __hash__(self) -> int:
        return id(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol "
                "at the moment.  If you were attempting to deepcopy a module, this may be because of a "
                "torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
            )
        if id(self) in memo:
            made: Tensor = memo[id(self)]
            return made
        out = type(self)._of(self._data.clone())
        memo[id(self)] = out
        if self._node is not None:
            out._become_leaf()
        if self._grad is not None:
            out._grad = self._grad.__deepcopy__(memo)
        return out
