"""Quantiles, covariances and correlations, put together as torch does.

Source: aten/src/ATen/native/Sorting.cpp and Correlation.cpp.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch

from .arrangement import diag
from .creation import full_like
from .dimensions import wrapped
from .functions import clamp
from .functions import complex as complex_of
from .pointwise import conj, masked_fill, sqrt
from .reductions import isnan
from .selection import gather, sort
from .shapes import (
    expand,
    flatten,
    mm,
    reshape,
    squeeze,
    sum,  # noqa: A004 - torch's name
    t,
    transpose,
    unsqueeze,
    view,
)
from .tensor import Tensor

TORCH = ("corrcoef", "cov", "nanquantile", "quantile")
METHODS = TORCH

# --- quantiles ---


def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """Return the `q`-th quantiles of all elements or along `dim`: between two elements, interpolated.

    `q` is a number or 0-d tensor, or a vector: the result then has a first dimension for it. `interpolation`
    is "linear", "lower", "higher", "midpoint" or "nearest". A row with a nan gives nan. The gradient goes to
    the elements around the rank, and to `q` through the weights. Raises RuntimeError for a `q` outside of 0
    to 1 or of another dtype, and for other interpolations.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """Return the `q`-th quantiles of the elements that are not nan; see `quantile`."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)


def _quantile(  # noqa: PLR0917 - torch's signature
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str
) -> Tensor:
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"quantile() q must be in the range [0, 1] but got {q}")
        q = Tensor._of(torch.tensor(q, dtype=input.dtype, device=input.device))
    _check_quantile(input, q, interpolation)
    ordered = _ordered(input, dim, keepdim)
    ranks = expand(_ranks(name, q, ordered), (*ordered.shape[:-1], q.numel()))
    found = _at_ranks(ordered, ranks, interpolation)
    if q.ndim:
        found.unsqueeze_(0).transpose_(0, -1)
    return found.squeeze_(-1)


def _check_quantile(input: Tensor, q: Tensor, interpolation: str) -> None:
    """Raise torch's RuntimeError for arguments that the quantiles do not take."""
    if not input.numel():
        raise RuntimeError("quantile() input tensor must be non-empty")
    if q.ndim > 1:
        raise RuntimeError("quantile() q must be a scalar or 1D tensor")
    if input.dtype not in {torch.float32, torch.float64}:
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if q.dtype is not input.dtype:
        raise RuntimeError("quantile() q tensor must be same dtype as the input tensor")
    if interpolation not in {"linear", "lower", "higher", "midpoint", "nearest"}:
        raise RuntimeError(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got "
            f"{interpolation}"
        )
    # Elsewhere torch does not wait for the answer.
    if q.device.type == "cpu" and not bool(((q >= 0) & (q <= 1)).all()):
        raise RuntimeError("quantile() q values must be in the range [0, 1]")


def _ordered(input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    """Return `input` sorted, with what is reduced as the last dimension, and 1 in its old place with
    `keepdim`.
    """
    shape = list(input.shape)
    if dim is None or not shape:
        lead = [1] * len(shape) if keepdim else []
        values = flatten(input)
    else:
        dim = wrapped(dim, len(shape))
        lead = [*shape[:dim], *([1] if keepdim else []), *shape[dim + 1 :]]
        values = input if dim == len(shape) - 1 else transpose(unsqueeze(input, -1), dim, -1)
    ordered: Tensor = sort(values, -1)[0]
    return view(ordered, (*lead, ordered.shape[-1]))


def _ranks(name: str, q: Tensor, ordered: Tensor) -> Tensor:
    """Return the place of each of the `q` in the last dimension: the last one where there is a nan."""
    last = ordered.shape[-1] - 1
    holes = isnan(ordered)
    if name == "nanquantile":
        numbers = (~holes).sum(-1, keepdim=True) - 1
        # A row of nothing but nans has no rank; its first element is nan.
        return masked_fill(q * numbers, numbers < 0, 0)
    return masked_fill(q * last, holes.any(-1, keepdim=True), last)


def _at_ranks(ordered: Tensor, ranks: Tensor, interpolation: str) -> Tensor:
    """Return the elements at `ranks`, or what lies between the two around each."""

    def at(places: Tensor) -> Tensor:
        return gather(ordered, -1, places.long())

    if interpolation == "nearest":
        return at(ranks.round())
    if interpolation == "higher":
        return at(ranks.ceil())
    below = at(ranks.floor())
    if interpolation == "lower":
        return below
    weights = full_like(ranks, 0.5) if interpolation == "midpoint" else ranks - ranks.floor().detach()
    return below.lerp_(at(ranks.ceil()), weights)


# --- covariances ---


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """Return the covariances of variables, the rows of a matrix; of one variable, a vector, its variance.

    `fweights` are whole numbers that say how often a column occurs, `aweights` the importance of columns;
    `correction` is taken off the number of columns. Warns if nothing is left, and divides by 0. Raises
    RuntimeError for inputs of more than two dimensions and weights that are not such vectors.
    """
    _check_cov(input, fweights, aweights)
    rows = input if input.ndim == 2 else reshape(input, (1, -1))
    columns = rows.shape[1]
    weights = fweights
    if aweights is not None:
        weights = aweights if fweights is None else fweights * aweights
    if not rows.numel() or weights is None:
        total: Any = columns
        centre = sum(rows, 1) / columns if columns else sum(rows, 1) * math.nan
        left: Any = columns - correction
    else:
        total = sum(weights)
        if not bool(total != 0):
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
        centre = sum(rows * weights, 1) / total
        left = total - correction
        if aweights is not None and correction:
            left = total - sum(weights * aweights) * correction / total
    if not bool(left > 0):
        warnings.warn("cov(): degrees of freedom is <= 0", UserWarning, stacklevel=2)
        left = 0 if not isinstance(left, Tensor) else left * 0
    centred = rows - unsqueeze(centre, 1)
    scaled = centred if weights is None else centred * weights
    return squeeze(mm(centred, conj(t(scaled))) / left)


def _check_cov(input: Tensor, fweights: Tensor | None, aweights: Tensor | None) -> None:
    """Raise torch's RuntimeError for arguments that `cov` does not take."""
    if input.ndim > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    if input.dtype is torch.bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    columns = input.shape[-1] if input.ndim else 1
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is None:
            continue
        if weights.ndim > 1:
            raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions")
        whole = not (weights.dtype.is_floating_point or weights.dtype.is_complex)
        if whole is not (name == "fweights"):
            kind = "integral" if name == "fweights" else "floating point"
            raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {weights.dtype}")
        if weights.numel() != columns:
            raise RuntimeError(f"cov(): expected {name} to have one element for each column of the input")
        if bool((weights < 0).any()):
            raise RuntimeError(f"cov(): {name} cannot be negative")


def corrcoef(input: Tensor) -> Tensor:
    """Return the covariances divided by the standard deviations: correlations, between -1 and 1.

    Of one variable it is 1, or nan if it does not vary. Raises RuntimeError for more than two dimensions.
    """
    if input.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    joint = cov(input)
    if not joint.ndim:
        return joint / joint
    spread = diag(joint)
    spread = sqrt(spread.real if joint.dtype.is_complex else spread)
    scaled = joint / reshape(spread, (-1, 1)) / reshape(spread, (1, -1))
    if scaled.dtype.is_complex:
        return complex_of(clamp(scaled.real, -1, 1), clamp(scaled.imag, -1, 1))
    return clamp(scaled, -1, 1)
