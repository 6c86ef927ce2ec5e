"""Pooling over windows: means, largest elements, and the way back from those to where they were.

A mean is linear, so the derivative of its backward is the mean of the cotangent over the same windows. Of a
window's largest element the index is known; the derivative of that backward takes the elements at the
indices. torch's table lets both backwards depend on the pooled input, with a gradient of zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .formulas import formula, kernel
from .registry import NON_DIFFERENTIABLE, rule

T = Any
_aten = torch.ops.aten


@formula
def at_indices(value: T, indices: T, rank: int) -> T:
    """Return the elements of `value` at `indices`, which count through its last `rank` dimensions.

    Source: `max_pool_double_backward` in torch/csrc/autograd/FunctionsManual.cpp.
    """
    lead = indices.shape[:-rank]
    flat = value.reshape((*lead, value.shape[-rank:].numel()))
    places = indices.reshape((*lead, indices.shape[-rank:].numel()))
    return flat.gather(-1, places).reshape(indices.shape)


# Each kernel takes what it pools, and then `options`: sizes of windows, strides and so on.


def _mean_pool(name: str, label: str, backward: Callable[..., Any]) -> None:
    """Add the rows of a mean over windows and of its backward."""
    overload = getattr(_aten, name).default
    kernel(name, lambda value, options: overload(value, *options))
    kernel(f"{name}_backward", backward)
    rule(
        name,
        grad_fn=f"{label}Backward0",
        tensors="self",
        args="options",
        forward=f"{name}(self, options)",
        self=f"{name}_backward(grad, self, options)",
        saves="self",
    )
    rule(
        f"{name}_backward",
        grad_fn=f"{label}BackwardBackward0",
        tensors="grad_output self",
        args="options",
        forward=f"{name}_backward(grad_output, self, options)",
        grad_output=f"{name}(grad, options)",
        self="grad.new_zeros(self_shape)",
        saves="",
    )


def _max_pool(name: str, label: str, rank: int, backward: Callable[..., Any]) -> None:
    """Add the rows of the largest elements of windows and of their backward.

    The kernel finds values and indices in one go; `values` is what it found.
    """
    kernel(f"{name}_backward", backward)
    rule(
        name,
        grad_fn=f"{label}Backward0",
        tensors="self indices",
        args="options values",
        forward="values",
        self=f"{name}_backward(grad, self, indices, options)",
        indices=NON_DIFFERENTIABLE,
        saves="self indices",
    )
    rule(
        f"{name}_backward",
        grad_fn=f"{label}BackwardBackward0",
        tensors="grad_output self indices",
        args="options",
        forward=f"{name}_backward(grad_output, self, indices, options)",
        grad_output=f"at_indices(grad, indices, {rank})",
        self="grad.new_zeros(self_shape)",
        indices=NON_DIFFERENTIABLE,
        saves="indices",
    )


def _unpool(name: str, label: str, rank: int) -> None:
    """Add the row that puts elements at indices among zeros."""
    overload = getattr(_aten, name).default
    kernel(name, lambda value, indices, options: overload(value, indices, *options))
    rule(
        name,
        grad_fn=f"{label}Backward0",
        tensors="self indices",
        args="options",
        forward=f"{name}(self, indices, options)",
        self=f"at_indices(grad, indices, {rank})",
        indices=NON_DIFFERENTIABLE,
        saves="indices",
    )


_mean_pool(
    "avg_pool2d",
    "AvgPool2D",
    lambda grad, value, options: _aten.avg_pool2d_backward(grad, value, *options),
)
_mean_pool(
    "avg_pool3d",
    "AvgPool3D",
    lambda grad, value, options: _aten.avg_pool3d_backward(grad, value, *options),
)
# The sizes of the result tell the backward of these everything.
_mean_pool(
    "_adaptive_avg_pool2d",
    "AdaptiveAvgPool2D",
    lambda grad, value, _: _aten._adaptive_avg_pool2d_backward(grad, value),
)
_mean_pool(
    "_adaptive_avg_pool3d",
    "AdaptiveAvgPool3D",
    lambda grad, value, _: _aten._adaptive_avg_pool3d_backward(grad, value),
)


def _with_options(backward: Any) -> Callable[..., Any]:
    return lambda grad, value, indices, options: backward(grad, value, *options, indices)


def _without_options(backward: Any) -> Callable[..., Any]:
    return lambda grad, value, indices, _: backward(grad, value, indices)


for _rank in (2, 3):
    for _name, _label, _taking in (
        (f"max_pool{_rank}d_with_indices", f"MaxPool{_rank}DWithIndices", _with_options),
        (f"adaptive_max_pool{_rank}d", f"AdaptiveMaxPool{_rank}D", _without_options),
        (f"fractional_max_pool{_rank}d", f"FractionalMaxPool{_rank}D", _with_options),
    ):
        _max_pool(_name, _label, _rank, _taking(getattr(_aten, f"{_name}_backward").default))
    _unpool(f"max_unpool{_rank}d", f"MaxUnpool{_rank}D", _rank)
