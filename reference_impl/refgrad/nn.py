"""`refgrad.nn`: parameters and the container that finds them.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

import torch

from .optim import zero_grads
from .tensor import Tensor


class Parameter(Tensor):
    """A leaf on the memory of `data` that a module knows as its own; it requires grad by default, in every
    grad mode.
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Self:
        """Return a new leaf; raise RuntimeError for a dtype that cannot require grad."""
        made = cls._of(torch.empty(0) if data is None else data._data)
        if requires_grad:
            if not (made.dtype.is_floating_point or made.dtype.is_complex):
                raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
            made._become_leaf()
        return made

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    __hash__ = Tensor.__hash__


class Module:
    """A container of parameters and modules, found by assignment to its attributes."""

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result for one input; subclasses define it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Yield each parameter once, with its dotted name."""
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield each parameter once."""
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module and all below it, each once, with dotted names."""
        seen: set[int] = set()
        stack = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            below = [(name, value) for name, value in vars(module).items() if isinstance(value, Module)]
            stack += [((f"{path}.{name}" if path else name), value) for name, value in reversed(below)]

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set `.grad` of all parameters to None, or to zeros in place."""
        zero_grads(self.parameters(), set_to_none)

    def train(self, mode: bool = True) -> Self:
        """Set training mode; grad mode is another matter and stays as it is."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode."""
        return self.train(False)


class ParameterList(Module):
    """A module that is a list of parameters; a plain tensor among `values` becomes a parameter on its memory.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ParameterList.html
    """

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__()
        self._values = [
            Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value
            for value in values
        ]
        for index, value in enumerate(self._values):
            setattr(self, str(index), value)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: int) -> Any:
        return self._values[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)
