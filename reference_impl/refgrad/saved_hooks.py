"""Blocks in which all saved tensors go through a pair of hooks, or in which no such block may be opened.

Source: "Registering default hooks for saved tensors" in
https://docs.pytorch.org/docs/stable/notes/autograd.html and torch/autograd/graph.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from . import saved
from .tensor import Tensor

if TYPE_CHECKING:
    import torch


class saved_tensors_hooks:  # noqa: N801 - torch's name
    """Give every tensor that this thread saves inside the block to `pack_hook`.

    What it returns is kept, and `unpack_hook` makes a tensor of it when backward needs it. Of nested blocks
    the innermost counts. `pack_hook` must not write to its argument: that raises RuntimeError. If
    `unpack_hook` returns no tensor, backward raises TypeError. Entering raises RuntimeError inside
    `disable_saved_tensors_hooks`.
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        saved.push(saved.Hooks(self.pack_hook, self.unpack_hook))

    def __exit__(self, *exception: object) -> None:
        saved.pop()


class save_on_cpu(saved_tensors_hooks):  # noqa: N801 - torch's name
    """Keep saved tensors in the memory of the CPU, and bring each back to its device when it is needed.

    With `pin_memory` the copies of tensors that are not on the CPU are pinned and asynchronous.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        del device_type  # torch asks it whether memory can be pinned; the device of the tensor tells

        def pack(tensor: Tensor) -> tuple[torch.device, Tensor]:
            data = tensor._data
            if data.device.type == "cpu":
                return data.device, Tensor._of(data)
            kept = data.to("cpu", non_blocking=False)
            return data.device, Tensor._of(kept.pin_memory() if pin_memory else kept)

        def unpack_hook(kept: tuple[torch.device, Tensor]) -> Tensor:
            device, tensor = kept
            return Tensor._of(tensor._data.to(device, non_blocking=pin_memory))

        super().__init__(pack, unpack_hook)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Raise RuntimeError(`error_message`) where hooks for saved tensors are entered inside the block.

    Raises it at once if a pair is open already.
    """
    previous = saved.disable(error_message)
    try:
        if saved.innermost() is not None:
            raise RuntimeError(error_message)
        yield
    finally:
        saved.disable(previous)


def region_activation_memory_budget(budget: float) -> AbstractContextManager[None]:
    """Raise RuntimeError: a budget means something to torch's compiler only.

    Raises TypeError before that if `budget` is no number, and ValueError if it is not in [0, 1].
    """
    where = "torch.autograd.graph.region_activation_memory_budget"
    if isinstance(budget, bool) or not isinstance(budget, int | float):
        raise TypeError(f"{where}: expects a float, got {type(budget).__name__}")
    if not 0.0 <= budget <= 1.0:
        raise ValueError(f"{where}: must be in [0, 1], got {budget}")
    raise RuntimeError(
        f"{where} can only be used inside a torch.compile region; it has no effect in eager mode."
    )
