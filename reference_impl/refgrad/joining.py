"""Tensors put together: stacks in rows, columns and depth, blocks, grids and products of sets.

All are compositions with torch's signatures, but for `block_diag`, which has a node of its own. Source:
https://docs.pytorch.org/docs/stable/torch.html, "Indexing, Slicing, Joining, Mutating Ops".
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .levels import LEVELS
from .multiple import Join, cat, join, stack
from .rules.formulas import fit
from .selection import masked_select
from .shapes import expand, flatten, reshape, unsqueeze, view
from .tangents import carry
from .tensor import Tensor

TORCH = (
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "cartesian_prod",
    "column_stack",
    "combinations",
    "concat",
    "concatenate",
    "dstack",
    "hstack",
    "meshgrid",
    "row_stack",
    "vstack",
)
OUT = (
    "cat", "column_stack", "concat", "concatenate", "dstack", "hstack", "row_stack", "stack", "vstack"
)  # fmt: skip


def _each(deepen: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    """Return a function of tensors, one by one or as a sequence, that does `deepen` to each of them."""

    def function(*tensors: Any) -> Any:
        if len(tensors) == 1:
            given = tensors[0]
            return deepen(given) if isinstance(given, Tensor) else tuple(map(deepen, given))
        return tuple(map(deepen, tensors))

    function.__name__ = function.__qualname__ = deepen.__name__.lstrip("_")
    function.__doc__ = (
        f"{deepen.__doc__}\n\n    Of several tensors, given one by one or as a sequence: a tuple."
    )
    return function


def _atleast_1d(input: Tensor) -> Tensor:
    """Return `input`, or a view of shape [1] of a scalar."""
    return input if input.ndim else reshape(input, 1)


def _atleast_2d(input: Tensor) -> Tensor:
    """Return `input`, or a view with leading dimensions put in until there are two."""
    if not input.ndim:
        return reshape(input, 1, 1)
    return unsqueeze(input, 0) if input.ndim == 1 else input


def _atleast_3d(input: Tensor) -> Tensor:
    """Return `input`, or a view as [1, n, 1] of a vector and as [m, n, 1] of a matrix."""
    if not input.ndim:
        return reshape(input, 1, 1, 1)
    row = unsqueeze(input, 0) if input.ndim == 1 else input
    return unsqueeze(row, -1) if row.ndim == 2 else row


atleast_1d = _each(_atleast_1d)
atleast_2d = _each(_atleast_2d)
atleast_3d = _each(_atleast_3d)

concat = concatenate = cat


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join tensors along their second dimension, vectors and scalars along the first."""
    deep = atleast_1d(_several("hstack", tensors))
    return cat(deep, 0 if deep[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join tensors along their first dimension; a vector counts as a row."""
    return cat(atleast_2d(_several("vstack", tensors)), 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join tensors along their third dimension; a vector counts as [1, n, 1], a matrix as [m, n, 1]."""
    return cat(atleast_3d(_several("dstack", tensors)), 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Join tensors along their second dimension; a vector or scalar counts as a column."""
    given = _several("column_stack", tensors)
    return hstack([reshape(one, one.numel(), 1) if one.ndim <= 1 else one for one in given])


row_stack = vstack


def _several(name: str, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    if not len(tensors):
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return tuple(tensors)


class BlockDiagBackward0(Join):
    """The node of block_diag: each input gets its block of the gradient."""

    __slots__ = ()
    label = "BlockDiagBackward0"

    def vjp(self, grad: Any, keep: bool) -> Any:  # noqa: ARG002 - nothing is saved here
        """Return the blocks of the gradient for the inputs that require one."""
        grads, row, column = [], 0, 0
        for needed, (shape, dtype) in zip(self.needs, self.shapes, strict=True):
            rows, columns = (1,) * (2 - len(shape)) + shape
            if needed:
                block = grad[row : row + rows, column : column + columns]
                for _ in range(2 - len(shape)):
                    block = block.squeeze(-1)  # what a vector then lacks, `fit` sums away
                grads.append(fit(block, shape, dtype))
            row, column = row + rows, column + columns
        return grads[0] if len(grads) == 1 else tuple(grads)

    vjp_graph = vjp


def block_diag(*tensors: Tensor) -> Tensor:
    """Return the matrix with the given matrices along its diagonal, zeros elsewhere; a vector is a row.

    Raises RuntimeError for a tensor of more than two dimensions.
    """
    data: torch.Tensor = torch.block_diag(*(tensor._data for tensor in tensors))  # type: ignore[no-untyped-call]
    out = join(tensors, data, 0, BlockDiagBackward0)
    if LEVELS:
        carry((out,), tensors, lambda *tangents: (block_diag(*tangents),))
    return out


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Return for each vector the grid of its coordinates, a view: grid[i][k0, k1, ...] is vector i at ki.

    indexing: "ij" as above, or "xy" with the first two dimensions swapped. Raises RuntimeError for another
    one, for tensors of different dtypes and for a tensor that is neither a vector nor a scalar.
    """
    given = list(tensors[0]) if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else list(tensors)
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.",
            UserWarning,
            stacklevel=2,
        )
        indexing = "ij"
    torch.meshgrid(*(one._data for one in given), indexing=indexing)  # raises torch's errors
    swapped = indexing == "xy" and len(given) > 1
    if swapped:
        given[:2] = given[1::-1]
    shape = [one.numel() for one in given]
    grids = []
    for place, one in enumerate(given):
        alone = [size if dim == place else 1 for dim, size in enumerate(shape)]
        grids.append(expand(view(one, alone), shape))
    if swapped:
        grids[:2] = grids[1::-1]
    return tuple(grids)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Return all tuples of elements of vectors as rows; of one vector that vector itself.

    Raises RuntimeError for a tensor that is no vector.
    """
    for one in tensors:
        if one.ndim != 1:
            raise RuntimeError(
                f"Expect a 1D vector, but got shape {list(one.shape)} for an operand of cartesian_prod"
            )
    if len(tensors) == 1:
        return tensors[0]
    return stack([flatten(grid) for grid in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Return all choices of `r` elements of a vector as rows, in order, each element once or repeatedly.

    Raises RuntimeError for a tensor that is no vector and for a negative `r`.
    """
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return Tensor._of(input._data.new_empty(0))
    places = torch.meshgrid(*[torch.arange(input.numel(), device=input.device)] * r, indexing="ij")
    mask = torch.ones_like(places[0], dtype=torch.bool)
    for before, after in itertools.pairwise(places):
        mask &= (before <= after) if with_replacement else (before < after)
    chosen = Tensor._of(mask)
    return stack([masked_select(grid, chosen) for grid in meshgrid(*[input] * r, indexing="ij")], 1)
