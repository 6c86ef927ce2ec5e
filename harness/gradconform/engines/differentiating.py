"""Derivatives of recorded programs, from an engine's vector-Jacobian product of pure functions.

What only a tape has an answer to is refused: the second backward through a graph, gradients that would be
added to others, roots that depend on no leaf.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Any

from gradconform.engines.base import Engine, Handle
from gradconform.engines.recorded import Array, Function, Node, Tensor, Value, Way, reached, way
from gradconform.errors import Unsupported

if TYPE_CHECKING:
    import torch


class Differentiating(Engine):
    """The part of a functional engine that asks it for derivatives.

    conjugate: the engine's function for it where its gradients of complex numbers are the conjugates of
    torch's; cotangents and gradients are converted then.
    """

    conjugate: Callable[[Array], Array] | None = None

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
        self.dtype(name_of(tensor))
        return self.array_of(tensor.detach())

    def to_torch(self, handle: Handle) -> torch.Tensor:
        return self.tensor_of(handle.value.array)

    def is_tensor(self, value: object) -> bool:
        return isinstance(value, Tensor)

    def asked(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the engine answers. Raises Unsupported where it says that it has no such thing."""
        try:
            return function(*arguments)
        except Exception as error:
            if self.lacks(error):
                raise Unsupported(in_one_line(error)) from error
            raise

    def made(self, result: Any, node: Node | None, *, cut: bool = False) -> Any:
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
        conjugate = self.conjugate

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
        gradients = self.asked(node.run, plain_array)
        made: tuple[Tensor | None, ...] = self.made(gradients, node if create_graph else None)
        return list(made)


def _require_plain(retain_graph: bool | None, create_graph: bool) -> None:
    """Raises Unsupported where a graph is kept, or given up, by request."""
    if retain_graph is not None and retain_graph != create_graph:
        raise Unsupported("retain_graph", shim=True)


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, tuple | list) else [given]


def in_one_line(error: Exception) -> str:
    """The first line of what an exception says."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def plain_array(value: Value) -> Array:
    """The array that a value has had from the start."""
    return value.array


def name_of(tensor: torch.Tensor) -> str:
    """The name of a tensor's dtype."""
    return str(tensor.dtype).removeprefix("torch.")
