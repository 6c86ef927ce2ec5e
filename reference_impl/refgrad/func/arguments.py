"""Which arguments a transform differentiates, and unit vectors for Jacobians."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch

from refgrad.tensor import Tensor

Argnums: TypeAlias = int | tuple[int, ...]


def chosen(args: tuple[Any, ...], argnums: Argnums) -> Any:
    """Return the argument of the number `argnums`, or a tuple of those of several.

    Raises RuntimeError for numbers that there are not and for those that are given twice.
    """
    if isinstance(argnums, int):
        return args[_checked(argnums, len(args))]
    if not isinstance(argnums, tuple):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")  # noqa: TRY004 - torch's class
    places = [_checked(number, len(args)) for number in argnums]
    if len(set(places)) != len(places):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return tuple(args[place] for place in places)


def _checked(number: int, count: int) -> int:
    if not -count <= number < count:
        raise RuntimeError(f"Got argnum={number}, but only {count} positional inputs")
    return number % count


def replaced(args: tuple[Any, ...], argnums: Argnums, values: Any) -> tuple[Any, ...]:
    """Return `args` with `values` in the places that `chosen` took."""
    new = list(args)
    for number, value in (
        [(argnums, values)] if isinstance(argnums, int) else zip(argnums, values, strict=True)
    ):
        new[number] = value
    return tuple(new)


def basis(values: Sequence[Tensor]) -> list[Tensor]:
    """Return the unit vectors of all `values` taken together: for each a batch of tensors of its shape."""
    total, start = sum(value.numel() for value in values), 0
    batches = []
    for value in values:
        rows = torch.zeros(total, value.numel(), dtype=value.dtype, device=value.device)
        rows[start : start + value.numel()] = torch.eye(value.numel(), dtype=value.dtype, device=value.device)
        batches.append(Tensor._of(rows.view(total, *value.shape)))
        start += value.numel()
    return batches
