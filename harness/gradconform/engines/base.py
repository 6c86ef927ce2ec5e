"""What an engine is to the harness: a few verbs over opaque handles.

A handle is whatever the engine computes with; the harness never looks inside one. Everything an engine cannot
do it says by raising `Unsupported`, which becomes a verdict of its own and never a pass.
"""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from gradconform.errors import Unsupported
from gradconform.program import streams
from gradconform.trace import UNSEEN, Unseen

if TYPE_CHECKING:
    import torch

Handle = Any
"""A tensor, or another object, of the engine."""


Glance = tuple["Sequence[torch.Tensor]", list[Any], list[int | Unseen], list[int | Unseen]]
"""Of some tensors, item by item: their numbers, which are only read; what `requires_grad` shows, or UNSEEN;
`Engine.identity` and `Engine.storage`."""

Leaves = tuple[list[Any], list["Handle | Unseen | None"]]
"""Of some tensors, item by item: what `is_leaf` and `grad` show, or UNSEEN."""


class Engine(ABC):
    """An autograd implementation under test.

    name: how reports call it. torch_errors: whether it raises torch's exception classes; they are compared
    then. policies: the conventions of its own that it declares (`gradconform.oracle.declared`), each with the
    option that it takes. composed: operators that the engine does not have and its adapter makes of others,
    each with what it is made of. features: the names of what it declares that it has, by kind
    (`gradconform.engines.capabilities`); a program that needs more is not run. None: it does not declare.
    """

    name: str
    torch_errors: bool = True
    policies: Mapping[str, str] = {}
    composed: Mapping[str, str] = {}
    features: Mapping[str, frozenset[str]] | None = None

    # tensors in and out

    @abstractmethod
    def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> Handle:
        """A leaf with the tensor's numbers, shape, dtype and device. The tensor is the engine's to keep.

        Raises Unsupported for a dtype, device or layout that the engine does not have.
        """

    @abstractmethod
    def to_torch(self, handle: Handle) -> torch.Tensor:
        """The numbers of a handle, detached, with its shape and dtype.

        It may share the engine's memory; the harness only reads it, and copies what it keeps.
        """

    @abstractmethod
    def is_tensor(self, value: object) -> bool:
        """Whether a value is one of the engine's tensors."""

    # what programs do

    @abstractmethod
    def operation(self, name: str) -> Callable[..., Any]:
        """The engine's function for an operator of the vocabulary. Raises Unsupported where it has none."""

    @abstractmethod
    def mode(self, name: str) -> Callable[..., AbstractContextManager[Any]]:
        """What makes a mode (`no_grad`), or stands above a definition. Raises Unsupported."""

    def stream(self, device: str) -> AbstractContextManager[None]:
        """A block whose work on a device goes to a stream of its own, which waits for what is before it, and
        for which what comes after it waits: torch's streams. An engine with others has its own way."""
        return streams.stream(device)

    @abstractmethod
    def backward(self, *arguments: Any, **options: Any) -> None:
        """`arguments[0].backward(*arguments[1:], **options)`."""

    @abstractmethod
    def backward_function(self, *arguments: Any, **options: Any) -> None:
        """`autograd.backward(*arguments, **options)`."""

    @abstractmethod
    def grad(self, *arguments: Any, **options: Any) -> tuple[Handle | None, ...]:
        """`autograd.grad(*arguments, **options)`."""

    @abstractmethod
    def get(self, handle: Handle, attribute: str) -> Any:
        """An attribute of a tensor (`grad`, `requires_grad`, ...). Raises Unsupported where it has none."""

    @abstractmethod
    def set(self, handle: Handle, attribute: str, value: Any) -> None:
        """Assigns an attribute of a tensor. Raises Unsupported where it has none."""

    def unset(self, handle: Handle, attribute: str) -> None:  # noqa: ARG002 - engines that can use them
        """Deletes an attribute of a tensor: `del x.grad`. Raises Unsupported where it cannot."""
        raise Unsupported(f"deleting attribute {attribute}")

    @abstractmethod
    def invoke(
        self, thing: object, method: str, arguments: tuple[Any, ...], options: Mapping[str, Any]
    ) -> Any:
        """Calls a method of an object that is no tensor (`optimizer.step()`)."""

    def base(self, name: str) -> type:
        """The engine's class that programs derive from (`autograd.Function`). Raises Unsupported."""
        raise Unsupported(f"class {name}")

    def every_warning(self) -> AbstractContextManager[Any]:
        """What makes warnings come each time, where the engine gives some of them once a process, and lets
        those through that are silenced elsewhere."""
        return nullcontext()

    # what can be seen

    def watch(self, handle: Handle) -> Callable[[], object | None]:
        """A weak reference: what it returns is None once the object is gone.

        Raises Unsupported where the engine cannot tell.
        """
        try:
            return weakref.ref(handle)
        except TypeError:
            raise Unsupported(f"watching a {type(handle).__name__}") from None

    def peek(self, handle: Handle, attribute: str) -> Any:
        """As `get`, for the harness's own looks: what is warned of here is no answer to the program."""
        return self.get(handle, attribute)

    def glance(self, handles: Sequence[Handle]) -> Glance:
        """What the fast path compares of these tensors, read at once."""
        return (
            [self.to_torch(handle) for handle in handles],
            [self._shown(handle, "requires_grad") for handle in handles],
            [self.identity(handle) for handle in handles],
            [self.storage(handle) for handle in handles],
        )

    def glance_at_grads(self, handles: Sequence[Handle]) -> Leaves:
        """Which of these tensors are leaves, and their gradients, as far as the fast path compares them."""
        return (
            [self._shown(handle, "is_leaf") for handle in handles],
            [self._shown(handle, "grad") for handle in handles],
        )

    def _shown(self, handle: Handle, attribute: str) -> Any:
        try:
            return self.peek(handle, attribute)
        except Unsupported:
            return UNSEEN

    def dtype(self, name: str) -> Any:
        """The engine's dtype of that name. Raises Unsupported where it has none."""
        raise Unsupported(f"dtype {name}")

    def constant(self, name: str) -> Any:
        """The engine's memory format or layout of that name. Raises Unsupported where it has none."""
        raise Unsupported(name)

    def is_grad_enabled(self) -> bool | Unseen:
        """The grad mode of the calling thread."""
        return UNSEEN

    def identity(self, handle: Handle) -> int | Unseen:
        """A number that is equal for one and the same tensor, and for no others that live now.

        An engine that makes a new wrapper at each read (`x.grad`) has to answer with a number of what is
        wrapped, or UNSEEN.
        """
        return id(handle)

    def storage(self, handle: Handle) -> int | Unseen:  # noqa: ARG002 - engines that show it use it
        """A number that is equal for tensors that share memory, and for no others that live now."""
        return UNSEEN

    def device(self, handle: Handle) -> str:  # noqa: ARG002 - engines that have several use it
        """The device of a tensor, as torch writes it (`cpu`, `cuda:0`)."""
        return "cpu"

    def reset(self) -> None:  # noqa: B027 - an engine without global state has nothing to do
        """Puts global state (the grad mode) back to its default, so that one case cannot spoil the next."""


_SHOWN = frozenset(("get", "peek", "to_torch", "identity", "storage"))
"""What `glance` and `glance_at_grads` read."""

Looks = tuple[Callable[[Sequence[Handle]], Glance], Callable[[Sequence[Handle]], Leaves]]


def looks(engine: Engine) -> Looks:
    """How the fast path looks at the engine's tensors: with its own `glance` and `glance_at_grads`, unless
    a class derived from the one that has them changes what they would read."""
    if _shows_itself(type(engine)):
        return engine.glance, engine.glance_at_grads
    return partial(Engine.glance, engine), partial(Engine.glance_at_grads, engine)


@cache
def _shows_itself(kind: type[Engine]) -> bool:
    for one in kind.__mro__:
        if "glance" in vars(one):
            return True
        if not _SHOWN.isdisjoint(vars(one)):
            return False
    return True
