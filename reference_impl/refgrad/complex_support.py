"""The refusal of derivatives that torch does not have for complex numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .grad_mode import mode

if TYPE_CHECKING:
    from .tensor import Tensor


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
