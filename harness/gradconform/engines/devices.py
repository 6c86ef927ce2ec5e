"""Devices by name: which of them torch knows, and which of them are here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gradconform.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import torch

_KERNEL = re.compile(r"'(aten::\w+)")
_SENTENCE = re.compile(r"(?<=[.!?])\s|\n")


def device_of(name: str, *words: str) -> torch.device:
    """What a name stands for. words: what else might have been written.

    Raises UsageError where torch knows no such device.
    """
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or str(device) != name:  # torch keeps eight bits of a number: cuda:256 would be cuda:0
        near = did_you_mean(name, ("cpu", "cuda", "cuda:0", "mps", "xpu", *words))
        hint = near or "for instance " + " or ".join(("cpu", "cuda", *words))
        raise UsageError(f"'{name}' is not a device that torch {torch.__version__} knows; {hint}")
    if device.type == "cpu" and device.index is not None:
        raise UsageError(f"'{name}': torch has one CPU and gives it no number; write cpu")
    return device


def require_numbers(name: str) -> None:
    """Raises UsageError for a device whose tensors have none (`meta`): `name` has to have been one."""
    if device_of(name).type == "meta":
        raise UsageError("device meta has no numbers to compare")


def missing_kernel(message: str) -> str:
    """The kernel that a backend does not have, from torch's words for it; "" where they are about something
    else."""
    kernel = _KERNEL.search(message)
    return kernel[1] if kernel else ""


def absence(name: str) -> str:
    """Why a device cannot be used here, as the first sentence of what torch says, or ""."""
    import torch

    try:
        made = torch.ones(1, device=name)
        if not made.is_meta:
            made.cpu()
    except Exception as error:  # noqa: BLE001 - each backend has its own way to say that it is not here
        said = str(error).strip() or type(error).__name__
        return _SENTENCE.split(said, maxsplit=1)[0]
    return ""
