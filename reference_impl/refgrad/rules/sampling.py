"""Sampling of images at the points of a grid.

S(x, p), the samples of the image x at the points p, is linear in x. Its gradient I(g, p) of the image is the
adjoint, <g, S(x, p)> = <I(g, p), x>, and G(g, x, p), that of the points, is linear in g and in x: torch has
kernels for the three. For the derivative of G a sample is written as what it is, a sum over the corners of a
cell of pixels times a weight for each dimension. Of nearest pixels G is 0 and passes nothing on.

A point is moved into the image ("border", "reflection") by steps whose slope is 1, -1 or 0, and at the
bounds themselves 0. Source: aten/src/ATen/native/GridSampler.h
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from .formulas import formula, kernel, zeros_like
from .registry import rule

T = Any
_aten = torch.ops.aten
# interpolation (0 linear, 1 nearest, 2 cubic), padding (0 zeros, 1 border, 2 reflection), corners aligned
Options = tuple[int, int, bool]
_LINEAR, _NEAREST, _CUBIC = range(3)
_ZEROS, _BORDER, _REFLECTION = range(3)
_SHARPNESS = -0.75  # of torch's cubic convolution


@dataclass(frozen=True, slots=True)
class _Tap:
    """One pixel of a cell along one dimension: its index, whether it is in the image, and its weight.

    `weights` are the weight, and its first and second derivative by the point's coordinate.
    """

    index: T
    inside: T
    weights: tuple[T, T, T]


def _reflected(place: T, low: float, high: float) -> tuple[T, T]:
    """Return `place` reflected between two bounds until it lies between them, and the slope of that."""
    if low == high:
        return zeros_like(place), zeros_like(place)
    span = high - low
    away = place - low
    distance = away.abs()
    turns = (distance / span).floor()
    odd = turns.remainder(2) == 1
    rest = distance.fmod(span)
    slope = zeros_like(place) + 1
    slope = (-slope).where(away < 0, slope)
    return (high - rest).where(odd, rest + low), (-slope).where(odd, slope)


def _moved(place: T, size: int, options: Options) -> tuple[T, T]:
    """Return `place` moved into the image, and the slope of that."""
    _, padding, aligned = options
    slope = zeros_like(place) + 1
    if padding == _ZEROS:
        return place, slope
    if padding == _REFLECTION:
        place, slope = _reflected(place, *((0, size - 1) if aligned else (-0.5, size - 0.5)))
    slope = slope.masked_fill((place <= 0) | (place >= size - 1), 0)
    return place.clamp(0, size - 1), slope


def _pixel(index: T, size: int) -> tuple[T, T]:
    """Return `index` as an index that exists, and whether it was one."""
    return index.clamp(0, size - 1).to(torch.long), (index >= 0) & (index <= size - 1)


def _inner(x: T) -> tuple[T, T, T]:
    """Return the cubic convolution kernel between 0 and 1, and its derivatives."""
    a = _SHARPNESS
    return (
        ((a + 2) * x - (a + 3)) * x * x + 1,
        (3 * (a + 2) * x - 2 * (a + 3)) * x,
        6 * (a + 2) * x - 2 * (a + 3),
    )


def _outer(x: T) -> tuple[T, T, T]:
    """Return the cubic convolution kernel between 1 and 2, and its derivatives."""
    a = _SHARPNESS
    return (
        ((a * x - 5 * a) * x + 8 * a) * x - 4 * a,
        (3 * a * x - 10 * a) * x + 8 * a,
        6 * a * x - 10 * a,
    )


def _mirrored(weights: tuple[T, T, T]) -> tuple[T, T, T]:
    """Return the derivatives by -x."""
    value, first, second = weights
    return value, -first, second


def _taps(coordinate: T, size: int, options: Options) -> list[_Tap]:
    """Return the pixels that points at `coordinate`, from -1 to 1 over the image, take in a dimension."""
    interpolation, _, aligned = options
    scale = (size - 1) / 2 if aligned else size / 2
    place = (coordinate + 1) * scale if aligned else (coordinate + 1) * scale - 0.5
    where = place.detach()
    slope = zeros_like(where) + 1
    if interpolation != _CUBIC:  # of a cubic cell every pixel is moved by itself, below
        where, slope = _moved(where, size, options)
    if interpolation == _NEAREST:
        index, inside = _pixel(where.round(), size)
        nothing = zeros_like(where)
        return [_Tap(index, inside, (nothing + 1, nothing, nothing))]
    corner = where.floor()
    # The offset in the cell has the value of `where` and the slope of the way there.
    offset = (where - corner) + (place - place.detach()) * slope
    one = zeros_like(where) + 1
    if interpolation == _LINEAR:
        cell = {0: (1 - offset, -one, zeros_like(one)), 1: (offset, one, zeros_like(one))}
    else:
        cell = {
            -1: _outer(offset + 1),
            0: _inner(offset),
            1: _mirrored(_inner(1 - offset)),
            2: _mirrored(_outer(2 - offset)),
        }
    step = slope * scale
    taps = []
    for shift, (value, first, second) in cell.items():
        pixel = corner + shift
        if interpolation == _CUBIC:
            pixel = _moved(pixel, size, options)[0]
        index, inside = _pixel(pixel, size)
        taps.append(_Tap(index, inside, (value, first * step, second * step * step)))
    return taps


def _corners(
    grid: T, sizes: tuple[int, ...], options: Options
) -> Iterator[tuple[T, T, tuple[tuple[T, T, T], ...]]]:
    """Yield for each corner of a cell its index in the flattened image [N, P], whether it is in the image,
    and its weights, dimension by dimension; the last coordinate of `grid` [N, ..., rank] is the first one.
    """
    rank = len(sizes)
    points = (grid.shape[0], math.prod(grid.shape[1:-1]))
    along = [
        _taps(grid.select(-1, rank - 1 - dim).reshape(points), size, options)
        for dim, size in enumerate(sizes)
    ]
    for taps in itertools.product(*along):
        index, inside = taps[0].index, taps[0].inside
        for tap, size in zip(taps[1:], sizes[1:], strict=True):
            index, inside = index * size + tap.index, inside & tap.inside
        yield index, inside, tuple(tap.weights for tap in taps)


def _weight(weights: tuple[tuple[T, T, T], ...], *dims: int) -> T:
    """Return the weight of a corner, differentiated by the coordinates of `dims`."""
    product: T = None
    for dim, orders in enumerate(weights):
        factor = orders[dims.count(dim)]
        product = factor if product is None else product * factor
    return product


def _along(weights: tuple[tuple[T, T, T], ...], direction: T, *dims: int) -> T:
    """Return the derivative of a corner's weight (already by `dims`) when the points move in `direction`."""
    rank, points = len(weights), weights[0][0].shape
    parts = [
        direction.select(-1, rank - 1 - dim).reshape(points) * _weight(weights, dim, *dims)
        for dim in range(rank)
    ]
    return sum(parts[1:], parts[0])


