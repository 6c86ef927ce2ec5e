"""Normalisation: values less their mean over their standard deviation, times a weight and plus a bias.

What a layer, a group of channels or a batch normalises over differs, the mathematics does not. With
x' = (x - mean) r over n values, r the reciprocal of the deviation, the Jacobian of x' in x is symmetric:

    B(g) = r (g - mean(g) - x' mean(g x'))

The gradient of x is B(g w), that of the weight w the sum of g x'. torch has kernels for the two that use the
mean and the r that were saved; their own derivatives are written with mean and r as functions of x.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from .convolution import sum_channels
from .formulas import formula, kernel, sum_to
from .registry import NON_DIFFERENTIABLE, rule

T = Any
_aten = torch.ops.aten


class Geometry(NamedTuple):
    """What is normalised over: `dims` of the values seen in the shape `view`, where the weight has the shape
    `weight`. The statistics are those of the values themselves, or else (`own` false) known beforehand.
    """

    view: tuple[int, ...]
    dims: tuple[int, ...]
    weight: tuple[int, ...]
    eps: float
    own: bool = True


def in_view(value: T, shape: tuple[int, ...]) -> T:
    """Return `value` in another shape; 16 bits are too few for sums of squares."""
    seen = value.reshape(shape)
    return seen.to(torch.float32) if value.dtype in (torch.float16, torch.bfloat16) else seen


def given_back(value: T, like: T) -> T:
    """Return `value` in the shape and dtype of what it is the gradient of."""
    return value.reshape(like.shape).to(like.dtype)


def _normalized(value: T, known: tuple[T, T], geometry: Geometry) -> tuple[T, T]:
    """Return x' and r for values seen in their shape."""
    if geometry.own:
        centred = value - value.mean(geometry.dims, True)
        variance = (centred * centred).mean(geometry.dims, True)
    else:
        mean, variance = (in_view(one, geometry.weight) for one in known)
        centred = value - mean
    reciprocal = (variance + geometry.eps).rsqrt()
    return centred * reciprocal, reciprocal


def less_common(grad: T, normal: T, dims: tuple[int, ...]) -> tuple[T, T]:
    """Return B(grad) / r, and the mean of `grad` times x'."""
    common = (grad * normal).mean(dims, True)
    return grad - grad.mean(dims, True) - normal * common, common


def _jacobian(grad: T, value: T, known: tuple[T, T], geometry: Geometry) -> T:
    """Return B(grad); known statistics only scale."""
    normal, reciprocal = _normalized(value, known, geometry)
    return (less_common(grad, normal, geometry.dims)[0] if geometry.own else grad) * reciprocal


def weighted(grad: T, weight: T, geometry: Geometry) -> T:
    """Return g w for values seen in their shape; g alone where there is no weight."""
    return grad if weight is None else grad * in_view(weight, geometry.weight)


@formula
def scaled_jacobian(grad: T, value: T, weight: T, known: tuple[T, T], geometry: Geometry) -> T:
    """Return w B(grad), the adjoint of g -> B(g w)."""
    seen = in_view(grad, geometry.view)
    product = _jacobian(seen, in_view(value, geometry.view), known, geometry)
    return given_back(weighted(product, weight, geometry), value)


@formula
def jacobian_by_weight(  # noqa: PLR0917 - what B(g w) is made of
    grad: T, grad_output: T, value: T, weight: T, known: tuple[T, T], geometry: Geometry
) -> T:
    """Return the gradient of the weight for the cotangent `grad` of B(g w)."""
    seen = _jacobian(in_view(grad, geometry.view), in_view(value, geometry.view), known, geometry)
    product = seen * in_view(grad_output, geometry.view)
    return given_back(sum_to(product, geometry.weight), weight)


@formula
def jacobian_by_value(grad: T, grad_output: T, value: T, weight: T, geometry: Geometry) -> T:
    """Return the gradient of the values for the cotangent `grad` of B(g w): that of r (c - m1 m2) n.

    Here c is the covariance of `grad` and g w, and m1, m2 are their means with x'.
    """
    if not geometry.own:
        return None
    dims = geometry.dims
    normal, reciprocal = _normalized(in_view(value, geometry.view), (None, None), geometry)
    left = in_view(grad, geometry.view)
    right = weighted(in_view(grad_output, geometry.view), weight, geometry)
    (left_part, left_mean), (right_part, right_mean) = (
        less_common(one, normal, dims) for one in (left, right)
    )
    covariance = ((left - left.mean(dims, True)) * right).mean(dims, True)
    total = normal * (covariance - left_mean * right_mean) + left_part * right_mean + right_part * left_mean
    return given_back(-total * reciprocal * reciprocal, value)


