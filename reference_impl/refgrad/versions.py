"""Version counters: how an in-place write is noticed by a graph that saved the old value.

Every in-place write adds one to the counter of the memory. A node that saves a tensor remembers the count,
and unpacking the tensor in backward fails if the count has moved. A tensor, its views and its `detach()`
share one counter; `.data` has its own, which is why a write through it goes unnoticed. A counter comes into
being when it is first needed: a tensor without one is at version 0. Source:
https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-correctness-checks

What is made in inference mode has no version: its counter is `UNCOUNTED`. Outside of the mode it can neither
be written to nor be saved, since a write could not be noticed. Source:
https://docs.pytorch.org/docs/stable/notes/autograd.html#inference-mode
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .grad_mode import mode

if TYPE_CHECKING:
    from .tensor import Tensor
    from .views import Views


class VersionCounter:
    """The number of in-place writes to one piece of memory, shared by all tensors that alias it.

    `views` are the live views of that memory, whose histories follow the writes; None if there never was one.
    """

    __slots__ = ("value", "views")

    value: int
    views: Views | None

    def __init__(self) -> None:
        self.value = 0
        self.views = None

    def count(self) -> None:
        """Add one write."""
        self.value += 1


class _Uncounted(VersionCounter):
    """The counter of all inference tensors: it stays where it is, at a value that no version has."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.value = -1

    def count(self) -> None:
        """Let a write pass in inference mode; raise torch's RuntimeError outside of it."""
        if not mode.inference:
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a "
                "clone to get a normal tensor before doing inplace update.See "
                "https://github.com/pytorch/rfcs/pull/17 for more details."
            )


UNCOUNTED = _Uncounted()


def counter_of(tensor: Tensor) -> VersionCounter:
    """Return the counter of `tensor`, made now if it has none."""
    counter = tensor._counter
    if counter is None:
        counter = tensor._counter = VersionCounter()
    return counter


def bump(tensor: Tensor) -> None:
    """Count one in-place write to the memory of `tensor`, which was not recorded.

    Raises RuntimeError for an inference tensor outside of inference mode: as in torch, after the write.
    """
    counter = counter_of(tensor)
    counter.count()
    if counter.views is not None:
        counter.views.refresh()


def version_of(tensor: Tensor) -> int:
    """Return the number of writes to the memory of `tensor`; raise RuntimeError for an inference tensor."""
    counter = tensor._counter
    if counter is UNCOUNTED:
        raise RuntimeError("Inference tensors do not track version counter.")
    return 0 if counter is None else counter.value
