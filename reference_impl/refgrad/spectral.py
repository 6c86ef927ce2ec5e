"""Short-time Fourier transforms: a signal as the transforms of windows of it, and back.

Source: https://docs.pytorch.org/docs/stable/generated/torch.stft.html and .../torch.istft.html
"""

from __future__ import annotations

import warnings

from .inplace import copy_, fill_
from .ops import apply
from .padding import constant_pad_nd, pad
from .shapes import as_strided, expand, narrow, squeeze, transpose, unsqueeze, view
from .tensor import Tensor

TORCH = ("istft", "stft")
METHODS = ("istft", "stft")


def stft(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """Return the Fourier transforms of windows of [L] or [B, L], `hop_length` apart: [B?, N, T].

    With `center` the signal is padded by half a window on both sides. Raises RuntimeError for sizes that do
    not fit, for a real signal without `return_complex`, and for one side of a complex transform;
    NotImplementedError for `align_to_window`.
    """
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    if align_to_window:
        raise NotImplementedError("stft: align_to_window is not implemented")
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise RuntimeError("stft: expected a tensor of floating point or complex values")
    if input.ndim not in {1, 2}:
        raise RuntimeError("stft: expected a 1D or 2D tensor")
    signal = _centred(input, n_fft // 2, pad_mode) if center else input
    rows = unsqueeze(signal, 0) if signal.ndim == 1 else signal
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    _check(n_fft, hop, width, window, rows.shape[1])
    is_complex = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None and not is_complex:
        raise RuntimeError("stft requires the return_complex parameter be given for real inputs")
    half = not is_complex if onesided is None else onesided
    if half and is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    full = _full_window(rows, window, width, n_fft)
    step, stride = rows._data.stride()
    frames = as_strided(
        rows,
        (rows.shape[0], 1 + (rows.shape[1] - n_fft) // hop, n_fft),
        (step, hop * stride, stride),
    )
    if full is not None:
        frames = frames * full
    factor = 1 if normalized else 0
    transforms = (
        apply("fft_c2c", frames, (2,), factor, True)
        if is_complex
        else apply("fft_r2c", frames, (2,), factor, half)
    )
    out = transforms.transpose_(1, 2)
    if signal.ndim == 1:
        out.squeeze_(0)
    if return_complex or return_complex is None:
        return out
    warnings.warn("stft with return_complex=False is deprecated.", UserWarning, stacklevel=2)
    return apply("view_as_real", out)


def _centred(input: Tensor, half: int, mode: str) -> Tensor:
    rows = view(input, *[1] * (3 - input.ndim), *input.shape)
    padded = pad(rows, (half, half), mode)
    return view(padded, padded.shape[-input.ndim :])


def _check(n_fft: int, hop: int, width: int, window: Tensor | None, length: int) -> None:
    """Raise RuntimeError if the sizes do not fit."""
    if not 0 < n_fft <= length:
        raise RuntimeError(f"stft: expected 0 < n_fft <= {length}, but got n_fft={n_fft}")
    if hop <= 0:
        raise RuntimeError(f"stft: expected hop_length > 0, but got hop_length={hop}")
    _check_window("stft", n_fft, width, window)


def _check_window(name: str, n_fft: int, width: int, window: Tensor | None) -> None:
    if not 0 < width <= n_fft:
        raise RuntimeError(f"{name}: expected 0 < win_length <= n_fft, but got win_length={width}")
    if window is not None and tuple(window.shape) != (width,):
        raise RuntimeError(
            f"{name}: expected a 1D window tensor of size equal to win_length={width}, but got window with "
            f"size {list(window.shape)}"
        )


def _full_window(rows: Tensor, window: Tensor | None, width: int, n_fft: int) -> Tensor | None:
    """Return the window with zeros on both sides, None for one that takes everything as it is."""
    if width == n_fft:
        return window
    like = rows if window is None else window
    full = like.new_zeros(n_fft)
    middle = narrow(full, 0, (n_fft - width) // 2, width)
    if window is None:
        fill_(middle, 1)
    else:
        copy_(middle, window)
    return full


def istft(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """Return the signal whose windows have the given transforms, in the sense of least squares.

    [N, T] to [L], [B, N, T] to [B, L]; the squares of the windows must nowhere add up to zero. Raises
    RuntimeError for that, for a real `input` and for sizes that do not fit.
    """
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if input.ndim not in {2, 3} or not input.numel():
        raise RuntimeError("istft: expected a tensor with 2 or 3 dimensions that is not empty")
    half = input.shape[-2] != n_fft if onesided is None else onesided
    expected = n_fft // 2 + 1 if half else n_fft
    if input.shape[-2] != expected:
        raise RuntimeError(f"istft: expected {expected} frequencies, but got {input.shape[-2]}")
    if half and return_complex:
        raise RuntimeError("istft: cannot have onesided input and return_complex=True")
    if not 0 < hop <= width:
        raise RuntimeError(f"istft: expected 0 < hop_length <= win_length, but got hop_length={hop}")
    _check_window("istft", n_fft, width, window)
    if window is not None and window.dtype.is_complex and not return_complex:
        raise RuntimeError("istft: complex windows are incompatible with return_complex=False")
    rows = unsqueeze(input, 0) if input.ndim == 2 else input
    weights = _padded_window(rows, window, width, n_fft)
    frames = transpose(rows, 1, 2)
    factor = 1 if normalized else 2
    parts = (
        apply("fft_c2c", frames, (2,), factor, False)
        if return_complex
        else apply("fft_c2r", narrow(frames, 2, 0, n_fft // 2 + 1), (2,), factor, n_fft)
    )
    count = parts.shape[1]
    total = n_fft + hop * (count - 1)
    placed = _overlapped(parts * view(weights, 1, 1, n_fft), total, hop)
    squares = expand(view(weights * weights, 1, 1, n_fft), (1, count, n_fft))
    envelope = _overlapped(squares, total, hop)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - start
    kept = min(end, total)
    placed, envelope = (narrow(one, 1, start, kept - start) for one in (placed, envelope))
    if envelope._data.abs().min() <= 1e-11:
        raise RuntimeError("istft: window overlap add min: 1")
    signal = placed / envelope
    if end > total:
        warnings.warn(
            "The length of signal is shorter than the length parameter. Result is being padded with zeros in "
            "the tail. Please check your center and hop_length settings.",
            UserWarning,
            stacklevel=2,
        )
        signal = constant_pad_nd(signal, (0, end - total))
    return squeeze(signal, 0) if input.ndim == 2 else signal


def _padded_window(rows: Tensor, window: Tensor | None, width: int, n_fft: int) -> Tensor:
    """Return the window with zeros on both sides, of ones if none is given."""
    given = Tensor._of(rows._data.real.new_ones(width)) if window is None else window
    before = (n_fft - width) // 2
    return constant_pad_nd(given, (before, n_fft - width - before)) if width < n_fft else given


def _overlapped(frames: Tensor, total: int, hop: int) -> Tensor:
    """Return the sum of [B, T, N] frames that begin `hop` apart: [B, total]."""
    return apply("unfold_backward", frames, (frames.shape[0], total), 1, frames.shape[2], hop)
