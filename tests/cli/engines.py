"""Engines that end a run in their own ways."""

import os
import sys
import time
from typing import Any

import torch

from gradconform.engines.torch import TorchEngine
from gradconform.errors import AdapterError, Unsupported


class Named(TorchEngine):
    def __init__(self) -> None:
        super().__init__()
        self.name = type(self).__name__


class Forgets(Named):
    def backward(self, *arguments: Any, **options: Any) -> None:
        super().backward(*arguments, **options)
        for node, _ in arguments[0].grad_fn.next_functions:
            if hasattr(node, "variable"):
                node.variable.grad = None


class Exits(Named):
    def backward(self, *arguments: Any, **options: Any) -> None:
        sys.exit(3)


class Lacks(Named):
    def operation(self, name: str) -> Any:
        if name == "mul":
            raise Unsupported("operator mul")
        return super().operation(name)


class Breaks(Named):
    """Breaks the adapter's contract after a while."""

    calls = 0

    def to_torch(self, handle: Any) -> torch.Tensor:
        type(self).calls += 1
        if type(self).calls > 40:
            raise AdapterError("engine Breaks: to_torch gave up")
        return super().to_torch(handle)


class Interrupts(Named):
    """Ctrl-C comes in the middle of the second test."""

    backwards = 0

    def backward(self, *arguments: Any, **options: Any) -> None:
        type(self).backwards += 1
        if type(self).backwards > 3:
            raise KeyboardInterrupt
        super().backward(*arguments, **options)


class Nonsense(Named):
    """An adapter that returns what is none of what it should."""


class NoNumbers(Nonsense):
    def to_torch(self, handle: Any) -> Any:
        return "seven"


class NoTensor(Nonsense):
    def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> Any:
        return None


class NoFeatures(Nonsense):
    features: Any = {"operator": "add"}  # noqa: RUF012 - as an adapter might write it


class NoPolicies(Nonsense):
    policies: Any = 5


not_an_engine = 7


class Dies(Named):
    """The process ends without a word, as after a segmentation fault."""

    def backward(self, *arguments: Any, **options: Any) -> None:
        os._exit(9)


class Slow(Forgets):
    """Takes so long that a run can be killed in the middle. It forgets, so that there are failures."""

    def backward(self, *arguments: Any, **options: Any) -> None:
        time.sleep(0.003)
        super().backward(*arguments, **options)


class Changing(Named):
    """An engine that is worked on: $WAY says how its backward passes go today."""

    def backward(self, *arguments: Any, **options: Any) -> None:
        way = os.environ.get("WAY", "forgets")
        if way == "exits":
            sys.exit(3)
        if way == "dies":
            os.abort()
        if way == "hangs":
            time.sleep(600)
        if way == "lacks":
            raise Unsupported("backward")
        super().backward(*arguments, **options)
        for node, _ in arguments[0].grad_fn.next_functions:
            if way in {"forgets", "doubles"} and hasattr(node, "variable"):
                gradient = node.variable.grad
                node.variable.grad = None if way == "forgets" else gradient * 2
