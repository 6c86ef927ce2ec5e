"""A little engine that differentiates functions: torch's own transforms, and nothing of its tape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from gradconform.engines import FunctionalEngine


def conjugated(value: torch.Tensor) -> torch.Tensor:
    """A conjugate that is no view: torch's bit for it is not for other engines to see."""
    return torch.resolve_conj(torch.conj(value))


OPERATORS: dict[str, Callable[..., Any]] = {
    "add": lambda input, other: input + other,
    "sub": lambda input, other: input - other,
    "mul": lambda input, other: input * other,
    "div": lambda input, other: input / other,
    "pow": lambda input, exponent: input**exponent,
    "matmul": lambda input, other: input @ other,
    "sin": torch.sin,
    "exp": torch.exp,
    "abs": torch.abs,
    "maximum": torch.maximum,
    "conj": conjugated,
    "sum": lambda input, dim=None, keepdim=False: torch.sum(input, dim, keepdim),
    "max": lambda input, dim: tuple(torch.max(input, dim)),
    "transpose": torch.transpose,
    "view": lambda input, *shape: input.reshape(*shape),
    "getitem": lambda input, index: input[index],
    "cat": lambda tensors, dim=0: torch.cat(list(tensors), dim),
    "double": lambda input: input.double(),
    "detach": lambda input: input.detach(),
    "ones_like": torch.ones_like,
}


class Functions(FunctionalEngine):
    """Arrays are torch's tensors. conjugates: whether gradients come as conjugates of torch's."""

    def __init__(self, *, conjugates: bool = False, policies: dict[str, str] | None = None) -> None:
        dtypes = {name: getattr(torch, name) for name in ("float32", "float64", "complex64", "int64", "bool")}
        super().__init__(
            name="functions", operators=OPERATORS, dtypes=dtypes, conjugates=conjugates, policies=policies
        )

    def array_of(self, tensor: torch.Tensor) -> Any:
        return tensor.clone()

    def tensor_of(self, array: Any) -> torch.Tensor:
        return array  # type: ignore[no-any-return]

    def is_array(self, value: object) -> bool:
        return isinstance(value, torch.Tensor)

    def vjp(
        self, function: Callable[..., list[Any]], primals: Sequence[Any], cotangents: Sequence[Any]
    ) -> Sequence[Any]:
        pull = torch.func.vjp(function, *primals)[1]
        if self.conjugate is not None:
            return [*map(conjugated, pull([*map(conjugated, cotangents)]))]
        return pull(list(cotangents))  # type: ignore[no-any-return]


def engine() -> Functions:
    """Makes the engine."""
    return Functions()
