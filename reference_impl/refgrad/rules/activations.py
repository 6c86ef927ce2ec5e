"""Activations: torch's kernels, and torch's choice of a derivative at each kink.

The formulas and their conventions are those of tools/autograd/derivatives.yaml and of the kernels in
aten/src/ATen/native/cpu/Activation.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from .formulas import formula, kernel
from .registry import NON_DIFFERENTIABLE, NOT_IMPLEMENTED, rule

T = Any
_nn = torch.nn.functional
_aten = torch.ops.aten


# The backward of piecewise linear functions: constant in the input, and recorded as depending on it.
# Laid out like the gradient, or like the tensor where that is one number expanded, as by torch's kernels.
kernel(
    "gate",
    lambda grad, _, closed: _aten.softshrink_backward(grad, (~closed).to(grad.dtype), 0.5),
)
rule(
    "gate",
    grad_fn="ThresholdBackwardBackward0",
    tensors="grad_output self closed",
    forward="gate(grad_output, self, closed)",
    grad_output="gate(grad, self, closed)",
    self="zeros_like(grad)",
    closed=NON_DIFFERENTIABLE,
    saves="self closed",
    elementwise=True,
    joint=True,
)
# What torch computes in one kernel, and formulas here, is nevertheless recorded as saving both operands.
kernel("saving", lambda value, *_: value)
rule(
    "saving",
    grad_fn="AliasBackward0",
    tensors="value grad_output self",
    forward="saving(value, grad_output, self)",
    value="grad",
    grad_output=NON_DIFFERENTIABLE,
    self=NON_DIFFERENTIABLE,
    saves="grad_output self",
    kept="grad_output self",
)


@formula
def wide(value: T) -> T:
    """Return a number in single precision if it has less, as torch's kernels compute."""
    return value.float() if value.dtype.itemsize < 4 else value


def _activation(
    name: str, function: Callable[..., Any], stated: str, args: str = "", pulled: str | None = None
) -> None:
    """Add the row of a function of torch.nn.functional; all of them save their input.

    pulled: the formula that forward mode transposes, where it is another.
    """
    kernel(name, function)
    rule(
        name,
        grad_fn=f"{_title(name)}Backward0",
        tensors="self",
        args=args,
        forward=f"{name}({', '.join(['self', *args.split()])})",
        self=stated,
        saves="self",
        elementwise=True,
        forward_mode=None if pulled is None else {"self": pulled},
        diagonal=True,
    )


def _in_place(name: str, stated: str, args: str) -> None:
    """Add the row that the in-place form of an activation records, in terms of its result."""
    rule(
        f"{name}_in_place",
        grad_fn=f"{_title(name)}Backward1",
        tensors="self",
        args=args,
        forward=f"{name}({', '.join(['self', *args.split()])})",
        self=stated,
        saves="result",
        elementwise=True,
        diagonal=True,
    )


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


# --- linear units with another slope on the left ---


@formula
def refuse_negative(slope: float, what: str) -> float:
    """Return `slope`, or raise torch's RuntimeError: the result does not tell the sign of the input then."""
    if slope < 0:
        raise RuntimeError(
            f"In-place {what} backward calculation is triggered with a negative slope which is not "
            "supported. This is caused by calling in-place forward function with a negative slope, please "
            "call out-of-place version instead."
        )
    return slope


_LEAKY = "gate(grad, {0}, ~({0} > 0)) + gate(grad * {1}, {0}, {0} > 0)"
_activation("leaky_relu", _nn.leaky_relu, _LEAKY.format("self", "slope"), "slope")
_in_place("leaky_relu", _LEAKY.format("result", "refuse_negative(slope, 'leakyReLu')"), "slope")


