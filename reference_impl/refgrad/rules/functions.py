"""More functions of one tensor, element by element: trigonometry and bounds."""

from __future__ import annotations

import math
from typing import Any

from .formulas import conj, formula, zeros_like
from .registry import Missing, rule

T = Any


@formula
def sinc_backward(grad: T, value: T) -> T:
    """Return the gradient of sin(pi x) / (pi x), which is 0 at 0, and where the square of x is too small for
    the dtype.

    There torch chooses after it has multiplied by the cotangent (`sinc_backward`): the derivative of the
    gradient by the cotangent is nan.
    """
    turn, square = value * math.pi, value * value * math.pi
    return (grad * conj((turn * turn.cos() - turn.sin()) / square)).where(square != 0, 0)


@formula
def angle_backward(grad: T, value: T) -> T:
    """Return the gradient of the angle: at right angles to a complex number, 0 for real ones and at 0.

    As in torch (`angle_backward`) it is nan where the square of the magnitude is too small for the dtype.
    """
    if not value.dtype.is_complex:
        return zeros_like(value)
    return (grad * value / value.abs().pow(2) * 1j).where(value != 0, 0)


@formula
def acosh_slope(value: T) -> T:
    """Return the derivative of acosh: one over the root of x^2 - 1, of a complex x as the roots of x - 1 and
    x + 1, whose cuts are those of acosh.
    """
    if value.dtype.is_complex:
        return (value + 1).rsqrt() * (value - 1).rsqrt()
    return (value * value - 1).rsqrt()


@formula
def clamp_backward(grad: T, value: T, low: T, high: T) -> T:
    """Return the gradient of a clamped tensor: it passes between the bounds and at them, not for nan."""
    inside = ~value.isnan()
    if low is not None:
        inside = inside & (value >= low)
    if high is not None:
        inside = inside & (value <= high)
    return grad.where(inside, 0)


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
        diagonal=True,
    )


_function("acos", "grad * -conj((1 - self * self).rsqrt())", "self")
_function("acosh", "grad * conj(acosh_slope(self))", "self")
_function("asin", "grad * conj((1 - self * self).rsqrt())", "self")
_function("asinh", "grad * conj((self * self + 1).rsqrt())", "self")
_function("atan", "grad / conj(self * self + 1)", "self")
# Multiplied by 1 as torch has it, and so not saved itself.
_function("atanh", "grad * 1 / conj(1 - self * self)", "self")
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
_function("erf", "1.1283791670955126 * (-(self * self)).exp() * grad", "self")  # 2 / sqrt(pi)
_function("erfinv", "0.886226925452758 * self.erfinv().pow(2).exp() * grad", "self")  # sqrt(pi) / 2
_function("log2", "grad / (conj(self) * 0.6931471805599453)", "self")
_function("log10", "grad / (conj(self) * 2.302585092994046)", "self")
_function("frac", "grad", "")
_function("sinc", "sinc_backward(grad, self)", "self")
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
    diagonal=True,
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
    diagonal=True,
)
