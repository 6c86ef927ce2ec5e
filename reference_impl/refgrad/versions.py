"""Version counters: how an in-place write is noticed by a graph that saved the old value.

Every in-place write adds one to the counter of the memory. A node that saves a tensor remembers the count,
and unpacking the tensor in backward fails if the count has moved. A tensor, its views and its `detach()`
share one counter; `.data` has its own, which is why a write through it goes unnoticed. A counter comes into
being when it is first needed: a tensor without one is at version 0. Source:
https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-correctness-checks
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tensor import Tensor


class VersionCounter:
    """The number of in-place writes to one piece of memory, shared by all tensors that alias it."""

    __slots__ = ("value",)

    value: int

    def __init__(self) -> None:
        self.value = 0


def counter_of(tensor: Tensor) -> VersionCounter:
    """Return the counter of `tensor`, made now if it has none."""
    counter = tensor._counter
    if counter is None:
        counter = tensor._counter = VersionCounter()
    return counter


def bump(tensor: Tensor) -> None:
    """Count one in-place write to the memory of `tensor`."""
    counter_of(tensor).value += 1