@formula
def exponential_slope(value: T, alpha: float, scale: float, steep: float) -> T:
    """Return the derivative of scale * alpha * (exp(steep * x) - 1), which counts up to 0.

    Beyond, where the exponential overflows, it is cut off; at 0 its own derivative is 0, as torch has it
    (`elu_double_backward` in torch/csrc/autograd/FunctionsManual.cpp).
    """
    return (value.masked_fill(value >= 0, 0) * steep).exp() * (alpha * scale * steep)


@formula
def exponential_slope_from(result: T, alpha: float, scale: float, steep: float) -> T:
    """Return the derivative of scale * alpha * (exp(steep * x) - 1) from its result."""
    return (result.masked_fill(result >= 0, 0) + refuse_negative(alpha, "elu") * scale) * steep


# scale * x where x is positive, and scale * alpha * (exp(steep * x) - 1) elsewhere, 0 included: celu divides
# x by alpha, and selu has two constants of its own.
_ELU = "saving(where({0} <= 0, grad * {1}({0}, alpha, scale, steep), grad * scale), grad, {0})"
_activation("elu", _aten.elu.default, _ELU.format("self", "exponential_slope"), "alpha scale steep")
_in_place("elu", _ELU.format("result", "exponential_slope_from"), "alpha scale steep")
_activation("celu", _aten.elu.default, _ELU.format("self", "exponential_slope"), "alpha scale steep")
_in_place("celu", _ELU.format("result", "exponential_slope_from"), "alpha scale steep")

# At 0 the gradient is that of the left side, and second derivatives and tangents are those of the right.
kernel("prelu", _aten._prelu_kernel.default)
kernel("prelu_backward", lambda grad, value, weight: torch.where(value > 0, grad, weight * grad))
kernel("prelu_weight_backward", lambda grad, value, _weight: (grad * value).masked_fill(value > 0, 0))
rule(
    "prelu",
    grad_fn="PreluKernelBackward0",
    tensors="self weight",
    forward="prelu(self, weight)",
    self="prelu_backward(grad, self, weight)",
    weight="prelu_weight_backward(grad, self, weight)",
    saves="self weight",
    elementwise=True,
    joint=True,
)
rule(
    "prelu_backward",
    grad_fn="PreluKernelBackwardBackward0",
    tensors="grad_output self weight",
    forward="prelu_backward(grad_output, self, weight)",
    grad_output="where(self >= 0, grad, weight * grad)",
    self="zeros_like(grad)",
    weight="(grad * grad_output).masked_fill(self >= 0, 0)",
    saves="grad_output self weight",
    elementwise=True,
)
# It does not depend on the weight, but torch's two gradients are one operation's, and require grad together.
rule(
    "prelu_weight_backward",
    grad_fn="PreluKernelBackwardBackward0",
    tensors="grad_output self weight",
    forward="prelu_weight_backward(grad_output, self, weight)",
    grad_output="(grad * self).masked_fill(self >= 0, 0)",
    self="(grad * grad_output).masked_fill(self >= 0, 0)",
    weight="zeros_like(weight)",
    saves="grad_output self weight",
    elementwise=True,
)

# The kernel draws the slopes, 1 where the input is positive, and `values` is what it made with them.
for _number, _name in enumerate(("rrelu", "rrelu_in_place")):
    rule(
        _name,
        grad_fn=f"RreluWithNoiseBackward{_number}",
        tensors="self slopes",
        args="values",
        forward="values",
        self="gate(grad * slopes, self, slopes == 0)",
        slopes=NON_DIFFERENTIABLE,
        saves="self slopes",
        elementwise=True,
        diagonal=True,
    )

# --- smooth ones ---


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


@formula
def mish_slope(value: T, level: T) -> T:
    """Return the derivative of x tanh(softplus(x)), where `level` is softplus(x)."""
    bend = level.tanh()
    return bend + value * value.sigmoid() * (1 - bend * bend)


@formula
def half(value: T, dim: int, index: int) -> T:
    """Return the first (0) or the second half of `value` along `dim`."""
    size = value.shape[dim] // 2
    return value.narrow(dim, index * size, size)


