"""Writes to saved tensors that do no harm: the old value is copied before the write.

Inside `allow_mutation_on_saved_tensors` every saved tensor goes through a pair of hooks that remember where
its memory is. A write to that memory first replaces what was saved by a copy, so that backward gets the
value from the time of saving. Source: torch/autograd/graph.py (allow_mutation_on_saved_tensors).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from .inplace import BEFORE_WRITES
from .saved_hooks import saved_tensors_hooks
from .tensor import Tensor


class _Handle:
    """Stands for one saved tensor in the node that saves it."""


class MutationContext:
    """The tensors that were saved in one block: as they are, or as copies where they have been written to."""

    def __init__(self) -> None:
        self.original: WeakKeyDictionary[_Handle, Tensor] = WeakKeyDictionary()
        self.cloned: WeakKeyDictionary[_Handle, Tensor] = WeakKeyDictionary()

    def clear(self) -> None:
        """Forget all of them; a backward through what saved them raises AssertionError."""
        self.original.clear()
        self.cloned.clear()

    def pack(self, tensor: Tensor) -> _Handle:
        """Return what stands for `tensor`, which is about to be saved."""
        handle = _Handle()
        self.original[handle] = tensor.detach()
        return handle

    def unpack(self, handle: _Handle) -> Tensor:
        """Return the value that `handle` stands for; raise AssertionError outside of the block."""
        found = self.cloned.get(handle)
        if found is None:
            found = self.original.get(handle)
        if found is None or _open is not self:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' contextin which the "
                "graph was originally recorded."
            )
        return found

    def before_write(self, tensor: Tensor) -> None:
        """Copy what is saved on the memory of `tensor`, which is about to be written to."""
        written = tensor._data.untyped_storage().data_ptr()
        for handle, saved in list(self.original.items()):
            if saved._data.untyped_storage().data_ptr() == written:
                self.cloned[handle] = Tensor._of(saved._data.clone())
                del self.original[handle]


_open: MutationContext | None = None


@contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[MutationContext]:
    """Let tensors that were saved inside the block be written to inside the block.

    Backward has to run inside it too: afterwards it raises AssertionError. Raises RuntimeError if such a
    block is open already.
    """
    global _open  # noqa: PLW0603 - torch has one for the process
    if _open is not None:
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    context = _open = MutationContext()
    BEFORE_WRITES.append(context.before_write)
    try:
        with saved_tensors_hooks(context.pack, context.unpack):
            yield context
    finally:
        context.clear()
        BEFORE_WRITES.remove(context.before_write)
        _open = None
