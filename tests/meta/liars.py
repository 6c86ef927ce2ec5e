"""Engines that lie in one known way: torch with exactly one mechanism broken, each as engines in the wild
break it.

`gradconform run liars:overwrites_grad` runs one of them when this folder is importable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, Self

import torch

from gradconform.engines.torch import TorchEngine

Tensor = torch.Tensor
Operation = Callable[..., Any]


class Liar(TorchEngine):
    """Torch; the subclass breaks one thing."""

    def __init__(self) -> None:
        super().__init__()
        self.name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()


def nodes(roots: Iterable[Any]) -> Iterator[Any]:
    """Every node of the graphs of these roots, each once."""
    waiting = [root.grad_fn for root in roots if isinstance(root, Tensor)]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            waiting += [following for following, _ in node.next_functions]


def leaves(roots: Iterable[Any]) -> list[Tensor]:
    """The leaves that backward from these roots would reach."""
    return [node.variable for node in nodes(roots) if hasattr(node, "variable")]


def roots_of(arguments: tuple[Any, ...]) -> list[Any]:
    first = arguments[0]
    return list(first) if isinstance(first, list | tuple) else [first]


class OverwritesGrad(Liar):
    """backward stores into .grad what it should add to it."""

    def backward(self, *arguments: Any, **options: Any) -> None:
        for leaf in leaves(arguments[:1]):
            leaf.grad = None
        super().backward(*arguments, **options)


class _Unreduced(torch.autograd.Function):
    """Adds; the gradient of a stretched operand is cut to its shape instead of summed to it."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.shapes = a.shape, b.shape
        return a + b

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.shapes
        return _cut(grad, a), _cut(grad, b)


def _cut(grad: Tensor, shape: torch.Size) -> Tensor:
    while grad.ndim > len(shape):
        grad = grad.sum(0) if grad.shape[0] == 0 else grad[0]
    for axis, size in enumerate(shape):
        if size == 1 and grad.shape[axis] > 1:
            grad = grad.narrow(axis, 0, 1)
    return grad


class ReducesNoBroadcast(Liar):
    """The gradient of an operand that was broadcast in a sum is not summed over the dimensions it
    lacked."""

    def operation(self, name: str) -> Operation:
        real = super().operation(name)
        if name != "add":
            return real

        def add(a: Any, b: Any) -> Any:
            if isinstance(a, Tensor) and isinstance(b, Tensor) and a.dtype == b.dtype:
                return _Unreduced.apply(a, b)  # type: ignore[no-untyped-call]
            return real(a, b)

        return add


class _LeakyNoGrad:
    """no_grad without a `finally`: an exception on the way out leaves the mode off."""

    def __enter__(self) -> Self:
        self.before = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            torch.set_grad_enabled(self.before)


class LeaksNoGrad(Liar):
    """no_grad does not restore the grad mode when its block ends by an exception."""

    def mode(self, name: str) -> Any:
        return _LeakyNoGrad if name == "no_grad" else super().mode(name)


class IgnoresRetainGraph(Liar):
    """retain_graph=True is accepted, and the graph freed all the same."""

    def backward(self, *arguments: Any, **options: Any) -> None:
        super().backward(
            *arguments, **{name: value for name, value in options.items() if name != "retain_graph"}
        )


class RaisesOnSecondBackward(Liar):
    """A second backward raises for every graph, though nothing was saved in some."""

    def __init__(self) -> None:
        super().__init__()
        self.freed: set[Any] = set()

    def backward(self, *arguments: Any, **options: Any) -> None:
        visited = {node for node in nodes(arguments[:1]) if not hasattr(node, "variable")}
        if visited & self.freed:
            raise RuntimeError("Trying to backward through the graph a second time.")
        super().backward(*arguments, **options)
        if not (options.get("retain_graph") or options.get("create_graph")):
            self.freed |= visited

    def reset(self) -> None:
        super().reset()
        self.freed = set()


class CopiesOnDetach(Liar):
    """detach() returns a copy, where torch returns a view of the same storage."""

    def operation(self, name: str) -> Operation:
        return (lambda tensor: tensor.detach().clone()) if name == "detach" else super().operation(name)


class ZeroInsteadOfNone(Liar):
    """autograd.grad gives zeros for an unused input, where torch gives None."""

    def grad(self, *arguments: Any, **options: Any) -> tuple[Any, ...]:
        found = super().grad(*arguments, **options)
        inputs = arguments[1] if len(arguments) > 1 else options["inputs"]
        named = inputs if isinstance(inputs, list | tuple) else [inputs]
        return tuple(
            torch.zeros_like(tensor) if grad is None else grad
            for tensor, grad in zip(named, found, strict=True)
        )