@formula
def spread_weight(grad: T, value: T, known: tuple[T, T], geometry: Geometry) -> T:
    """Return x' times the cotangent `grad` of the sum of g x'."""
    normal, _ = _normalized(in_view(value, geometry.view), known, geometry)
    return given_back(normal * in_view(grad, geometry.weight), value)


@formula
def weight_by_value(grad: T, grad_output: T, value: T, known: tuple[T, T], geometry: Geometry) -> T:
    """Return the gradient of the values for the cotangent `grad` of the sum of g x'."""
    product = in_view(grad_output, geometry.view) * in_view(grad, geometry.weight)
    return given_back(_jacobian(product, in_view(value, geometry.view), known, geometry), value)


_STATISTICS = ("average", "rstd", "known_mean", "known_var")


def _backward(name: str, label: str, overload: Any) -> None:
    """Add the rows of two parts of a backward, which `overload` computes for a mask of what is wanted."""
    operands = f"input, weight, {', '.join(_STATISTICS)}, geometry, options"
    known = "(known_mean, known_var), geometry"
    derivatives: dict[str, dict[str, Any]] = {
        "input": {
            "grad_output": f"scaled_jacobian(grad, input, weight, {known})",
            "input": "jacobian_by_value(grad, grad_output, input, weight, geometry)",
            "weight": f"jacobian_by_weight(grad, grad_output, input, weight, {known})",
        },
        "weight": {
            "grad_output": f"spread_weight(grad, input, {known})",
            "input": f"weight_by_value(grad, grad_output, input, {known})",
            "weight": "None",
        },
    }
    for part, (what, stated) in enumerate(derivatives.items()):
        kernel(f"{name}_{what}", part_of(overload, part))
        rule(
            f"{name}_{what}",
            grad_fn=f"{label}BackwardBackward0",
            tensors=f"grad_output input weight {' '.join(_STATISTICS)}",
            args="geometry options",
            forward=f"{name}_{what}(grad_output, {operands})",
            saves="grad_output input weight known_mean known_var",
            kept="weight",
            **(stated | dict.fromkeys(_STATISTICS, NON_DIFFERENTIABLE)),
        )


def _bias(  # noqa: PLR0917 - what a bias is given, in order
    name: str,
    label: str,
    others: str,
    sums: Callable[[T, tuple[int, ...]], T],
    spread: str,
    kept: str,
) -> None:
    """Add the row of the gradient of the bias, what `sums` makes of the cotangent; `spread` goes back.

    torch's gradients are those of one operation, which require grad together: so does this one where any of
    `others`, the operands that it does not depend on, requires grad. What that operation saves is `kept`,
    and a write to it noticed, though nothing here needs it.
    """
    statistics = [tensor for tensor in kept.split() if tensor not in ("grad_output", *others.split())]
    stated: dict[str, Any] = dict.fromkeys(others.split(), "None")
    operands = ", ".join([*stated, *statistics])
    kernel(f"{name}_bias", lambda grad, *given: sums(grad, given[-1]))
    rule(
        f"{name}_bias",
        grad_fn=f"{label}BackwardBackward0",
        tensors=f"grad_output {operands.replace(',', '')}",
        args="shape",
        forward=f"{name}_bias(grad_output, {operands}, shape)",
        grad_output=spread,
        saves=kept,
        kept=kept,
        **(stated | dict.fromkeys(statistics, NON_DIFFERENTIABLE)),
    )


def part_of(overload: Any, part: int) -> Any:
    """Return the kernel of one part of a backward; the geometry is for formulas alone."""
    mask = tuple(place == part for place in range(3))

    def call(*operands: Any) -> T:
        *tensors, _, options = operands
        return overload(*tensors, options, mask)[part]

    return call


