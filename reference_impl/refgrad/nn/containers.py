"""Modules that hold others: `ParameterList`, `ModuleList` and `Sequential`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from refgrad.tensor import Tensor

from .module import Module, Parameter


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


class ModuleList(Module):
    """A module that is a list of modules.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> ModuleList:
        """Add a module at the end."""
        self.register_module(str(len(self)), module)
        return self

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index: int) -> Any:
        return list(self)[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())


class Sequential(Module):
    """Modules that are called one after the other; a module may stand in it twice.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Sequential.html
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__()
        for index, module in enumerate(modules):
            self.register_module(str(index), module)

    def forward(self, input: Any) -> Any:
        """Return the result of the last module."""
        for module in self:
            input = module(input)  # noqa: A001
        return input

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index: int) -> Any:
        return list(self)[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())