@formula
def sigmoid_slope(value: T) -> T:
    """Return the derivative of sigmoid(x)."""
    level = value.sigmoid()
    return level * (1 - level)


_activation(
    "gelu",
    lambda value, approximate: _nn.gelu(value, approximate=approximate),
    "(wide(grad) * gelu_slope(wide(self), approximate)).to(self_dtype)",
    "approximate",
)
_activation("silu", _nn.silu, "(wide(grad) * silu_slope(wide(self))).to(self_dtype)")
kernel("softplus_backward", _aten.softplus_backward.default)
_activation("softplus", _nn.softplus, "softplus_backward(grad, self, beta, threshold)", "beta threshold")
# At the threshold, where the first derivative is still that of the curve, the second is that of the line.
rule(
    "softplus_backward",
    grad_fn="SoftplusBackwardBackward0",
    tensors="grad_output self",
    args="beta threshold",
    forward="softplus_backward(grad_output, self, beta, threshold)",
    grad_output="softplus_backward(grad, self, beta, threshold)",
    self="grad * grad_output * sigmoid_slope(self * beta) * (self * beta < threshold) * beta",
    saves="grad_output self",
    elementwise=True,
    diagonal=True,
)
_activation(
    "mish", _nn.mish, "(wide(grad) * mish_slope(wide(self), softplus(wide(self), 1.0, 20.0))).to(self_dtype)"
)
_activation("log_sigmoid", _nn.logsigmoid, "saving(grad * (-self).sigmoid(), grad, self)")

# --- piecewise linear and quadratic ones ---

# torch's table has no derivative of it.
kernel("hardsigmoid_backward", lambda grad, value: (grad / 6).masked_fill(~((value > -3) & (value < 3)), 0))
rule(
    "hardsigmoid_backward",
    grad_fn="torch::autograd::NotImplemented",
    tensors="grad_output self",
    forward="hardsigmoid_backward(grad_output, self)",
    grad_output=NOT_IMPLEMENTED,
    self=NOT_IMPLEMENTED,
    saves="",
    elementwise=True,
)
_activation("hardtanh", _nn.hardtanh, "gate(grad, self, (self <= low) | (self >= high))", "low high")
_activation(
    "hardswish",
    _nn.hardswish,
    "saving(where(self < 3, (wide(grad) * (wide(self) / 3 + 0.5)).to(grad.dtype), grad)"
    ".masked_fill(self <= -3, 0), grad, self)",
)
_activation(
    "hardsigmoid",
    _nn.hardsigmoid,
    "hardsigmoid_backward(grad, self)",
    pulled="gate(grad / 6, self, ~((self > -3) & (self < 3)))",
)
_activation("softshrink", _nn.softshrink, "gate(grad, self, (self >= -lambd) & (self <= lambd))", "lambd")
_activation("hardshrink", _nn.hardshrink, "gate(grad, self, (self >= -lambd) & (self <= lambd))", "lambd")
kernel("floored", _nn.threshold)
for _number, _name in enumerate(("floored", "floored_in_place")):
    rule(
        _name,
        grad_fn=f"ThresholdBackward{_number}",
        tensors="self",
        args="bound value",
        forward="floored(self, bound, value)",
        self="threshold_backward(grad, self, bound)",
        saves="self",
        elementwise=True,
        diagonal=True,
    )

# --- the product of one half with the sigmoid of the other ---

kernel("glu", _nn.glu)
rule(
    "glu",
    grad_fn="GluBackward0",
    tensors="self",
    args="dim",
    forward="glu(self, dim)",
    self=(
        "saving("
        "slice_backward(grad * half(self, dim, 1).sigmoid(), self_shape, dim, 0, grad.shape[dim], 1) + "
        "slice_backward(grad * half(self, dim, 0) * sigmoid_slope(half(self, dim, 1)), self_shape, dim, "
        "grad.shape[dim], None, 1), grad, self)"
    ),
    saves="self",
)
