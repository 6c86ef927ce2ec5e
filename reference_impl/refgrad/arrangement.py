"""The same elements in another order, place or shape, with torch's signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .dimensions import wrapped
from .ops import apply
from .shapes import clone, expand, permute, reshape, sum, unsqueeze, view  # noqa: A004 - torch's name
from .tensor import Tensor


def _ints(args: tuple[Any, ...]) -> tuple[int, ...]:
    """Return ints that are given as one sequence or one by one."""
    given = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
    return tuple(int(n) for n in given)


def flip(input: Tensor, *given: Any, dims: Any = None) -> Tensor:
    """Return the elements in reverse order along each of `dims`, ints given one by one or as a sequence."""
    return apply("flip", input, _ints(given if dims is None else (dims,)))


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Return the elements moved on along `dims`, those at the end to the front; flattened without `dims`."""
    steps = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    along = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    return apply("roll", input, steps, along)


def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """Return copies of the whole tensor side by side, `repeats` times along each dimension."""
    times = _ints(repeats)
    if len(times) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        )
    return apply("repeat", input, times)


def tile(input: Tensor, *dims: Any) -> Tensor:
    """Return what `repeat` returns; missing leading repeats are 1."""
    times = _ints(dims)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Return each element (each place of `dim`) several times in a row.

    repeats: an int, or a tensor with a number for each place; without it, `input` is those numbers, and the
    places themselves are repeated. output_size: how many places that makes, if it is known. Raises
    RuntimeError if it is not so many, for a negative number, and for other than a number for each place.
    """
    if repeats is None:
        return Tensor._of(torch.repeat_interleave(input._data, output_size=output_size))
    values, along = (reshape(input, -1), 0) if dim is None else (input, wrapped(dim, input.ndim))
    if isinstance(repeats, int):
        before, size, after = values.shape[:along], values.shape[along], values.shape[along + 1 :]
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        if output_size not in (None, size * repeats):
            raise RuntimeError(
                f"repeat_interleave: Invalid output_size, expected {size * repeats} but got {output_size}"
            )
        copies = expand(unsqueeze(values, along + 1), (*before, size, repeats, *after))
        return view(clone(copies, memory_format=torch.contiguous_format), (*before, size * repeats, *after))
    if repeats.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    if repeats.numel() != 1 and repeats.shape[0] != values.shape[along]:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got "
            f"repeats.size(0) = {repeats.shape[0]} and input.size({along}) = {values.shape[along]}"
        )
    times = repeats._data.expand(values.shape[along]) if repeats.numel() == 1 else repeats._data
    places = torch.repeat_interleave(times, output_size=output_size)
    return apply("index_select", values, Tensor._of(places), along)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the lower triangle of each matrix, zeros elsewhere."""
    return apply("tril", input, diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the upper triangle of each matrix, zeros elsewhere."""
    return apply("triu", input, diagonal)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return a view of the diagonal over two dimensions, as the last dimension."""
    return apply("diagonal", input, offset, dim1, dim2)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return matrices that have the last dimension of `input` as their diagonal."""
    return apply("diag_embed", input, offset, dim1, dim2)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the matrix with a vector as its diagonal, or the diagonal of a matrix as a new vector.

    Raises RuntimeError for what is neither.
    """
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    return apply("diagonal_copy", input, diagonal, 0, 1)


def trace(input: Tensor) -> Tensor:
    """Return the sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return sum(diagonal(input))


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Return a view of all slices of `size` along one dimension, `step` apart, as a new last dimension."""
    return apply("unfold", input, dimension, size, step)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Return a view with dimensions moved to other places; the others keep their order.

    Raises RuntimeError for other numbers of sources than destinations and for one that is named twice.
    """
    sources = (source,) if isinstance(source, int) else tuple(source)
    targets = (destination,) if isinstance(destination, int) else tuple(destination)
    if len(sources) != len(targets):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(sources)} dims) should contain the "
            f"same number of dims as destination ({list(targets)} dims)"
        )
    rank = input.ndim
    moves = [[wrapped(dim, rank) for dim in dims] for dims in (sources, targets)]
    for what, given, dims in zip(("source", "destination"), (sources, targets), moves, strict=True):
        if len({*dims}) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{what}` ({list(given)})")
    if not rank:
        return apply("alias", input)
    order: list[int | None] = [None] * rank
    for at, to in zip(*moves, strict=True):
        order[to] = at
    rest = iter(sorted({*range(rank)} - {*moves[0]}))
    return permute(input, [next(rest) if at is None else at for at in order])


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Return a view in which one dimension is several; one of `sizes` may be -1."""
    along = wrapped(dim, input.ndim)
    shape = input._data.unflatten(dim, tuple(sizes)).shape[along : along + len(sizes)]  # type: ignore[no-untyped-call]
    return view(input, (*input.shape[:along], *shape, *input.shape[along + 1 :]))


def broadcast_to(input: Tensor, *size: Any) -> Tensor:
    """Return `input` expanded to a shape."""
    return expand(input, _ints(size))


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return the tensors, all expanded to the shape that they broadcast to; one that has it as it is."""
    shape = torch.broadcast_shapes(*(tensor.shape for tensor in tensors))  # type: ignore[no-untyped-call]
    return tuple(tensor if tensor.shape == shape else expand(tensor, shape) for tensor in tensors)


def view_as_real(input: Tensor) -> Tensor:
    """Return a real view of a complex tensor, with its two parts as a new last dimension."""
    return apply("view_as_real", input)


def view_as_complex(input: Tensor) -> Tensor:
    """Return a complex view of a real tensor whose last dimension holds the two parts."""
    return apply("view_as_complex", input)


def resolve_conj(input: Tensor) -> Tensor:
    """Return `input` itself, or a copy in which a conjugation that was only noted is carried out."""
    return apply("resolve_conj", input) if input._data.is_conj() else input
