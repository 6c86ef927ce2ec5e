"""Convolutions of real tensors (those of complex ones are put together from them).

A convolution F(x, w) is linear in both operands, and so are the two parts of its backward, the gradient
I(g, w) of the input and W(g, x) of the weight: <g, F(x, w)> = <I(g, w), x> = <W(g, x), w>. Each of the three
is therefore the derivative of the other two, and derivatives of any order come from three rows.

torch's second backward of a convolution without elements passes nothing on, but forward mode has a tangent
there: what it transposes is marked as `pushed`.
"""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel
from .registry import rule

T = Any
_aten = torch.ops.aten
_Shape = tuple[int, ...]
# stride, padding, dilation, transposed, output padding, groups
Options = tuple[_Shape, _Shape, _Shape, bool, _Shape, int]


def _convolution(input: T, weight: T, bias: T, options: Options) -> T:
    return _aten.convolution.default(input, weight, bias, *options)


def _input_gradient(grad: T, _input: T, weight: T, shape: _Shape, options: Options, _pushed: bool) -> T:
    # Of the input the kernel looks at nothing but its shape.
    like = grad.new_empty(shape)
    return _aten.convolution_backward.default(grad, like, weight, None, *options, (True, False, False))[0]


def _weight_gradient(grad: T, input: T, _weight: T, shape: _Shape, options: Options, _pushed: bool) -> T:
    like = grad.new_empty(shape)
    return _aten.convolution_backward.default(grad, input, like, None, *options, (False, True, False))[1]


@formula
def sum_channels(grad: T) -> T:
    """Sum [N, C, ...] over all dimensions but the channels."""
    return grad.sum((0, *range(2, grad.dim())))


@formula
def along_channels(grad: T, shape: _Shape) -> T:
    """Spread [C] over [N, C, ...]."""
    return grad.reshape(1, -1, *[1] * (len(shape) - 2)).expand(shape)


kernel("convolution", _convolution)
kernel("convolution_bias", lambda grad, *_operands: sum_channels(grad))
kernel("convolution_input", _input_gradient)
kernel("convolution_weight", _weight_gradient)


rule(
    "convolution",
    grad_fn="ConvolutionBackward0",
    tensors="input weight bias",
    args="options",
    forward="convolution(input, weight, bias, options)",
    input="convolution_input(grad, input, weight, input_shape, options, False)",
    weight="convolution_weight(grad, input, weight, weight_shape, options, False)",
    bias="convolution_bias(grad, input, weight)",
    saves="input weight",
    forward_mode={
        "bias": "sum_channels(grad)",
        "input": "convolution_input(grad, None, weight, input_shape, options, True)",
        "weight": "convolution_weight(grad, input, None, weight_shape, options, True)",
    },
    joint=True,
)
# torch's three gradients are those of one operation, which require grad together and save the same: that of
# the bias too where only the input or the weight is asked for its second derivative. Each takes all of the
# operands for that, also those that it does not depend on. Where it stands for a convolution that torch
# transposes, what it does not depend on is None.
rule(
    "convolution_bias",
    grad_fn="ConvolutionBackwardBackward0",
    tensors="grad_output input weight",
    forward="convolution_bias(grad_output, input, weight)",
    grad_output="along_channels(grad, grad_output_shape)",
    input="None",
    weight="None",
    saves="grad_output input weight",
    kept="grad_output input weight",
)
rule(
    "convolution_input",
    grad_fn="ConvolutionBackwardBackward0",
    tensors="grad_output input weight",
    args="shape options pushed",
    forward="convolution_input(grad_output, input, weight, shape, options, pushed)",
    grad_output="convolution(grad, weight, None, options) if pushed or grad.numel() else None",
    input="None",
    weight=(
        "convolution_weight(grad_output, grad, None, weight_shape, options, pushed) if grad.numel() else None"
    ),
    saves="grad_output input weight",
    kept="grad_output input weight",
)
rule(
    "convolution_weight",
    grad_fn="ConvolutionBackwardBackward0",
    tensors="grad_output input weight",
    args="shape options pushed",
    forward="convolution_weight(grad_output, input, weight, shape, options, pushed)",
    grad_output="convolution(input, grad, None, options) if pushed or input.numel() else None",
    input=(
        "convolution_input(grad_output, None, grad, input_shape, options, pushed) "
        "if grad_output.numel() else None"
    ),
    weight="None",
    saves="grad_output input weight",
    kept="grad_output input weight",
)
