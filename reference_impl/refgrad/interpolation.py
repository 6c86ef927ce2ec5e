"""Resampling of images to another size and at the points of a grid, with torch's signatures.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#vision-functions
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from .ops import apply
from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from .tensor import Tensor

__all__ = [
    "affine_grid",
    "grid_sample",
    "interpolate",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]
TORCH = ("affine_grid_generator", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d")

# The operation for each mode and number of spatial dimensions.
_NEAREST = {
    ("nearest", 1): "upsample_nearest1d",
    ("nearest", 2): "upsample_nearest2d",
    ("nearest", 3): "upsample_nearest3d",
    ("nearest-exact", 1): "_upsample_nearest_exact1d",
    ("nearest-exact", 2): "_upsample_nearest_exact2d",
    ("nearest-exact", 3): "_upsample_nearest_exact3d",
}
_SMOOTH = {
    ("linear", 1): "upsample_linear1d",
    ("bilinear", 2): "upsample_bilinear2d",
    ("bicubic", 2): "upsample_bicubic2d",
    ("trilinear", 3): "upsample_trilinear3d",
}
_ANTIALIASED = {
    "bilinear": "_upsample_bilinear2d_aa",
    "bicubic": "_upsample_bicubic2d_aa",
    "lanczos": "_upsample_lanczos2d_aa",
}
_AREA: dict[int, Any] = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}
_RANKS = {"linear": 1, "bilinear": 2, "trilinear": 3}


def interpolate(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Return [N, C, ...] resampled to `size`, or to `scale_factor` times the size that it has.

    mode: "nearest", "nearest-exact", "area" and, for so many spatial dimensions, "linear" (1), "bilinear"
    and "bicubic" (2, also with `antialias`), "lanczos" (2, with `antialias`), "trilinear" (3). Raises
    ValueError for options that contradict each other or the shape, NotImplementedError for a mode that there
    is not with this rank.
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | "
                "bicubic | trilinear"
            )
    elif align_corners is None:
        align_corners = False
    rank = input.ndim - 2
    sizes, factors = _targets(input, size, scale_factor)
    if recompute_scale_factor and sizes is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if factors is not None:
        sizes = tuple(int(have * factor) for have, factor in zip(input.shape[2:], factors, strict=True))
        if recompute_scale_factor or mode == "area":
            factors = None
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and rank == 2):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D "
            "tensor as input"
        )
    scales = (None,) * rank if factors is None else tuple(map(float, factors))
    if (mode, rank) in _NEAREST:
        return apply(_NEAREST[mode, rank], input, sizes, scales)
    if mode == "area" and rank in _AREA:
        return _AREA[rank](input, sizes)  # type: ignore[no-any-return]
    if mode == "lanczos" and rank == 2 and (align_corners or not antialias):
        raise ValueError(
            "Lanczos mode does not support align_corners=True"
            if align_corners
            else "Lanczos mode requires antialias=True"
        )
    name = _ANTIALIASED.get(mode) if antialias else _SMOOTH.get((mode, rank))
    if name is not None:
        return apply(name, input, sizes, (align_corners, *scales))
    if mode in _RANKS and rank in (1, 2, 3):
        raise NotImplementedError(f"Got {input.ndim}D input, but {mode} mode needs {_RANKS[mode] + 2}D input")
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: nearest "
        f"| linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
    )


def _targets(
    input: Tensor, size: Any, scale_factor: Any
) -> tuple[tuple[int, ...] | None, tuple[float, ...] | None]:
    """Return the size of the result or the factors for it, one for each spatial dimension."""
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    given, what = (size, "output size") if size is not None else (scale_factor, "scale_factor")
    if given is None:
        raise ValueError("either size or scale_factor should be defined")
    rank = input.ndim - 2
    listed = tuple(given) if isinstance(given, Sequence) else (given,) * rank
    if isinstance(given, Sequence) and len(listed) != rank:
        raise ValueError(
            "Input and output must have the same number of spatial dimensions, but got input with spatial "
            f"dimensions of {list(input.shape[2:])} and {what} of {given}."
        )
    if size is None:
        return None, listed
    if not all(isinstance(one, int) for one in listed):
        raise TypeError(
            "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but "
            f"got size with types {[type(one) for one in listed]}"
        )
    return listed, None


def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Return what `interpolate` returns; deprecated in torch, which warns, and so does this."""
    _warn_of("upsample", "interpolate")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """Return `interpolate` in mode "nearest"; deprecated in torch, which warns, and so does this."""
    _warn_of("upsample_nearest", "interpolate")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """Return `interpolate` in mode "bilinear" with aligned corners; deprecated in torch, which warns, and so
    does this.
    """
    _warn_of("upsample_bilinear", "interpolate")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _warn_of(old: str, new: str) -> None:
    warnings.warn(
        f"`nn.functional.{old}` is deprecated. Use `nn.functional.{new}` instead.", UserWarning, stacklevel=3
    )


