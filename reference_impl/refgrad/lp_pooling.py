"""Pooling by a power mean: the norm of each window, up to the signs of the sums, with torch's signatures.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool2d.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .pointwise import abs as absolute
from .pointwise import relu, sign
from .pooling import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d
from .tensor import Tensor

__all__ = ["lp_pool1d", "lp_pool2d", "lp_pool3d"]


def _lp_pool(rank: int, means: Callable[..., Tensor], largest: Callable[..., Any]) -> Callable[..., Tensor]:
    def function(
        input: Tensor,
        norm_type: float,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        ceil_mode: bool = False,
    ) -> Tensor:
        if math.isinf(norm_type):
            extreme: Tensor = largest(
                absolute(input) if norm_type > 0 else -absolute(input), kernel_size, stride, 0, 1, ceil_mode
            )
            return extreme if norm_type > 0 else -extreme
        mean = means(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
        size = kernel_size**rank if isinstance(kernel_size, int) else math.prod(kernel_size)
        return (sign(mean) * relu(absolute(mean)) * size).pow(1.0 / norm_type)

    function.__name__ = function.__qualname__ = f"lp_pool{rank}d"
    function.__doc__ = (
        f"Return (sum x ** p) ** (1 / p) of each window over the last {rank} dimension(s).\n\n"
        "p is `norm_type`; an infinite one takes the extreme absolute value. Raises RuntimeError for another "
        "rank, and for windows that do not fit."
    )
    return function


lp_pool1d = _lp_pool(1, avg_pool1d, max_pool1d)
lp_pool2d = _lp_pool(2, avg_pool2d, max_pool2d)
lp_pool3d = _lp_pool(3, avg_pool3d, max_pool3d)
