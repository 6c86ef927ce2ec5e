"""as_strided: a view that is told where its elements lie, by strides over the whole storage.

A geometry is a tuple of size, strides and offset, in elements. The gradient is gathered where the elements
lie: what is taken twice gets the sum, and an input whose own elements overlap shares it out evenly. Source:
"as_strided_backward" in torch/csrc/autograd/FunctionsManual.cpp.
"""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel
from .registry import rule

# In formulas, T is either a plain torch.Tensor or a refgrad Tensor.
T = Any
Geometry = tuple[tuple[int, ...], tuple[int, ...], int]


def _span(geometry: Geometry) -> int:
    """Return how many elements of a storage a geometry reaches over."""
    size, strides, offset = geometry
    if 0 in size:
        return 0
    return offset + 1 + sum((count - 1) * stride for count, stride in zip(size, strides, strict=True))


def restride(value: torch.Tensor, have: Geometry, want: Geometry) -> torch.Tensor:
    """Lay out the elements of `value` as `have` says, adding where they meet; read them as `want` says."""
    size = max(_span(have), _span(want))
    places = torch.arange(size, device=value.device)
    storage = value.new_zeros(size)
    storage.index_add_(0, places.as_strided(*have).reshape(-1), value.reshape(-1))
    return storage.as_strided(*want)


kernel("restride", restride)


def strided(value: torch.Tensor, taken: Geometry, geometry: Geometry) -> torch.Tensor:
    """Take `taken` of a tensor that stands for one of `geometry`: a view if it lies in memory like that."""
    _, strides, offset = geometry
    if tuple(value.stride()) != strides:
        return restride(value, geometry, taken)
    size, steps, start = taken
    return value.as_strided(size, steps, start - offset + value.storage_offset())


kernel("strided", strided)


@formula
def share(grad: T, geometry: Geometry) -> T:
    """Divide the gradient of each element by the number of elements that share its memory."""
    size, strides, _ = geometry
    reach = 1
    for stride, count in sorted(
        (stride, count) for count, stride in zip(size, strides, strict=True) if count > 1
    ):
        if stride < reach:
            return grad / grad.new_tensor(restride(torch.ones(size), geometry, geometry).tolist())
        reach = stride * count
    return grad


# Of as_strided, and of as_strided_.
for _name, _label in (("strided", "AsStridedBackward0"), ("strided_in_place", "AsStridedBackward1")):
    rule(
        _name,
        grad_fn=_label,
        tensors="self",
        args="taken geometry",
        forward="strided(self, taken, geometry)",
        self="share(restride(grad, taken, geometry), geometry)",
        saves="",
        view=True,
    )
rule(
    "restride",
    grad_fn="AsStridedBackwardBackward0",
    tensors="self",
    args="have want",
    forward="restride(self, have, want)",
    self="restride(grad, want, have)",
    saves="",
)
