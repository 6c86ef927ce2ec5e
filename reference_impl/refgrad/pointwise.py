"""Elementwise functions with torch's signatures: arithmetic, powers, choices and comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .operands import refuse_operands
from .ops import OPERATIONS
from .out import into
from .tensor import Tensor

Operand = Tensor | complex

# What an operator takes on its other side.
OPERANDS = (Tensor, bool, int, float, complex)

_add = OPERATIONS["add"].apply
_sub = OPERATIONS["sub"].apply
_mul = OPERATIONS["mul"].apply
_div = OPERATIONS["div"].apply


def _checked(result: Any, name: str, left: Any, right: Any) -> Tensor:
    """Return `result`, or raise TypeError if the operation does not take its operands."""
    if result is NotImplemented:
        raise TypeError(
            f"{name}(): expected a refgrad Tensor and a Tensor or number, but got {type(left).__name__} and "
            f"{type(right).__name__}; wrap torch tensors with refgrad.from_torch"
        )
    return result  # type: ignore[no-any-return]


def _commuted(apply: Callable[..., Any], name: str, input: Any, other: Any) -> Tensor:
    """Apply a commutative operation; a number may come first."""
    swap = not isinstance(input, Tensor) and isinstance(other, Tensor)
    left, right = (other, input) if swap else (input, other)
    return _checked(apply(left, right), name, left, right)


def add(input: Operand, other: Operand, *, alpha: complex = 1, out: Tensor | None = None) -> Tensor:
    """Return `input + alpha * other`."""
    if out is not None:
        return into(out, "add", input, other, alpha=alpha)
    _check_alpha(alpha, input, other)
    if alpha == 1:
        return _commuted(_add, "add", input, other)
    if isinstance(other, Tensor):
        return OPERATIONS["add_scaled"].apply(as_tensor_operand(input, other), other, alpha)  # type: ignore[no-any-return]
    return _checked(_add(input, other * alpha), "add", input, other)


def sub(input: Operand, other: Operand, *, alpha: complex = 1, out: Tensor | None = None) -> Tensor:
    """Return `input - alpha * other`."""
    if out is not None:
        return into(out, "sub", input, other, alpha=alpha)
    if not isinstance(input, Tensor):
        return sub(as_tensor_operand(input, other), other, alpha=alpha)
    _check_alpha(alpha, input, other)
    if alpha == 1:
        return _checked(_sub(input, other), "sub", input, other)
    if isinstance(other, Tensor):
        return OPERATIONS["sub_scaled"].apply(input, other, alpha)  # type: ignore[no-any-return]
    return _checked(_sub(input, other * alpha), "sub", input, other)


def _check_alpha(alpha: complex, *operands: Operand) -> None:
    """Raise torch's RuntimeError for a boolean factor of what are not all booleans."""
    if isinstance(alpha, bool) and any(
        not isinstance(each, bool) and (not isinstance(each, Tensor) or each.dtype is not torch.bool)
        for each in operands
    ):
        raise RuntimeError("Boolean alpha only supported for Boolean results.")


def rsub(input: Tensor, other: Operand, *, alpha: complex = 1) -> Tensor:
    """Return `other - alpha * input`."""
    if isinstance(other, Tensor):
        return OPERATIONS["rsub"].apply(input, other, alpha)  # type: ignore[no-any-return]
    return OPERATIONS["rsub_number"].apply(input, other, alpha)  # type: ignore[no-any-return]


