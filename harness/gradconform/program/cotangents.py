"""Random cotangents and tangents that a program asks for: `v = cotangent(y)`.

A cotangent of ones hides mistakes in the order of indices, and is orthogonal to all that softmax and the
norms can tell. The numbers are small multiples of 1/8, which every dtype has.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

NAME = "cotangent"
"""The word of the step language."""


def cotangent(tensor: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """A tensor with the shape, dtype and device of another; the seed gives the numbers, from -2 to 2."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    kind = torch.complex128 if tensor.is_complex() else torch.float64
    parts = torch.zeros(tensor.shape, dtype=kind)
    for part in (parts.real, parts.imag) if tensor.is_complex() else (parts,):
        part.copy_(torch.randint(-16, 17, tensor.shape, generator=generator) / 8)
    return parts.to(tensor.device, tensor.dtype)


def source() -> tuple[str, ...]:
    """The function as a script has it, line by line, without its annotations and its documentation."""
    lines = inspect.getsource(cotangent).splitlines()
    body = lines[1:]
    start = next(number for number, line in enumerate(body) if line.startswith("    generator"))
    return (f"def {NAME}(tensor, seed=0):", *body[start:])
