"""PaddlePaddle on the CPU: a tape much like torch's. `pip install gradconform[paddle]`"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from gradconform.engines.base import Handle
from gradconform.engines.namesakes import NamesakeEngine
from gradconform.errors import Unsupported
from gradconform.trace import UNSEEN, Unseen

if TYPE_CHECKING:
    import torch

# It logs what it promotes, and warns of compilers that nobody needs here.
os.environ.setdefault("GLOG_minloglevel", "3")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import paddle
    from paddle import Tensor

    from gradconform.engines.paddle_words import (
        ATTRIBUTES,
        DTYPES,
        LACKS,
        OPERATORS,
        POLICIES,
        WORDS,
        numbers_of,
        of_numbers,
    )


class Paddle(NamesakeEngine):
    """Paddle's eager tensors.

    A gradient of theirs always requires grad. That is not looked at in the gradient itself, or no program
    with a backward could agree with torch; what is computed from one shows it.
    """

    def __init__(self) -> None:
        paddle.set_device("cpu")
        super().__init__(
            paddle,
            tensor=Tensor,
            name="paddle",
            words=WORDS,
            operators=OPERATORS,
            dtypes=DTYPES,
            attributes=ATTRIBUTES,
            lacking=LACKS,
            policies=POLICIES,
        )
        self.version = paddle.__version__
        self._gradients: WeakValueDictionary[int, Tensor] = WeakValueDictionary()

    def made(self, tensor: torch.Tensor, *, requires_grad: bool) -> Handle:
        return of_numbers(tensor, requires_grad)

    def to_torch(self, handle: Handle) -> torch.Tensor:
        return numbers_of(handle)

    def identity(self, handle: Handle) -> int | Unseen:  # noqa: ARG002 - each read of .grad wraps it anew
        return UNSEEN

    def watch(self, handle: Handle) -> Callable[[], object | None]:  # noqa: ARG002 - a wrapper dies alone
        """A graph keeps the tensor, and not what wraps it."""
        raise Unsupported("watching tensors")

    def _a_gradient(self, found: Tensor) -> Tensor:
        self._gradients[id(found)] = found
        return found

    def invoke(
        self, thing: object, method: str, arguments: tuple[Any, ...], options: Mapping[str, Any]
    ) -> Any:
        if method == "register_hook" and self.is_tensor(thing):
            (hook,) = arguments
            arguments = (lambda gradient: hook(self._a_gradient(gradient)),)
        return super().invoke(thing, method, arguments, options)

    def get(self, handle: Handle, attribute: str) -> Any:
        found = super().get(handle, attribute)
        return found if attribute != "grad" or found is None else self._a_gradient(found)

    def peek(self, handle: Handle, attribute: str) -> Any:
        if attribute in {"requires_grad", "is_leaf"} and self._gradients.get(id(handle)) is handle:
            raise Unsupported("the flags of gradients")
        return super().peek(handle, attribute)


def engine() -> Paddle:
    """Makes the engine; named by the `gradconform.engines` entry point `paddle`."""
    return Paddle()
