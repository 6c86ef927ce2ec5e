"""Gamma, error, Bessel and entropy functions, element by element.

Source of the formulas: https://dlmf.nist.gov, chapters 5 (gamma), 7 (error), 10 (Bessel) and 25 (zeta); at
the places where they divide by zero, torch/csrc/autograd/FunctionsManual.cpp.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from .formulas import formula, kernel, recorded
from .registry import Missing, rule

T = Any
_special = torch.special


# Formulas name each other's functions in circles, so all kernels come first.
for _name, _kernel in {
    "digamma": torch.digamma,
    "entr": _special.entr,
    "erfc": torch.erfc,
    "erfcx": _special.erfcx,
    "i0": torch.i0,
    "lgamma": torch.lgamma,
    "log_ndtr": _special.log_ndtr,
    "logit": torch.logit,
    "mvlgamma": torch.mvlgamma,
    "ndtri": _special.ndtri,
    "polygamma": lambda value, n: torch.polygamma(n, value),
    "special_i0e": _special.i0e,
    "special_i1": _special.i1,
    "special_i1e": _special.i1e,
    "xlog1py": _special.xlog1py,
    "zeta": _special.zeta,
}.items():
    kernel(_name, _kernel)


def _function(name: str, node: str, stated: str, saves: str, args: str = "") -> None:
    """Add the row of a function of one tensor."""
    rule(
        name,
        grad_fn=f"{node}Backward0",
        tensors="self",
        args=args,
        forward=f"{name}({', '.join(['self', *args.split()])})",
        self=stated,
        saves=saves,
        elementwise=True,
        diagonal=True,
    )


# --- gamma functions ---

_function("lgamma", "Lgamma", "grad * digamma(self)", "self")
_function("digamma", "Digamma", "grad * polygamma(self, 1)", "self")
_function("polygamma", "Polygamma", "grad * polygamma(self, n + 1)", "self", args="n")


@formula
def mvlgamma_slope(value: T, p: int) -> T:
    """Return the derivative of the logarithm of the multivariate gamma function of dimension `p`."""
    steps = value.new_tensor([-place / 2 for place in reversed(range(p))])
    return (value.unsqueeze(-1) + steps).digamma().sum(-1)


_function("mvlgamma", "Mvlgamma", "grad * mvlgamma_slope(self, p)", "self", args="p")


rule(
    "zeta",
    grad_fn="SpecialZetaBackward0",
    tensors="self other",
    forward="zeta(self, other)",
    self=Missing("zeta"),
    other="grad * -self * zeta(self + 1, other)",
    saves="self other",
    elementwise=True,
    diagonal=True,
)

# --- error functions and the normal distribution ---

_PER_ROOT_PI = 2 / math.sqrt(math.pi)

_function("erfc", "Erfc", f"{-_PER_ROOT_PI} * (-(self * self)).exp() * grad", "self")
_function("erfcx", "SpecialErfcx", f"(2 * self * result - {_PER_ROOT_PI}) * grad", "self result")
_function(
    "log_ndtr",
    "SpecialLogNdtr",
    f"grad / {math.sqrt(2 * math.pi)} * (-(result + self * self / 2)).exp()",
    "self result",
)
_function(
    "ndtri",
    "SpecialNdtri",
    f"grad * {math.sqrt(2 * math.pi)} * (result * result / 2).exp()",
    "result",
)

# --- modified Bessel functions of the first kind; an e at the end: times exp(-|x|) ---


@formula
def bessel_slope(value: T, even: T, odd: T, scaled: bool) -> T:
    """Return the derivative of i1, or of i1e if `scaled`, from the functions of order 0 and 1.

    It is 1/2 at 0, and so close to 0 that nothing else is seen of it. As in torch there is none in half
    precision: raises NotImplementedError.
    """
    if value.dtype in {torch.float16, torch.bfloat16}:
        raise NotImplementedError(f"the derivative of i1 is not implemented for {value.dtype}")
    tiny = value.abs() <= torch.finfo(value.dtype).eps
    safe = value.masked_fill(tiny, 1)
    slope = even - odd * (safe.sgn() + 1 / safe if scaled else 1 / safe)
    return slope.masked_fill(tiny, 0.5)


_function("i0", "I0", "grad * special_i1(self)", "self")
_function(
    "special_i0e",
    "SpecialI0E",
    "grad * (special_i1e(self) - self.sgn() * result)",
    "self result",
)
_function(
    "special_i1",
    "SpecialI1",
    "grad * bessel_slope(self, i0(self), result, False)",
    "self result",
)
_function(
    "special_i1e",
    "SpecialI1E",
    "grad * bessel_slope(self, special_i0e(self), result, True)",
    "self result",
)

# --- logarithms ---

_function("entr", "SpecialEntr", "grad * -(1 + self.log())", "self")


@formula
def logit_backward(grad: T, value: T, eps: float | None) -> T:
    """Return the gradient of the logit.

    Outside of 0 to 1 there is none (nan); with `eps` the argument is clamped, and it is 0 outside the bounds.
    """
    if not recorded(value):
        return torch.ops.aten.logit_backward(grad, value, eps)
    low, high = (0.0, 1.0) if eps is None else (eps, 1 - eps)
    outside = (value < low) | (value > high)
    return (grad / (value * (1 - value))).masked_fill(outside, math.nan if eps is None else 0)


_function("logit", "Logit", "logit_backward(grad, self, eps)", "self", args="eps")

rule(
    "xlog1py",
    grad_fn="SpecialXlog1PyBackward0",
    tensors="self other",
    forward="xlog1py(self, other)",
    self="xlog1py(grad, other).masked_fill((self == 0) & (other <= -1), 0)",
    other="grad * self / (other + 1)",
    saves="self other",
    elementwise=True,
    diagonal=True,
)
