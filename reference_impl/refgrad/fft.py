"""`refgrad.fft`: discrete Fourier transforms along one or more dimensions.

All take `n` (or `s`, one for each dimension): the input is cut to that size, or zeros are put behind it.
`norm` is "backward" (the inverse is divided by n, the default), "ortho" (both by its root) or "forward". All
raise RuntimeError for another `norm`, a size below 1, repeated dimensions and a complex input of a real
transform.
Source: https://docs.pytorch.org/docs/stable/fft.html
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from .arrangement import roll
from .complex_support import scalar_type
from .dimensions import wrapped
from .ops import apply
from .padding import constant_pad_nd
from .pointwise import conj
from .shapes import narrow, to
from .tensor import Tensor

_Dims = int | Sequence[int] | None

_HALF = {torch.float16, torch.bfloat16, torch.complex32}
# The kernel's factors: none, 1 / sqrt(n), 1 / n.
_FORWARD = {None: 0, "backward": 0, "ortho": 1, "forward": 2}
_INVERSE = {None: 2, "backward": 2, "ortho": 1, "forward": 0}


# --- along one dimension ---


def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the discrete Fourier transform along `dim`."""
    return _to_complex(input, n, dim, norm, True)


def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the inverse discrete Fourier transform along `dim`."""
    return _to_complex(input, n, dim, norm, False)


def _to_complex(input: Tensor, n: int | None, dim: int, norm: str | None, forward: bool) -> Tensor:
    if input.dtype.is_complex:
        value, dims = _resized(input, _sizes(n), (dim,))
        return apply("fft_c2c", value, dims, _factor(norm, forward), forward)
    return _of_real(input, n, dim, norm, forward, onesided=False)


def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the transform of a real tensor along `dim`: the first n // 2 + 1 places, which say it all."""
    _refuse_complex("rfft", input)
    return _of_real(input, n, dim, norm, True, onesided=True)


def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the inverse transform of a real tensor along `dim`: the first n // 2 + 1 places."""
    _refuse_complex("ihfft", input)
    return _of_real(input, n, dim, norm, False, onesided=True)


def _of_real(  # noqa: PLR0917 - what a transform is made of
    input: Tensor, n: int | None, dim: int, norm: str | None, forward: bool, onesided: bool
) -> Tensor:
    """Return the transform of a real tensor; the inverse one is the conjugate of the other."""
    value, dims = _resized(_real(input), _sizes(n), (dim,))
    out = apply("fft_r2c", value, dims, _factor(norm, forward), onesided)
    return out if forward else conj(out)


def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the inverse of `rfft`, of size `n`: 2 (size - 1) by default, which is wrong for odd sizes."""
    return _to_real(input, n, dim, norm, False)


def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the transform, which is real, of a tensor that stands for a Hermitian one of size `n`."""
    return _to_real(input, n, dim, norm, True)


