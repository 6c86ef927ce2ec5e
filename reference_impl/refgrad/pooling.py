"""Pooling over windows of one, two and three dimensions, with torch's signatures.

Pooling of one dimension is pooling of two, of which one has a single place, as in torch. Source:
https://docs.pytorch.org/docs/stable/nn.functional.html#pooling-functions
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .ops import apply
from .shapes import mean, squeeze, unsqueeze
from .tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]
TORCH = (
    "adaptive_avg_pool1d",
    "avg_pool1d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool3d",
)

_Sizes = int | Sequence[int]
_aten = torch.ops.aten


def _sizes(given: Any, rank: int, what: str) -> tuple[Any, ...]:
    """Return one size for each of `rank` dimensions; raise RuntimeError for another number of them."""
    sizes = tuple(given) if isinstance(given, Sequence) else (given,)
    if len(sizes) not in (1, rank):
        raise RuntimeError(f"{what} must either be a single int, or a tuple of {rank} ints")
    return sizes * rank if len(sizes) == 1 else sizes


def _strides(stride: Any, kernel: tuple[int, ...]) -> tuple[int, ...]:
    """Return the steps from window to window, which lie side by side if no `stride` is given."""
    if stride is None or (isinstance(stride, Sequence) and not stride):
        return kernel
    return _sizes(stride, len(kernel), "stride")


def _check_rank(input: Tensor, rank: int, name: str) -> None:
    """Raise RuntimeError unless `input` has `rank` dimensions besides channels and perhaps a batch."""
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"Expected {rank + 1} to {rank + 2} dimensions, but got {input.ndim}-dimensional tensor for "
            f"argument #1 'self' (while checking arguments for {name})"
        )


def _named(function: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


# --- means ---


def avg_pool1d(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    kernel_size: _Sizes,
    stride: _Sizes | None = None,
    padding: _Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of each window of [N, C, L] or [C, L]; padded places count, or do not.

    Raises RuntimeError for another rank, and for windows that do not fit.
    """
    _check_rank(input, 1, "avg_pool1d")
    kernel = _sizes(kernel_size, 1, "avg_pool1d: kernel_size")
    steps, added = _strides(stride, kernel), _sizes(padding, 1, "avg_pool1d: padding")
    options = ((1, *kernel), (1, *steps), (0, *added), ceil_mode, count_include_pad, None)
    return squeeze(apply("avg_pool2d", unsqueeze(input, -2), options), -2)


