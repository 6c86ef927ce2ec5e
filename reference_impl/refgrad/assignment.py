"""What may be assigned to `.grad` and `.grad_dtype`: torch's checks and messages.

Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.grad_dtype.html
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .tensor import Tensor

# The C++ names of dtypes, as torch's messages have them.
C_NAMES = {
    torch.uint8: "unsigned char",
    torch.int8: "signed char",
    torch.int16: "short int",
    torch.int32: "int",
    torch.int64: "long int",
    torch.float16: "c10::Half",
    torch.bfloat16: "c10::BFloat16",
    torch.float32: "float",
    torch.float64: "double",
    torch.complex64: "c10::complex<float>",
    torch.complex128: "c10::complex<double>",
    torch.bool: "bool",
}


def check_grad(tensor: Tensor, value: Tensor) -> None:
    """Raise torch's RuntimeError if `value` cannot be the gradient of `tensor`."""
    if value is tensor:
        raise RuntimeError("can't assign Variable as its own grad")
    expected = tensor._dtype if tensor._grad_dtype is None else tensor._grad_dtype[0]
    if expected is not None and value._dtype is not expected:
        name = _type_name(expected)
        raise RuntimeError(
            f"attempting to assign a gradient with dtype '{C_NAMES.get(value._dtype, value._dtype)}' "
            f"to a tensor with grad_dtype '{name}'. The gradient must match the tensor's grad_dtype "
            "(defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute with a "
            "specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the "
            "dtypes of a tensor and its gradient may break downstream systems that assume they match."
        )
    if value.device.type != tensor.device.type:
        raise RuntimeError(
            f"attempting to assign a gradient with device type '{value.device.type}' to a tensor with "
            f"device type '{tensor.device.type}'. Please ensure that the gradient and the tensor are on "
            "the same device"
        )
    if value._shape != tensor._shape:
        raise RuntimeError(
            f"attempting to assign a gradient of size '{list(value._shape)}' to a tensor of size "
            f"'{list(tensor._shape)}'. Please ensure that the gradient and the tensor are the same size"
        )


def grad_dtype(tensor: Tensor) -> torch.dtype | None:
    """The dtype of the gradients of this leaf: its own unless it was set; None takes them as they come.

    Raises RuntimeError for a non-leaf, and, when it is set, for something that is no dtype and for a dtype
    that `.grad` does not have.
    """
    if not tensor.is_leaf:
        raise RuntimeError("grad_dtype can only be accessed on leaf tensors.")
    stated = tensor._grad_dtype
    return tensor._dtype if stated is None else stated[0]


def set_grad_dtype(tensor: Tensor, value: torch.dtype | None) -> None:
    """Set `tensor.grad_dtype`."""
    have = tensor.grad  # warns for a non-leaf, as in torch
    if not tensor.is_leaf:
        raise RuntimeError("grad_dtype can only be set on leaf tensors.")
    _check_grad_dtype(have, value)
    tensor._grad_dtype = (value,)
    # The node of a leaf with hooks is asked for more when it is made; one that exists is told.
    if tensor._hooks is None:
        tensor._hooks = OrderedDict()
    node = None if tensor._accumulator is None else tensor._accumulator()
    if node is not None:
        node.expect(tensor._shape, value)  # type: ignore[attr-defined] # an AccumulateGrad


def _check_grad_dtype(have: Tensor | None, value: object) -> None:
    """Raise torch's RuntimeError if the dtype of gradients cannot be `value` while `.grad` is `have`."""
    if value is None:
        return
    if not isinstance(value, torch.dtype):
        raise RuntimeError(  # noqa: TRY004 - torch's class
            f"grad_dtype must be a torch.dtype or None, but got {type(value).__name__}"
        )
    if have is not None and have._dtype is not value:
        raise RuntimeError(
            f"Cannot set grad_dtype to '{_type_name(value)}' because there is already a gradient with dtype "
            f"'{C_NAMES.get(have._dtype, have._dtype)}'. Please clear the gradient (.grad = None) before "
            "changing grad_dtype, or ensure the new grad_dtype matches the existing gradient's dtype."
        )


def _type_name(dtype: torch.dtype) -> str:
    """Return the name of a dtype as torch's types have it: `Half`."""
    return torch.empty(0, dtype=dtype).type().rpartition(".")[2].removesuffix("Tensor")
