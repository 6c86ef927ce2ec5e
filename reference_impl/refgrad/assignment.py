"""What may be assigned to `.grad`: torch's checks and messages."""

from __future__ import annotations

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
    if value._dtype is not tensor._dtype:
        name = tensor._data.type().rpartition(".")[2].removesuffix("Tensor")
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
