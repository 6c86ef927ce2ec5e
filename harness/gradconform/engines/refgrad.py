"""refgrad, the reference engine: torch storages, an autograd of its own."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from gradconform.engines import bulk
from gradconform.engines.base import Glance, Handle, Leaves
from gradconform.engines.torch_like import TorchLikeEngine

if TYPE_CHECKING:
    import torch


_DATA = attrgetter("_data")


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
        numbers = [*map(_DATA, handles)]
        return numbers, bulk.requires_grad(handles), [*map(id, handles)], bulk.storages(numbers)

    def glance_at_grads(self, handles: Sequence[Handle]) -> Leaves:
        return bulk.leaves(handles)


def engine() -> RefgradEngine:
    """Makes the engine; named by the `gradconform.engines` entry point `refgrad`."""
    return RefgradEngine()