def _pixels(image: T, index: T) -> T:
    """Return the pixels [N, C, P] of an image [N, C, ...] at `index` [N, P]."""
    flat = image.reshape((*image.shape[:2], math.prod(image.shape[2:])))
    return flat.gather(2, index.unsqueeze(1).expand((-1, image.shape[1], -1)))


@formula
def samples_moved(direction: T, image: T, grid: T, options: Options) -> T:
    """Return how the samples change when the points move in `direction`."""
    if options[0] == _NEAREST:
        return None
    total: T = None
    for index, inside, weights in _corners(grid, image.shape[2:], options):
        weight = _along(weights, direction).masked_fill(~inside, 0)
        part = _pixels(image, index) * weight.unsqueeze(1)
        total = part if total is None else total + part
    return total.reshape((*image.shape[:2], *grid.shape[1:-1]))


@formula
def image_of_moved(direction: T, grad: T, grid: T, shape: tuple[int, ...], options: Options) -> T:
    """Return the gradient of the image for `samples_moved`: its adjoint in the image."""
    if options[0] == _NEAREST:
        return None
    flat = grad.reshape((*grad.shape[:2], math.prod(grad.shape[2:])))
    image = grad.new_zeros((*shape[:2], math.prod(shape[2:])))
    for index, inside, weights in _corners(grid, shape[2:], options):
        weight = _along(weights, direction).masked_fill(~inside, 0)
        places = index.unsqueeze(1).expand((-1, shape[1], -1))
        image = image.scatter_add(2, places, flat * weight.unsqueeze(1))
    return image.reshape(shape)


