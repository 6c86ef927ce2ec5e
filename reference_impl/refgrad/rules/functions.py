"""More functions of one tensor, element by element: trigonometry, bounds and activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from .formulas import conj, formula, kernel, zeros_like
from .registry import NON_DIFFERENTIABLE, Missing, rule

T = Any
_nn = torch.nn.functional


@formula
def sinc_slope(value: T) -> T:
    """Return the derivative of sin(pi x) / (pi x), which is 0 at 0 (`sinc_backward` in torch)."""
    turn = value * math.pi
    slope = (turn * turn.cos() - turn.sin()) / (turn * value)
    return conj(slope).masked_fill(value == 0, 0)


@formula
def angle_backward(grad: T, value: T) -> T:
    """Return the gradient of the angle: at right angles to a complex number, 0 for real ones and at 0."""
    if not value.dtype.is_complex:
        return zeros_like(value)
    size = value.abs()
    return (grad * (value * 1j / size) / size).masked_fill(size == 0, 0)


@formula
def clamp_backward(grad: T, value: T, low: T, high: T) -> T:
    """Return the gradient of a clamped tensor: it passes between the bounds and at them, not for nan."""
    inside = ~value.isnan()
    if low is not None:
        inside = inside & (value >= low)
    if high is not None:
        inside = inside & (value <= high)
    return grad.masked_fill(~inside, 0)


def _function(name: str, stated: str, saves: str) -> None:
    """Add the row of a function that tensors have as a method."""
    rule(
        name,
        grad_fn=f"{name.capitalize()}Backward0",
        tensors="self",
        forward=f"self.{name}()",
        self=stated,
        saves=saves,
        elementwise=True,
    )


_function("acos", "grad * -conj((1 - self * self).rsqrt())", "self")
_function("acosh", "grad * conj((self * self - 1).rsqrt())", "self")
_function("asin", "grad * conj((1 - self * self).rsqrt())", "self")
_function("asinh", "grad * conj((self * self + 1).rsqrt())", "self")
_function("atan", "grad / conj(self * self + 1)", "self")
_function("atanh", "grad / conj(1 - self * self)", "self")
# torch's table declares the in-place forms of these without a derivative.
for _name in ("acosh", "asinh", "atanh"):
    rule(
        f"{_name}_in_place",
        grad_fn=f"{_name.capitalize()}Backward1",
        tensors="self",
        forward=f"self.{_name}()",
        self=Missing(f"inplace version of {_name}"),
        saves="",
        elementwise=True,
    )
_function("cosh", "grad * conj(self.sinh())", "self")
_function("sinh", "grad * conj(self.cosh())", "self")
_function("erf", "grad * (1.1283791670955126 * (-(self * self)).exp())", "self")  # 2 / sqrt(pi)
_function("erfinv", "grad * (0.886226925452758 * (result * result).exp())", "result")  # sqrt(pi) / 2
_function("log2", "grad / (conj(self) * 0.6931471805599453)", "self")
_function("log10", "grad / (conj(self) * 2.302585092994046)", "self")
_function("frac", "grad", "")
_function("sinc", "grad * sinc_slope(self)", "self")
_function("angle", "angle_backward(grad, self)", "self")


rule(
    "clamp",
    grad_fn="ClampBackward1",
    tensors="self",
    args="low high",
    forward="self.clamp(low, high)",
    self="clamp_backward(grad, self, low, high)",
    saves="self",
    elementwise=True,
)
rule(
    "nan_to_num",
    grad_fn="NanToNumBackward0",
    tensors="self",
    args="nan posinf neginf",
    forward="self.nan_to_num(nan, posinf, neginf)",
    self="grad * self.isfinite()",
    saves="self",
    elementwise=True,
)


# --- activations: torch's kernels, and torch's choice of a derivative at each kink ---


# The backward of piecewise linear functions: constant in the input, and recorded as depending on it.
kernel("gate", lambda grad, _, closed: grad.masked_fill(closed, 0))
rule(
    "gate",
    grad_fn="ThresholdBackwardBackward0",
    tensors="grad_output self closed",
    forward="gate(grad_output, self, closed)",
    grad_output="grad.masked_fill(closed, 0)",
    self="zeros_like(grad)",
    closed=NON_DIFFERENTIABLE,
    saves="closed",
    elementwise=True,
)


def _activation(name: str, function: Callable[..., Any], stated: str, args: str = "", node: str = "") -> None:
    """Add the row of a function of torch.nn.functional; all of them save their input."""
    kernel(name, function)
    rule(
        name,
        grad_fn=f"{node or ''.join(part.capitalize() for part in name.split('_'))}Backward0",
        tensors="self",
        args=args,
        forward=f"{name}({', '.join(['self', *args.split()])})",
        self=stated,
        saves="self",
        elementwise=True,
    )


@formula
def gelu_slope(value: T, approximate: str) -> T:
    """Return the derivative of x Phi(x), or of its approximation by tanh."""
    if approximate == "none":
        density = (value * value * -0.5).exp() / math.sqrt(2 * math.pi)
        return ((value * math.sqrt(0.5)).erf() + 1) * 0.5 + value * density
    inner = (value + value * value * value * 0.044715) * math.sqrt(2 / math.pi)
    steep = (value * value * (3 * 0.044715) + 1) * math.sqrt(2 / math.pi)
    level = inner.tanh()
    return (level + 1) * 0.5 + value * 0.5 * (1 - level * level) * steep


@formula
def silu_slope(value: T) -> T:
    """Return the derivative of x sigmoid(x)."""
    level = value.sigmoid()
    return level * (value * (1 - level) + 1)


_activation(
    "leaky_relu",
    _nn.leaky_relu,
    "gate(grad, self, ~(self > 0)) + gate(grad * slope, self, self > 0)",
    "slope",
)
_activation("elu", _nn.elu, "where(self <= 0, grad * (self.exp() * alpha), grad)", "alpha")
_activation("celu", _nn.celu, "where(self <= 0, grad * (self / alpha).exp(), grad)", "alpha")
_activation(
    "selu",
    _nn.selu,
    "where(self <= 0, grad * (self.exp() * 1.7580993408473766), grad * 1.0507009873554805)",
    node="Elu",
)
_activation(
    "gelu",
    lambda value, approximate: _nn.gelu(value, approximate=approximate),
    "grad * gelu_slope(self, approximate)",
    "approximate",
)
_activation("silu", _nn.silu, "grad * silu_slope(self)")
_activation(
    "softplus",
    _nn.softplus,
    "where(self * beta > threshold, grad, grad * (self * beta).sigmoid())",
    "beta threshold",
)
_activation("hardtanh", _nn.hardtanh, "gate(grad, self, (self <= low) | (self >= high))", "low high")
_activation(
    "hardswish",
    _nn.hardswish,
    "where(self < 3, grad * (self / 3 + 0.5), grad).masked_fill(self <= -3, 0)",
)
_activation("hardsigmoid", _nn.hardsigmoid, "gate(grad / 6, self, ~((self > -3) & (self < 3)))")
_activation("softshrink", _nn.softshrink, "gate(grad, self, (self >= -lambd) & (self <= lambd))", "lambd")
_activation("hardshrink", _nn.hardshrink, "gate(grad, self, (self >= -lambd) & (self <= lambd))", "lambd")
_activation("log_sigmoid", _nn.logsigmoid, "grad * (-self).sigmoid()")
