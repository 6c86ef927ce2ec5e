"""A little reverse-mode engine over numpy, with torch's names for what it has; its tensors are its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradconform.engines import TorchLikeEngine

Array = np.ndarray[Any, Any]
Parents = tuple[tuple["Tensor", Callable[[Array], Array]], ...]
_enabled = [True]


class Tensor:
    """An array, its gradient, and the tensors it was made from, each with its vector-Jacobian product."""

    def __init__(self, data: Any, requires_grad: bool = False, parents: Parents = ()) -> None:
        self.data = np.array(data)
        self.grad: Tensor | None = None
        self.parents = [pair for pair in parents if pair[0].requires_grad and _enabled[-1]]
        self.is_leaf = not self.parents
        self.requires_grad: bool = requires_grad or not self.is_leaf

    def numpy(self) -> Array:
        return self.data

    def detach(self) -> Tensor:
        return Tensor(self.data)

    def __add__(self, other: Any) -> Tensor:
        b = _lift(other, self)
        return Tensor(
            self.data + b.data, parents=((self, lambda g: _fit(g, self)), (b, lambda g: _fit(g, b)))
        )

    def __mul__(self, other: Any) -> Tensor:
        b = _lift(other, self)
        vjps = (lambda g: _fit(g * b.data, self)), (lambda g: _fit(g * self.data, b))
        return Tensor(self.data * b.data, parents=((self, vjps[0]), (b, vjps[1])))

    def __sub__(self, other: Any) -> Tensor:
        return self + _lift(other, self) * -1

    def sum(self) -> Tensor:
        return Tensor(self.data.sum(), parents=((self, lambda g: np.broadcast_to(g, self.data.shape)),))

    def backward(self, gradient: Tensor | None = None) -> None:
        if not self.requires_grad or (gradient is None and self.data.size != 1):
            raise RuntimeError(
                "backward needs a root that requires grad, and a gradient unless it is a scalar"
            )
        cotangents = {id(self): np.ones_like(self.data) if gradient is None else gradient.data}
        for tensor in reversed(_sources_first(self, {})):
            g = cotangents.pop(id(tensor))
            if tensor.is_leaf:
                tensor.grad = Tensor(g if tensor.grad is None else tensor.grad.data + g)
            for parent, vjp in tensor.parents:
                cotangents[id(parent)] = cotangents.get(id(parent), 0) + vjp(g)


def exp(x: Tensor) -> Tensor:
    return Tensor(np.exp(x.data), parents=((x, lambda g: g * np.exp(x.data)),))


def ones_like(x: Tensor) -> Tensor:
    return Tensor(np.ones_like(x.data))


@contextmanager
def no_grad() -> Iterator[None]:
    _enabled.append(False)
    try:
        yield
    finally:
        _enabled.pop()


def _lift(value: Any, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(np.asarray(value, like.data.dtype))


def _fit(g: Array, x: Tensor) -> Array:
    g = g.sum(axis=tuple(range(g.ndim - x.data.ndim)))
    return np.asarray(g.sum(axis=tuple(np.flatnonzero(np.array(x.data.shape) == 1)), keepdims=True))


def _sources_first(x: Tensor, order: dict[int, Tensor]) -> list[Tensor]:
    if id(x) not in order:
        order |= {id(p): p for parent, _ in x.parents for p in _sources_first(parent, order)} | {id(x): x}
    return list(order.values())


tensor = Tensor
engine = TorchLikeEngine(sys.modules[__name__], name="small")
