"""Operations that put the same elements in another order or place, and their adjoints."""

from __future__ import annotations

from typing import Any

import torch

from .formulas import formula, kernel
from .registry import rule, view

T = Any

kernel("pad_constant", torch.constant_pad_nd)
kernel("unfold_backward", torch.ops.aten.unfold_backward)
kernel("diagonal_backward", torch.ops.aten.diagonal_backward)
kernel("view_as_real", torch.view_as_real)
kernel("view_as_complex", torch.view_as_complex)


@formula
def roll_back(grad: T, shifts: tuple[int, ...], dims: tuple[int, ...]) -> T:
    """Roll the other way."""
    return grad.roll(tuple(-shift for shift in shifts), dims)


@formula
def settled(grad: T) -> T:
    """Carry out a conjugation that was only noted: there is no real view of such a tensor."""
    return grad.resolve_conj()


@formula
def negative(pad: tuple[int, ...]) -> tuple[int, ...]:
    """Return the padding that cuts off what `pad` adds."""
    return tuple(-size for size in pad)


@formula
def repeat_backward(grad: T, repeats: tuple[int, ...], shape: tuple[int, ...]) -> T:
    """Return the sum of the gradients of all copies; of a single one its gradient itself."""
    if 0 in repeats:
        return grad.new_zeros(shape)
    lead = len(repeats) - len(shape)
    for _ in range(lead):
        grad = grad.sum(0)
    sizes: list[int] = []
    copies = []
    for times, size in zip(repeats[lead:], shape, strict=True):
        if times != 1:
            copies.append(len(sizes))
            sizes.append(times)
        sizes.append(size)
    return grad.reshape(sizes).sum(copies) if copies else grad


def _linear(name: str, grad_fn: str, forward: str, adjoint: str, args: str) -> None:
    rule(name, grad_fn=grad_fn, tensors="self", args=args, forward=forward, self=adjoint, saves="")


_linear("flip", "FlipBackward0", "self.flip(dims)", "grad.flip(dims)", "dims")
_linear("roll", "RollBackward0", "self.roll(shifts, dims)", "roll_back(grad, shifts, dims)", "shifts dims")
_linear(
    "repeat",
    "RepeatBackward0",
    "self.repeat(repeats)",
    "repeat_backward(grad, repeats, self_shape)",
    "repeats",
)
_linear("tril", "TrilBackward0", "self.tril(diagonal)", "grad.tril(diagonal)", "diagonal")
_linear("triu", "TriuBackward0", "self.triu(diagonal)", "grad.triu(diagonal)", "diagonal")
_linear(
    "diag_embed",
    "DiagEmbedBackward0",
    "self.diag_embed(offset, dim1, dim2)",
    "grad.diagonal(offset, dim1, dim2)",
    "offset dim1 dim2",
)
_linear(
    "pad_constant",
    "ConstantPadNdBackward0",
    "pad_constant(self, pad, value)",
    "pad_constant(grad, negative(pad), 0)",
    "pad value",
)
_linear(
    "unfold_backward",
    "UnfoldBackwardBackward0",
    "unfold_backward(self, shape, dim, size, step)",
    "grad.unfold(dim, size, step)",
    "shape dim size step",
)
_linear(
    "diagonal_backward",
    "DiagonalBackwardBackward0",
    "diagonal_backward(self, shape, offset, dim1, dim2)",
    "grad.diagonal(offset, dim1, dim2)",
    "shape offset dim1 dim2",
)


view(
    "diagonal",
    "DiagonalBackward0",
    "self.diagonal(offset, dim1, dim2)",
    "diagonal_backward(grad, self_shape, offset, dim1, dim2)",
    "offset dim1 dim2",
)
view(
    "unfold",
    "UnfoldBackward0",
    "self.unfold(dim, size, step)",
    "unfold_backward(grad, self_shape, dim, size, step)",
    "dim size step",
)
view(
    "view_as_real",
    "ViewAsRealBackward0",
    "view_as_real(self)",
    "view_as_complex(grad.contiguous())",
    reinterprets=True,
)
view(
    "view_as_complex",
    "ViewAsComplexBackward0",
    "view_as_complex(self)",
    "view_as_real(settled(grad))",
    reinterprets=True,
)
_linear("resolve_conj", "ResolveConjBackward0", "self.resolve_conj()", "grad", "")
