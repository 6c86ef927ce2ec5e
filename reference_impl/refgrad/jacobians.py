"""Jacobians element by element: by finite differences, by backward and in forward mode. `gradcheck` compares
them.

Each is a list or table of matrices, rows for the elements of an input and columns for those of an output.
Source: https://docs.pytorch.org/docs/stable/notes/gradcheck.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from . import autograd
from .forward_ad import dual_level, make_dual, unpack_dual
from .pointwise import real
from .tensor import Tensor

Tensors = tuple[Tensor, ...]


class GradcheckError(RuntimeError):
    """A derivative that is not what it should be."""


def requires(value: Any) -> bool:
    """Whether `value` is a tensor that requires grad."""
    return isinstance(value, Tensor) and value.requires_grad


def compared(result: Any, part: Callable[[Tensor], Tensor]) -> Tensors:
    """Return the outputs that have numbers to differ by: all of them, or those with an imaginary part."""
    values = result if isinstance(result, tuple | list) else (result,)
    floating = [value for value in values if value.dtype.is_floating_point or value.dtype.is_complex]
    return tuple(value for value in floating if part is real or value.dtype.is_complex)


def numerical_jacobian(
    func: Callable[..., Any], inputs: Tensors, wanted: Tensor, part: Callable[[Tensor], Tensor], eps: float
) -> list[torch.Tensor]:
    """Return the derivative of each output by central differences of `wanted`: one row an element."""
    data = wanted._data
    steps = [eps, eps * 1j] if wanted.dtype.is_complex else [eps]

    def evaluate() -> list[torch.Tensor]:
        return [
            (value._data.real if part is real else value._data.imag).clone()
            if value.dtype.is_complex
            else value._data.clone()
            for value in compared(func(*inputs), part)
        ]

    rows: list[list[torch.Tensor]] = []
    for place in _places(data.shape):
        slopes = []
        before = data[place].clone()
        for step in steps:
            data[place] = before + step
            above = evaluate()
            data[place] = before - step
            below = evaluate()
            data[place] = before
            slopes.append(
                [(high - low).reshape(-1) / (2 * eps) for high, low in zip(above, below, strict=True)]
            )
        rows.append(
            [torch.complex(x, y) for x, y in zip(*slopes, strict=True)]
            if wanted.dtype.is_complex
            else slopes[0]
        )
    if not rows:
        return [torch.zeros(0, value.numel(), dtype=wanted.dtype) for value in evaluate()]
    return [torch.stack(columns).to(wanted.dtype) for columns in zip(*rows, strict=True)]


def _places(shape: torch.Size) -> list[tuple[int, ...]]:
    """Return the index of each element of a tensor."""
    return [tuple(place) for place in torch.ones(shape).nonzero().tolist()]


def backward_jacobian(output: Tensor, wanted: Sequence[Tensor], nondet_tol: float) -> list[torch.Tensor]:
    """Return the derivative of one output with respect to each input; raise GradcheckError if it changes."""
    tables: list[list[torch.Tensor]] = []
    for _ in range(2):
        columns: list[list[torch.Tensor]] = [[] for _ in wanted]
        for place in _places(output.shape):
            unit = torch.zeros_like(output._data)
            unit[place] = 1
            grads = autograd.grad(output, wanted, Tensor._of(unit), retain_graph=True, allow_unused=True)
            for column, value, grad in zip(columns, wanted, grads, strict=True):
                data = torch.zeros_like(value._data) if grad is None else grad._data.clone()
                column.append(data.reshape(-1))
        tables.append(
            [
                torch.stack(column, 1) if column else torch.zeros(value.numel(), 0, dtype=value.dtype)
                for column, value in zip(columns, wanted, strict=True)
            ]
        )
    for first, second in zip(*tables, strict=True):
        if first.numel() and (first - second).abs().max() > nondet_tol:
            raise GradcheckError(
                "Backward is not reentrant, i.e., running backward with same input and grad_output multiple "
                "times gives different values, although analytical gradient matches numerical gradient.The "
                f"tolerance for nondeterminism was {nondet_tol}."
            )
    return tables[0]


def forward_jacobian(func: Callable[..., Tensors], inputs: Tensors, count: int) -> list[list[torch.Tensor]]:
    """Return the derivative of each output with respect to each input in forward mode."""
    table: list[list[torch.Tensor]] = [[] for _ in range(count)]
    for index, value in enumerate(inputs):
        if not requires(value):
            continue
        rows: list[list[torch.Tensor]] = [[] for _ in range(count)]
        for place in _places(value.shape):
            slopes = []
            for direction in (1, 1j) if value.dtype.is_complex else (1,):
                unit = torch.zeros_like(value._data)
                unit[place] = torch.tensor(direction)
                with dual_level():
                    dual = make_dual(value, Tensor._of(unit))
                    parts = [
                        unpack_dual(output) for output in func(*inputs[:index], dual, *inputs[index + 1 :])
                    ]
                slopes.append(
                    [
                        (
                            torch.zeros_like(part.primal._data)
                            if part.tangent is None
                            else part.tangent._data
                        ).reshape(-1)
                        for part in parts
                    ]
                )
            found = (
                [torch.complex(x, y) for x, y in zip(*slopes, strict=True)] if len(slopes) > 1 else slopes[0]
            )
            for row, slope in zip(rows, found, strict=True):
                row.append(slope)
        for column, row in zip(table, rows, strict=True):
            column.append(torch.stack(row) if row else torch.zeros(0, 0))
    return table
