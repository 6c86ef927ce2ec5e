"""The base for imperative engines whose operators have names and arguments of their own.

    class Mine(TableEngine):
        def made(self, tensor, *, requires_grad): ...      # numbers in
        def to_torch(self, handle): ...                    # and out
        def run_backward(self, root, gradient): ...

    Mine(mine, tensor=mine.Tensor, name="mine", operators={"exp": mine.exp, ...}, dtypes=..., attributes=...)

The tables are all that the engine has: what stands in none is unsupported, and so is a call with arguments
that the engine's function does not take.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager
from operator import attrgetter
from types import UnionType
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakValueDictionary

from gradconform.engines.base import Handle
from gradconform.engines.method_like import form_of
from gradconform.engines.torch_like import IN_PLACE, TorchLikeEngine
from gradconform.errors import Unsupported
from gradconform.program.vocabulary import ATTRIBUTES, OPERATORS, WRITABLE

if TYPE_CHECKING:
    import torch

PLAIN: Mapping[str, Callable[..., Any]] = {
    **{f"builtins.{kind.__name__}": kind for kind in (float, int, bool)},
    "dict": dict,
    "next": next,
}
"""Operators that are Python's, for any object."""


DESCRIBED: Mapping[str, Callable[[Handle], Any]] = {
    name: attrgetter(name) for name in ("shape", "dtype", "ndim", "T")
}
"""Attributes of tensors that have torch's names nearly everywhere."""


