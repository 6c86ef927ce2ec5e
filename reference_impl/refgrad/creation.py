"""Factories with torch's names and signatures: torch makes the data, `requires_grad` makes a leaf.

A factory that is asked for a leaf makes one in every grad mode.
Source: https://docs.pytorch.org/docs/stable/torch.html#creation-ops
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from .grad_mode import mode
from .node import LEAF
from .tensor import Tensor
from .versions import UNCOUNTED

_new = object.__new__


def _leaf(data: torch.Tensor, requires_grad: bool) -> Tensor:
    """Return a tensor on fresh data; raise RuntimeError if it cannot require grad and should."""
    out: Tensor = _new(Tensor)
    out._data = data
    out._shape = data.shape
    out._dtype = dtype = data.dtype
    out._counter = UNCOUNTED if mode.inference else None
    if requires_grad:
        if not (dtype.is_floating_point or dtype.is_complex):
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        out._node = LEAF
        out._grad = out._accumulator = out._hooks = None
    else:
        out._node = None
    return out


def _plain(value: Any) -> Any:
    """Return `value` with tensors in it, also within lists and tuples, replaced by their data."""
    if isinstance(value, Tensor):
        return value._data
    if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
        return type(value)(_plain(item) for item in value)
    return value


def factory(name: str) -> Callable[..., Tensor]:
    """Return torch's factory `name`, with `requires_grad` understood here."""
    make = getattr(torch, name)
    takes_tensors = name.endswith("_like") or name in ("arange", "full", "linspace")

    def function(*args: Any, requires_grad: bool = False, **kwargs: Any) -> Tensor:
        if takes_tensors:
            args = tuple(_plain(arg) for arg in args)
            kwargs = {key: _plain(value) for key, value in kwargs.items()}
        return _leaf(make(*args, **kwargs), requires_grad)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return what torch.{name} returns, as a leaf that requires grad if `requires_grad`."
    return function


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor that holds a copy of `data`: a number, a nested list, an array or a tensor."""
    if isinstance(data, Tensor | torch.Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        made = _plain(data).detach().clone().to(device, dtype)
    else:
        made = torch.tensor(_values(data), dtype=dtype, device=device)
    return _leaf(made, requires_grad)


def _values(data: Any) -> Any:
    """Return nested data with tensors in it replaced by their values: their history is lost, as in torch."""
    if isinstance(data, Tensor):
        if data._node is not None:
            data._warn_of_constant()
        return data._data.tolist()
    if isinstance(data, list | tuple):
        return type(data)(_values(item) for item in data)
    return data


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return `data` itself if it is a tensor that needs no conversion, a tensor on its memory if possible."""
    if isinstance(data, Tensor):
        return (
            data if dtype is None and device is None else data.to(device or data.device, dtype or data.dtype)
        )
    return Tensor._of(torch.as_tensor(_values(data), dtype=dtype, device=device).detach())


def from_numpy(ndarray: Any) -> Tensor:
    """Return a tensor on the memory of a numpy array."""
    return Tensor._of(torch.from_numpy(ndarray))


def from_torch(tensor: torch.Tensor) -> Tensor:
    """Return a tensor on the memory of a torch tensor, without history; it does not require grad.

    Writes are seen on both sides. The version counters are separate: a write made through torch is not
    noticed.
    """
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"from_torch(): expected a torch.Tensor, but got {type(tensor).__name__}")
    return Tensor._of(tensor.detach())


def equal(input: Tensor, other: Tensor) -> bool:
    """Return whether two tensors have the same shape and elements."""
    return torch.equal(input._data, other._data)


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Return whether all elements are close; see torch.allclose."""
    return torch.allclose(input._data, other._data, rtol, atol, equal_nan)


arange = factory("arange")
empty = factory("empty")
empty_like = factory("empty_like")
empty_strided = factory("empty_strided")
eye = factory("eye")
full = factory("full")
full_like = factory("full_like")
linspace = factory("linspace")
ones = factory("ones")
ones_like = factory("ones_like")
rand = factory("rand")
rand_like = factory("rand_like")
randint = factory("randint")
randn = factory("randn")
randn_like = factory("randn_like")
randperm = factory("randperm")
zeros = factory("zeros")
zeros_like = factory("zeros_like")
METHODS = ("new_empty", "new_full", "new_ones", "new_tensor", "new_zeros")


def method(name: str) -> Callable[..., Tensor]:
    """Return torch's method `name`, which makes a tensor like another."""

    def function(input: Tensor, *args: Any, requires_grad: bool = False, **kwargs: Any) -> Tensor:
        return _leaf(getattr(input._data, name)(*map(_plain, args), **kwargs), requires_grad)

    function.__name__ = function.__qualname__ = name
    return function