def _mean_of_windows(rank: int) -> Callable[..., Tensor]:
    name = f"avg_pool{rank}d"

    def function(  # noqa: PLR0917 - torch's signature
        input: Tensor,
        kernel_size: _Sizes,
        stride: _Sizes | None = None,
        padding: _Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Tensor:
        kernel = _sizes(kernel_size, rank, f"{name}: kernel_size")
        steps, added = _strides(stride, kernel), _sizes(padding, rank, f"{name}: padding")
        options = (kernel, steps, added, ceil_mode, count_include_pad, divisor_override)
        return apply(name, input, options)

    return _named(
        function,
        name,
        f"Return the mean of each window over the last {rank} dimensions; padded places count, or do not.\n\n"
        "`divisor_override` is divided by in place of the number of places. Raises RuntimeError for another "
        "rank, and for windows that do not fit.",
    )


avg_pool2d = _mean_of_windows(2)
avg_pool3d = _mean_of_windows(3)


def _wanted(output_size: Any, input: Tensor, rank: int, name: str) -> tuple[int, ...]:
    """Return the sizes of an adaptive pooling's result: None leaves a dimension as it is."""
    if isinstance(output_size, int):
        return (output_size,) * rank
    given = tuple(output_size)
    if input.ndim <= len(given):
        raise ValueError(f"Input dimension should be at least {len(given) + 1}")
    have = input.shape[-len(given) :]
    sizes = tuple(there if size is None else size for size, there in zip(given, have, strict=True))
    return _sizes(sizes, rank, f"{name}: output_size")


def adaptive_avg_pool1d(input: Tensor, output_size: _Sizes) -> Tensor:
    """Return means over `output_size` windows that cover [N, C, L] or [C, L].

    Raises RuntimeError for another rank.
    """
    _check_rank(input, 1, "adaptive_avg_pool1d")
    size = _sizes(output_size, 1, "adaptive_avg_pool1d: output_size")
    return squeeze(adaptive_avg_pool2d(unsqueeze(input, -2), (1, *size)), -2)


def _adaptive_mean(rank: int) -> Callable[..., Tensor]:
    name = f"adaptive_avg_pool{rank}d"

    def function(input: Tensor, output_size: Any) -> Tensor:
        sizes = _wanted(output_size, input, rank, name)
        if any(size < 0 for size in sizes):
            raise RuntimeError(f"{name}: elements of output_size must not be below 0, got {list(sizes)}")
        if sizes == (1,) * rank:
            return mean(input, tuple(range(-1, -rank - 1, -1)), True)
        if input.ndim not in (rank + 1, rank + 2):
            raise RuntimeError(
                f"{name}(): Expected {rank + 1}D or {rank + 2}D tensor, but got {list(input.shape)}"
            )
        return apply(f"_{name}", input, (sizes,))

    return _named(
        function,
        name,
        f"Return means over windows that cover the last {rank} dimensions, `output_size` of them in each.\n\n"
        "A size of None leaves the dimension as it is. Raises RuntimeError for another rank, unless all "
        "sizes are 1, and for a size below 0.",
    )


adaptive_avg_pool2d = _adaptive_mean(2)
adaptive_avg_pool3d = _adaptive_mean(3)


# --- largest elements ---


def _largest(name: str, input: Tensor, options: Any, *samples: torch.Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest elements that the kernel `name` finds, and their indices, which have no history."""
    values, indices = getattr(_aten, name)(input._data, *options, *samples)
    places = Tensor._of(indices)
    return apply(name, input, places, options, values), places


def _largest_of_windows(rank: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    name = f"max_pool{rank}d"

    def with_indices(  # noqa: PLR0917 - torch's signature
        input: Tensor,
        kernel_size: _Sizes,
        stride: _Sizes | None = None,
        padding: _Sizes = 0,
        dilation: _Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,  # noqa: ARG001 - they are returned in any case
    ) -> tuple[Tensor, Tensor]:
        kernel = _sizes(kernel_size, rank, f"{name}: kernel_size")
        steps = _strides(stride, kernel)
        added = _sizes(padding, rank, f"{name}: padding")
        spread = _sizes(dilation, rank, f"{name}: dilation")
        if rank > 1:
            return _largest(f"{name}_with_indices", input, (kernel, steps, added, spread, ceil_mode))
        if input.ndim not in (2, 3):
            raise RuntimeError(
                "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, "
                f"but got:{list(input.shape)}"
            )
        options = ((1, *kernel), (1, *steps), (0, *added), (1, *spread), ceil_mode)
        values, indices = _largest("max_pool2d_with_indices", unsqueeze(input, -2), options)
        return squeeze(values, -2), squeeze(indices, -2)

    doc = (
        f"Return the largest element of each window over the last {rank} dimension(s){{indices}}.\n\n"
        "The first of several gets the gradient. Indices count through the dimensions of a window. Raises "
        "RuntimeError for another rank, and for windows that do not fit."
    )
    return _dispatched(with_indices, 6, name, doc)


def _dispatched(
    with_indices: Callable[..., tuple[Tensor, Tensor]], position: int, name: str, doc: str
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return `with_indices` and the function that returns indices only for `return_indices=True`, which may
    also stand at `position`; `doc` describes both.
    """

    def function(*args: Any, **kwargs: Any) -> Any:
        wanted = kwargs.get("return_indices", False) or (len(args) > position and args[position])
        found = with_indices(*args, **kwargs)
        return found if wanted else found[0]

    return (
        _named(function, name, doc.format(indices=", with `return_indices` also their indices")),
        _named(with_indices, f"{name}_with_indices", doc.format(indices=", and their indices")),
    )


max_pool1d, max_pool1d_with_indices = _largest_of_windows(1)
max_pool2d, max_pool2d_with_indices = _largest_of_windows(2)
max_pool3d, max_pool3d_with_indices = _largest_of_windows(3)


def _adaptive_largest(rank: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    name = f"adaptive_max_pool{rank}d"

    def with_indices(
        input: Tensor,
        output_size: Any,
        return_indices: bool = False,  # noqa: ARG001 - they are returned in any case
    ) -> tuple[Tensor, Tensor]:
        if rank > 1:
            return _largest(name, input, (_wanted(output_size, input, rank, name),))
        _check_rank(input, 1, name)
        size = _sizes(output_size, 1, f"{name}: output_size")
        values, indices = _largest("adaptive_max_pool2d", unsqueeze(input, -2), ((1, *size),))
        return squeeze(values, -2), squeeze(indices, -2)

    doc = (
        f"Return the largest elements of windows that cover the last {rank} dimension(s), `output_size` of "
        "them in each{indices}.\n\nA size of None leaves the dimension as it is. Raises RuntimeError for "
        "another rank."
    )
    return _dispatched(with_indices, 2, name, doc)


adaptive_max_pool1d, adaptive_max_pool1d_with_indices = _adaptive_largest(1)
adaptive_max_pool2d, adaptive_max_pool2d_with_indices = _adaptive_largest(2)
adaptive_max_pool3d, adaptive_max_pool3d_with_indices = _adaptive_largest(3)


def _fractional_largest(rank: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    name = f"fractional_max_pool{rank}d"

    def with_indices(
        input: Tensor,
        kernel_size: _Sizes,
        output_size: _Sizes | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,  # noqa: ARG001 - they are returned in any case
        _random_samples: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        if output_size is None:
            if output_ratio is None:
                raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
            ratios = _sizes(output_ratio, rank, f"{name}: output_ratio")
            output_size = tuple(
                int(size * ratio) for size, ratio in zip(input.shape[-rank:], ratios, strict=True)
            )
        data = input._data
        if _random_samples is None:
            batch = 1 if input.ndim == rank + 1 else input.shape[0]
            shape = (batch, input.shape[-rank - 1], rank)
            samples = torch.rand(shape, dtype=data.dtype, device=data.device)
        else:
            samples = _random_samples._data
        options = (
            _sizes(kernel_size, rank, f"{name}: kernel_size"),
            _sizes(output_size, rank, f"{name}: output_size"),
        )
        return _largest(name, input, options, samples)

    doc = (
        f"Return the largest elements of windows at random places over the last {rank} dimensions"
        "{indices}.\n\nThere are `output_size` windows in each dimension, or `output_ratio` of its size. "
        "`_random_samples` [N, C, rank] from 0 to 1 decide on the places. Raises ValueError if neither is "
        "given, and RuntimeError for windows that do not fit."
    )
    return _dispatched(with_indices, 4, name, doc)


fractional_max_pool2d, fractional_max_pool2d_with_indices = _fractional_largest(2)
fractional_max_pool3d, fractional_max_pool3d_with_indices = _fractional_largest(3)


# --- and back ---


def _unpool(rank: int) -> Callable[..., Tensor]:
    name = f"max_unpool{rank}d"

    def function(  # noqa: PLR0917 - torch's signature
        input: Tensor,
        indices: Tensor,
        kernel_size: _Sizes,
        stride: _Sizes | None = None,
        padding: _Sizes = 0,
        output_size: Sequence[int] | None = None,
    ) -> Tensor:
        kernel = _sizes(kernel_size, rank, f"{name}: kernel_size")
        steps, added = _strides(stride, kernel), _sizes(padding, rank, f"{name}: padding")
        sizes = _unpooled(input, kernel, steps, added, output_size)
        if rank == 1:
            options = ((*sizes, 1),)
            return squeeze(apply("max_unpool2d", unsqueeze(input, -1), unsqueeze(indices, -1), options), -1)
        return apply(name, input, indices, (sizes,) if rank == 2 else (sizes, steps, added))

    return _named(
        function,
        name,
        f"Return zeros with the elements of `input` at `indices`, which count through the last {rank} "
        "dimension(s).\n\n`output_size` chooses among the sizes that pooling maps to that of `input`. Raises "
        "ValueError for another size, and RuntimeError for an index that lies outside.",
    )


def _unpooled(
    input: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    output_size: Sequence[int] | None,
) -> tuple[int, ...]:
    """Return the sizes of the result; raise ValueError if `output_size` is none that pooling came from."""
    rank = len(kernel)
    usual = tuple(
        (size - 1) * step + width - 2 * added
        for size, step, width, added in zip(input.shape[-rank:], stride, kernel, padding, strict=True)
    )
    if output_size is None:
        sizes = usual
    else:
        sizes = tuple(output_size)[2:] if len(output_size) == rank + 2 else tuple(output_size)
        if len(sizes) != rank:
            raise ValueError(
                f"output_size should be a sequence containing {rank} or {rank + 2} elements, but it has a "
                f"length of '{len(sizes)}'"
            )
        for dim, (size, middle, step) in enumerate(zip(sizes, usual, stride, strict=True)):
            if not middle - step < size < middle + step:
                raise ValueError(
                    f'invalid output_size "{list(sizes)}" (dim {dim} must be between {middle - step} and '
                    f"{middle + step})"
                )
    for dim, size in enumerate(sizes):
        if size < 0:
            raise ValueError(
                "max_unpooling: output_size must contain non-negative spatial dimensions, but got "
                f"output_size[{dim}]={size}"
            )
    return sizes


max_unpool1d = _unpool(1)
max_unpool2d = _unpool(2)
max_unpool3d = _unpool(3)
