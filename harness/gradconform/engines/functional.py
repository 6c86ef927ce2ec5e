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
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from inspect import Signature, signature
from itertools import permutations
from typing import TYPE_CHECKING, Any, NoReturn

from gradconform.engines.base import Engine, Handle
from gradconform.engines.recorded import (
    Array,
    Function,
    Node,
    Tensor,
    Value,
    Way,
    found_in,
    mapped,
    reached,
    way,
)
from gradconform.engines.torch_like import IN_PLACE
from gradconform.errors import Unsupported
from gradconform.program.vocabulary import OPERATORS
from gradconform.trace import UNSEEN, Unseen

if TYPE_CHECKING:
    import torch

TAPES = {
    "grad modes": ("no_grad", "enable_grad", "set_grad_enabled", "inference_mode", "is_grad_enabled"),
    "hooks": (
        "register_hook",
        "register_prehook",
        "register_post_accumulate_grad_hook",
        "autograd.graph.register_multi_grad_hook",
    ),
    "saved tensors": (
        "autograd.graph.saved_tensors_hooks",
        "autograd.graph.save_on_cpu",
        "autograd.graph.disable_saved_tensors_hooks",
        "autograd.graph.allow_mutation_on_saved_tensors",
    ),
    "custom functions": ("autograd.Function", "autograd.function.once_differentiable"),
    "retain_grad": ("retain_grad",),
    "detached tensors": ("detach", "data"),
    "graphs": (
        "grad_fn",
        "next_functions",
        "variable",
        "autograd.graph.get_gradient_edge",
        "autograd.graph.increment_version",
    ),
    "flags": (
        "requires_grad",
        "is_leaf",
        "retains_grad",
        "output_nr",
        "_version",
        "_base",
        "_is_view",
        "is_inference",
        "is_inference_mode_enabled",
    ),
}
"""What belongs to tapes, by what a report calls it."""

_SHIM = {word: feature for feature, words in TAPES.items() for word in words}


