"""`out=`: results that are put into a tensor that is there already.

Nothing is recorded, so in grad mode neither the operands nor the tensor written to may require grad. The
write is counted. Source: `compute_requires_grad` and `throw_error_out_requires_grad` in
torch/csrc/autograd/VariableTypeUtils.h, and "out=" in
https://docs.pytorch.org/docs/stable/notes/broadcasting.html.
"""

from __future__ import annotations

from typing import Any

import torch

from .grad_mode import mode
from .tensor import Tensor
from .versions import bump


def into(out: Tensor, name: str, *operands: Any, **options: Any) -> Tensor:
    """Run torch's function `name` on the data of `operands`, into `out`; return `out`.

    `out` is resized if it has another shape, with torch's warning unless it was empty. Raises RuntimeError if
    grad mode is on and a tensor requires grad, and for a result that does not fit the dtype of `out`.
    """
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if mode.enabled and any(isinstance(one, Tensor) and one.requires_grad for one in (*operands, out)):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of "
            "the arguments requires grad."
        )
    plain = [one._data if isinstance(one, Tensor) else one for one in operands]
    # Another tensor on the same storage is written to: a detached tensor keeps its own size.
    data = out._data.detach()
    getattr(torch, name)(*plain, out=data, **options)
    bump(out)
    out._data, out._shape = data, data.shape
    return out
