"""refgrad, the reference engine: torch storages, an autograd of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradconform.engines.base import Glance, Handle
from gradconform.engines.torch_like import TorchLikeEngine, storages

if TYPE_CHECKING:
    import torch


class RefgradEngine(TorchLikeEngine):
    """refgrad's tensors are built over torch storages, so that data cross without a copy."""

    def __init__(self) -> None:
        import refgrad

        super().__init__(refgrad, name="refgrad")

    def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> Handle:
        handle = self.module.from_torch(tensor)
        return handle.requires_grad_() if requires_grad else handle

    def to_torch(self, handle: Handle) -> torch.Tensor:
        return handle.to_torch()  # type: ignore[no-any-return]

    def glance(self, handles: Sequence[Handle]) -> Glance:
        numbers = [handle._data for handle in handles]
        leaves = [handle.is_leaf for handle in handles]
        return Glance(
            numbers,
            [handle.requires_grad for handle in handles],
            leaves,
            # Reading .grad of a non-leaf warns, which costs more than all the rest; the interpreter does it.
            [
                handle.grad if is_leaf or handle.retains_grad else None
                for handle, is_leaf in zip(handles, leaves, strict=True)
            ],
            [*map(id, handles)],
            storages(numbers),
        )


def engine() -> RefgradEngine:
    """Makes the engine; named by the `gradconform.engines` entry point `refgrad`."""
    return RefgradEngine()
