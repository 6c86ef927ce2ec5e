"""PyTorch itself: the oracle of every comparison, and an engine that must never diverge from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gradconform.engines import bulk
from gradconform.engines.base import Glance, Handle, Leaves
from gradconform.engines.torch_like import TorchLikeEngine

if TYPE_CHECKING:
    import torch


class TorchEngine(TorchLikeEngine):
    """PyTorch's own autograd. Its tensors need no conversion."""

    def __init__(self) -> None:
        import torch

        super().__init__(torch, name="torch")

    def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> Handle:
        return tensor.requires_grad_() if requires_grad else tensor

    def to_torch(self, handle: Handle) -> torch.Tensor:
        return handle.detach()  # type: ignore[no-any-return]

    @contextmanager
    def every_warning(self) -> Iterator[None]:
        always = self.module.is_warn_always_enabled()
        self.module.set_warn_always(True)
        try:
            with super().every_warning():
                yield
        finally:
            self.module.set_warn_always(always)

    def glance(self, handles: Sequence[Handle]) -> Glance:
        # Not detached: whether numbers are equal can be asked of any tensor.
        return handles, bulk.requires_grad(handles), [*map(id, handles)], bulk.storages(handles)

    def glance_at_grads(self, handles: Sequence[Handle]) -> Leaves:
        return bulk.leaves(handles)


def engine(device: str | None = None) -> TorchEngine:
    """Makes the engine; named by the `gradconform.engines` entry point `torch`.

    device: where it computes, `torch@cuda`; None: wherever its inputs are. Raises as `TorchOnDevice` does.
    """
    if device is None:
        return TorchEngine()
    from gradconform.engines.torch_device import TorchOnDevice

    return TorchOnDevice(device)
