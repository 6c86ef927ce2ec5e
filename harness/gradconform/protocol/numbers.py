"""Tensors from numbers in decimal, for workers that are written by hand."""

from __future__ import annotations

import re
from typing import Any

import torch

from gradconform.program.constants import INTEGER_BITS
from gradconform.program.json_values import At, decode_complex, decode_float, items, truth, what

_INTEGER = re.compile(r"-?\d{1,20}")


def tensor_of_values(kind: torch.dtype, sizes: list[int], values: object, at: At) -> torch.Tensor:
    """The tensor of a dtype and shape whose numbers are lists nested like the shape.

    Floating-point numbers are rounded to the nearest one of the dtype; "nan", "inf", "-inf" and "-0.0" stand
    for what JSON has no numbers for. Integers may be written as text: some languages have none of 64 bits.
    Raises GradconformError, located, for lists of another shape and numbers that the dtype does not have.
    """
    found: list[Any] = []
    _gather(values, sizes, at, kind, found)
    try:
        # Through the widest: narrow ones are not made from lists in every release of torch.
        made = torch.tensor(found, dtype=_wide(kind)).to(kind)
    except (OverflowError, RuntimeError, TypeError, ValueError) as error:
        raise at.error(f"these are no numbers of {_name(kind)}: {error}") from None
    if kind.is_floating_point and made.isinf().any():
        _no_overflow(found, made, kind, at)
    return made.reshape(sizes)


def _gather(value: object, sizes: list[int], at: At, kind: torch.dtype, found: list[Any]) -> None:
    if not sizes:
        found.append(_number(value, kind, at))
        return
    count = 0
    for item, place in items(value, at):
        _gather(item, sizes[1:], place, kind, found)
        count += 1
    if count != sizes[0]:
        raise at.error(f"{count} items where the shape has {sizes[0]}")


def _number(value: object, kind: torch.dtype, at: At) -> bool | int | float | complex:
    if kind == torch.bool:
        return truth(value, at)
    if kind.is_complex:
        return decode_complex(value, at)
    if kind.is_floating_point:
        return decode_float(value, at)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise at.error(f"expected an integer, or one as text, not {what(value)}")
    limits = torch.iinfo(kind)
    if not limits.min <= value <= limits.max:
        raise at.error(f"{value} is no number of {_name(kind)}")
    return value


def _wide(kind: torch.dtype) -> torch.dtype:
    if kind.is_floating_point:
        return torch.float64
    if kind.is_complex:
        return torch.complex128
    if kind == torch.bool or torch.iinfo(kind).bits == INTEGER_BITS:
        return kind
    return torch.int64


def _no_overflow(found: list[Any], made: torch.Tensor, kind: torch.dtype, at: At) -> None:
    for number, value in zip(found, made.reshape(-1).tolist(), strict=True):
        if abs(value) == float("inf") != abs(number):
            raise at.error(f"{number!r} is no number of {_name(kind)}")


def _name(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")
