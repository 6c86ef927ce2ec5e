"""`refgrad.ops.aten`: operators that PyTorch calls by the names of its dispatcher alone.

There is no dispatcher here: overloads are functions on tensors like any other of refgrad, and attributes of
their operator, `refgrad.ops.aten.slice.Tensor(x, 0, 1)`. The operators are those that PyTorch's own
operator samples call so. Source: aten/src/ATen/native/native_functions.yaml.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

from .attention import _safe_softmax as safe_softmax
from .attention import _softmax_backward_data as softmax_backward_data
from .dimensions import wrapped
from .normalization import batch_norm_with_update
from .ops import apply
from .tensor import Tensor


class Operator:
    """An operator: call it, or one of its overloads by name."""

    def __init__(self, **overloads: Callable[..., Any]) -> None:
        self.__doc__ = next(iter(overloads.values())).__doc__
        self._parameters = [(function, inspect.signature(function)) for function in overloads.values()]
        for name, function in overloads.items():
            setattr(self, name, function)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run the first overload that has such parameters; raise TypeError if none has."""
        for function, signature in self._parameters:
            try:
                signature.bind(*arguments, **options)
            except TypeError:
                continue
            return function(*arguments, **options)
        raise TypeError("no overload of this operator takes these arguments")


def _slice(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """Return a view of the places `start`, `start + step`, ... before `end` of one dimension.

    Raises IndexError for a number and for a dimension that is not there, RuntimeError for a step that is not
    positive.
    """
    if not input.ndim:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    return apply("slice", input, wrapped(dim, input.ndim), start, end, step)


def _native_dropout_backward(grad_output: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Return the gradient of what was dropped from: `grad_output` times `scale` where `mask` is true."""
    return apply("native_dropout_backward", grad_output, mask, scale)


def _max_pool2d_with_indices_backward(  # noqa: PLR0917 - torch's signature
    grad_output: Tensor,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    """Return the gradient of what was pooled, from the indices of the largest elements of its windows."""
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    return apply("max_pool2d_with_indices_backward", grad_output, input, indices, options)


def _upsample_by_factors(
    input: Tensor,
    output_size: Sequence[int] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None,
) -> Tensor:
    """Return [N, C, H, W] resampled to a size or by factors, with a filter against aliasing.

    Raises RuntimeError unless one of the two is given.
    """
    if output_size is not None and scale_factors is None:
        return _upsample(input, output_size, align_corners)
    if scale_factors is None or output_size is not None:
        raise RuntimeError("Must specify exactly one of output_size and scale_factors")
    sizes = [math.floor(have * factor) for have, factor in zip(input.shape[2:], scale_factors, strict=True)]
    return _upsample(input, sizes, align_corners, *scale_factors)


def _upsample(
    input: Tensor,
    output_size: Sequence[int],
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """Return [N, C, H, W] resampled to a size, with a filter against aliasing.

    The factors, if given, say where the samples lie in place of the sizes.
    """
    return apply("_upsample_bilinear2d_aa", input, tuple(output_size), (align_corners, scales_h, scales_w))


_batch_norm_with_update = Operator(default=batch_norm_with_update)
_safe_softmax = Operator(default=safe_softmax)
_softmax_backward_data = Operator(default=softmax_backward_data)
_upsample_bilinear2d_aa = Operator(vec=_upsample_by_factors, default=_upsample)
max_pool2d_with_indices_backward = Operator(default=_max_pool2d_with_indices_backward)
native_dropout_backward = Operator(default=_native_dropout_backward)
slice = Operator(Tensor=_slice)  # noqa: A001 - torch's name