def gradient_of(what: str, known: str) -> str:
    """Return the formula for a part of a backward, with the statistics that are known beforehand."""
    return f"{what}(grad_output, input, weight, average, rstd, {known}, geometry, options)"


# --- over the last dimensions ---


@formula
def sum_of_rows(grad: T, shape: tuple[int, ...]) -> T:
    """Return the sum of what is of `shape` in `grad`, a new tensor also where there is one row."""
    return grad.unsqueeze(0).sum(tuple(range(grad.dim() + 1 - len(shape))))


kernel(
    "native_layer_norm",
    # options: shape, eps
    lambda value, weight, bias, options: _aten.native_layer_norm(value, options[0], weight, bias, options[1]),
)
_backward(
    "layer_norm",
    "NativeLayerNorm",
    lambda grad, value, weight, mean, rstd, _, __, options, mask: _aten.native_layer_norm_backward(
        grad, value, options[0], mean, rstd, weight, None, mask
    ),
)
_bias(
    "layer_norm",
    "NativeLayerNorm",
    "input weight bias",
    sum_of_rows,
    "grad.expand(grad_output_shape)",
    "grad_output input weight",
)
rule(
    "native_layer_norm",
    grad_fn="NativeLayerNormBackward0",
    tensors="input weight bias",
    args="geometry options",
    outputs="output average rstd",
    forward="native_layer_norm(input, weight, bias, options)",
    input=gradient_of("layer_norm_input", "None, None"),
    weight=gradient_of("layer_norm_weight", "None, None"),
    bias="layer_norm_bias(grad_output, input, weight, bias, bias_shape)",
    average=NON_DIFFERENTIABLE,
    rstd=NON_DIFFERENTIABLE,
    saves="input weight bias average rstd",
    forward_mode={"bias": "sum_of_rows(grad_output, bias_shape)"},
    joint=True,
)

# --- over a batch ---


def _batch_norm(name: str, label: str, overload: Any) -> None:
    """Add the row of one of torch's forms of batch normalisation.

    The kernel moves the running statistics, if it is given any in training. Those take no part in the graph.
    """
    # options: training, momentum, eps
    kernel(name, lambda *operands: overload(*operands[:-1], *operands[-1]))
    known = "running_mean, running_var"
    rule(
        name,
        grad_fn=label,
        tensors="input weight bias running_mean running_var",
        args="geometry options",
        outputs="output average rstd",
        forward=f"{name}(input, weight, bias, {known}, options)",
        input=gradient_of("batch_norm_input", known),
        weight=gradient_of("batch_norm_weight", known),
        bias="batch_norm_bias(grad_output, input, weight, running_mean, running_var, bias_shape)",
        running_mean=NON_DIFFERENTIABLE,
        running_var=NON_DIFFERENTIABLE,
        average=NON_DIFFERENTIABLE,
        rstd=NON_DIFFERENTIABLE,
        saves="input weight running_mean running_var average rstd",
        forward_mode={"bias": "sum_channels(grad_output)"},
    )


_backward(
    "batch_norm",
    "NativeBatchNorm",
    lambda grad, value, weight, mean, rstd, known_mean, known_var, options, mask: (
        _aten.native_batch_norm_backward(
            grad, value, weight, known_mean, known_var, mean, rstd, options[0], options[2], mask
        )
    ),
)
_bias(
    "batch_norm",
    "NativeBatchNorm",
    "input weight",
    lambda grad, _shape: sum_channels(grad),
    "along_channels(grad, grad_output_shape)",
    "grad_output input weight running_mean running_var",
)
_legit: Any = _aten._native_batch_norm_legit
_batch_norm("native_batch_norm", "NativeBatchNormBackward0", _aten.native_batch_norm.default)
_batch_norm("_native_batch_norm_legit", "NativeBatchNormLegitBackward0", _legit.default)
_batch_norm(
    "_batch_norm_with_update",
    "BatchNormWithUpdateBackward0",
    # What is reserved for cuDNN, the last result, is empty elsewhere. It is always in training.
    lambda *operands: _aten._batch_norm_with_update.default(*operands[:-3], *operands[-2:])[:3],
)
_batch_norm(
    "_native_batch_norm_legit_no_stats",
    "NativeBatchNormLegitBackward1",
    lambda value, weight, bias, _, __, *rest: _legit.no_stats(value, weight, bias, *rest),
)
