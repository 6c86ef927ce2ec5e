"""Looking at many tensors at once: what the fast path reads most, with little of Python between."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import torch

from gradconform.engines.base import Leaves
from gradconform.engines.torch_like import storage_of
from gradconform.trace import Unseen

_REQUIRES_GRAD, _IS_LEAF = attrgetter("requires_grad"), attrgetter("is_leaf")
_OFFSET, _ADDRESS = torch.Tensor.storage_offset, torch.Tensor.data_ptr


def requires_grad(tensors: Sequence[Any]) -> list[Any]:
    """`requires_grad` of each tensor."""
    return [*map(_REQUIRES_GRAD, tensors)]


def leaves(tensors: Sequence[Any]) -> Leaves:
    """Which of these tensors are leaves, and `.grad` of those that are or retain it.

    To read that of another warns, which costs more than all the rest; the interpreter does it.
    """
    are_leaves = [*map(_IS_LEAF, tensors)]
    grads = [
        tensor.grad if is_leaf or tensor.retains_grad else None
        for tensor, is_leaf in zip(tensors, are_leaves, strict=True)
    ]
    return are_leaves, grads


def brought_home(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The same numbers on the CPU (each tensor's shape and dtype), those of one device and dtype in one copy:
    it is copies that take time. What is on the CPU, or has no numbers (device `meta`), is given back."""
    home = list(tensors)
    alike: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for index, tensor in enumerate(home):
        if tensor.device.type not in {"cpu", "meta"}:
            alike.setdefault((tensor.device, tensor.dtype), []).append(index)
    for indices in alike.values():
        try:
            whole = torch.cat([home[index].reshape(-1) for index in indices]).cpu()
        except NotImplementedError:  # a young backend has no `cat`
            parts = [home[index].cpu() for index in indices]
        else:
            parts = list(torch.split(whole, [home[index].numel() for index in indices]))
        for index, part in zip(indices, parts, strict=True):
            home[index] = part.reshape(home[index].shape)
    return home


def storages(tensors: Sequence[torch.Tensor]) -> list[int | Unseen]:
    """The address of the storage of each tensor."""
    try:
        # To ask for a storage makes an object of it, which takes longer than this.
        if not any(map(_OFFSET, tensors)):
            addresses: list[int | Unseen] = [*map(_ADDRESS, tensors)]
            if 0 not in addresses:
                return addresses
    except RuntimeError:  # a tensor without memory
        pass
    return [*map(storage_of, tensors)]
