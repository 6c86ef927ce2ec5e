"""PaddlePaddle on the CPU: a tape much like torch's. `pip install gradconform[paddle]`"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch

from gradconform.engines.base import Handle
from gradconform.engines.namesakes import NamesakeEngine
from gradconform.errors import Unsupported
from gradconform.trace import UNSEEN, Unseen

# It logs what it promotes, and warns of compilers that nobody needs here.
os.environ.setdefault("GLOG_minloglevel", "3")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import paddle
    from paddle import Tensor

    from gradconform.engines.paddle_words import ATTRIBUTES, DTYPES, LACKS, OPERATORS, POLICIES, WORDS


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
        numbers = tensor.float() if tensor.dtype == torch.bfloat16 else tensor  # numpy has no bfloat16
        dtype = DTYPES[str(tensor.dtype).removeprefix("torch.")]
        if numbers.is_contiguous():
            return paddle.to_tensor(numbers.numpy(), dtype=dtype, stop_gradient=not requires_grad)
        # Of an array it makes a copy in order, whatever the strides: it is handed the memory itself.
        flat = numbers.as_strided((numbers.untyped_storage().nbytes() // numbers.itemsize,), (1,), 0)
        memory = paddle.to_tensor(flat.numpy(), dtype=dtype)
        start = numbers.storage_offset() * tensor.itemsize  # it counts in bytes
        laid_out = paddle.as_strided(memory, list(tensor.shape), list(numbers.stride()), start)
        laid_out.stop_gradient = not requires_grad
        return laid_out

    def to_torch(self, handle: Handle) -> torch.Tensor:
        narrow = handle.dtype == paddle.bfloat16
        try:
            numbers = handle.detach().astype("float32").numpy() if narrow else handle.numpy()
        except RuntimeError as error:
            raise Unsupported("a tensor without memory") from error
        if numbers.shape != tuple(handle.shape):  # of a gradient that was taken away
            raise Unsupported("a tensor without memory")
        tensor = torch.from_numpy(np.array(numbers))
        return tensor.bfloat16() if narrow else tensor

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