class FunctionalEngine(Engine):
    """An engine that differentiates functions.

    operators: its functions by the names of the step language, over its own arrays, with torch's arguments.
    dtypes: its dtypes by torch's names. version: its version. conjugates: whether its gradients of complex
    numbers are the conjugates of torch's; cotangents and gradients are converted then. policies: conventions
    of its own (`gradconform.policies`), each with the option that it takes.
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
        self.conjugates = conjugates
        self.composed = composed or {}
        self.policies = {**(policies or {}), **({"complex-gradients": "conjugate"} if conjugates else {})}
        self._operations: dict[str, Callable[..., Any]] = {}

    # what an adapter writes

    @abstractmethod
    def array_of(self, tensor: torch.Tensor) -> Array:
        """The engine's array with a CPU tensor's numbers, shape and dtype, which is one of `dtypes`."""

    @abstractmethod
    def tensor_of(self, array: Array) -> torch.Tensor:
        """A CPU tensor with an array's numbers, shape and dtype."""

    @abstractmethod
    def is_array(self, value: object) -> bool:
        """Whether a value is one of the engine's arrays (or its scalar with a dtype)."""

    @abstractmethod
    def vjp(
        self, function: Function, primals: Sequence[Array], cotangents: Sequence[Array]
    ) -> Sequence[Array | None]:
        """A gradient for each primal: the vector-Jacobian product of `function(*primals)`, which is a list of
        arrays, with a cotangent for each of them. Arguments may be tracers of an outer vjp."""

    def settle(self, arrays: Sequence[Array]) -> None:
        """Computes what the engine has put off, so that an error comes where it belongs."""

    def lacks(self, error: Exception) -> bool:
        """Whether an exception of the engine's says that it does not have something."""
        return isinstance(error, NotImplementedError)

    # tensors in and out

    def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> Handle:
        if tensor.device.type != "cpu":
            raise Unsupported(f"device {tensor.device.type}")
        array = self._array(tensor)
        return Tensor.leaf(array) if requires_grad else Tensor(Value(array))

    def _array(self, tensor: torch.Tensor) -> Array:
        dtype = _name(tensor)
        if dtype not in self.dtypes:
            raise Unsupported(f"dtype {dtype}")
        return self.array_of(tensor.detach())

    def to_torch(self, handle: Handle) -> torch.Tensor:
        return self.tensor_of(handle.value.array)

    def is_tensor(self, value: object) -> bool:
        return isinstance(value, Tensor)

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
        self._refuse_tapes(name)
        if name in IN_PLACE or OPERATORS[name].effect == "write":
            return _writing(IN_PLACE.get(name))
        raise Unsupported(f"operator {OPERATORS[name].word}")

    def _noting(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Runs an operator of the engine, and notes it where it depends on a leaf."""
        cut = name == "detach"
        call_of = _signature(function)
        word = OPERATORS[name].word if name in OPERATORS else name

        def call(*arguments: Any, **options: Any) -> Any:
            declared = options.pop("requires_grad", False)
            given = mapped(arguments, Tensor, _value)
            named = {key: mapped(argument, Tensor, _value) for key, argument in options.items()}
            node = Node(function, given, named)
            if call_of is not None:
                try:
                    call_of.bind(*given, **named)
                except TypeError:
                    raise Unsupported(f"operator {word} (these arguments)") from None
            try:
                result = self._asked(node.run, _array)
            except Unsupported as lack:
                raise Unsupported(f"operator {word} ({lack.feature})") from None
            depends = any(value.depends for value in node.inputs)
            made = self._made(result, node if depends else None, cut=cut)
            if declared:
                made.declare()
            return made

        return call

    def _asked(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the engine answers. Raises Unsupported where it says that it has no such thing."""
        try:
            return function(*arguments)
        except Exception as error:
            if self.lacks(error):
                raise Unsupported(in_one_line(error)) from error
            raise

    def _made(self, result: Any, node: Node | None, *, cut: bool = False) -> Any:
        """The handles of what an operation gave."""
        if self.is_array(result):
            self.settle([result])
            return Tensor(Value(result, node, cut=cut))
        if isinstance(result, tuple | list):
            self.settle([each for each in result if self.is_array(each)])
            return tuple(
                Tensor(Value(each, node, index, cut=cut)) if self.is_array(each) else each
                for index, each in enumerate(result)
            )
        return result

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
        self._refuse_tapes(name)
        raise Unsupported(name)

    def _refuse_tapes(self, name: str) -> None:
        if name in _SHIM:
            raise Unsupported(_SHIM[name], shim=True)

    def every_warning(self) -> AbstractContextManager[None]:
        raise Unsupported("warnings", shim=True)

    # derivatives

    def backward(self, *arguments: Any, **options: Any) -> None:
        self._backward(*arguments, **options)

    def backward_function(self, *arguments: Any, **options: Any) -> None:
        self._backward(*arguments, **options)

    def _backward(
        self,
        roots: Any,
        cotangents: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        **options: Any,
    ) -> None:
        """Gives each leaf that leads to the roots its gradient."""
        given = options.pop("gradient", options.pop("grad_tensors", None))
        cotangents = cotangents if given is None else given
        if options:
            raise Unsupported(f"backward({next(iter(options))}=...)", shim=True)
        _require_plain(retain_graph, create_graph)
        found = way(self._roots(roots))
        leaves = [(value, value.owner()) for value in found.leaves if value.owner is not None]
        if any(tensor is not None and tensor.grad is not None for _, tensor in leaves):
            raise Unsupported("accumulation", shim=True)
        sources = [value for value, _ in leaves]
        gradients = self._gradients(found.roots, sources, _listed(cotangents), create_graph=create_graph)
        for (_, tensor), gradient in zip(leaves, gradients, strict=True):
            if tensor is not None:
                tensor.grad = gradient

    def grad(  # noqa: PLR0917 - torch's order
        self,
        outputs: Any,
        inputs: Any,
        grad_outputs: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        only_inputs: bool = True,  # noqa: ARG002 - torch has it and asks nothing of it
        allow_unused: bool | None = None,
        is_grads_batched: bool = False,
        materialize_grads: bool = False,
    ) -> tuple[Handle | None, ...]:
        if is_grads_batched:
            raise Unsupported("grad(is_grads_batched=True)")
        _require_plain(retain_graph, create_graph)
        roots, sources = self._roots(outputs), self._roots(inputs)
        if not (allow_unused or materialize_grads or all(reached(roots, source) for source in sources)):
            raise Unsupported("errors of the tape", shim=True)
        gradients = self._gradients(roots, sources, _listed(grad_outputs), create_graph=create_graph)
        if materialize_grads and None in gradients:
            raise Unsupported("grad(materialize_grads=True)", shim=True)
        return tuple(gradients)

    def _roots(self, given: Any) -> list[Value]:
        """The values of tensors that gradients can flow through; that others are refused is the tape's."""
        found = _listed(given)
        if not all(isinstance(each, Tensor) and each.value.depends for each in found):
            raise Unsupported("errors of the tape", shim=True)
        return [each.value for each in found]

    def _gradients(
        self, roots: Sequence[Value], sources: Sequence[Value], given: list[Any], *, create_graph: bool
    ) -> list[Tensor | None]:
        """The gradient of each source. Where one leads to another, each is asked for alone: as arguments of
        one function they would hide each other."""
        cotangents = self._cotangents(roots, given)
        apart = any(reached([one], other) for one, other in permutations(sources, 2))
        groups = [[source] for source in sources] if apart else [list(sources)]
        ways = [way(roots, group) for group in groups]
        found: list[Tensor | None] = []
        for each in ways:
            found += self._along(each, cotangents, create_graph=create_graph)
        if not create_graph:
            for each in ways:
                each.spend()
        return found

    def _cotangents(self, roots: Sequence[Value], given: list[Any]) -> list[Value]:
        """A cotangent for each root: ones where a root is a scalar and none is given."""
        import torch

        if given and len(given) != len(roots):
            raise Unsupported("errors of the tape", shim=True)
        cotangents = []
        for root, cotangent in zip(roots, given or [None] * len(roots), strict=True):
            if isinstance(cotangent, Tensor):
                cotangents.append(cotangent.value)
                continue
            numbers = self.tensor_of(root.array)
            if cotangent is not None or numbers.numel() != 1 or not numbers.is_floating_point():
                raise Unsupported("errors of the tape", shim=True)
            cotangents.append(Value(self._array(torch.ones_like(numbers))))
        return cotangents

    def _along(self, found: Way, cotangents: Sequence[Value], *, create_graph: bool) -> list[Tensor | None]:
        """The engine's vector-Jacobian product along one way, as one operation on sources, leaves and
        cotangents."""
        known = (*found.sources, *found.leaves)
        count = len(found.sources)
        conjugate = self.operators["conj"] if self.conjugates else None

        def pull(*arrays: Array) -> Sequence[Array | None]:
            fixed = dict(zip(found.leaves, arrays[count : len(known)], strict=True))

            def function(*primals: Array) -> list[Array]:
                return found.again({**fixed, **dict(zip(found.sources, primals, strict=True))})

            received = list(arrays[len(known) :])
            if conjugate is None:
                return tuple(self.vjp(function, arrays[:count], received))
            gradients = self.vjp(function, arrays[:count], [conjugate(each) for each in received])
            return tuple(None if each is None else conjugate(each) for each in gradients)

        node = Node(pull, (*known, *cotangents), {})
        gradients = self._asked(node.run, _array)
        made: tuple[Tensor | None, ...] = self._made(gradients, node if create_graph else None)
        return list(made)

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
            return self.dtype(_name(self.to_torch(handle))) if attribute == "dtype" else found
        self._refuse_tapes(attribute)
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


def _require_plain(retain_graph: bool | None, create_graph: bool) -> None:
    """Raises Unsupported where a graph is kept, or given up, by request."""
    if retain_graph is not None and retain_graph != create_graph:
        raise Unsupported("retain_graph", shim=True)


def _writing(on_others: Callable[..., Any] | None) -> Callable[..., Any]:
    """`x += v`: for what is no tensor of the engine it is Python's own."""

    def call(target: Any, *arguments: Any, **options: Any) -> Any:
        if on_others is None or isinstance(target, Tensor):
            raise Unsupported("in-place writes", shim=True)
        return on_others(target, *arguments, **options)

    return call


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, tuple | list) else [given]


def _signature(function: Callable[..., Any]) -> Signature | None:
    """How a function is called; None for one of C that does not say."""
    try:
        return signature(function)
    except ValueError:
        return None


def in_one_line(error: Exception) -> str:
    """The first line of what an exception says."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _value(tensor: Tensor) -> Value:
    return tensor.value


def _array(value: Value) -> Array:
    return value.array


def _name(tensor: torch.Tensor) -> str:
    """The name of a tensor's dtype."""
    return str(tensor.dtype).removeprefix("torch.")
