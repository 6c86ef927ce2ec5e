"""Extremes, products, spreads, norms, exponential sums and running reductions, with torch's signatures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .complex_support import refuse_integers, scalar_type
from .operands import along, refuse_operands
from .ops import apply
from .pointwise import maximum, minimum
from .selection import picked
from .shapes import expand, view
from .tensor import Tensor

TORCH = ("aminmax", "std_mean", "var_mean")
METHODS = ("aminmax",)
IN_PLACE = ("cumprod", "cumsum")
OUT = (
    "amax", "amin", "aminmax", "cummax", "cummin", "cumprod", "cumsum", "logcumsumexp", "logsumexp", "max",
    "median", "min", "nanmean", "nanmedian", "nansum", "prod", "std", "var",
)  # fmt: skip

_types: Any = torch.return_types


def _extreme(name: str, of_two: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    def function(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
        refuse_operands(name, {"input": input})
        second = dim if isinstance(dim, Tensor) else other
        if second is not None:
            return of_two(input, second)
        if dim is None:
            return apply(name, input)
        return picked(f"{name}_dim", input, lambda data: getattr(data, name)(dim, keepdim), dim, keepdim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Return the {name} of all elements, its values and indices along `dim`, or that of two tensors.\n\n"
        "Over all elements the gradient is divided among those that tie; along `dim` the one at the returned "
        "index gets it."
    )
    return function


def _middle(name: str) -> Callable[..., Any]:
    def function(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is None:
            return apply(name, input)
        return picked(f"{name}_dim", input, lambda data: getattr(data, name)(dim, keepdim), dim, keepdim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Return the {name} of all elements (the lower of two), or its values and indices along `dim`."
    )
    return function


max = _extreme("max", maximum)  # noqa: A001 - torch's name
min = _extreme("min", minimum)  # noqa: A001 - torch's name
median = _middle("median")
nanmedian = _middle("nanmedian")


def _running(name: str) -> Callable[..., Any]:
    def function(input: Tensor, dim: int) -> Any:
        return picked(name, input, lambda data: getattr(data, name)(dim), dim, True)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return the values and indices of the running {name.removeprefix('cum')} along `dim`."
    return function


cummax = _running("cummax")
cummin = _running("cummin")


def _dims(dim: Any) -> Any:
    return tuple(dim) if isinstance(dim, Sequence) else dim


def amax(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """Return the largest elements over `dim` (an int, several, or all); ties share the gradient."""
    return apply("amax", input, _dims(dim), keepdim)


def amin(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """Return the smallest elements over `dim` (an int, several, or all); ties share the gradient."""
    return apply("amin", input, _dims(dim), keepdim)


def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """Return the product of all elements, or along `dim`."""
    refuse_integers(input, dtype)
    if dim is None:
        return apply("prod", input, dtype)
    return apply("prod_dim", input, along(input, dim), keepdim, dtype)


def cumsum(input: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """Return the running sums along `dim`, in `dtype` if given."""
    refuse_integers(input, dtype)
    return apply("cumsum", input, along(input, dim), dtype)


def cumprod(input: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """Return the running products along `dim`, in `dtype` if given."""
    refuse_integers(input, dtype)
    return apply("cumprod", input, along(input, dim), dtype)


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """Return the logarithms of the running sums of exponentials along `dim`."""
    return apply("logcumsumexp", input, along(input, dim))


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """Return the logarithm of the sum of exponentials over `dim`, without overflow."""
    return apply("logsumexp", input, _dims(dim), keepdim)


def softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Return the exponentials divided by their sum along `dim`, in `dtype` if given."""
    return apply("softmax", input if dtype is None else input.to(dtype), dim)


def log_softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Return the logarithm of softmax along `dim`, without overflow, in `dtype` if given."""
    return apply("log_softmax", input if dtype is None else input.to(dtype), dim)


def nansum(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """Return the sum of the elements that are not nan."""
    refuse_integers(input, dtype)
    return apply("nansum", input, _dims(dim), keepdim, dtype)


def nanmean(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """Return the mean of the elements that are not nan, in `dtype` if given.

    Raises RuntimeError for integers.
    """
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{scalar_type(input.dtype)}"
        )
    numbers = (~input.isnan()).sum(tuple(range(input.ndim)) if dim is None else dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / numbers


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the smallest and the largest elements of all, or along `dim`; ties share the gradient."""
    return _types.aminmax(apply("aminmax", input, dim, keepdim))


def _spread(name: str) -> Callable[..., Any]:
    def function(
        input: Tensor,
        dim: Any = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: float | None = None,
    ) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        taken = (1 if unbiased in (None, True) else 0) if correction is None else correction
        return apply(name, input, _dims(dim), taken, keepdim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Return the {name.replace('_', ' and ')} over `dim` (all by default), with `correction` (1 by "
        "default, 0 if not `unbiased`) taken off the number of elements."
    )
    return function


std = _spread("std")
std_mean = _spread("std_mean")
var = _spread("var")
var_mean = _spread("var_mean")


def vector_norm(
    input: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """Return the vector norm of order `ord` over `dim` (all by default); `torch.linalg.vector_norm`."""
    value = input if dtype is None else input.to(dtype)
    return apply("vector_norm", value, ord, _dims(dim), keepdim)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """Return the norm of order `p` of the difference of two tensors, which broadcast."""
    return apply("dist", input, other, p)


_BY_PRODUCT = {
    "use_mm_for_euclid_dist": True,
    "donot_use_mm_for_euclid_dist": False,
    "use_mm_for_euclid_dist_if_necessary": None,
}


def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"
) -> Tensor:
    """Return the distances of order `p` between the rows of two batches: [..., P, M], [..., R, M] to
    [..., P, R].

    Those of order 2 are made of one product of matrices with "use_mm_for_euclid_dist", never with
    "donot_use_mm_for_euclid_dist", and where P or R is above 25 by default. Only then is there a second
    derivative. Raises ValueError for another mode, RuntimeError for fewer dimensions.
    """
    if compute_mode not in _BY_PRODUCT:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for name, side in (("X1", x1), ("X2", x2)):
        if side.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {side.ndim}D")
    by_product = _BY_PRODUCT[compute_mode]
    if by_product is None:
        by_product = x1.shape[-2] > 25 or x2.shape[-2] > 25
    if p != 2 or not by_product or not x1.numel() or not x2.numel():
        return apply("cdist", x1, x2, p)
    batch: torch.Size = torch.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])  # type: ignore[no-untyped-call]
    shape = *batch, x1.shape[-2], x2.shape[-2]
    if x1.ndim > 2 or x2.ndim > 2:
        x1, x2 = (
            view(expand(x, (*batch, *x.shape[-2:])).contiguous(), batch.numel(), *x.shape[-2:])
            for x in (x1, x2)
        )
    return view(apply("euclidean_dist", x1, x2), shape)


def _of_data(name: str) -> Callable[..., Any]:
    def function(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        result = getattr(input._data, name)(*args, **kwargs)
        return Tensor._of(result) if isinstance(result, torch.Tensor) else result

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return what torch.{name} returns for the data; the result has no history."
    return function


argmax = _of_data("argmax")
argmin = _of_data("argmin")
argsort = _of_data("argsort")
isfinite = _of_data("isfinite")
isinf = _of_data("isinf")
isnan = _of_data("isnan")
