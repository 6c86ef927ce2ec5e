"""How exactly kernels of a GPU compute while programs run: as their dtype says.

By default torch multiplies float32 on some paths in TF32, which has ten bits, and sums products of half
precision in that precision. An engine would differ from torch by which path it takes; so both compute with
all bits, and what a user has set holds again afterwards.
Source: https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import torch

PINNED = ("float32 without TF32", "reductions of half precision in float32")
"""What is pinned, in words, for results."""

_MULTIPLICATION = torch.backends.cuda.matmul
_CUDNN: Any = torch.backends.cudnn
_SINGLE: tuple[Any, ...] = (_MULTIPLICATION, _CUDNN.conv, _CUDNN.rnn)
"""What has a precision for float32 of its own."""
_REDUCTIONS = ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")


def exactly() -> AbstractContextManager[None]:
    """Kernels compute in the precision of their dtypes; nothing is done where there is no GPU."""
    return _pinned() if _has_gpu() else nullcontext()


def pinned_on(devices: tuple[str, ...]) -> tuple[str, ...]:
    """What is pinned in a run on these devices, in words."""
    gpu = any(device.partition(":")[0] not in {"cpu", "meta"} for device in devices)
    return PINNED if gpu and _has_gpu() else ()


@cache
def _has_gpu() -> bool:
    return torch.cuda.is_available()


@contextmanager
def _pinned() -> Iterator[None]:
    single = [place.fp32_precision for place in _SINGLE]
    # Whether partial sums may be split is a setting of its own, told beside each.
    reductions = [
        (getattr(_MULTIPLICATION, name), getattr(_MULTIPLICATION, f"{name}_split_k", True))
        for name in _REDUCTIONS
    ]
    accumulation = _MULTIPLICATION.allow_fp16_accumulation
    try:
        for place in _SINGLE:
            place.fp32_precision = "ieee"
        for name, (_, split) in zip(_REDUCTIONS, reductions, strict=True):
            _set(name, False, split)
        _MULTIPLICATION.allow_fp16_accumulation = False
        yield
    finally:
        for place, before in zip(_SINGLE, single, strict=True):
            place.fp32_precision = before
        for name, (allowed, split) in zip(_REDUCTIONS, reductions, strict=True):
            _set(name, allowed, split)
        _MULTIPLICATION.allow_fp16_accumulation = accumulation


def _set(name: str, allowed: bool, split: bool) -> None:
    # An older torch knows no second setting, and takes no pair.
    setattr(_MULTIPLICATION, name, allowed if split else (allowed, split))
