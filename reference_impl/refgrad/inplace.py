"""In-place operations: the same derivatives, and the memory and history of the tensor that is written to.

A write is refused where the history could not be told right (a leaf, a view of a leaf); it is counted, so
that a graph that saved the old value notices; and the tensor, its base and their views get a history that
includes it. Source: "In-place operations with autograd" in
https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

from .grad_mode import mode
from .levels import LEVELS
from .node import OBSERVERS, note_version
from .operands import refuse_operands
from .ops import OPERATIONS
from .pointwise import as_tensor_operand
from .rules import TABLE
from .saved import pack_result
from .tangents import before_write, push_write, written
from .tensor import Tensor
from .versions import bump, counter_of
from .views import history_before, rebase, refuse_write

# What is called with each tensor before it is written to, while any block asks for it.
BEFORE_WRITES: list[Callable[[Tensor], None]] = []


def write(
    tensor: Tensor,
    kernel: Callable[[torch.Tensor], Any],
    row: str,
    operands: tuple[Any, ...] = (),
    args: tuple[Any, ...] = (),
) -> Tensor:
    """Write to `tensor` with `kernel`, recorded as `row` of the table; return `tensor`.

    `operands` are the other tensors of the row and `args` its arguments. Raises torch's RuntimeError for a
    leaf that requires grad, a view of one, and a view that was made in no-grad mode.
    """
    joins = any(isinstance(other, Tensor) and other._node is not None for other in operands)
    refuse_write(tensor, joins)
    for prepare in BEFORE_WRITES:
        prepare(tensor)
    dtype = tensor._dtype
    recorded = None
    dual = before_write(tensor, operands) if LEVELS else None
    if mode.enabled and (dtype.is_floating_point or dtype.is_complex) and (joins or tensor._node is not None):
        operation = OPERATIONS[row]
        # A formula that needs the value from before the write gets a copy of it, as in torch.
        before = Tensor._of(
            tensor._data.clone() if operation.rule.tensors[0] in operation.rule.saves else tensor._data
        )
        before._node = history_before(tensor)
        before = before if dual is None else dual
        recorded = Tensor._of(tensor._data)
        recorded._counter = counter_of(tensor)
        operation.record(recorded, before, *operands, *args)
    kernel(tensor._data)
    if recorded is None or recorded._node is None:
        bump(tensor)
    else:
        counter = counter_of(tensor)
        counter.count()
        if "result" in OPERATIONS[row].rule.saves:
            note_version(recorded._node, "result", counter)
        rebase(tensor, recorded._node)
        if OBSERVERS:
            pack_result(recorded._node, tensor)
    if dual is not None:
        push_write(
            OPERATIONS[row], tensor, dual, operands, args, None if recorded is None else recorded._node
        )
    return tensor


def _plain(value: Any) -> Any:
    return value._data if isinstance(value, Tensor) else value


def binary(name: str) -> Callable[..., Tensor]:
    """Return the in-place form of an operation with a tensor or number as its other operand."""

    def operator(input: Tensor, other: Any) -> Tensor:
        return write(input, lambda data: getattr(data, f"{name}_")(_plain(other)), name, (other,))

    operator.__name__ = operator.__qualname__ = f"{name}_"
    return operator


def scaled(name: str) -> Callable[..., Tensor]:
    """Return add_ or sub_, which take a factor `alpha` for their other operand."""

    def operator(input: Tensor, other: Any, *, alpha: complex = 1) -> Tensor:
        def kernel(data: torch.Tensor) -> Any:
            return getattr(data, f"{name}_")(_plain(other), alpha=alpha)

        if alpha == 1 or not isinstance(other, Tensor):
            return write(input, kernel, name, (other,))
        return write(input, kernel, f"{name}_scaled", (other,), (alpha,))

    operator.__name__ = operator.__qualname__ = f"{name}_"
    return operator


def unary(name: str) -> Callable[[Tensor], Tensor]:
    """Return the in-place form of a function of one tensor, whose derivative may be one of its own."""
    row = f"{name}_in_place" if f"{name}_in_place" in TABLE else name

    def operator(input: Tensor) -> Tensor:
        return write(input, lambda data: getattr(data, f"{name}_")(), row)

    operator.__name__ = operator.__qualname__ = f"{name}_"
    return operator


def in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return the in-place form of any function of tensors, made of operations that have derivatives.

    The function runs on what the tensor was before, and its result is put into the memory of the tensor,
    whose history it becomes; the result must have the shape of the tensor. Raises RuntimeError where the
    write is refused (see `write`), where the shape differs, and where the dtype of the result cannot be cast
    to that of the tensor.
    """
    name = f"{function.__name__}_"

    def operator(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        others = [*args, *kwargs.values()]
        refuse_write(input, any(isinstance(other, Tensor) and other._node is not None for other in others))
        for prepare in BEFORE_WRITES:
            prepare(input)
        # What the function saves is what was there before: the copy has a version counter of its own.
        before = Tensor._of(input._data.clone())
        dual = before_write(input, others) if LEVELS else None
        if dual is not None:
            before = dual
        before._node = history_before(input)
        result = function(before, *args, **kwargs)
        _refuse_misfit(input, result)
        result = result.to(input._dtype)
        input._data.copy_(result._data)
        if result._node is None:
            bump(input)
        else:
            counter_of(input).count()
            rebase(input, result._node)
        if dual is not None:
            written(input, result)
        return input

    operator.__name__ = operator.__qualname__ = name
    operator.__doc__ = f"Do what {function.__name__} does, in place; see there for the arguments."
    return operator


def _refuse_misfit(input: Tensor, result: Tensor) -> None:
    """Raise torch's RuntimeError if `result` cannot be put into `input`."""
    if result._shape != input._shape:
        raise RuntimeError(
            f"output with shape {list(input._shape)} doesn't match the broadcast shape {list(result._shape)}"
        )
    if not torch.can_cast(result._dtype, input._dtype):
        # torch names the two dtypes in a way of its own; its refusal is asked for with nothing at stake.
        torch.empty(0, dtype=input._dtype).add_(torch.empty(0, dtype=result._dtype))


_divide = binary("div")


def div_(input: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Divide `input`, in place; `rounding_mode` is None, "trunc" or "floor"."""
    if rounding_mode is None:
        return _divide(input, other)
    return write(
        input,
        lambda data: data.div_(_plain(other), rounding_mode=rounding_mode),
        "div_rounded",
        (as_tensor_operand(other, input),),
        (rounding_mode,),
    )


def pow_(input: Tensor, exponent: Any) -> Tensor:
    """Raise `input` to a power, in place."""
    if isinstance(exponent, Tensor):
        return write(input, lambda data: data.pow_(exponent._data), "pow", (exponent,))
    return write(input, lambda data: data.pow_(exponent), "pow_number", (), (exponent,))


def square_(input: Tensor) -> Tensor:
    """Square `input`, in place."""
    return pow_(input, 2)


def zero_(input: Tensor) -> Tensor:
    """Fill `input` with zeros."""
    return write(input, lambda data: data.zero_(), "zero")


def fill_(input: Tensor, value: Any) -> Tensor:
    """Fill `input` with a number or a 0-d tensor."""
    if isinstance(value, Tensor):
        return write(input, lambda data: data.fill_(value._data), "fill", (value,))
    return write(input, lambda data: data.fill_(value), "fill_number", (), (value,))


def round_(input: Tensor, *, decimals: int | None = None) -> Tensor:
    """Round `input` to integers, or to `decimals` places."""
    if decimals is None:
        return write(input, lambda data: data.round_(), "round")
    return write(input, lambda data: data.round_(decimals=decimals), "round_decimals", (), (decimals,))


def copy_(input: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Replace the elements of `input` by those of `src`, broadcast and cast; the gradient goes to `src`."""
    return write(input, lambda data: data.copy_(src._data, non_blocking), "copy", (src,), (src.device,))


def masked_fill_(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Put `value`, a number or a 0-d tensor, where `mask` is true."""

    def kernel(data: torch.Tensor) -> Any:
        return data.masked_fill_(mask._data, _plain(value))

    if isinstance(value, Tensor):
        return write(input, kernel, "masked_fill_with", (mask, value))
    return write(input, kernel, "masked_fill", (mask,), (value,))


def clamp_(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Bring `input` between two bounds, numbers or tensors; one may be None."""

    def kernel(data: torch.Tensor) -> Any:
        return data.clamp_(_plain(min), _plain(max))

    if not isinstance(min, Tensor) and not isinstance(max, Tensor):
        return write(input, kernel, "clamp", (), (min, max))
    if max is None:
        return write(input, kernel, "clamp_from", (min,))
    if min is None:
        return write(input, kernel, "clamp_to", (max,))
    if not isinstance(min, Tensor) or not isinstance(max, Tensor):
        raise TypeError("clamp_(): give two numbers or two tensors as bounds")
    return write(input, kernel, "clamp_between", (min, max))


def index_add_(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: complex = 1) -> Tensor:
    """Add `alpha` times the slices of `source` to those of `input` that `index` names, repeated ones too."""

    def kernel(data: torch.Tensor) -> Any:
        return data.index_add_(dim, index._data, source._data, alpha=alpha)

    return write(input, kernel, "index_add", (index, source), (dim, alpha))


def index_copy_(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Replace the slices of `input` that `index` names by those of `source`."""

    def kernel(data: torch.Tensor) -> Any:
        return data.index_copy_(dim, index._data, source._data)

    return write(input, kernel, "index_copy", (index, source), (dim,))


def index_fill_(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Fill the slices of `input` that `index` names with a number, or a 0-d tensor."""
    if isinstance(value, Tensor):
        return write(
            input,
            lambda data: data.index_fill_(dim, index._data, value._data),
            "index_fill_with",
            (index, value),
            (dim,),
        )
    return write(
        input, lambda data: data.index_fill_(dim, index._data, value), "index_fill", (index,), (dim, value)
    )


def scatter_(input: Tensor, dim: int, index: Tensor, src: Any) -> Tensor:
    """Put the elements of `src`, or a number, at the places of `input` that `index` names."""

    def kernel(data: torch.Tensor) -> Any:
        return data.scatter_(dim, index._data, _plain(src))

    if isinstance(src, Tensor):
        return write(input, kernel, "scatter", (index, src), (dim,))
    return write(input, kernel, "scatter_number", (index,), (dim, src))


def scatter_add_(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Add the elements of `src` to the places of `input` that `index` names."""

    def kernel(data: torch.Tensor) -> Any:
        return data.scatter_add_(dim, index._data, src._data)

    return write(input, kernel, "scatter_add", (index, src), (dim,))


def _of_two(name: str, numbers: bool = False) -> Callable[..., Tensor]:
    """Return the in-place form of an operation of two tensors, or with `numbers` of a tensor and a number."""

    def operator(input: Tensor, other: Any) -> Tensor:
        operand = as_tensor_operand(other, input) if numbers else other
        refuse_operands(name, {"self": input, "other": operand})
        return write(input, lambda data: getattr(data, f"{name}_")(operand._data), name, (operand,))

    operator.__name__ = operator.__qualname__ = f"{name}_"
    return operator


def _remainder(name: str) -> Callable[..., Tensor]:
    """Return fmod_ or remainder_, whose other operand may be a number."""
    of_two = _of_two(name)

    def operator(input: Tensor, other: Any) -> Tensor:
        if isinstance(other, Tensor):
            return of_two(input, other)
        return write(input, lambda data: getattr(data, f"{name}_")(other), f"{name}_number", (), (other,))

    operator.__name__ = operator.__qualname__ = f"{name}_"
    return operator


def _fused(name: str) -> Callable[..., Tensor]:
    """Return addcmul_ or addcdiv_."""

    def operator(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: complex = 1) -> Tensor:
        refuse_operands(name, {"self": input, "tensor1": tensor1, "tensor2": tensor2})

        def kernel(data: torch.Tensor) -> Any:
            return getattr(data, f"{name}_")(tensor1._data, tensor2._data, value=value)

        return write(input, kernel, name, (tensor1, tensor2), (value,))

    operator.__name__ = operator.__qualname__ = f"{name}_"
    return operator


# The forms of functions that promote: what is recorded is the operation on the tensor as narrow as it is, so
# that cotangents and saved results are as narrow, and not the operation in the wide dtype and a cast.
# `in_place` would do the latter.
FORMS: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {name: _of_two(name) for name in ("atan2", "hypot", "ldexp")}
    | {name: _of_two(name, numbers=True) for name in ("copysign", "xlogy")}
    | {name: _remainder(name) for name in ("fmod", "remainder")}
    | {name: _fused(name) for name in ("addcdiv", "addcmul")}
    | {"div": div_, "mul": binary("mul"), "sub": scaled("sub"), "true_divide": _divide}
)