def mul(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Return `input * other`."""
    if out is not None:
        return into(out, "mul", input, other)
    return _commuted(_mul, "mul", input, other)


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """Return `input / other`; integers are divided as floats.

    rounding_mode: None, or "trunc" or "floor": the quotient is then rounded, and its gradient is zero.
    """
    if rounding_mode is not None:
        operands = as_tensor_operand(input, other), as_tensor_operand(other, input)
        return OPERATIONS["div_rounded"].apply(*operands, rounding_mode)  # type: ignore[no-any-return]
    if not isinstance(input, Tensor):
        return div(as_tensor_operand(input, other), other)
    return _checked(_div(input, other), "div", input, other)


def pow(input: Operand, exponent: Operand) -> Tensor:  # noqa: A001 - torch's name
    """Return `input` to the power `exponent`; one of the two may be a number."""
    if not isinstance(input, Tensor):
        return OPERATIONS["pow_number_base"].apply(exponent, input)  # type: ignore[no-any-return]
    if isinstance(exponent, Tensor):
        return OPERATIONS["pow"].apply(input, exponent)  # type: ignore[no-any-return]
    return OPERATIONS["pow_number"].apply(input, exponent)  # type: ignore[no-any-return]


def square(input: Tensor) -> Tensor:
    """Return `input ** 2`."""
    return pow(input, 2)


def maximum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Return the larger of two tensors at each place; where they are equal each gets half of the gradient."""
    if out is not None:
        return into(out, "maximum", input, other)
    return OPERATIONS["maximum"].apply(input, other)  # type: ignore[no-any-return]


def minimum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Return the smaller of two tensors at each place; where they are equal each gets half of the
    gradient.
    """
    if out is not None:
        return into(out, "minimum", input, other)
    return OPERATIONS["minimum"].apply(input, other)  # type: ignore[no-any-return]


def where(condition: Any, input: Operand | None = None, other: Operand | None = None) -> Any:
    """Return `input` where `condition` is true and `other` elsewhere.

    Without them, the indices of the places where it is true, as a tuple of vectors. Raises TypeError for one
    of the two alone, and for a condition that is no tensor.
    """
    if not isinstance(condition, Tensor):
        refuse_operands("where", {"condition": condition})
    if input is None and other is None:
        return tuple(map(Tensor._of, condition._data.nonzero(as_tuple=True)))
    if input is None or other is None:
        raise TypeError("where(): give both `input` and `other`, or neither of them")
    operands = _tensor_operands(condition, input, other)
    return OPERATIONS["where"].apply(condition, *operands)


def _tensor_operands(condition: Tensor, *operands: Operand) -> list[Tensor]:
    """Return the operands of where as tensors: a number takes the dtype that torch would give the result."""
    if all(isinstance(operand, Tensor) for operand in operands):
        return list(operands)  # type: ignore[arg-type]
    plain: list[Any] = [operand._data if isinstance(operand, Tensor) else operand for operand in operands]
    result: Any = torch.where(condition._data, *plain)
    dtype, device = result.dtype, condition.device
    return [
        operand
        if isinstance(operand, Tensor)
        else Tensor._of(torch.tensor(operand, dtype=dtype, device=device))
        for operand in operands
    ]


def masked_fill(input: Tensor, mask: Tensor | torch.Tensor, value: Any) -> Tensor:
    """Return `input` with `value`, a number or a 0-d tensor, where `mask` is true."""
    mask = mask if isinstance(mask, Tensor) else Tensor._of(mask)
    if isinstance(value, Tensor):
        return OPERATIONS["masked_fill_with"].apply(input, mask, value)  # type: ignore[no-any-return]
    return OPERATIONS["masked_fill"].apply(input, mask, value)  # type: ignore[no-any-return]


def as_tensor_operand(value: Any, like: Any) -> Tensor:
    """Return `value` as a tensor; a number becomes a 0-d tensor of the dtype that it has beside `like`."""
    if isinstance(value, Tensor):
        return value
    if not isinstance(like, Tensor):
        raise TypeError(f"expected a refgrad Tensor, but got {type(like).__name__}")
    dtype = torch.result_type(like._data, value)
    return Tensor._of(torch.tensor(value, dtype=dtype, device=like.device))


def real(input: Tensor) -> Tensor:
    """Return a view of the real part; a real tensor itself."""
    return OPERATIONS["real"].apply(input) if input.dtype.is_complex else input


def imag(input: Tensor) -> Tensor:
    """Return a view of the imaginary part; raise RuntimeError for a real tensor."""
    return OPERATIONS["imag"].apply(input)  # type: ignore[no-any-return]


def conj(input: Tensor) -> Tensor:
    """Return the complex conjugate as a view; a real tensor itself."""
    return OPERATIONS["conj"].apply(input) if input.dtype.is_complex else input


def positive(input: Tensor) -> Tensor:
    """Return `input` itself; raise RuntimeError for a tensor of booleans."""
    if input.dtype is torch.bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def reflected_div(input: Tensor, other: Any) -> Any:
    """Return `other / input`, which torch computes as `input.reciprocal() * other`."""
    return _mul(OPERATIONS["reciprocal"].apply(input), other)


def reflected_sub(input: Tensor, other: Any) -> Any:
    """Return `other - input`."""
    return rsub(input, other) if isinstance(other, OPERANDS) else NotImplemented


def operator_pow(input: Tensor, other: Any) -> Any:
    """Return `input ** other`."""
    return pow(input, other) if isinstance(other, OPERANDS) else NotImplemented


def reflected_pow(input: Tensor, other: Any) -> Any:
    """Return `other ** input`."""
    return pow(other, input) if isinstance(other, OPERANDS) else NotImplemented


def round(input: Tensor, *, decimals: int | None = None, out: Tensor | None = None) -> Tensor:  # noqa: A001
    """Return the nearest integers, or the nearest numbers of `decimals` places; halves go to the even one."""
    options = {} if decimals is None else {"decimals": decimals}
    if out is not None:
        return into(out, "round", input, **options)
    return OPERATIONS["round_decimals" if options else "round"].apply(input, *options.values())  # type: ignore[no-any-return]


def unary(name: str) -> Callable[..., Tensor]:
    """Return the function of one tensor called `name`."""

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        return OPERATIONS[name].apply(input) if out is None else into(out, name, input)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return {name} of each element."
    return function


# Functions of one tensor; `sin_` and the like are their in-place forms.
abs = unary("abs")  # noqa: A001 - torch's name
ceil = unary("ceil")
cos = unary("cos")
exp = unary("exp")
expm1 = unary("expm1")
floor = unary("floor")
log = unary("log")
log1p = unary("log1p")
neg = unary("neg")
reciprocal = unary("reciprocal")
relu = unary("relu")
rsqrt = unary("rsqrt")
sgn = unary("sgn")
sigmoid = unary("sigmoid")
sign = unary("sign")
sin = unary("sin")
sqrt = unary("sqrt")
tan = unary("tan")
tanh = unary("tanh")
trunc = unary("trunc")
UNARY = (
    "abs", "ceil", "cos", "exp", "expm1", "floor", "log", "log1p", "neg",
    "reciprocal", "relu", "rsqrt", "sgn", "sigmoid", "sign", "sin", "sqrt",
    "tan", "tanh", "trunc",
)  # fmt: skip


def constant(name: str) -> Callable[..., Any]:
    """Return torch's function `name` as one that no gradient passes: its results are plain tensors or
    values.
    """

    def function(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        plain = [arg._data if isinstance(arg, Tensor) else arg for arg in args]
        result = getattr(input._data, name)(*plain, **kwargs)
        return Tensor._of(result) if isinstance(result, torch.Tensor) else result

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return what torch.Tensor.{name} returns for the data; the result has no history."
    return function


def constant_function(name: str, space: Any = torch) -> Callable[..., Any]:
    """Return torch's function `name`, which is no method, as one that no gradient passes."""
    kernel = getattr(space, name)

    def function(*args: Any, **kwargs: Any) -> Tensor:
        plain = [arg._data if isinstance(arg, Tensor) else arg for arg in args]
        return Tensor._of(kernel(*plain, **kwargs))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return what torch.{name} returns for the data; the result has no history."
    return function


bucketize = constant_function("bucketize")
isin = constant_function("isin")
searchsorted = constant_function("searchsorted")


def comparison(name: str) -> Callable[[Tensor, Any], Any]:
    """Return a comparison operator: its result is a bool tensor without history."""

    def operator(left: Tensor, right: Any) -> Any:
        result = getattr(left._data, name)(right._data if isinstance(right, Tensor) else right)
        return result if result is NotImplemented else Tensor._of(result)

    operator.__name__ = operator.__qualname__ = name
    return operator


COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
CONSTANT = (
    "__and__", "__invert__", "__or__", "__xor__", "all", "any", "argmax", "argmin", "argsort", "bool",
    "count_nonzero", "eq", "ge", "gt", "int", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "le",
    "logical_and", "logical_not", "logical_or", "logical_xor", "long", "lt", "ne", "nonzero", "signbit",
)  # fmt: skip
# Facts about the data that torch answers.
FACTS = (
    "data_ptr", "dim", "element_size", "equal", "get_device", "is_complex", "is_conj", "is_contiguous",
    "is_floating_point", "is_pinned", "item", "nelement", "numel", "size", "storage_offset", "stride",
    "tolist", "untyped_storage",
)  # fmt: skip
