"""Activations of `refgrad.nn.functional`, with torch's signatures.

What torch computes in one kernel is one operation here, with its derivative in `rules.activations`. With
`inplace` the input itself is written to, and recorded as torch records it.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#non-linear-activation-functions
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from . import reductions
from .complex_support import refuse_complex
from .inplace import write
from .operands import along
from .ops import apply
from .pointwise import abs as absolute
from .pointwise import relu as rectified
from .pointwise import sigmoid, tanh
from .rules import TABLE
from .rules.formulas import FUNCTIONS
from .shapes import reshape
from .tensor import Tensor

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "hardtanh_", "leaky_relu", "leaky_relu_", "log_softmax", "logsigmoid", "mish", "prelu", "relu", "relu6",
    "relu_", "rrelu", "rrelu_", "selu", "selu_", "sigmoid", "silu", "softmax", "softmin", "softplus",
    "softshrink", "softsign", "tanh", "tanhshrink", "threshold", "threshold_",
]  # fmt: skip

# The functions that the package itself has too, and those that are methods of tensors.
TORCH = (
    "celu",
    "celu_",
    "hardshrink",
    "prelu",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "threshold",
    "threshold_",
)
METHODS = ("hardshrink", "prelu")


def _activate(name: str, input: Tensor, inplace: bool, *args: Any) -> Tensor:
    """Apply the operation `name`; with `inplace`, write its result to `input`."""
    if not inplace:
        return apply(name, input, *args)
    function = FUNCTIONS[name][0]
    row = f"{name}_in_place" if f"{name}_in_place" in TABLE else name
    return write(input, lambda data: data.copy_(function(data, *args)), row, (), args)


def _written(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return the form of an activation that is always in place."""

    def operator(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return function(input, *args, **kwargs, inplace=True)

    operator.__name__ = operator.__qualname__ = f"{function.__name__}_"
    operator.__doc__ = f"Do what {function.__name__} does, in place; see there for the arguments."
    return operator


# --- linear units ---


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return the larger of x and 0; the gradient at 0 is 0."""
    return input.relu_() if inplace else rectified(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Return x where it is positive and `negative_slope * x` elsewhere, 0 included.

    In place, backward raises RuntimeError for a negative slope.
    """
    return _activate("leaky_relu", input, inplace, negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Return x where it is positive and `weight * x` elsewhere, 0 included.

    `weight` has one slope, or [C] of them for an input [N, C, ...]. Raises RuntimeError for other shapes, and
    for an input and a weight of different dtypes.
    """
    if input.dtype != weight.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {input.dtype} and {weight.dtype}")
    if weight.numel() != 1:
        if not input.ndim:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.numel():
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.numel()} and channel size = {channels}."
            )
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if input.ndim != weight.ndim:
        weight = reshape(weight, tuple(weight.numel() if dim == 1 else 1 for dim in range(input.ndim)))
    return apply("prelu", input, weight)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """Return x where it is positive and a multiple of it elsewhere.

    In training each element draws its slope between `lower` and `upper` from torch's generator; in evaluation
    it is the middle of both. Raises RuntimeError if `lower` is above `upper`.
    """
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    data = input._data
    slopes = torch.zeros_like(data)
    values = torch.ops.aten.rrelu_with_noise(data, slopes, lower, upper, training)
    if not training:
        slopes = torch.where(data > 0, 1.0, (lower + upper) / 2).to(data.dtype)
    if inplace:
        return write(
            input, lambda data: data.copy_(values), "rrelu_in_place", (Tensor._of(slopes),), (values,)
        )
    return apply("rrelu", input, Tensor._of(slopes), values)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return x where it is positive and `alpha * (exp(x) - 1)` elsewhere; at 0 the slope is `alpha`."""
    return _activate("elu", input, inplace, alpha, 1.0, 1.0)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return x where it is positive and `alpha * (exp(x / alpha) - 1)` elsewhere.

    Raises RuntimeError for an `alpha` of 0.
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _activate("celu", input, inplace, alpha, 1.0, 1.0 / alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return the scaled exponential linear unit; at 0 the slope is the one of the left side.

    Source of the constants: G. Klambauer and others, "Self-Normalizing Neural Networks" (2017).
    """
    return _activate("elu", input, inplace, 1.6732632423543772, 1.0507009873554805, 1.0)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Return x where it is above `threshold` and `value` elsewhere, where the gradient is 0."""
    return _activate("floored", input, inplace, threshold, value)


# --- smooth functions ---


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Return x Phi(x), or its approximation by tanh."""
    return apply("gelu", input, approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return x sigmoid(x); raise RuntimeError for complex numbers where it would be recorded out of place."""
    if not inplace:
        refuse_complex("silu", input)
    return _activate("silu", input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return x tanh(softplus(x))."""
    return _activate("mish", input, inplace)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Return the first half of `input` along `dim` times the sigmoid of the second.

    Raises RuntimeError for a dimension of odd size, and for a number.
    """
    if not input.ndim:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    return apply("glu", input, along(input, dim))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return log(1 + exp(beta x)) / beta, and x itself where beta x is above `threshold`."""
    return apply("softplus", input, beta, threshold)


def softsign(input: Tensor) -> Tensor:
    """Return x / (1 + |x|)."""
    return input / (absolute(input) + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """Return x - tanh(x)."""
    return input - tanh(input)


def logsigmoid(input: Tensor) -> Tensor:
    """Return log(sigmoid(x)), without overflow."""
    return apply("log_sigmoid", input)


# --- functions with hard bounds ---


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Return x between two bounds; at the bounds the gradient is 0.

    Raises ValueError if the lower one is above the upper one.
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _activate("hardtanh", input, inplace, min_val, max_val)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Return x between 0 and 6; at the bounds the gradient is 0."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return x min(max(x + 3, 0), 6) / 6."""
    return _activate("hardswish", input, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Return min(max(x + 3, 0), 6) / 6; at the bounds the gradient is 0."""
    return _activate("hardsigmoid", input, inplace)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return x moved towards 0 by `lambd`, 0 between; at the bounds the gradient is 0."""
    return apply("softshrink", input, lambd)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return x where |x| > lambd and 0 elsewhere; at the bounds the gradient is 0."""
    return apply("hardshrink", input, lambd)


# --- distributions ---


def _dimension(name: str, input: Tensor, dim: int | None, stacklevel: int) -> int:
    """Return `dim`, or torch's choice of one, with its warning."""
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
        "argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if input.ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """Return the exponentials divided by their sum along `dim`, in `dtype` if given."""
    return reductions.softmax(input, _dimension("softmax", input, dim, _stacklevel), dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """Return the softmax of -x along `dim`, in `dtype` if given."""
    return reductions.softmax(-input, _dimension("softmin", input, dim, _stacklevel), dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """Return the logarithm of softmax along `dim`, without overflow, in `dtype` if given."""
    return reductions.log_softmax(input, _dimension("log_softmax", input, dim, _stacklevel), dtype)


celu_ = _written(celu)
elu_ = _written(elu)
hardtanh_ = _written(hardtanh)
leaky_relu_ = _written(leaky_relu)
relu_ = _written(relu)
rrelu_ = _written(rrelu)
selu_ = _written(selu)
threshold_ = _written(threshold)