class WrongDtype(Liar):
    """Gradients are computed in float64 and handed out so, whatever the dtype of their leaf."""

    def __init__(self) -> None:
        super().__init__()
        self.wide: dict[Tensor, Tensor] = {}

    def get(self, handle: Any, attribute: str) -> Any:
        found = super().get(handle, attribute)
        if attribute != "grad" or found is None or not found.is_floating_point():
            return found
        wide = self.wide.get(found)
        if wide is None:
            wide = self.wide[found] = torch.empty_like(found, dtype=torch.float64)
        return wide.copy_(found.detach())

    def reset(self) -> None:
        super().reset()
        self.wide = {}


class CountsReusedOnce(Liar):
    """Gradients of one operation are kept by operand, so a tensor that is both of them gets only one."""

    def operation(self, name: str) -> Operation:
        real = super().operation(name)
        if name not in {"add", "mul"}:
            return real

        def once(a: Any, b: Any) -> Any:
            return real(a, b.detach() if a is b else b)

        return once


class AliasesCotangent(Liar):
    """The first gradient of a leaf is stored without a copy, though it is the caller's cotangent."""

    def backward(self, *arguments: Any, **options: Any) -> None:
        cotangent = arguments[1] if len(arguments) > 1 else options.get("gradient")
        arrived: dict[Tensor, Tensor] = {}
        empty = [leaf for leaf in leaves(arguments[:1]) if leaf.grad is None]
        hooks = [leaf.register_hook(partial(arrived.__setitem__, leaf)) for leaf in empty]  # type: ignore[no-untyped-call]
        try:
            super().backward(*arguments, **options)
        finally:
            for hook in hooks:
                hook.remove()
        for leaf, grad in arrived.items():
            if cotangent is not None and _is_the_memory_of(grad, cotangent) and grad.shape == leaf.shape:
                leaf.grad = cotangent.detach()


def _is_the_memory_of(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors start at one place; those without elements have none."""
    return bool(one.numel()) and one.data_ptr() == other.data_ptr()


class KeepsGradOnNonLeaves(Liar):
    """backward leaves a gradient on every result, not on leaves alone."""

    def operation(self, name: str) -> Operation:
        real = super().operation(name)

        def retaining(*arguments: Any, **options: Any) -> Any:
            result = real(*arguments, **options)
            if isinstance(result, Tensor) and result.requires_grad and not result.is_leaf:
                result.retain_grad()
            return result

        return retaining


class WrongMean(Liar):
    """The gradient of a mean is that of a sum: nobody divided by the number of elements."""

    def operation(self, name: str) -> Operation:
        real = super().operation(name)
        if name != "mean":
            return real

        def mean(tensor: Tensor, *arguments: Any, **options: Any) -> Tensor:
            total = tensor.sum(*arguments, **options)
            return real(tensor.detach(), *arguments, **options) + (total - total.detach())  # type: ignore[no-any-return]

        return mean


class IgnoresVersions(Liar):
    """A write into a detached tensor does not bump the version, so backward uses saved numbers that have
    changed."""

    def operation(self, name: str) -> Operation:
        real = super().operation(name)
        if name not in {"zero_", "mul_", "add_", "sub_", "div_", "fill_", "copy_"}:
            return real

        def silent(tensor: Tensor, *arguments: Any, **options: Any) -> Tensor:
            real(tensor if tensor.requires_grad else tensor.data, *arguments, **options)
            return tensor

        return silent


class NewGradObject(Liar):
    """Accumulation makes a new .grad tensor; whoever holds the old one no longer sees it change."""

    def backward(self, *arguments: Any, **options: Any) -> None:
        before = [(leaf, leaf.grad) for leaf in leaves(arguments[:1]) if leaf.grad is not None]
        for leaf, _ in before:
            leaf.grad = None
        super().backward(*arguments, **options)
        for leaf, grad in before:
            leaf.grad = grad if leaf.grad is None else grad + leaf.grad


overwrites_grad = OverwritesGrad
reduces_no_broadcast = ReducesNoBroadcast
leaks_no_grad = LeaksNoGrad
ignores_retain_graph = IgnoresRetainGraph
raises_on_second_backward = RaisesOnSecondBackward
copies_on_detach = CopiesOnDetach
zero_instead_of_none = ZeroInsteadOfNone
wrong_dtype = WrongDtype
counts_reused_once = CountsReusedOnce
aliases_cotangent = AliasesCotangent
keeps_grad_on_non_leaves = KeepsGradOnNonLeaves
wrong_mean = WrongMean
ignores_versions = IgnoresVersions
new_grad_object = NewGradObject
