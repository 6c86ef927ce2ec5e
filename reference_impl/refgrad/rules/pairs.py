"""More functions of two or three tensors, element by element, broadcast like arithmetic."""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel
from .registry import NON_DIFFERENTIABLE, NOT_IMPLEMENTED, Missing, rule

T = Any

kernel("addcdiv", lambda value, one, two, factor: torch.addcdiv(value, one, two, value=factor))
kernel("addcmul", lambda value, one, two, factor: torch.addcmul(value, one, two, value=factor))
kernel("atan2", torch.atan2)
kernel("complex", torch.complex)
kernel("polar", torch.polar)
kernel("xlogy", torch.xlogy)
kernel("lerp", torch.lerp)
kernel("fmod", torch.fmod)
kernel("remainder", torch.remainder)
kernel("fmax", torch.fmax)
kernel("fmin", torch.fmin)
kernel("heaviside", torch.heaviside)
kernel("igamma", torch.igamma)
kernel("igammac", torch.igammac)
kernel("nextafter", torch.nextafter)
kernel("copysign", torch.copysign)


@formula
def keeping(grad: T, *_operands: T) -> T:
    """Return `grad`; torch saves these operands, though it needs nothing of them."""
    return grad


@formula
def atan2_scale(y: T, x: T) -> T:
    """Return 1 / (x^2 + y^2), and 0 at the origin (`atan2_backward` in torch)."""
    square = y * y + x * x
    return square.reciprocal().masked_fill(square == 0, 0)


rule(
    "atan2",
    grad_fn="Atan2Backward0",
    tensors="self other",
    forward="atan2(self, other)",
    self="grad * other * atan2_scale(self, other)",
    other="grad * -self * atan2_scale(self, other)",
    saves="self other",
    elementwise=True,
    # Divided by the square of the radius as it is: nan at the origin.
    forward_mode={
        "grad": "grad / (self * self + other * other)",
        "self": "grad * other",
        "other": "grad * -self",
    },
    joint=True,
)


rule(
    "complex",
    grad_fn="ComplexBackward0",
    tensors="real imag",
    forward="complex(real, imag)",
    real="keeping(grad.real, real)",
    imag="keeping(grad.imag, imag)",
    saves="real imag",
)
rule(
    "imag",
    grad_fn="SelectBackward0",
    tensors="self",
    forward="self.imag",
    self="view_as_complex(pad_constant(grad.unsqueeze(-1), (1, 0), 0))",
    saves="",
    view=True,
    reinterprets=True,
)
# torch takes the direction of the result, which is the opposite one for a negative length, and 0 for none.
rule(
    "polar",
    grad_fn="PolarBackward0",
    tensors="abs angle",
    forward="polar(abs, angle)",
    abs="(conj(grad) * result.sgn()).real",
    angle="(conj(grad) * (result * 1j)).real",
    saves="result",
    forward_mode={
        "abs": "grad.real * angle.cos() + grad.imag * angle.sin()",
        "angle": "grad.imag * angle.cos() * abs - grad.real * angle.sin() * abs",
    },
)
rule(
    "xlogy",
    grad_fn="XlogyBackward0",
    tensors="self other",
    forward="xlogy(self, other)",
    self="xlogy(grad, other).masked_fill((self == 0) & (other <= 0), 0)",
    other="grad * self / other",
    saves="self other",
    elementwise=True,
    diagonal=True,
)
rule(
    "lerp_number",
    grad_fn="LerpBackward0",
    tensors="self end",
    args="weight",
    forward="lerp(self, end, weight)",
    self="grad * conj(1 - weight)",
    end="grad * conj(weight)",
    saves="",
    elementwise=True,
)
rule(
    "lerp",
    grad_fn="LerpBackward1",
    tensors="self end weight",
    forward="lerp(self, end, weight)",
    self="grad * conj(1 - weight)",
    end="grad * conj(weight)",
    weight="grad * conj(end - self)",
    saves="self end weight",
    elementwise=True,
)
rule(
    "addcmul",
    grad_fn="AddcmulBackward0",
    tensors="self tensor1 tensor2",
    args="value",
    forward="addcmul(self, tensor1, tensor2, value)",
    self="grad",
    tensor1="grad * conj(tensor2 * value)",
    tensor2="grad * conj(tensor1 * value)",
    saves="tensor1 tensor2",
    elementwise=True,
    diagonal=True,
)
rule(
    "addcdiv",
    grad_fn="AddcdivBackward0",
    tensors="self tensor1 tensor2",
    args="value",
    forward="addcdiv(self, tensor1, tensor2, value)",
    self="grad",
    tensor1="grad * conj(value / tensor2)",
    tensor2="-grad * conj(value * tensor1 / (tensor2 * tensor2))",
    saves="tensor1 tensor2",
    elementwise=True,
    diagonal=True,
    # Divided twice: the square can be too small for the dtype.
    forward_mode={"tensor2": "-grad * conj(value) / conj(tensor2) * conj(tensor1 / tensor2)"},
)
rule(
    "fmod",
    grad_fn="FmodBackward1",
    tensors="self other",
    forward="fmod(self, other)",
    self="grad",
    other="-grad * self.div(other, rounding_mode='trunc')",
    saves="self other",
    elementwise=True,
    diagonal=True,
)
rule(
    "remainder",
    grad_fn="RemainderBackward1",
    tensors="self other",
    forward="remainder(self, other)",
    self="grad",
    other="-grad * self.div(other, rounding_mode='floor')",
    saves="self other",
    elementwise=True,
    diagonal=True,
)
for _name, _title in (("fmod", "Fmod"), ("remainder", "Remainder")):
    rule(
        f"{_name}_number",
        grad_fn=f"{_title}Backward0",
        tensors="self",
        args="other",
        forward=f"self.{_name}(other)",
        self="grad",
        saves="",
        elementwise=True,
    )
