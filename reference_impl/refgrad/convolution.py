"""Convolutions of one, two and three dimensions, and transposed ones, with torch's signatures.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#convolution-functions
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .arrangement import resolve_conj
from .ops import apply
from .optional import optional
from .shapes import squeeze, unsqueeze
from .tensor import Tensor

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]
TORCH = (*__all__, "convolution")

_Sizes = int | Sequence[int]


def convolution(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor:
    """Return the cross-correlation of [N, C, ...] with [K, C / groups, ...], or its transpose.

    Complex tensors are convolved part by part, in three real convolutions (torch's `complex_convolution`).
    Raises RuntimeError for shapes and dtypes that do not fit.
    """
    options = (tuple(stride), tuple(padding), tuple(dilation), transposed, tuple(output_padding), groups)
    return _of_parts(partial(_real, options=options), input, weight, bias)


def _real(input: Tensor, weight: Tensor, bias: Tensor | None, options: Any) -> Tensor:
    return apply("convolution", input, weight, optional(bias), options)


def _of_parts(
    convolve: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
) -> Tensor:
    """Return `convolve(input, weight, bias)`; of complex tensors their parts are convolved."""
    if not input.dtype.is_complex:
        return convolve(input, weight, bias)
    given = [input, weight] if bias is None else [input, weight, bias]
    for what, tensor in zip(("input", "weight", "bias"), given, strict=False):
        _check_type(what, tensor, input)
    parts = [(tensor.real, tensor.imag) for tensor in map(resolve_conj, given)]
    (x_real, x_imag), (w_real, w_imag) = parts[:2]
    b_real, b_imag = parts[2] if bias is not None else (None, None)
    a = convolve(x_real, w_real, b_real)
    b = convolve(x_imag, w_imag, None)
    both = None if b_real is None or b_imag is None else b_real + b_imag
    c = convolve(x_real + x_imag, w_real + w_imag, both)
    return a - b + 1j * (c - a - b)


def _check_type(what: str, tensor: Tensor, input: Tensor) -> None:
    """Raise RuntimeError for a weight or bias whose dtype is not that of `input`."""
    if tensor.dtype is not input.dtype:
        raise RuntimeError(
            f"Input type ({input.type()}) and {what} type ({tensor.type()}) should be the same"
        )


def _full(sizes: _Sizes, rank: int, what: str) -> tuple[int, ...]:
    """Return one size for each of `rank` dimensions."""
    given = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    if len(given) not in (1, rank):
        raise RuntimeError(
            f"expected {what} to be a single integer value or a list of {rank} values to match the "
            f"convolution dimensions, but got {what}={list(given)}"
        )
    return given * rank if len(given) == 1 else given


def _batched(input: Tensor, rank: int, name: str) -> tuple[Tensor, bool]:
    """Return `input` with a batch dimension, and whether it had one; raise RuntimeError for another rank."""
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name}, "
            f"but got input of size: {list(input.shape)}"
        )
    return (input, True) if input.ndim == rank + 2 else (unsqueeze(input, 0), False)


def _forward(rank: int) -> Callable[..., Tensor]:
    name = f"conv{rank}d"

    def function(  # noqa: PLR0917 - torch's signature
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: _Sizes = 1,
        padding: _Sizes | str = 0,
        dilation: _Sizes = 1,
        groups: int = 1,
    ) -> Tensor:
        value, batched = _batched(input, rank, name)
        if bias is not None:
            _check_type("bias", bias, input)
        if weight.ndim != rank + 2:
            raise RuntimeError(
                f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight "
                f"{list(weight.shape)}, but got {value.ndim}-dimensional input of size {list(value.shape)}"
            )
        steps, spread = _full(stride, rank, "stride"), _full(dilation, rank, "dilation")
        none = (0,) * rank
        if isinstance(padding, str):
            added = _named_padding(padding, weight, steps, spread)
        else:
            sizes = _full(padding, rank, "padding")
            added = sizes, sizes

        def convolve(value: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            before, after = added
            # The kernel pads both sides alike; what one side gets more is put there beforehand.
            more = [high - low for low, high in zip(before, after, strict=True)]
            if any(more):
                _warn_of_a_copy()
                value = apply("pad_constant", value, tuple(n for size in more[::-1] for n in (0, size)), 0)
            return _real(value, weight, bias, (steps, before, spread, False, none, groups))

        out = _of_parts(convolve, value, weight, bias)
        return out if batched else squeeze(out, 0)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Return the cross-correlation of `input` [N, C, ...] or [C, ...] with `weight` [K, C / groups, ...] "
        f"over {rank} dimension(s), plus `bias` [K].\n\n"
        "`padding` is sizes, 'valid' or 'same'. Raises RuntimeError for shapes and dtypes that do not fit, "
        "and for 'same' with a stride."
    )
    return function


def _warn_of_a_copy() -> None:
    warnings.warn(
        "Using padding='same' with even kernel lengths and odd dilation may require a zero-padded copy of "
        "the input be created",
        UserWarning,
        stacklevel=5,
    )


def _named_padding(
    padding: str, weight: Tensor, stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the padding that "valid" or "same" means, before and after; the odd place comes after."""
    if padding == "valid":
        return (0,) * len(stride), (0,) * len(stride)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if any(step != 1 for step in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [step * (size - 1) for step, size in zip(dilation, weight.shape[2:], strict=True)]
    return tuple(size // 2 for size in total), tuple(size - size // 2 for size in total)


def _transposed(rank: int) -> Callable[..., Tensor]:
    name = f"conv_transpose{rank}d"

    def function(  # noqa: PLR0917 - torch's signature
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: _Sizes = 1,
        padding: _Sizes = 0,
        output_padding: _Sizes = 0,
        groups: int = 1,
        dilation: _Sizes = 1,
    ) -> Tensor:
        value, batched = _batched(input, rank, name)
        out = convolution(
            value,
            weight,
            bias,
            _full(stride, rank, "stride"),
            _full(padding, rank, "padding"),
            _full(dilation, rank, "dilation"),
            True,
            _full(output_padding, rank, "output_padding"),
            groups,
        )
        return out if batched else squeeze(out, 0)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Return the transpose of a convolution over {rank} dimension(s): `input` [N, C, ...] or [C, ...], "
        "`weight` [C, K / groups, ...], plus `bias` [K].\n\n"
        "Raises RuntimeError for shapes and dtypes that do not fit."
    )
    return function


conv1d = _forward(1)
conv2d = _forward(2)
conv3d = _forward(3)
conv_transpose1d = _transposed(1)
conv_transpose2d = _transposed(2)
conv_transpose3d = _transposed(3)
