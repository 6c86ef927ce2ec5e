"""Fresh tensors for an engine: an input's numbers, laid out in memory as the input says."""

from __future__ import annotations

import torch

from gradconform.errors import UsageError
from gradconform.program.steps import Input


def fresh(input: Input, device: str) -> torch.Tensor:
    """A tensor with the shape, dtype and numbers of `input.data`, in a storage of its own on `device`.

    It is a leaf that does not require grad. The layouts hold the same numbers in different places:

    contiguous: in order, without gaps.
    transposed: in order once the last two dimensions are swapped (below rank 2: contiguous).
    strided: every second place of the last dimension, from the second on; what is between is NaN, or the
        dtype's largest number, so that an engine that reads there is found out.
    expanded: one row, repeated along the first dimension with stride 0 (a scalar: contiguous).

    Raises UsageError for an expanded input whose rows differ.
    """
    data = input.data
    if input.layout == "contiguous":
        return data.clone() if device == "cpu" else data.to(device, copy=True)
    match input.layout:
        case "transposed" if data.dim() > 1:
            storage = torch.empty(data.transpose(-1, -2).shape, dtype=data.dtype, device=device)
            laid_out = storage.transpose(-1, -2).copy_(data)
        case "strided":
            # A scalar lies in a dimension of its own, which is taken away again.
            *outer, last = data.shape or (1,)
            storage = torch.full((*outer, 2 * last), _gap(data.dtype), dtype=data.dtype, device=device)
            laid_out = storage[..., 1::2] if data.dim() else storage[1]
            laid_out.copy_(data)
        case "expanded" if data.dim() > 0:
            laid_out = _row(input).to(device, copy=True).expand(data.shape)
        case _:
            return data.to(device, copy=True)
    return laid_out.data  # no view of anything, as far as torch can tell


def _gap(dtype: torch.dtype) -> float | int | bool:
    if dtype.is_floating_point or dtype.is_complex:
        return float("nan")
    return True if dtype == torch.bool else torch.iinfo(dtype).max


def _row(input: Input) -> torch.Tensor:
    data = input.data
    row = data[:1]
    # Bits, since a NaN equals nothing.
    if not torch.equal(_bits(data), _bits(row).expand_as(_bits(data))):
        raise UsageError(
            f"input {input.name!r} is to be expanded along its first dimension, but its rows differ; "
            "give it equal rows or another layout"
        )
    return row


def _bits(data: torch.Tensor) -> torch.Tensor:
    return data.unsqueeze(-1).view(torch.uint8)