# Rounded quotients are constant almost everywhere.
rule(
    "div_rounded",
    grad_fn="DivBackward1",
    tensors="self other",
    args="rounding",
    forward="self.div(other, rounding_mode=rounding)",
    self="keeping(zeros_like(grad), other)",
    other="keeping(zeros_like(grad), self, other)",
    saves="self other",
    elementwise=True,
    diagonal=True,
)
rule(
    "fmax",
    grad_fn="FmaxBackward0",
    tensors="self other",
    forward="fmax(self, other)",
    self="grad.masked_fill(~((self >= other) | other.isnan()), 0)",
    other="grad.masked_fill((self >= other) | other.isnan(), 0)",
    saves="self other",
    elementwise=True,
    diagonal=True,
)
rule(
    "fmin",
    grad_fn="FminBackward0",
    tensors="self other",
    forward="fmin(self, other)",
    self="grad.masked_fill(~((self <= other) | other.isnan()), 0)",
    other="grad.masked_fill((self <= other) | other.isnan(), 0)",
    saves="self other",
    elementwise=True,
    diagonal=True,
)
rule(
    "copysign",
    grad_fn="CopysignBackward0",
    tensors="self other",
    forward="copysign(self, other)",
    self="grad * (result / self).masked_fill_(self == 0, 0)",
    other="grad.new_zeros(grad.shape)",
    saves="self result",
    elementwise=True,
    diagonal=True,
)
rule(
    "nextafter",
    grad_fn="NextafterBackward0",
    tensors="self other",
    forward="nextafter(self, other)",
    self="grad.masked_fill(self == other, 0)",
    other="zeros_like(grad)",
    saves="self other",
    elementwise=True,
    diagonal=True,
)
# torch records these, and says that they have no derivative when a gradient arrives.
rule(
    "heaviside",
    grad_fn="torch::autograd::NotImplemented",
    tensors="self values",
    forward="heaviside(self, values)",
    self=NOT_IMPLEMENTED,
    values=NOT_IMPLEMENTED,
    saves="",
    elementwise=True,
)


@formula
def gamma_density(shape: T, value: T) -> T:
    """Return the density of the gamma distribution, which is the derivative of igamma by `value`."""
    return ((shape - 1) * value.log() - value - shape.lgamma()).exp()


# Neither torch nor anybody else has a derivative by the shape in closed form.
rule(
    "igamma",
    grad_fn="IgammaBackward0",
    tensors="self other",
    forward="igamma(self, other)",
    self=Missing("igamma: input"),
    other="grad * gamma_density(self, other)",
    saves="self other",
    elementwise=True,
    diagonal=True,
)

rule(
    "igammac",
    grad_fn="IgammacBackward0",
    tensors="self other",
    forward="igammac(self, other)",
    self=Missing("igammac: input"),
    other="-grad * gamma_density(self, other)",
    saves="self other",
    elementwise=True,
    diagonal=True,
)

# Bounds that are tensors get the gradient where they are what is returned; at a tie the value gets it.
rule(
    "clamp_between",
    grad_fn="ClampBackward0",
    tensors="self low high",
    forward="self.clamp(low, high)",
    self="grad.where((self >= low) & (self <= high), 0)",
    low="grad.where((low < high) & (self < low), 0)",
    high="grad.where((self > high) | (high < low), 0)",
    saves="self low high",
    # In forward mode the lower of two equal bounds counts too.
    forward_mode={"low": "grad.where((low <= high) & (self < low), 0)"},
    elementwise=True,
    diagonal=True,
)
rule(
    "clamp_from",
    grad_fn="ClampBackward0",
    tensors="self low",
    forward="self.clamp(min=low)",
    self="grad.where(self >= low, 0)",
    low="grad.where(self < low, 0)",
    saves="self low",
    elementwise=True,
    diagonal=True,
)
rule(
    "clamp_to",
    grad_fn="ClampBackward0",
    tensors="self high",
    forward="self.clamp(max=high)",
    self="grad.where(self <= high, 0)",
    high="grad.where(self > high, 0)",
    saves="self high",
    elementwise=True,
    diagonal=True,
)
rule(
    "masked_fill_with",
    grad_fn="MaskedFillBackward1",
    tensors="self mask value",
    forward="self.masked_fill(mask, value)",
    self="grad.masked_fill(mask, 0)",
    mask=NON_DIFFERENTIABLE,
    value="grad.masked_fill(~mask, 0).sum()",
    saves="mask",
    elementwise=True,
)
