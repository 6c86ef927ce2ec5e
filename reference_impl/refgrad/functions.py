"""More elementwise functions with torch's signatures: bounds, quotients, angles."""

from __future__ import annotations

from typing import Any

from .complex_support import refuse_complex
from .ops import apply
from .pointwise import OPERANDS, as_tensor_operand, div, unary
from .tensor import Tensor

acos = unary("acos")
acosh = unary("acosh")
angle = unary("angle")
asin = unary("asin")
asinh = unary("asinh")
atan = unary("atan")
atanh = unary("atanh")
cosh = unary("cosh")
erf = unary("erf")
erfinv = unary("erfinv")
frac = unary("frac")
log2 = unary("log2")
log10 = unary("log10")
sinc = unary("sinc")
sinh = unary("sinh")
UNARY = (
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cosh", "erf", "erfinv", "frac", "log2", "log10",
    "sinc", "sinh",
)  # fmt: skip


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Return `input` between two bounds, numbers or tensors; one may be None.

    The gradient passes between the bounds and at them. Raises RuntimeError if both bounds are None.
    """
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if max is None:
            return apply("clamp_from", input, min)
        if min is None:
            return apply("clamp_to", input, max)
        return apply("clamp_between", input, as_tensor_operand(min, input), as_tensor_operand(max, input))
    return apply("clamp", input, min, max)


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Return `input`, or the lower bound where that is larger."""
    return clamp(input, min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Return `input`, or the upper bound where that is smaller."""
    return clamp(input, None, max)


def _pair(name: str, input: Any, other: Any) -> Tensor:
    """Apply an operation of two tensors, of which one may be given as a number."""
    return apply(name, as_tensor_operand(input, other), as_tensor_operand(other, input))


def atan2(input: Tensor, other: Tensor) -> Tensor:
    """Return the angle of the point (other, input); at the origin both gradients are 0."""
    return apply("atan2", input, other)


def xlogy(input: Any, other: Any) -> Tensor:
    """Return `input * log(other)`, and 0 where `input` is 0."""
    return _pair("xlogy", input, other)


def fmod(input: Any, other: Any) -> Tensor:
    """Return the remainder of a division, with the sign of `input`."""
    if isinstance(input, Tensor) and not isinstance(other, Tensor):
        return apply("fmod_number", input, other)
    return apply("fmod", input, other)


def remainder(input: Any, other: Any) -> Tensor:
    """Return the remainder of a division, with the sign of `other`; of a number there is no derivative."""
    if not isinstance(input, Tensor):
        return apply("remainder_of_number", other, input)
    if not isinstance(other, Tensor):
        return apply("remainder_number", input, other)
    return apply("remainder", input, other)


divide = div


def floor_divide(input: Tensor, other: Any) -> Tensor:
    """Return the quotient rounded down; a gradient that arrives here raises RuntimeError."""
    return apply("floor_divide", input, other)


def reflected_remainder(input: Tensor, other: Any) -> Any:
    """Return `other % input`."""
    return remainder(other, input) if isinstance(other, OPERANDS) else NotImplemented


def reflected_floor_divide(input: Tensor, other: Any) -> Any:
    """Return `other // input`."""
    if not isinstance(other, OPERANDS):
        return NotImplemented
    return floor_divide(as_tensor_operand(other, input), input)


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """Return the larger of two tensors at each place, or the one that is not nan; ties go to the first."""
    return apply("fmax", input, other)


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of two tensors at each place, or the one that is not nan; ties go to the first."""
    return apply("fmin", input, other)


def copysign(input: Tensor, other: Any) -> Tensor:
    """Return `input` with the sign of `other`."""
    return apply("copysign", input, as_tensor_operand(other, input))


def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """Return the next number from `input` towards `other`; where the two are equal no gradient passes."""
    return apply("nextafter", input, other)


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """Return 0, `values` or 1 for negative, zero or positive; a gradient that arrives raises RuntimeError."""
    return apply("heaviside", input, values)


def igamma(input: Tensor, other: Tensor) -> Tensor:
    """Return the regularized lower incomplete gamma function; it has no derivative by `input`."""
    return apply("igamma", input, other)


def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """Return `input` with finite numbers for nan and infinities; the gradient passes where it was finite.

    Raises RuntimeError for complex numbers where it would be recorded: torch has no derivative of it there.
    """
    refuse_complex("nan_to_num", input)
    return _all_finite(input, nan, posinf, neginf)


def _all_finite(
    input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    return apply("nan_to_num", input, nan, posinf, neginf)


_all_finite.__name__ = "nan_to_num"


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """Return `input + weight * (end - input)`; `weight` is a tensor or a number."""
    return apply("lerp" if isinstance(weight, Tensor) else "lerp_number", input, end, weight)


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Return `input + value * tensor1 * tensor2`."""
    return apply("addcmul", input, tensor1, tensor2, value)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Return `input + value * tensor1 / tensor2`."""
    return apply("addcdiv", input, tensor1, tensor2, value)


def complex(real: Tensor, imag: Tensor) -> Tensor:  # noqa: A001 - torch's name
    """Return a complex tensor with these parts, each of which gets a real gradient."""
    return apply("complex", real, imag)


def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """Return a complex tensor with these absolute values and angles; a negative one has no right gradient."""
    return apply("polar", abs, angle)


def is_conj(input: Tensor) -> bool:
    """Return whether the data are noted as conjugated, and not yet."""
    return input._data.is_conj()


OUT = (
    "addcdiv", "addcmul", "atan2", "clamp", "clamp_max", "clamp_min", "complex", "copysign", "divide",
    "floor_divide", "fmax", "fmin", "fmod", "heaviside", "igamma", "lerp", "nan_to_num", "nextafter", "polar",
    "remainder", "xlogy",
)  # fmt: skip
# Their functions and methods are named where the package and the tensor class are put together.
IN_PLACE = {
    function.__name__: function
    for function in (
        addcdiv, addcmul, atan2, clamp_max, clamp_min, copysign, floor_divide, fmod, heaviside,
        igamma, lerp, nextafter, remainder, xlogy,
        _all_finite,  # in place torch refuses no complex numbers
    )
} | {"divide": divide}  # fmt: skip
