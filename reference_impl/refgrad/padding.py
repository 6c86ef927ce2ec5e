"""`pad` with torch's signature: places added around a tensor, or cut off it.

Source: "Padding functions" in https://docs.pytorch.org/docs/stable/nn.functional.html.
"""

from __future__ import annotations

from collections.abc import Sequence

from .inplace import copy_
from .ops import apply
from .shapes import narrow
from .tensor import Tensor

TORCH = ("constant_pad_nd",)

_KINDS = {"reflect": "reflection", "replicate": "replication"}


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Return `input` with places added before and after the last dimensions, listed from the last one on.

    A negative number cuts places off. mode: "constant" (`value`, 0 by default), "reflect", "replicate" or
    "circular"; of the latter, `pad` lists one to three dimensions and `input` has one or two more. Raises
    NotImplementedError for another mode or rank, RuntimeError for a `value` in another mode and for padding
    that is too large.
    """
    sizes = tuple(pad)
    if len(sizes) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(sizes) > 2 * input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding "
            f"length {len(sizes)} and input of dimension {input.ndim}"
        )
    if mode == "constant":
        return constant_pad_nd(input, sizes, 0 if value is None else value)
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    rank = len(sizes) // 2
    if rank not in {1, 2, 3} or input.ndim - rank not in {1, 2}:
        raise NotImplementedError(
            f"Padding size {len(sizes)} is not supported for {input.ndim}D input tensor. Give 2, 4 or 6 "
            "numbers, for an input of one or two dimensions more than they pad."
        )
    if mode == "circular":
        return _wrapped_around(input, sizes)
    if mode not in _KINDS:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    return apply(f"{_KINDS[mode]}_pad{rank}d", input, sizes)


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: complex = 0) -> Tensor:
    """Return `input` with `value` before and after the last dimensions, listed from the last one on.

    A negative number cuts places off. Raises RuntimeError if more would be cut off than there is.
    """
    return apply("pad_constant", input, tuple(pad), value)


def _wrapped_around(input: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Return `input` padded with what comes after its end and before its start when it repeats.

    As in torch, the result is written to part by part: the middle, then for each dimension both sides from
    what is there already.
    """
    dims = [input.ndim - 1 - place for place in range(len(sizes) // 2)]
    sides = list(zip(dims, sizes[::2], sizes[1::2], strict=True))
    shape = list(input.shape)
    for dim, before, after in sides:
        if max(before, after) > shape[dim]:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        shape[dim] += before + after
        if shape[dim] < 0:
            raise RuntimeError("Negative padding value is resulting in an empty dimension")
    # Where one side is cut and the other one wraps around further than what is left, torch reads places that
    # it has not written; here they are zeros.
    out = input.new_zeros(shape)
    target, source = out, input
    for dim, before, after in sides:
        target = _between(target, dim, max(before, 0), shape[dim] - max(after, 0))
        source = _between(source, dim, max(-before, 0), input.shape[dim] - max(-after, 0))
    copy_(target, source)
    for dim, before, after in reversed(sides):
        start, end = max(before, 0), shape[dim] - max(after, 0)
        if before > 0:
            copy_(_between(out, dim, 0, before), _between(out, dim, end - before, end))
        if after > 0:
            copy_(_between(out, dim, end, shape[dim]), _between(out, dim, start, start + after))
    return out


def _between(tensor: Tensor, dim: int, start: int, end: int) -> Tensor:
    return narrow(tensor, dim, start, end - start)
