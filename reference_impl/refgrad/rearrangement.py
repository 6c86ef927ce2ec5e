"""More functions that move or take elements: turns, patches of images, channels that become places.

Source: "Vision functions" in https://docs.pytorch.org/docs/stable/nn.functional.html, and "Indexing, Slicing,
Joining, Mutating Ops" in https://docs.pytorch.org/docs/stable/torch.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import arrangement
from .arrangement import diag_embed, movedim
from .indexing import Indices
from .ops import apply
from .pointwise import conj
from .shapes import contiguous, reshape, transpose, view
from .tensor import Tensor

TORCH = (
    "_unsafe_masked_index",
    "_unsafe_masked_index_put_accumulate",
    "adjoint",
    "channel_shuffle",
    "diagflat",
    "fliplr",
    "flipud",
    "moveaxis",
    "pixel_shuffle",
    "pixel_unshuffle",
    "ravel",
    "rot90",
    "swapaxes",
    "swapdims",
)
METHODS = (
    "adjoint",
    "diagflat",
    "fliplr",
    "flipud",
    "moveaxis",
    "ravel",
    "reshape_as",
    "rot90",
    "swapaxes",
    "swapdims",
)
IN_PLACE = ("tril", "triu")
__all__ = ["channel_shuffle", "fold", "pixel_shuffle", "pixel_unshuffle", "unfold"]


def fliplr(input: Tensor) -> Tensor:
    """Return the elements in reverse order along the second dimension; raise RuntimeError for a vector."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return apply("flip", input, (1,))


def flipud(input: Tensor) -> Tensor:
    """Return the elements in reverse order along the first dimension; raise RuntimeError for a scalar."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return apply("flip", input, (0,))


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Return `input` turned `k` times by 90 degrees in the plane of two dimensions, the first towards the
    second.

    Raises RuntimeError unless there are two dimensions and they differ.
    """
    return apply("rot90", input, k, tuple(dims))


def ravel(input: Tensor) -> Tensor:
    """Return the elements as a vector: a view of a contiguous tensor, of a copy otherwise."""
    return view(contiguous(input), -1)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """Return `input` in the shape of `other`: a view if the strides allow it, a copy otherwise."""
    return reshape(input, tuple(other.shape))


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Return a view with two dimensions swapped."""
    return transpose(input, axis0, axis1)


def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return a view with two dimensions swapped."""
    return transpose(input, dim0, dim1)


def moveaxis(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Return a view with dimensions moved to other places; the others keep their order."""
    return movedim(input, source, destination)


def adjoint(input: Tensor) -> Tensor:
    """Return a view with the last two dimensions swapped, conjugated if it is complex.

    A tensor without dimensions is conjugated alone. Raises RuntimeError for one dimension.
    """
    if input.dim() == 1:
        raise RuntimeError(
            "tensor.adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    return conj(transpose(input, -2, -1)) if input.dim() else conj(input)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """Return the matrix with the elements of `input` along a diagonal, zeros elsewhere."""
    return diag_embed(ravel(input), offset)


tril, triu = arrangement.tril, arrangement.triu  # for their in-place forms


# --- channels and places ---


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Return [*, C r r, H, W] as [*, C, H r, W r]; raise RuntimeError if the channels are not divisible."""
    return apply("pixel_shuffle", input, upscale_factor)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Return [*, C, H r, W r] as [*, C r r, H, W]; raise RuntimeError if the sizes are not divisible."""
    return apply("pixel_unshuffle", input, downscale_factor)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Return [N, C, *] with the channels, in `groups` of C / groups, sorted by their place in the group.

    Raises RuntimeError if the channels are not divisible.
    """
    return apply("channel_shuffle", input, groups)


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Return the patches of [N, C, H, W], or of [C, H, W], as columns: [N, C kernel, patches]."""
    return apply("im2col", input, *map(_pair, (kernel_size, dilation, padding, stride)))


def fold(  # noqa: PLR0917 - torch's signature
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Return the sum of patches, given as columns, at the places that `unfold` takes them from."""
    return apply("col2im", input, *map(_pair, (output_size, kernel_size, dilation, padding, stride)))


def _pair(size: Any) -> tuple[int, ...]:
    return (size, size) if isinstance(size, int) else tuple(size)


# --- elements at indices where a mask is true ---


def _unsafe_masked_index(input: Tensor, mask: Tensor, indices: Sequence[Any], fill: complex) -> Tensor:
    """Return `input[indices]` where `mask` is true, `fill` elsewhere; there the indices may be anything."""
    return apply("masked_index", input, mask, Indices(list(indices)), fill)


def _unsafe_masked_index_put_accumulate(
    input: Tensor, mask: Tensor, indices: Sequence[Any], values: Tensor
) -> Tensor:
    """Return `input` with `values` added at `indices` where `mask` is true."""
    return apply("masked_index_put", input, mask, Indices(list(indices)), values)