class TableEngine(TorchLikeEngine):
    """An imperative engine by tables.

    Of a class: lacking: words of the exceptions by which the engine says that it does not have something,
    beside NotImplementedError. writable: attributes of its tensors that can be written.

    Of an object: tensor: its class of tensors, or a union of classes. operators: its functions by the words
    of the step language, with torch's arguments; what they give goes through `taken`. dtypes: its dtypes by
    torch's names. attributes: what reads each attribute of a tensor that it has. modes: its modes. retains:
    whether a graph is still there after a backward. records: whether gradients have graphs of their own.
    policies: the conventions of its own that it declares.

    Gradients are looked at in leaves alone: these engines keep them of every tensor, or do not tell leaves
    from others, and what torch does not keep is nothing to compare. A program that itself reads `.grad` of
    another tensor gets what the engine has.
    """

    lacking: Sequence[str] = ()
    writable: Container[str] = ()

    def __init__(
        self,
        module: Any,
        *,
        tensor: type | UnionType,
        name: str,
        operators: Mapping[str, Callable[..., Any]],
        dtypes: Mapping[str, Any],
        attributes: Mapping[str, Callable[[Handle], Any]],
        modes: Mapping[str, Callable[..., AbstractContextManager[Any]]] | None = None,
        retains: bool = False,
        records: bool = False,
        policies: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(module, name=name, torch_errors=False)
        self._tensor_type = tensor
        self.operators = operators
        self.dtypes = dtypes
        self.attributes = attributes
        self.modes = modes or {}
        self.retains = retains
        self.records = records
        self.policies = policies or {}
        self._leaves: WeakValueDictionary[int, Any] = WeakValueDictionary()

    # what an adapter writes

    @abstractmethod
    def made(self, tensor: torch.Tensor, *, requires_grad: bool) -> Handle:
        """A new tensor with a CPU tensor's numbers, shape and dtype, which is one of `dtypes`. Raises
        Unsupported for what the engine does not have."""

    @abstractmethod
    def run_backward(self, root: Handle, gradient: Handle | None) -> None:
        """`root.backward(gradient)`. Raises Unsupported."""

    def gradients(
        self,
        root: Handle,  # noqa: ARG002 - not all of them have it
        targets: Sequence[Handle],  # noqa: ARG002
        gradient: Handle | None,  # noqa: ARG002
    ) -> Sequence[Handle | None]:
        """`autograd.grad(root, targets, gradient)`. Raises Unsupported."""
        raise Unsupported("autograd.grad")

    def declared(self, handle: Handle, *, requires_grad: bool) -> Handle:  # noqa: ARG002 - some can be told
        """What a factory has made, as a tensor that requires grad or does not, where the engine tells."""
        return handle

    def lacks(self, error: Exception) -> bool:
        """Whether an exception is the engine's way to say that it does not have something."""
        return isinstance(error, NotImplementedError) or any(words in str(error) for words in self.lacking)

    def taken(self, result: Any) -> Any:
        """What an operator gave, as a tensor, where the engine gives something else."""
        return result

    # tensors in and out

    def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> Handle:
        if tensor.device.type != "cpu":
            raise Unsupported(f"device {tensor.device.type}")
        dtype = str(tensor.dtype).removeprefix("torch.")
        if dtype not in self.dtypes:
            raise Unsupported(f"dtype {dtype}")
        return self._noted(self.made(tensor, requires_grad=requires_grad), requires_grad=requires_grad)

    def _noted(self, handle: Handle, *, requires_grad: bool) -> Handle:
        if requires_grad:
            self._leaves[id(handle)] = handle
        return handle

    def device(self, handle: Handle) -> str:  # noqa: ARG002 - their devices are none of torch's
        return "cpu"

    # what programs do

    def _resolve(self, name: str) -> Callable[..., Any]:
        if name == "tensor":
            return self._tensor
        row = OPERATORS[name]
        function = self.operators.get(row.word, PLAIN.get(name))
        if function is None:
            return self._on_others(name)
        form, declares = form_of(function), "requires_grad" in row.call.parameters

        def call(*arguments: Any, **options: Any) -> Any:
            requires_grad = options.pop("requires_grad", False) if declares else False
            try:
                form.bind(*arguments, **options)
            except TypeError as error:
                raise Unsupported(f"operator {row.word} ({error})") from None
            result = self._taken(self._asked(function, *arguments, **options))
            if not declares:
                return result
            result = self.declared(result, requires_grad=requires_grad)
            return self._noted(result, requires_grad=requires_grad)

        return call

    def _asked(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What the engine answers. Raises Unsupported where it says that it has no such thing."""
        try:
            return function(*arguments, **options)
        except Exception as error:
            if self.lacks(error):
                raise Unsupported(" ".join(str(error).split())) from error
            raise

    def _on_others(self, name: str) -> Callable[..., Any]:
        """What programs count with may be written to in an engine whose tensors may not."""
        function = IN_PLACE.get(name)
        if function is None:
            self._refuse(f"operator {OPERATORS[name].word}")

        def call(handle: Any, *arguments: Any) -> Any:
            if self.is_tensor(handle):
                self._refuse(f"operator {name}")
            return function(handle, *arguments)

        return call

    def _taken(self, result: Any) -> Any:
        return tuple(map(self.taken, result)) if isinstance(result, tuple | list) else self.taken(result)

    def _tensor(self, data: Any, *, dtype: Any = None, requires_grad: bool = False) -> Handle:
        """`tensor(...)`: numbers that the program writes out."""
        import torch

        if self.is_tensor(data) or (isinstance(data, list | tuple) and any(map(self.is_tensor, data))):
            raise Unsupported("tensor() of tensors")
        wanted = None if dtype is None else getattr(torch, self._name_of(dtype))
        return self.from_torch(torch.tensor(data, dtype=wanted), requires_grad=requires_grad)

    def mode(self, name: str) -> Callable[..., AbstractContextManager[Any]]:
        return self.modes[name] if name in self.modes else self._refuse(name)

    def base(self, name: str) -> type:
        return self._refuse(name)

    def _refuse(self, feature: str) -> NoReturn:
        raise Unsupported(feature)

    def backward(
        self,
        root: Handle,
        gradient: Handle | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Handle] | None = None,
    ) -> None:
        self._possible(retain_graph, create_graph)
        if inputs is not None:
            raise Unsupported("backward(inputs=...)")
        self._asked(self.run_backward, root, gradient)

    def _possible(self, retain_graph: bool | None, create_graph: bool) -> None:
        """Raises Unsupported for what a backward cannot be asked for."""
        if create_graph and not self.records:
            raise Unsupported("create_graph")
        if retain_graph is not None and retain_graph != self.retains:
            raise Unsupported(f"retain_graph={retain_graph}")

    def backward_function(self, *arguments: Any, **options: Any) -> None:  # noqa: ARG002 - none has it
        raise Unsupported("autograd.backward")

    def grad(
        self,
        outputs: Handle | Sequence[Handle],
        inputs: Handle | Sequence[Handle],
        grad_outputs: Handle | Sequence[Handle] | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        **options: Any,
    ) -> tuple[Handle | None, ...]:
        roots, targets = self._listed(outputs), self._listed(inputs)
        cotangents = [None] if grad_outputs is None else self._listed(grad_outputs)
        if any(options.values()):
            raise Unsupported(f"grad({next(name for name, value in options.items() if value)}=...)")
        if len(roots) != 1 or len(cotangents) != 1:
            raise Unsupported("grad() of several outputs")
        self._possible(retain_graph, create_graph)
        return tuple(self._asked(self.gradients, roots[0], targets, cotangents[0]))

    def _listed(self, tensors: Any) -> list[Any]:
        return [tensors] if self.is_tensor(tensors) else list(tensors)

    def get(self, handle: Handle, attribute: str) -> Any:
        if not self.is_tensor(handle) or attribute not in ATTRIBUTES:
            return super().get(handle, attribute)
        if attribute not in self.attributes:
            raise Unsupported(f"attribute {attribute}")
        return self.attributes[attribute](handle)

    def peek(self, handle: Handle, attribute: str) -> Any:
        if attribute == "grad" and self._leaves.get(id(handle)) is not handle:
            raise Unsupported("the gradients of leaves alone")
        found = self.get(handle, attribute)
        return self._name_of(found) if attribute == "dtype" else found

    def set(self, handle: Handle, attribute: str, value: Any) -> None:
        if attribute in WRITABLE and attribute not in self.writable:
            raise Unsupported(f"writing attribute {attribute}")
        super().set(handle, attribute, value)

    def unset(self, handle: Handle, attribute: str) -> None:
        if attribute in WRITABLE:
            raise Unsupported(f"deleting attribute {attribute}")
        super().unset(handle, attribute)

    def dtype(self, name: str) -> Any:
        return self.dtypes[name] if name in self.dtypes else self._refuse(f"dtype {name}")

    def _name_of(self, dtype: Any) -> str:
        """Torch's name for one of the engine's dtypes; the engine's own where torch has none."""
        return next((name for name, own in self.dtypes.items() if own == dtype), str(dtype))
