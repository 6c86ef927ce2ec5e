"""Distances as modules.

Source: https://docs.pytorch.org/docs/stable/nn.html#distance-functions
"""

from __future__ import annotations

from refgrad.tensor import Tensor

from . import functional
from .module import Module


class PairwiseDistance(Module):
    """The norm of order `p` of the differences of two batches of vectors, [..., D] and [..., D] to [...].

    `eps` is added to the differences. With `keepdim` the result is [..., 1].
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Return the distances."""
        return functional.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
