"""Observed values as short text for reports: numbers with the digits that tell them apart, and no more."""

from __future__ import annotations

from math import isfinite
from typing import Any

import torch

from gradconform.trace import OpaqueSeen, Seen, TensorSeen, Unseen

WHOLE = 12
"""Tensors with at most so many elements are written out whole."""

PLACES = 4
"""So many single places of a larger tensor are written out."""

_DIGITS = range(6, 18)
"""Fewer than six would look like another number: 218.4 tells the float16 218.375 apart, but misquotes it."""


def dtype_name(dtype: torch.dtype) -> str:
    """Torch's name of a dtype without the module: `float32`."""
    return str(dtype).removeprefix("torch.")


def number(value: complex, dtype: torch.dtype) -> str:
    """The shortest decimal that is this number in this dtype: `0.1` for the float32 nearest to it."""
    if dtype.is_complex:
        real, imaginary = (_shortest(part, dtype.to_real()) for part in (value.real, value.imag))
        return f"{real}{'' if imaginary.startswith('-') else '+'}{imaginary}j"
    return _shortest(value.real, dtype) if dtype.is_floating_point else str(value)


def _shortest(value: float, dtype: torch.dtype) -> str:
    if dtype == torch.float64 or not isfinite(value):
        return repr(value)
    for digits in _DIGITS:
        short = float(f"{value:.{digits}g}")
        if torch.tensor(short, dtype=dtype).item() == value:
            return repr(short)
    return repr(value)


def tensor(value: torch.Tensor) -> str:
    """A small tensor whole, as nested lists; of a larger one, and of one on `meta`, its shape and dtype."""
    if value.numel() > WHOLE or value.is_meta:
        return f"a {dtype_name(value.dtype)} tensor of shape {list(value.shape)}"
    return _nested(value.tolist(), value.dtype)


def _nested(items: Any, dtype: torch.dtype) -> str:
    if isinstance(items, list):
        return f"[{', '.join(_nested(item, dtype) for item in items)}]"
    return number(items, dtype)


def at_places(value: torch.Tensor, wrong: torch.Tensor) -> str:
    """A small tensor whole; of a larger one the first few elements where `wrong` (bool, the same shape) is
    true."""
    if value.numel() <= WHOLE:
        return tensor(value)
    places = wrong.nonzero().tolist()
    shown = [f"{place}: {number(value[tuple(place)].item(), value.dtype)}" for place in places[:PLACES]]
    more = len(places) - PLACES
    return ", ".join(shown) + (f", and {more} more" if more > 0 else "")


def describe(seen: Seen) -> str:
    """Any observed value in a few words; a tensor with its numbers and its dtype."""
    match seen:
        case TensorSeen(value=value):
            told = tensor(value)
            return told if value.numel() > WHOLE or value.is_meta else f"{told} ({dtype_name(value.dtype)})"
        case OpaqueSeen(kind):
            return kind
        case Unseen():
            return "not seen"
        case tuple():
            return f"({', '.join(map(describe, seen))}{',' if len(seen) == 1 else ''})"
        case _:
            return repr(seen)