# --- at the points of a grid ---

_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
_PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Return [N, C, ...] at the points of `grid` [N, ..., rank], whose coordinates go from -1 to 1.

    The last dimension of the image is the first coordinate. mode: "bilinear", "nearest" or (two dimensions)
    "bicubic"; padding_mode, for points outside: "zeros", "border" or "reflection". Raises ValueError for
    other modes and RuntimeError for shapes that do not fit.
    """
    if mode not in _MODES:
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: "
            f"'{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: '{padding_mode}'"
        )
    aligned = _aligned(align_corners)
    return grid_sampler(input, grid, _MODES[mode], _PADDINGS[padding_mode], aligned)


def _aligned(align_corners: bool | None) -> bool:
    """Return whether corners are aligned; warn as torch does if the caller leaves it open."""
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. "
            "Please specify align_corners=True if the old behavior is desired. See the documentation of "
            "grid_sample for details.",
            stacklevel=3,
        )
        return False
    return align_corners


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """Return what `grid_sample` returns, with the modes as numbers (0, 1, 2 in the order told there)."""
    function = grid_sampler_3d if input.ndim == 5 else grid_sampler_2d
    return function(input, grid, interpolation_mode, padding_mode, align_corners)


def grid_sampler_2d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """Return `grid_sampler` for [N, C, H, W] and [N, ..., 2]; raise RuntimeError for other shapes."""
    return apply("grid_sampler_2d", input, grid, (interpolation_mode, padding_mode, align_corners))


def grid_sampler_3d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """Return `grid_sampler` for [N, C, D, H, W] and [N, ..., 3]; raise RuntimeError for other shapes."""
    return apply("grid_sampler_3d", input, grid, (interpolation_mode, padding_mode, align_corners))


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Return the points for `grid_sample` that the maps `theta` [N, rank, rank + 1] send an image's own to.

    `size` [N, C, ...] is that of the image that is wanted. Raises ValueError for shapes that do not fit and
    NotImplementedError for a `size` that is not of 2 or 3 spatial dimensions.
    """
    aligned = _aligned(align_corners)
    if not theta.dtype.is_floating_point:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    rank = len(size) - 2
    if rank not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got "
            f"size {size}."
        )
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (rank, rank + 1):
        raise ValueError(
            f"Expected a batch of {rank}D affine matrices of shape Nx{rank}x{rank + 1} for size {size}. Got "
            f"{theta.shape}."
        )
    if aligned and min(size[2:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when "
            "align_corners=True. This is not an intended use case of affine_grid. See the documentation of "
            "affine_grid for details.",
            stacklevel=2,
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return affine_grid_generator(theta, size, aligned)


def affine_grid_generator(theta: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """Return what `affine_grid` returns; raise RuntimeError for shapes that do not fit."""
    return apply("affine_grid_generator", theta, tuple(size), align_corners)
