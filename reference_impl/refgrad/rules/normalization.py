"""Normalisation: values less their mean over their standard deviation, times a weight and plus a bias.

What a layer, a group of channels or a batch normalises over differs, the mathematics does not. With
x' = (x - mean) / deviation over n values, the gradient of x is (g - mean(g) - x' mean(g x')) / deviation for
the gradient g of x'. torch's kernels compute it from the mean and the deviation that they have saved. Where
it is to be differentiated again, both are functions of x and are computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .formulas import composed, formula, kernel
from .registry import NON_DIFFERENTIABLE, rule

T = Any
_aten = torch.ops.aten


def _normalized(value: T, dims: Sequence[int], eps: float) -> tuple[T, T]:
    """Return `value` normalised over `dims`, and the reciprocal of the deviation."""
    centred = value - value.mean(dims, True)
    reciprocal = ((centred * centred).mean(dims, True) + eps).rsqrt()
    return centred * reciprocal, reciprocal


def _normalized_backward(grad: T, value: T, dims: Sequence[int], eps: float) -> T:
    """Return the gradient of `value` for that of `value` normalised over `dims`."""
    normal, reciprocal = _normalized(value, dims, eps)
    return (grad - grad.mean(dims, True) - normal * (grad * normal).mean(dims, True)) * reciprocal


def _times(grad: T, weight: T, shape: Sequence[int]) -> T:
    """Return `grad` times `weight` in `shape`; no weight counts as 1."""
    return grad if weight is None else grad * weight.reshape(tuple(shape))


# --- over the last dimensions ---


def _trailing(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(range(-len(shape), 0))


def _layer_norm_kernel(part: int) -> Any:
    mask = tuple(place == part for place in range(3))

    def backward(  # noqa: PLR0917 - what the row gives
        grad: T, value: T, weight: T, mean: T, rstd: T, shape: tuple[int, ...], _: float
    ) -> T:
        return _aten.native_layer_norm_backward(grad, value, shape, mean, rstd, weight, None, mask)[part]

    return backward


def _layer_norm_input(grad: T, value: T, weight: T, _: T, __: T, shape: tuple[int, ...], eps: float) -> T:
    return _normalized_backward(_times(grad, weight, shape), value, _trailing(shape), eps)


def _layer_norm_weight(grad: T, value: T, _: T, __: T, ___: T, shape: tuple[int, ...], eps: float) -> T:
    product = grad * _normalized(value, _trailing(shape), eps)[0]
    lead = tuple(range(product.dim() - len(shape)))
    return product.sum(lead) if lead else product


kernel("native_layer_norm", _aten.native_layer_norm.default)
composed("layer_norm_input", _layer_norm_kernel(0), _layer_norm_input)
composed("layer_norm_weight", _layer_norm_kernel(1), _layer_norm_weight)
rule(
    "native_layer_norm",
    grad_fn="NativeLayerNormBackward0",
    tensors="input weight bias",
    args="shape eps",
    outputs="output average rstd",
    forward="native_layer_norm(input, shape, weight, bias, eps)",
    input="layer_norm_input(grad_output, input, weight, average, rstd, shape, eps)",
    weight="layer_norm_weight(grad_output, input, weight, average, rstd, shape, eps)",
    bias="sum_to(grad_output, bias_shape)",
    average=NON_DIFFERENTIABLE,
    rstd=NON_DIFFERENTIABLE,
    saves="input weight average rstd",
)

# --- over groups of channels ---

# batch, channels, places, groups, eps
_Groups = tuple[int, int, int, int, float]


def _grouped(value: T, sizes: _Groups) -> T:
    batch, channels, places, groups, _ = sizes
    return value.reshape((batch, groups, channels // groups, places))


def _group_norm_input(  # noqa: PLR0917 - what the row gives
    grad: T, grad_average: T, grad_rstd: T, value: T, weight: T, _: T, __: T, sizes: _Groups
) -> T:
    batch, channels, places, groups, eps = sizes
    shaped, total = _grouped(value, sizes), None
    if grad is not None:
        scaled = _times(_grouped(grad, sizes), weight, (1, groups, channels // groups, 1))
        total = _normalized_backward(scaled, shaped, (2, 3), eps)
    # As in torch, the gradients of mean and deviation count together or not at all.
    if grad_average is not None and grad_rstd is not None:
        normal, reciprocal = _normalized(shaped, (2, 3), eps)
        column = (batch, groups, 1, 1)
        slope = normal * reciprocal * reciprocal
        part = grad_average.reshape(column) - slope * grad_rstd.reshape(column)
        part = part / (channels // groups * places)
        total = part if total is None else total + part
    return None if total is None else total.reshape(value.shape)


def _group_norm_input_data(  # noqa: PLR0917 - what the row gives
    grad: T, grad_average: T, grad_rstd: T, value: T, weight: T, average: T, rstd: T, sizes: _Groups
) -> T:
    if grad is None or (grad_average is not None and grad_rstd is not None):
        return _group_norm_input(grad, grad_average, grad_rstd, value, weight, average, rstd, sizes)
    return _group_norm_kernel(grad, value, weight, average, rstd, sizes, 0)


def _group_norm_kernel(  # noqa: PLR0917 - what the kernel takes
    grad: T, value: T, weight: T, average: T, rstd: T, sizes: _Groups, part: int
) -> T:
    mask = tuple(place == part for place in range(3))
    return _aten.native_group_norm_backward(
        grad.contiguous(), value.contiguous(), average, rstd, weight, *sizes[:-1], mask
    )[part]


def _group_norm_weight(grad: T, value: T, _: T, __: T, ___: T, sizes: _Groups) -> T:
    if grad is None:
        return None
    normal, _ = _normalized(_grouped(value, sizes), (2, 3), sizes[-1])
    return (_grouped(grad, sizes) * normal).sum((0, 3)).reshape((sizes[1],))


def _group_norm_weight_data(grad: T, value: T, weight: T, average: T, rstd: T, sizes: _Groups) -> T:  # noqa: PLR0917
    return None if grad is None else _group_norm_kernel(grad, value, weight, average, rstd, sizes, 1)


@formula
def group_norm_bias(grad: T, sizes: tuple[Any, ...]) -> T:
    """Return the sum over all but the channels; None for no gradient."""
    return None if grad is None else grad.reshape((sizes[0], sizes[1], sizes[2])).sum((0, 2))


kernel("native_group_norm", _aten.native_group_norm.default)
composed("group_norm_input", _group_norm_input_data, _group_norm_input)
composed("group_norm_weight", _group_norm_weight_data, _group_norm_weight)
rule(
    "native_group_norm",
    grad_fn="NativeGroupNormBackward0",
    tensors="input weight bias",
    args="sizes",
    outputs="output average rstd",
    forward="native_group_norm(input, weight, bias, *sizes)",
    input="group_norm_input(grad_output, grad_average, grad_rstd, input, weight, average, rstd, sizes)",
    weight="group_norm_weight(grad_output, input, weight, average, rstd, sizes)",
    bias="group_norm_bias(grad_output, sizes)",
    saves="input weight average rstd",
)

# --- over a batch ---


def _channels(value: T) -> tuple[int, ...]:
    return (1, value.shape[1], *(1 for _ in value.shape[2:]))


def _others(value: T) -> tuple[int, ...]:
    return (0, *range(2, value.dim()))


def _batch_norm_kernel(part: int) -> Any:
    mask = tuple(place == part for place in range(3))

    def backward(  # noqa: PLR0917 - what the row gives
        grad: T, value: T, weight: T, known: tuple[T, T], average: T, rstd: T, training: bool, eps: float
    ) -> T:
        arguments = (grad, value, weight, *known, average, rstd, training, eps, mask)
        return _aten.native_batch_norm_backward(*arguments)[part]

    return backward


def _batch_norm_input(  # noqa: PLR0917 - what the row gives
    grad: T, value: T, weight: T, known: tuple[T, T], _: T, __: T, training: bool, eps: float
) -> T:
    shape = _channels(value)
    scaled = _times(grad, weight, shape)
    if training:
        return _normalized_backward(scaled, value, _others(value), eps)
    return scaled * (known[1] + eps).rsqrt().reshape(shape)


def _batch_norm_weight(
    grad: T, value: T, _: T, known: tuple[T, T], __: T, ___: T, training: bool, eps: float
) -> T:
    shape, dims = _channels(value), _others(value)
    if training:
        return (grad * _normalized(value, dims, eps)[0]).sum(dims)
    normal = (value - known[0].reshape(shape)) * (known[1] + eps).rsqrt().reshape(shape)
    return (grad * normal).sum(dims)


composed("batch_norm_input", _batch_norm_kernel(0), _batch_norm_input)
composed("batch_norm_weight", _batch_norm_kernel(1), _batch_norm_weight)


def _batch_norm(name: str, label: str, overload: Any) -> None:
    """Add the row of one of torch's forms of batch normalisation.

    The kernel moves the running statistics, if it is given any in training. Those take no part in the graph.
    """
    kernel(name, overload)
    saved = "(running_mean, running_var), average, rstd, training, eps"
    rule(
        name,
        grad_fn=label,
        tensors="input weight bias running_mean running_var",
        args="training momentum eps",
        outputs="output average rstd",
        forward=f"{name}(input, weight, bias, running_mean, running_var, training, momentum, eps)",
        input=f"batch_norm_input(grad_output, input, weight, {saved})",
        weight=f"batch_norm_weight(grad_output, input, weight, {saved})",
        bias="sum_channels(grad_output)",
        running_mean=NON_DIFFERENTIABLE,
        running_var=NON_DIFFERENTIABLE,
        average=NON_DIFFERENTIABLE,
        rstd=NON_DIFFERENTIABLE,
        saves="input weight running_mean running_var average rstd",
    )


_legit: Any = _aten._native_batch_norm_legit
_batch_norm("native_batch_norm", "NativeBatchNormBackward0", _aten.native_batch_norm.default)
_batch_norm("_native_batch_norm_legit", "NativeBatchNormLegitBackward0", _legit.default)
_batch_norm(
    "_native_batch_norm_legit_no_stats",
    "NativeBatchNormLegitBackward1",
    lambda value, weight, bias, _, __, *rest: _legit.no_stats(value, weight, bias, *rest),
)
