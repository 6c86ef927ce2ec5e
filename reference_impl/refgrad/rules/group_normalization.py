"""Normalisation over groups of channels, whose mean and r are results like any other.

For the mathematics see `normalization`. Other than there the gradients depend, when they are recorded, on the
mean and the r that came out, and pass on to the values through these.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from .formulas import formula, kernel, sum_to
from .normalization import Geometry, given_back, gradient_of, in_view, less_common, part_of, weighted
from .registry import rule

T = Any
_aten = torch.ops.aten


@formula
def statistics_backward(  # noqa: PLR0917 - what went in and came out
    grad_average: T, grad_rstd: T, value: T, average: T, rstd: T, geometry: Geometry
) -> T:
    """Return the gradient of the values for those of mean and r, which in torch count together or not at
    all. It depends on the r that came out, and takes the mean anew.
    """
    if grad_average is None or grad_rstd is None:
        return None
    seen = in_view(value, geometry.view)
    _, reciprocal = _by_results(seen, average, rstd, geometry)
    centred = seen - seen.mean(geometry.dims, True)
    slope = centred * reciprocal.pow(3) * grad_rstd.reshape(reciprocal.shape)
    total = grad_average.reshape(reciprocal.shape) - slope
    return given_back(total / math.prod(geometry.view[dim] for dim in geometry.dims), value)


@formula
def group_norm_by_results(  # noqa: PLR0917 - what went in and came out
    grad_output: T, value: T, weight: T, average: T, rstd: T, geometry: Geometry
) -> T:
    """Return the gradient of the values as it is recorded: it depends on the mean and r that came out
    (`infinitely_differentiable_native_group_norm_backward` in torch/csrc/autograd/FunctionsManual.cpp).
    """
    normal, reciprocal = _by_results(in_view(value, geometry.view), average, rstd, geometry)
    grad = weighted(in_view(grad_output, geometry.view), weight, geometry)
    return given_back(less_common(grad, normal, geometry.dims)[0] * reciprocal, value)


def _by_results(value: T, average: T, rstd: T, geometry: Geometry) -> tuple[T, T]:
    """Return x' and r for values seen in their shape, made of the results that the mean and r are."""
    shape = tuple(1 if dim in geometry.dims else size for dim, size in enumerate(geometry.view))
    mean, reciprocal = (one.reshape(shape).to(value.dtype) for one in (average, rstd))
    return (value - mean) * reciprocal, reciprocal


@formula
def group_norm_transposed(  # noqa: PLR0917 - what went in and came out
    grad_output: T,
    grad_average: T,
    grad_rstd: T,
    value: T,
    weight: T,
    average: T,
    rstd: T,
    geometry: Geometry,
) -> T:
    """Return the gradient of the values for forward mode, which makes use of the mean and r: so tangents
    require grad where these do (`group_norm_jvp` in torch).
    """
    normal, reciprocal = _by_results(in_view(value, geometry.view), average, rstd, geometry)
    grad = weighted(in_view(grad_output, geometry.view), weight, geometry)
    total = less_common(grad, normal, geometry.dims)[0] * reciprocal
    slope = normal * reciprocal * reciprocal * grad_rstd.reshape(reciprocal.shape)
    statistics = grad_average.reshape(reciprocal.shape) - slope
    return given_back(total + statistics / math.prod(geometry.view[dim] for dim in geometry.dims), value)


@formula
def group_norm_weight_transposed(  # noqa: PLR0917 - what went in and came out
    grad_output: T, value: T, weight: T, average: T, rstd: T, geometry: Geometry
) -> T:
    """Return the gradient of the weight in the same way."""
    normal, _ = _by_results(in_view(value, geometry.view), average, rstd, geometry)
    return given_back(sum_to(in_view(grad_output, geometry.view) * normal, geometry.weight), weight)


@formula
def both(first: T, second: T) -> T:
    """Return the sum of two gradients, of which there may be one, or none."""
    if first is None or second is None:
        return second if first is None else first
    return first + second


kernel(
    "native_group_norm",
    # options: batch, channels, places, groups, eps
    lambda value, weight, bias, options: _aten.native_group_norm(value, weight, bias, *options),
)


def _backward(*operands: Any) -> Any:
    grad, value, weight, mean, rstd, _, __, options, mask = operands
    return _aten.native_group_norm_backward(
        grad.contiguous(), value.contiguous(), mean, rstd, weight, *options[:-1], mask
    )


# Recorded, both are written with the results, and so need no derivatives of their own.
for _number, _name in enumerate(("input", "weight")):
    kernel(f"group_norm_{_name}", part_of(_backward, _number))
rule(
    "native_group_norm",
    grad_fn="NativeGroupNormBackward0",
    tensors="input weight bias",
    args="geometry options",
    outputs="output average rstd",
    forward="native_group_norm(input, weight, bias, options)",
    input=(
        "both(None if grad_output is None else "
        "group_norm_by_results(grad_output, input, weight, average, rstd, geometry) if recorded(input) else "
        f"{gradient_of('group_norm_input', 'None, None')}, "
        "statistics_backward(grad_average, grad_rstd, input, average, rstd, geometry))"
    ),
    weight=(
        "None if grad_output is None else "
        "group_norm_weight_transposed(grad_output, input, weight, average, rstd, geometry) "
        f"if recorded(input) else {gradient_of('group_norm_weight', 'None, None')}"
    ),
    bias="sum_channels(grad_output) if grad_output is not None else None",
    saves="input weight average rstd",
    forward_mode={
        "input": (
            "group_norm_transposed("
            "grad_output, grad_average, grad_rstd, input, weight, average, rstd, geometry)"
        ),
        "weight": "group_norm_weight_transposed(grad_output, input, weight, average, rstd, geometry)",
    },
)
