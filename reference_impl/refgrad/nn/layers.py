"""Layers with parameters: `Linear` and `BatchNorm1d`.

Source: https://docs.pytorch.org/docs/stable/nn.html
"""

from __future__ import annotations

import math
from typing import Any

import torch

from refgrad.tensor import Tensor

from . import init
from .functional import batch_norm, linear
from .module import Module, Parameter


def _empty(shape: tuple[int, ...], device: Any, dtype: Any) -> Parameter:
    return Parameter(Tensor._of(torch.empty(shape, device=device, dtype=dtype)))


class Linear(Module):
    """`input @ weight.T + bias`, [..., K] to [..., N]; weight [N, K] and bias [N] start uniform in
    ±1 / sqrt(K).
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = _empty((out_features, in_features), device, dtype)
        self.register_parameter("bias", _empty((out_features,), device, dtype) if bias else None)
        # torch writes it as kaiming_uniform_ with a slope of sqrt(5), which is the same bound.
        bound = 1 / math.sqrt(in_features) if in_features > 0 else 0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Return the affine map of `input`."""
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Name the sizes."""
        bias = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={bias}"


class BatchNorm1d(Module):
    """Batch normalisation of [N, C] or [N, C, L]: over the batch in training, with running statistics else.

    The running mean and variance [C] and the number of batches are buffers.
    """

    def __init__(  # noqa: PLR0917 - torch's signature
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        shape = (num_features,)
        for name, value in (("weight", 1.0), ("bias", 0.0)):
            self.register_parameter(name, _empty(shape, device, dtype) if affine else None)
            if affine:
                init.constant_(getattr(self, name), value)
        kept = track_running_stats
        fresh = {"device": device, "dtype": dtype}
        self.register_buffer("running_mean", Tensor._of(torch.zeros(shape, **fresh)) if kept else None)
        self.register_buffer("running_var", Tensor._of(torch.ones(shape, **fresh)) if kept else None)
        count = Tensor._of(torch.tensor(0, device=device))
        self.register_buffer("num_batches_tracked", count if kept else None)

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` normalised for each of its channels."""
        if input.ndim not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {input.ndim}D input)")
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked._data.add_(1)
            if self.momentum is None:
                factor = 1.0 / float(self.num_batches_tracked)
        tracked = self.running_mean is not None
        return batch_norm(
            input,
            self.running_mean if not self.training or tracked else None,
            self.running_var if not self.training or tracked else None,
            self.weight,
            self.bias,
            self.training or not tracked,
            factor,
            self.eps,
        )