def _to_real(input: Tensor, n: int | None, dim: int, norm: str | None, forward: bool) -> Tensor:
    size = 2 * (_size(input, dim) - 1) if n is None else n
    _refuse_size(size)
    value, dims = _resized(_complex(input), (size // 2 + 1,), (dim,))
    return apply("fft_c2r", conj(value) if forward else value, dims, _factor(norm, forward), size)


# --- along several dimensions ---


def fftn(input: Tensor, s: Sequence[int] | None = None, dim: _Dims = None, norm: str | None = None) -> Tensor:
    """Return the discrete Fourier transform along `dim`, all dimensions by default."""
    return _along(input, s, dim, norm, True)


def ifftn(
    input: Tensor, s: Sequence[int] | None = None, dim: _Dims = None, norm: str | None = None
) -> Tensor:
    """Return the inverse discrete Fourier transform along `dim`, all dimensions by default."""
    return _along(input, s, dim, norm, False)


def _along(input: Tensor, s: Sequence[int] | None, dim: _Dims, norm: str | None, forward: bool) -> Tensor:
    sizes, dims = _canonical(input, s, dim)
    value, dims = _resized(_complex(input), sizes, dims)
    return apply("fft_c2c", value, dims, _factor(norm, forward), forward)


def rfftn(
    input: Tensor, s: Sequence[int] | None = None, dim: _Dims = None, norm: str | None = None
) -> Tensor:
    """Return the transform of a real tensor along `dim`; the last one is halved, as by `rfft`."""
    _refuse_complex("rfftn", input)
    sizes, dims = _canonical(input, s, dim)
    _refuse_none("rfftn", dims)
    value, dims = _resized(_real(input), sizes, dims)
    return apply("fft_r2c", value, dims, _factor(norm, True), True)


def irfftn(
    input: Tensor, s: Sequence[int] | None = None, dim: _Dims = None, norm: str | None = None
) -> Tensor:
    """Return the inverse of `rfftn`; the size along the last dimension is 2 (size - 1) by default."""
    value, dims, last = _halved("irfftn", input, s, dim)
    return apply("fft_c2r", value, dims, _factor(norm, False), last)


def hfftn(
    input: Tensor, s: Sequence[int] | None = None, dim: _Dims = None, norm: str | None = None
) -> Tensor:
    """Return the transform, which is real, of a tensor that is Hermitian along the last of `dim`."""
    value, dims, last = _halved("hfftn", input, s, dim)
    factor = _factor(norm, True)
    if len(dims) > 1:
        value = apply("fft_c2c", value, dims[:-1], factor, True)
    return apply("fft_c2r", conj(value), dims[-1:], factor, last)


def ihfftn(
    input: Tensor, s: Sequence[int] | None = None, dim: _Dims = None, norm: str | None = None
) -> Tensor:
    """Return the inverse of `hfftn` of a real tensor; the last dimension is halved, as by `ihfft`."""
    _refuse_complex("ihfftn", input)
    sizes, dims = _canonical(input, s, dim)
    _refuse_none("ihfftn", dims)
    value, dims = _resized(_real(input), sizes, dims)
    factor = _factor(norm, False)
    half = conj(apply("fft_r2c", value, dims[-1:], factor, True))
    return apply("fft_c2c", half, dims[:-1], factor, False) if len(dims) > 1 else half


def _halved(
    name: str, input: Tensor, s: Sequence[int] | None, dim: _Dims
) -> tuple[Tensor, tuple[int, ...], int]:
    """Return what a transform to real numbers starts from, its dimensions, and the size of the last one."""
    sizes, dims = _canonical(input, s, dim)
    _refuse_none(name, dims)
    given = s is not None and s[-1] != -1
    last = sizes[-1] if given else 2 * (input.shape[dims[-1]] - 1)
    _refuse_size(last)
    value, dims = _resized(_complex(input), (*sizes[:-1], last // 2 + 1), dims)
    return value, dims, last


def _in_plane(function: Any) -> Any:
    """Return the form of a transform whose dimensions are the last two by default."""

    def transform(
        input: Tensor, s: Sequence[int] | None = None, dim: _Dims = (-2, -1), norm: str | None = None
    ) -> Tensor:
        result: Tensor = function(input, s, dim, norm)
        return result

    transform.__name__ = transform.__qualname__ = f"{function.__name__[:-1]}2"
    transform.__doc__ = f"Do what {function.__name__} does, along the last two dimensions by default."
    return transform


fft2 = _in_plane(fftn)
ifft2 = _in_plane(ifftn)
rfft2 = _in_plane(rfftn)
irfft2 = _in_plane(irfftn)
hfft2 = _in_plane(hfftn)
ihfft2 = _in_plane(ihfftn)


# --- order and frequencies ---


def fftshift(input: Tensor, dim: _Dims = None) -> Tensor:
    """Return the transform with frequency 0 moved from the start to the middle of `dim` (all)."""
    dims = _listed(input, dim)
    return roll(input, [input.shape[one] // 2 for one in dims], dims)


def ifftshift(input: Tensor, dim: _Dims = None) -> Tensor:
    """Undo `fftshift`."""
    dims = _listed(input, dim)
    return roll(input, [(input.shape[one] + 1) // 2 for one in dims], dims)


def fftfreq(n: int, d: float = 1.0, **options: Any) -> Tensor:
    """Return the frequencies of a transform of `n` samples that are `d` apart."""
    return Tensor._of(torch.fft.fftfreq(n, d, **options))


def rfftfreq(n: int, d: float = 1.0, **options: Any) -> Tensor:
    """Return the frequencies of a halved transform of `n` samples that are `d` apart."""
    return Tensor._of(torch.fft.rfftfreq(n, d, **options))


# --- arguments ---


def _factor(norm: str | None, forward: bool) -> int:
    factors = _FORWARD if forward else _INVERSE
    if norm not in factors:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return factors[norm]


def _refuse_complex(name: str, input: Tensor) -> None:
    if input.dtype.is_complex:
        raise RuntimeError(f"{name} expects a real input tensor, but got {input.dtype}")


def _refuse_none(name: str, dims: Sequence[int]) -> None:
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")


def _refuse_size(size: int) -> None:
    if size < 1:
        raise RuntimeError(f"Invalid number of data points ({size}) specified")


def _real(input: Tensor) -> Tensor:
    _refuse_half(input)
    return input if input.dtype.is_floating_point else to(input, torch.get_default_dtype())


def _refuse_half(input: Tensor) -> None:
    """Raise torch's RuntimeError for half precision, of which its kernels for the CPU have no transform."""
    if input.dtype in _HALF and input.device.type == "cpu":
        raise RuntimeError(f"Unsupported dtype {scalar_type(input.dtype)}")


def _complex(input: Tensor) -> Tensor:
    if input.dtype.is_complex:
        return input
    value = _real(input)
    return to(value, value.dtype.to_complex())


def _sizes(n: int | None) -> tuple[int, ...]:
    return () if n is None else (n,)


def _size(input: Tensor, dim: int) -> int:
    return input.shape[wrapped(dim, input.ndim, scalar=False)]


def _listed(input: Tensor, dim: _Dims) -> tuple[int, ...]:
    """Return `dim` as a tuple of ints: all dimensions for None."""
    if dim is None:
        return tuple(range(input.ndim))
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    return tuple(wrapped(one, input.ndim, scalar=False) for one in given)


def _canonical(input: Tensor, s: Sequence[int] | None, dim: _Dims) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the sizes and the dimensions of a transform, one size for each dimension."""
    if dim is None and s is not None:
        if len(s) > input.ndim:
            raise RuntimeError(
                f"Got shape with {len(s)} values but input tensor only has {input.ndim} dimensions."
            )
        dims = tuple(range(input.ndim - len(s), input.ndim))
    else:
        dims = _listed(input, dim)
    if s is not None and len(s) != len(dims):
        raise RuntimeError("When given, dim and shape arguments must have the same length")
    if len(set(dims)) < len(dims):
        raise RuntimeError("FFT dims must be unique")
    given = [-1] * len(dims) if s is None else s
    sizes = tuple(input.shape[one] if size == -1 else size for one, size in zip(dims, given, strict=True))
    for size in sizes:
        _refuse_size(size)
    return sizes, dims


def _resized(input: Tensor, sizes: tuple[int, ...], dims: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...]]:
    """Return `input` cut to `sizes` along `dims`, or with zeros behind it, and `dims` counted from the front.

    No sizes: as it is.
    """
    along = tuple(wrapped(dim, input.ndim, scalar=False) for dim in dims)
    if not sizes:
        _refuse_size(math.prod(input.shape[dim] for dim in along))
        return input, along
    cut = input
    missing = [0] * (2 * input.ndim)
    for size, dim in zip(sizes, along, strict=True):
        _refuse_size(size)
        have = input.shape[dim]
        if have > size:
            cut = narrow(cut, dim, 0, size)
        else:
            missing[2 * (input.ndim - 1 - dim) + 1] = size - have
    return constant_pad_nd(cut, missing) if any(missing) else cut, along