@formula
def points_of_moved(direction: T, grad: T, image: T, grid: T, options: Options) -> T:
    """Return the gradient of the points for `samples_moved`."""
    if options[0] == _NEAREST:
        return None
    rank = grid.shape[-1]
    flat = grad.reshape((*grad.shape[:2], math.prod(grad.shape[2:])))
    total: T = None
    for index, inside, weights in _corners(grid, image.shape[2:], options):
        here = (_pixels(image, index) * flat).sum(1).masked_fill(~inside, 0)
        for dim in range(rank):
            others = here.new_tensor([place != rank - 1 - dim for place in range(rank)], dtype=torch.bool)
            change = (here * _along(weights, direction, dim)).unsqueeze(-1)
            part = change.expand((-1, -1, rank)).masked_fill(others, 0)
            total = part if total is None else total + part
    return total.reshape(grid.shape)


def _kernels(rank: int) -> None:
    """Make the three kernels known for images of `rank` dimensions."""
    sample: Any = getattr(_aten, f"grid_sampler_{rank}d").default
    backward: Any = getattr(_aten, f"grid_sampler_{rank}d_backward").default
    kernel(f"grid_sampler_{rank}d", lambda image, grid, options: sample(image, grid, *options))
    kernel(
        f"grid_sampler_{rank}d_image",
        # Of the image the kernel looks at nothing but its shape.
        lambda grad, grid, shape, options: backward(
            grad, grad.new_empty(shape), grid, *options, (True, False)
        )[0],
    )
    kernel(
        f"grid_sampler_{rank}d_points",
        lambda grad, image, grid, options: backward(grad, image, grid, *options, (False, True))[1],
    )


for _rank in (2, 3):
    _kernels(_rank)
    _name = f"grid_sampler_{_rank}d"
    rule(
        _name,
        grad_fn=f"GridSampler{_rank}DBackward0",
        tensors="input grid",
        args="options",
        forward=f"{_name}(input, grid, options)",
        input=f"{_name}_image(grad, grid, input_shape, options)",
        grid=f"{_name}_points(grad, input, grid, options)",
        saves="input grid",
        joint=True,
    )
    rule(
        f"{_name}_image",
        grad_fn=f"GridSampler{_rank}DBackwardBackward0",
        tensors="grad_output grid",
        args="shape options",
        forward=f"{_name}_image(grad_output, grid, shape, options)",
        grad_output=f"{_name}(grad, grid, options)",
        grid=f"{_name}_points(grad_output, grad, grid, options)",
        saves="grad_output grid",
    )
    rule(
        f"{_name}_points",
        grad_fn=f"GridSampler{_rank}DBackwardBackward0",
        tensors="grad_output input grid",
        args="options",
        forward=f"{_name}_points(grad_output, input, grid, options)",
        grad_output="samples_moved(grad, input, grid, options)",
        input="image_of_moved(grad, grad_output, grid, input_shape, options)",
        grid="points_of_moved(grad, grad_output, input, grid, options)",
        saves="grad_output input grid",
    )


def _affine_grid_backward(grad: torch.Tensor, size: tuple[int, ...], aligned: bool) -> torch.Tensor:
    """Return the gradient of the maps: the points of the image, with a 1 for the shift, times `grad`."""
    rank = len(size) - 2
    same = torch.eye(rank, rank + 1, dtype=grad.dtype, device=grad.device).unsqueeze(0)
    points = torch.affine_grid_generator(same, [1, *size[1:]], aligned).reshape(-1, rank)
    points = torch.cat([points, points.new_ones(points.shape[0], 1)], 1)
    return (points.t() @ grad.reshape(size[0], points.shape[0], rank)).transpose(1, 2)


kernel("affine_grid_generator", torch.affine_grid_generator)
kernel("affine_grid_backward", _affine_grid_backward)
rule(
    "affine_grid_generator",
    grad_fn="AffineGridGeneratorBackward0",
    tensors="theta",
    args="size aligned",
    forward="affine_grid_generator(theta, size, aligned)",
    theta="affine_grid_backward(grad, size, aligned)",
    saves="",
)
# torch puts the backward together from products.
rule(
    "affine_grid_backward",
    grad_fn="TransposeBackward0",
    tensors="grad_output",
    args="size aligned",
    forward="affine_grid_backward(grad_output, size, aligned)",
    grad_output="affine_grid_generator(grad, size, aligned)",
    saves="",
)
