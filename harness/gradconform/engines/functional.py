"""The base for engines that differentiate functions.

    class Mine(FunctionalEngine):
        def array_of(self, tensor): ...        # numbers in
        def tensor_of(self, array): ...        # and out
        def vjp(self, function, primals, cotangents): ...

A program runs forwards at once. A backward, or `autograd.grad`, runs the way from the leaves to the roots
again as a pure function and asks the engine for its vector-Jacobian product; with `create_graph=True` that
product itself is noted as one operation on leaves and cotangents, so that second order is the engine's own
nested vjp.

What is no matter of functions is not imitated. Accumulation, freed graphs, grad modes, hooks, in-place writes
and custom functions raise Unsupported with `shim=True`: to have them would be this module's merit and not the
engine's. Flags, identities and memory are not shown at all.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NoReturn

from gradconform.engines.base import Handle
from gradconform.engines.differentiating import Differentiating, name_of, plain_array
from gradconform.engines.method_like import form_of
from gradconform.engines.recorded import Node, Tensor, Value, found_in, mapped
from gradconform.engines.tapes import refuse
from gradconform.engines.torch_like import IN_PLACE
from gradconform.errors import Unsupported
from gradconform.program.vocabulary import OPERATORS
from gradconform.trace import UNSEEN, Unseen


class FunctionalEngine(Differentiating):
    """An engine that differentiates functions.

    operators: its functions by the names of the step language, over its own arrays, with torch's arguments.
    dtypes: its dtypes by torch's names. version: its version. conjugates: whether its gradients of complex
    numbers are the conjugates of torch's; cotangents and gradients are converted then. policies: conventions
    of its own (`gradconform.oracle.named_policies`), each with the option that it takes.
    """

    torch_errors = False

    def __init__(
        self,
        *,
        name: str,
        operators: Mapping[str, Callable[..., Any]],
        dtypes: Mapping[str, Any],
        version: str | None = None,
        conjugates: bool = False,
        policies: Mapping[str, str] | None = None,
        composed: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.operators = operators
        self.dtypes = dtypes
        self.conjugate = operators["conj"] if conjugates else None
        self.composed = composed or {}
        self.policies = {**(policies or {}), **({"complex-gradients": "conjugate"} if conjugates else {})}
        self._operations: dict[str, Callable[..., Any]] = {}

    # what programs do

    def operation(self, name: str) -> Callable[..., Any]:
        found = self._operations.get(name)
        if found is None:
            found = self._operations[name] = self._resolve(name)
        return found

    def _resolve(self, name: str) -> Callable[..., Any]:
        own: Callable[..., Any] | None = getattr(self, f"_{name}", None) if name in _OWN else None
        if own is not None:
            return own
        if name in self.operators:
            return self._noting(name, self.operators[name])
        if name.startswith(_BUILTINS):
            return self._on_numbers(getattr(builtins, name.removeprefix(_BUILTINS)))
        refuse(name)
        if name in IN_PLACE or OPERATORS[name].effect == "write":
            return _writing(IN_PLACE.get(name))
        raise Unsupported(f"operator {OPERATORS[name].word}")

    def _noting(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Runs an operator of the engine, and notes it where it depends on a leaf."""
        cut = name == "detach"
        form = form_of(function)
        word = OPERATORS[name].word if name in OPERATORS else name

        def call(*arguments: Any, **options: Any) -> Any:
            declared = options.pop("requires_grad", False)
            given = mapped(arguments, Tensor, _value)
            named = {key: mapped(argument, Tensor, _value) for key, argument in options.items()}
            node = Node(function, given, named)
            try:
                form.bind(*given, **named)
            except TypeError:
                raise Unsupported(f"operator {word} (these arguments)") from None
            try:
                result = self.asked(node.run, plain_array)
            except Unsupported as lack:
                raise Unsupported(f"operator {word} ({lack.feature})") from None
            depends = any(value.depends for value in node.inputs)
            made = self.made(result, node if depends else None, cut=cut)
            if declared:
                made.declare()
            return made

        return call

    def _on_numbers(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of Python's, on a tensor's numbers."""
        return lambda value: function(self.to_torch(value) if isinstance(value, Tensor) else value)

    def _tensor(self, data: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
        """`tensor(...)`: numbers that the program writes out."""
        import torch

        if any(found_in(data, Tensor)):
            raise Unsupported("tensor() of tensors")
        wanted = None if dtype is None else getattr(torch, self._dtype_name(dtype))
        return self.from_torch(torch.tensor(data, dtype=wanted), requires_grad=requires_grad)  # type: ignore[no-any-return]

    def _requires_grad_(self, handle: Tensor, requires_grad: bool = True) -> Tensor:
        """Declares a leaf; what else it does in torch is a matter of flags."""
        dtype = self.tensor_of(handle.value.array).dtype
        if not requires_grad or not (dtype.is_floating_point or dtype.is_complex):
            raise Unsupported("flags", shim=True)
        if not handle.value.depends:
            handle.declare()
        return handle

    def _item(self, handle: Tensor) -> Any:
        return self.to_torch(handle).item()

    def _tolist(self, handle: Tensor) -> Any:
        return self.to_torch(handle).tolist()

    def _numel(self, handle: Tensor) -> int:
        return self.to_torch(handle).numel()

    def _dim(self, handle: Tensor) -> int:
        return self.to_torch(handle).dim()

    def mode(self, name: str) -> Callable[..., AbstractContextManager[Any]]:
        self._refuse(name)

    def base(self, name: str) -> type:
        self._refuse(name)

    def invoke(
        self,
        thing: object,  # noqa: ARG002 - methods are those of hooks and modules, which functions do not have
        method: str,
        arguments: tuple[Any, ...],  # noqa: ARG002
        options: Mapping[str, Any],  # noqa: ARG002
    ) -> Any:
        self._refuse(method)

    def _refuse(self, name: str) -> NoReturn:
        refuse(name)
        raise Unsupported(name)

    def every_warning(self) -> AbstractContextManager[None]:
        raise Unsupported("warnings", shim=True)

    # what can be seen

    def get(self, handle: Handle, attribute: str) -> Any:
        if attribute == "grad":
            if handle.grad is None:
                raise Unsupported("a gradient that no backward gave", shim=True)
            return handle.grad
        if attribute in self.operators:
            return self.operation(attribute)(handle)
        if attribute in {"shape", "ndim", "device", "dtype"}:
            found = getattr(self.to_torch(handle), attribute)
            return self.dtype(name_of(self.to_torch(handle))) if attribute == "dtype" else found
        refuse(attribute)
        raise Unsupported(f"attribute {attribute}")

    def peek(self, handle: Handle, attribute: str) -> Any:
        return self.to_torch(handle).dtype if attribute == "dtype" else self.get(handle, attribute)

    def set(self, handle: Handle, attribute: str, value: Any) -> None:
        if attribute == "grad" and value is None:
            handle.grad = None
            return
        raise Unsupported(f"writing attribute {attribute}", shim=True)

    def dtype(self, name: str) -> Any:
        if name not in self.dtypes:
            raise Unsupported(f"dtype {name}")
        return self.dtypes[name]

    def _dtype_name(self, dtype: Any) -> str:
        return next(name for name, own in self.dtypes.items() if own is dtype or own == dtype)

    def watch(self, handle: Handle) -> Callable[[], object | None]:  # noqa: ARG002 - handles are not the engine's
        raise Unsupported("lifetimes", shim=True)

    def identity(self, handle: Handle) -> int | Unseen:  # noqa: ARG002 - handles are not the engine's
        return UNSEEN


_BUILTINS = "builtins."

_OWN = ("tensor", "requires_grad_", "item", "tolist", "numel", "dim")
"""Operators by which numbers come in and go out, and what declares a leaf: the base's own."""


def _writing(on_others: Callable[..., Any] | None) -> Callable[..., Any]:
    """`x += v`: for what is no tensor of the engine it is Python's own."""

    def call(target: Any, *arguments: Any, **options: Any) -> Any:
        if on_others is None or isinstance(target, Tensor):
            raise Unsupported("in-place writes", shim=True)
        return on_others(target, *arguments, **options)

    return call


def _value(tensor: Tensor) -> Value:
    return tensor.value
