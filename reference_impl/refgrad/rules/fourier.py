"""Discrete Fourier transforms: complex to complex, real to complex, complex to real.

A transform is unitary but for a factor, so its adjoint runs the other way with the same factor. Between real
and complex numbers half of the result says it all; what is left out has its share in the gradient. Source:
`fft_r2c_backward` and `fft_c2r_backward` in torch/csrc/autograd/FunctionsManual.cpp.
"""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel
from .registry import rule

T = Any
_aten = torch.ops.aten

kernel("fft_c2c", _aten._fft_c2c)
kernel("fft_r2c", _aten._fft_r2c)
kernel("fft_c2r", _aten._fft_c2r)


@formula
def left_out(grad: T, real: T, dim: int) -> tuple[int, ...]:
    """Return the padding that puts zeros in the place of the frequencies along `dim` that were left out.

    real: what was transformed. It is kept for its size alone, as in torch.
    """
    pad = [0] * (2 * real.dim())
    pad[2 * (real.dim() - 1 - dim) + 1] = real.shape[dim] - grad.shape[dim]
    return tuple(pad)


@formula
def counted_twice(grad: T, size: int, dim: int) -> T:
    """Return `grad`, doubled along `dim` where a frequency also stands for its conjugate.

    size: that of the real tensor, along `dim`.
    """
    half = grad.shape[dim]
    weights = [2 if 1 <= place <= size - half else 1 for place in range(half)]
    return grad * grad.new_tensor(weights).reshape((half,) + (1,) * (len(grad.shape) - dim - 1))


rule(
    "fft_c2c",
    grad_fn="FftC2CBackward0",
    tensors="self",
    args="dim normalization forward",
    forward="fft_c2c(self, dim, normalization, forward)",
    self="fft_c2c(grad, dim, normalization, not forward)",
    saves="",
)
rule(
    "fft_r2c",
    grad_fn="FftR2CBackward0",
    tensors="self",
    args="dim normalization onesided",
    forward="fft_r2c(self, dim, normalization, onesided)",
    self="fft_c2c(pad_constant(grad, left_out(grad, self, dim[-1]), 0), dim, normalization, False).real",
    saves="self",
)
rule(
    "fft_c2r",
    grad_fn="FftC2RBackward0",
    tensors="self",
    args="dim normalization size",
    forward="fft_c2r(self, dim, normalization, size)",
    self="counted_twice(fft_r2c(grad, dim, normalization, True), size, dim[-1])",
    saves="",
)
