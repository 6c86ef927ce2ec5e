"""`refgrad.fft`: discrete Fourier transforms along one dimension.

Source: https://docs.pytorch.org/docs/stable/fft.html
"""

from __future__ import annotations

import torch

from .ops import apply
from .shapes import narrow, to
from .tensor import Tensor

# The kernel's factors: none, 1 / sqrt(n), 1 / n.
_FORWARD = {None: 0, "backward": 0, "ortho": 1, "forward": 2}
_INVERSE = {None: 2, "backward": 2, "ortho": 1, "forward": 0}


def _complex(input: Tensor) -> Tensor:
    if input.dtype.is_complex:
        return input
    kind = torch.get_default_dtype() if not input.dtype.is_floating_point else input.dtype
    return to(input, kind.to_complex())


def fft(input: Tensor, *, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the discrete Fourier transform along `dim`."""
    return apply("fft_c2c", _complex(input), (dim % input.ndim,), _FORWARD[norm], True)


def ifft(input: Tensor, *, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the inverse discrete Fourier transform along `dim`."""
    return apply("fft_c2c", _complex(input), (dim % input.ndim,), _INVERSE[norm], False)


def rfft(input: Tensor, *, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the transform of a real tensor along `dim`: the first n // 2 + 1 places, which say it all."""
    return narrow(fft(input, dim=dim, norm=norm), dim, 0, input.shape[dim] // 2 + 1)
