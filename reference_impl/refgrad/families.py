"""Families of operations, each a module that says under which of torch's names its functions are to be found.

    TORCH      functions of the package: `refgrad.logaddexp`
    METHODS    methods of tensors: `x.logaddexp(y)`
    IN_PLACE   methods that write to their tensor: `x.atan2_(y)`, the in-place form of `atan2`
    OUT        functions of the package that also write to a tensor that is given: `refgrad.amax(x, out=y)`

Each is a tuple of names, or a dict from names to functions where they are not those of the module. A module
without one of them has none of that kind.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from . import (
    activations,
    aliases,
    attention,
    contraction,
    convolution,
    differences,
    distances,
    dropouts,
    indexed_writes,
    interpolation,
    joining,
    matrices,
    matrix_products,
    normalization,
    norms,
    padding,
    pooling,
    rearrangement,
    reductions,
    samples,
    scaling,
    selection,
    special,
    spectral,
    splitting,
    statistics,
    view_copies,
)
from . import functions as elementary
from .inplace import FORMS, in_place
from .out import with_out

FAMILIES: tuple[ModuleType, ...] = (
    activations,
    aliases,
    attention,
    contraction,
    convolution,
    differences,
    distances,
    dropouts,
    elementary,
    indexed_writes,
    interpolation,
    joining,
    matrices,
    matrix_products,
    normalization,
    norms,
    padding,
    pooling,
    rearrangement,
    reductions,
    samples,
    scaling,
    selection,
    special,
    spectral,
    splitting,
    statistics,
    view_copies,
)


def functions() -> dict[str, Callable[..., Any]]:
    """Return the functions of all families, by name."""
    return _named("TORCH") | {name: with_out(name, function) for name, function in _named("OUT").items()}


def methods() -> dict[str, Callable[..., Any]]:
    """Return the methods of all families, by name, in-place forms included."""
    written = {
        f"{name}_": FORMS.get(function.__name__) or in_place(function)
        for name, function in _named("IN_PLACE").items()
    }
    return _named("METHODS") | written


def _named(kind: str) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for family in FAMILIES:
        names = getattr(family, kind, ())
        found |= names if isinstance(names, dict) else {name: getattr(family, name) for name in names}
    return found
