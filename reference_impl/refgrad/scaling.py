"""Powers of two, logarithms of sums, lengths and angles, with torch's signatures."""

from __future__ import annotations

from typing import Any

import torch

from .ops import apply
from .pointwise import Operand, div, pow, unary  # noqa: A004 - torch's name
from .rules.formulas import sum_to
from .tensor import Tensor

_types: Any = torch.return_types

deg2rad = unary("deg2rad")
exp2 = unary("exp2")
rad2deg = unary("rad2deg")


def frexp(input: Tensor) -> Any:
    """Return mantissas of 1/2 to 1 and integer exponents of two, whose product `input` is."""
    mantissa, exponent = torch.frexp(input._data)
    exponents = Tensor._of(exponent)
    return _types.frexp((apply("frexp", input, exponents, mantissa), exponents))


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """Return `input * 2 ** other`."""
    return apply("ldexp", input, other)


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """Return log(exp(input) + exp(other)), without overflow."""
    return apply("logaddexp", input, other)


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """Return log2(2 ** input + 2 ** other), without overflow."""
    return apply("logaddexp2", input, other)


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """Return sqrt(input ** 2 + other ** 2), without overflow; at the origin the gradients are nan."""
    return apply("hypot", input, other)


def float_power(input: Operand, exponent: Operand) -> Tensor:
    """Return `input ** exponent` in float64, or in complex128 if one of the two is complex."""
    wide = _wide(input, exponent)
    operands = (each.to(wide) if isinstance(each, Tensor) else each for each in (input, exponent))
    return pow(*operands)


def _wide(*operands: Operand) -> torch.dtype:
    kinds = (
        each.dtype.is_complex if isinstance(each, Tensor) else isinstance(each, complex) for each in operands
    )
    return torch.complex128 if any(kinds) else torch.float64


def float_power_(input: Tensor, exponent: Operand) -> Tensor:
    """Raise `input` to a power, in place; raise RuntimeError if it is not of the dtype of the result."""
    wide = _wide(input, exponent)
    if input.dtype is not wide:
        # torch names the two dtypes in a way of its own; its refusal is asked for with nothing at stake.
        torch.empty(0, dtype=input.dtype).float_power_(torch.empty(0, dtype=wide))
    return input.pow_(exponent.to(wide) if isinstance(exponent, Tensor) else exponent)


def true_divide(input: Operand, other: Operand) -> Tensor:
    """Return `input / other`; integers are divided as floats."""
    return div(input, other)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Return `input` with each slice along `dim` brought to a norm of order `p` of at most `maxnorm`.

    Raises RuntimeError for an order that is not positive, and for fewer than two dimensions.
    """
    return apply("renorm", input, p, dim, maxnorm)


def conj_physical(input: Tensor) -> Tensor:
    """Return the complex conjugate on new memory; a real tensor itself."""
    return apply("conj_physical", input) if input.dtype.is_complex else input


def resolve_neg(input: Tensor) -> Tensor:
    """Return `input` itself, or a copy in which a change of sign that was only noted is carried out."""
    return apply("resolve_neg", input) if input._data.is_neg() else input


def is_neg(input: Tensor) -> bool:
    """Return whether the data are noted as negated, and not yet."""
    return input._data.is_neg()


def fill(input: Tensor, value: Any) -> Tensor:
    """Return a tensor like `input` that is filled with a number or a 0-d tensor."""
    if isinstance(value, Tensor):
        return apply("filled", input, value)
    return apply("filled_number", input, value)


def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Return the sum over the dimensions that expanding a tensor of `size` to the shape of this one adds.

    Raises RuntimeError if it cannot be expanded so.
    """
    shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    trailing = self.shape[len(self.shape) - len(shape) :] if len(shape) <= self.ndim else None
    if trailing is None or any(want not in (1, have) for want, have in zip(shape, trailing, strict=True)):
        raise RuntimeError(f"size {{{list(shape)}}} is not expandable to size {{{list(self.shape)}}}.")
    total: Tensor = sum_to(self, shape)
    return total


TORCH = (
    "conj_physical", "deg2rad", "exp2", "fill", "float_power", "frexp", "hypot", "is_neg", "ldexp",
    "logaddexp", "logaddexp2", "rad2deg", "renorm", "resolve_neg", "true_divide",
)  # fmt: skip
METHODS = (
    "conj_physical", "deg2rad", "exp2", "float_power", "float_power_", "frexp", "hypot", "is_neg", "ldexp",
    "logaddexp", "logaddexp2", "rad2deg", "renorm", "resolve_neg", "sum_to_size", "true_divide",
)  # fmt: skip
IN_PLACE = (
    "conj_physical", "deg2rad", "exp2", "hypot", "ldexp", "rad2deg", "renorm", "true_divide",
)  # fmt: skip
