"""refgrad, the reference engine: torch storages, an autograd of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradconform.engines.base import Handle
from gradconform.engines.torch_like import TorchLikeEngine

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

    def glance(self, handle: Handle) -> tuple[torch.Tensor, Any, Any, Handle | None]:
        is_leaf = handle.is_leaf
        # Reading .grad of a non-leaf warns, which costs more than all the rest; the interpreter does read it.
        grad = handle.grad if is_leaf or handle.retains_grad else None
        return handle._data, handle.requires_grad, is_leaf, grad


def engine() -> RefgradEngine:
    """Makes the engine; named by the `gradconform.engines` entry point `refgrad`."""
    return RefgradEngine()
