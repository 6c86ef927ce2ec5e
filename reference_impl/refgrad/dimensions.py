"""Dimensions that are named from the front or from the back."""

from __future__ import annotations


def wrapped(dim: int, rank: int, *, scalar: bool = True) -> int:
    """Return the dimension `dim` of `rank`, counted from the front.

    A number counts as a vector of one element if `scalar`, and has no dimensions otherwise. Raises IndexError
    for a dimension that is not there. Source: `maybe_wrap_dim` in c10/core/WrapDimMinimal.cpp.
    """
    if not rank and not scalar:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    size = rank or 1
    if not -size <= dim < size:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {dim})"
        )
    return dim % size
