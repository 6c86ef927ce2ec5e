"""Resampling to another size. It is linear, so the derivative of its backward is resampling again."""

from __future__ import annotations

from typing import Any

import torch

from .formulas import kernel
from .registry import rule

_aten = torch.ops.aten


def _resampling(name: str, label: str) -> None:
    """Add the rows of one way to resample and of its backward.

    `size` is that of the result, `options` what the kernels take after the sizes: whether corners are
    aligned, and the factors that were given.
    """
    overload: Any = getattr(_aten, name).default
    backward: Any = getattr(_aten, f"{name}_backward").default
    kernel(name, lambda value, size, options: overload(value, size, *options))
    kernel(f"{name}_backward", lambda grad, size, shape, options: backward(grad, size, list(shape), *options))
    rule(
        name,
        grad_fn=f"{label}Backward0",
        tensors="self",
        args="size options",
        forward=f"{name}(self, size, options)",
        self=f"{name}_backward(grad, size, self_shape, options)",
        saves="",
    )
    rule(
        f"{name}_backward",
        grad_fn=f"{label}BackwardBackward0",
        tensors="grad_output",
        args="size shape options",
        forward=f"{name}_backward(grad_output, size, shape, options)",
        grad_output=f"{name}(grad, size, options)",
        saves="",
    )


for _rank in (1, 2, 3):
    _resampling(f"upsample_nearest{_rank}d", f"UpsampleNearest{_rank}D")
    _resampling(f"_upsample_nearest_exact{_rank}d", f"UpsampleNearestExact{_rank}D")
_resampling("upsample_linear1d", "UpsampleLinear1D")
_resampling("upsample_bilinear2d", "UpsampleBilinear2D")
_resampling("upsample_bicubic2d", "UpsampleBicubic2D")
_resampling("upsample_trilinear3d", "UpsampleTrilinear3D")
_resampling("_upsample_bilinear2d_aa", "UpsampleBilinear2DAa")
_resampling("_upsample_bicubic2d_aa", "UpsampleBicubic2DAa")
if hasattr(_aten, "_upsample_lanczos2d_aa"):  # torch 2.13 has it, and 2.11 has not
    _resampling("_upsample_lanczos2d_aa", "UpsampleLanczos2DAa")
