"""The refusal of derivatives that torch does not have for a dtype: for complex numbers, and of integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .grad_mode import mode

if TYPE_CHECKING:
    from .tensor import Tensor

# c10/core/ScalarType.h
_SCALAR_TYPES = {
    torch.bool: "Bool",
    torch.uint8: "Byte",
    torch.int8: "Char",
    torch.int16: "Short",
    torch.int32: "Int",
    torch.int64: "Long",
    torch.float16: "Half",
    torch.bfloat16: "BFloat16",
    torch.float32: "Float",
    torch.float64: "Double",
    torch.complex32: "ComplexHalf",
    torch.complex64: "ComplexFloat",
    torch.complex128: "ComplexDouble",
}


def scalar_type(dtype: torch.dtype) -> str:
    """Return what torch's errors from C++ call a dtype."""
    return _SCALAR_TYPES.get(dtype, str(dtype).removeprefix("torch."))


def refuse_integers(input: Tensor, dtype: torch.dtype | None) -> None:
    """Raise torch's RuntimeError for a recorded operation on `input` whose result would be of a `dtype` that
    has no gradients.
    """
    if dtype is None or dtype.is_floating_point or dtype.is_complex:
        return
    if mode.enabled and input.requires_grad:
        raise RuntimeError(f"Autograd not support dtype: {scalar_type(dtype)}")


def refuse_complex(name: str, *tensors: Tensor) -> None:
    """Raise torch's RuntimeError for operations that it does not differentiate for complex numbers.

    Those are all that are not on the list GRADIENT_IMPLEMENTED_FOR_COMPLEX of
    tools/autograd/gen_variable_type.py, whatever their derivative.
    """
    recorded = mode.enabled and any(tensor.requires_grad for tensor in tensors)
    if recorded and tensors[0].dtype.is_complex:
        raise RuntimeError(
            f"{name} does not support automatic differentiation for outputs with complex dtype."
        )
