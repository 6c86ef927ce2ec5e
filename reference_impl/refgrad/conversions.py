"""What a tensor is to Python and to numpy: a number, a sequence, a text, an array.

What leaves as a number has no history, so torch warns of a number, and refuses an array, of a tensor that
requires grad. Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.numpy.html and
torch/csrc/autograd/python_variable_methods.cpp
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from .grad_mode import mode
from .node import Node

if TYPE_CHECKING:
    import numpy as np
    import torch

    from .operations import Operations
    from .tensor import Tensor
else:
    Operations = object


class Conversions(Operations):
    """The part of a tensor that Python's own conversions and numpy call."""

    __slots__ = ()

    _data: torch.Tensor
    _shape: torch.Size
    _node: Node | None

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """Return the data as a numpy array on the same memory.

        Raises RuntimeError in grad mode if this tensor requires grad, unless `force`.
        """
        if self._node is not None and mode.enabled and not force:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
            )
        return self._data.numpy(force=force)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        if dtype is not None:
            return array.astype(dtype, copy=bool(copy))
        return array.copy() if copy else array

    def __len__(self) -> int:
        if not self._shape:
            raise TypeError("len() of a 0-d tensor")
        return self._shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self._shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __bool__(self) -> bool:
        return bool(self._data)

    def __float__(self) -> float:
        self._warn_of_constant()
        return float(self._data)

    def __int__(self) -> int:
        return int(self._data)

    def __index__(self) -> int:
        return self._data.__index__()

    def __complex__(self) -> complex:
        self._warn_of_constant()
        return complex(self._data)

    def __format__(self, spec: str) -> str:
        return format(self._data, spec) if not self._shape else object.__format__(self, spec)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise NotImplementedError("refgrad tensors cannot be pickled; pickle tensor.to_torch()")

    def _warn_of_constant(self) -> None:
        if self._node is not None:
            message = (
                "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
                "Consider using tensor.detach() first."
            )
            warnings.warn(message, UserWarning, stacklevel=3)
