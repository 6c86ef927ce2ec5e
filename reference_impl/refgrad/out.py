"""`out=`: results that are put into a tensor that is there already.

Nothing is recorded, so in grad mode neither the operands nor the tensor written to may require grad. The
write is counted. Source: `compute_requires_grad` and `throw_error_out_requires_grad` in
torch/csrc/autograd/VariableTypeUtils.h, and "out=" in
https://docs.pytorch.org/docs/stable/notes/broadcasting.html.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, overload

import torch

from .grad_mode import mode
from .tensor import Tensor
from .versions import bump


@overload
def into(out: Tensor, name: str, *operands: Any, **options: Any) -> Tensor: ...
@overload
def into(out: Sequence[Tensor], name: str, *operands: Any, **options: Any) -> Any: ...
def into(out: Any, name: str, *operands: Any, **options: Any) -> Any:
    """Run torch's function `name` on the data of `operands`, into `out`, a tensor or several; return `out`.

    `out` is resized if it has another shape, with torch's warning unless it was empty. Raises TypeError for
    what is no tensor, and RuntimeError if grad mode is on and a tensor requires grad, for a result that does
    not fit the dtype of `out`, and where `out` shares memory with an operand or with itself.
    """
    results = tuple(out) if isinstance(out, Sequence) else (out,)
    for one in results:
        if not isinstance(one, Tensor):
            raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(one).__name__}")
    given = (*operands, *options.values(), *results)
    if mode.enabled and any(one.requires_grad for one in _tensors(given)):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of "
            "the arguments requires grad."
        )
    # Another tensor on the same storage is written to: a detached tensor keeps its own size.
    written = [one._data.detach() for one in results]
    replaced = {id(one): data for one, data in zip(results, written, strict=True)}
    try:
        made = getattr(torch, name)(
            *(_data_of(one, replaced) for one in operands),
            out=written[0] if isinstance(out, Tensor) else tuple(written),
            **{key: _data_of(option, replaced) for key, option in options.items()},
        )
    finally:
        # Also what torch refuses may have been resized by then.
        for one, data in zip(results, written, strict=True):
            one._data, one._shape = data, data.shape
    for one in results:
        bump(one)
    return out if isinstance(out, Tensor) else type(made)(results)


def with_out(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, torch's `name`, with the argument `out` beside its own; see `into`."""

    @functools.wraps(function)
    def call(*operands: Any, out: Any = None, **options: Any) -> Any:
        return function(*operands, **options) if out is None else into(out, name, *operands, **options)

    return call


def _tensors(values: Any) -> Iterator[Tensor]:
    for one in values:
        if isinstance(one, Tensor):
            yield one
        elif isinstance(one, list | tuple):
            yield from _tensors(one)


def _data_of(value: Any, replaced: Mapping[int, torch.Tensor]) -> Any:
    """Return `value` with data in the place of tensors, also in sequences: those of `replaced`, by the id of
    the tensor, or its own.
    """
    if type(value) in (list, tuple):
        return type(value)(_data_of(one, replaced) for one in value)
    return replaced.get(id(value), value._data) if isinstance(value, Tensor) else value
