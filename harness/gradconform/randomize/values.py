"""Numbers in bulk: a tensor of a value domain, decided by a seed alone.

The same seed gives the same numbers on every platform, and in every floating dtype up to rounding. Seed 0
gives the simplest numbers of the domain in order (1, 2, 3, ... for real ones), the other seeds below SIMPLE
draw from those simple numbers, and all others draw from the whole domain: a smaller seed reads better.

Domains: `real` (from -4 to 4), `positive` (0.25 to 4, or a small integer), `nonzero` (of that magnitude),
`distinct` (no two alike, and apart from each other), `ties` (at least two alike, where there are two),
`kinks` (where common functions have theirs: 0, 0.5, 1, 2, 3 and 6, of both signs), `special` (zeros of both
signs, infinities, NaN, subnormal, smallest, largest, and ordinary numbers between them) and `dyadic` (small
multiples of powers of two: a product of two of them, and a sum of up to 64 such products, is exact in every
dtype, bfloat16 included), and `within(low, high)` (between two numbers, not too near to them; the integers
from one to the other). Magnitudes are moderate, so that float16 survives a few multiplications and an exp.

A complex tensor has both parts from the domain. An integer tensor has the integers of the domain, a bool
tensor its truth values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod

import torch

from gradconform.errors import UsageError
from gradconform.spec.dtypes import COMPLEX, FLOATING, LARGEST
from gradconform.spec.scenario import within

SIMPLE = 16
"""Seeds below this give simple numbers."""

_CPU = "cpu"  # said everywhere, since a user's program may have set another default device

DOMAINS = ("real", "positive", "nonzero", "distinct", "ties", "kinks", "special", "dyadic")

_POOLS = {
    "real": (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -1.0, -2.0, -3.0, 0.5, -0.5, 0.0),
    "positive": (1.0, 2.0, 3.0, 4.0, 0.5, 0.25),
    "nonzero": (1.0, 2.0, 3.0, 4.0, -1.0, -2.0, -3.0, 0.5, -0.5),
    "ties": (1.0, 2.0, -1.0, 0.5, 3.0),
    "kinks": (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 6.0, -6.0),
    "special": (0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1.0, -1.0, 2.0),
    "dyadic": (1.0, 0.5, 2.0, -1.0, -0.5, -2.0, 1.5, -1.5, 0.0),
}
# A bfloat16 has 8 significant bits: 64 products of these reach 64 quarters times 4, its 256th.
_DYADIC_BFLOAT16 = (1.0, 0.5, -1.0, -0.5, 0.0)

_GRID = {"bfloat16": 256, "float16": 2048}
"""Up to which integer, of either sign, all are exact: what `distinct` needs in small dtypes."""


def fill(domain: str, shape: tuple[int, ...], dtype: str, seed: int) -> torch.Tensor:
    """A new contiguous CPU tensor of this shape and dtype (both by torch's names) with numbers of the domain.

    Nothing but the arguments decides the numbers; torch's global generator is neither read nor changed.
    Raises UsageError for a domain that does not exist, and where a dtype has too few numbers to be distinct.
    """
    if domain not in _RANDOM and within(domain) is None:
        raise UsageError(f"values: {domain!r} is none of {', '.join(DOMAINS)} and within(low, high)")
    if dtype in COMPLEX:
        part = "float32" if dtype == "complex64" else "float64"
        # The imaginary part starts elsewhere in the same domain, so that the two differ.
        real, imaginary = (_fill(domain, shape, part, seed, start) for start in (0, 1))
        return torch.complex(real, imaginary)
    return _fill(domain, shape, dtype, seed, 0)


def _fill(domain: str, shape: tuple[int, ...], dtype: str, seed: int, start: int) -> torch.Tensor:
    size = prod(shape)
    bounds = within(domain)
    if bounds is not None:
        return _within(bounds, size, dtype, seed, start).reshape(shape)
    if domain == "distinct":
        return _distinct(size, dtype, seed, start).reshape(shape)
    if seed == 0:
        order, numbers = torch.arange(size, device=_CPU), _pool(domain, dtype)
        if domain == "ties":
            order = order.div(2, rounding_mode="floor")
        return numbers[(order + start).remainder_(len(numbers))].reshape(shape)
    generator = _generator(seed, start)
    if seed < SIMPLE or dtype not in FLOATING:
        filled = _picked(_pool(domain, dtype), size, generator)
    else:
        filled = _RANDOM[domain](size, dtype, generator).to(_dtype(dtype))
    if domain == "ties" and size > 1:
        filled[-1] = filled[0]
    return filled.reshape(shape)


def _generator(seed: int, start: int) -> torch.Generator:
    return torch.Generator().manual_seed(2 * seed + start)


def _dtype(name: str) -> torch.dtype:
    dtype: torch.dtype = getattr(torch, name)
    return dtype


@cache
def _pool(domain: str, dtype: str) -> torch.Tensor:
    """The simple numbers of a domain in a dtype, the simplest first. Nobody writes to it."""
    numbers: tuple[float, ...] = _POOLS[domain]
    if dtype == "bool":
        # What matters of the domain is whether it has zero.
        return torch.tensor([True] if domain in {"positive", "nonzero"} else [True, False], device=_CPU)
    if dtype not in FLOATING:
        integers = [int(number) for number in numbers if abs(number) < 10 and number == int(number)]
        if domain == "special":
            integers += [int(LARGEST[dtype]), -int(LARGEST[dtype]) - 1]
        return torch.tensor(list(dict.fromkeys(integers)), dtype=_dtype(dtype), device=_CPU)
    if domain == "dyadic" and dtype == "bfloat16":
        numbers = _DYADIC_BFLOAT16
    if domain == "special":
        info = torch.finfo(_dtype(dtype))
        numbers = (*numbers, info.smallest_normal * info.eps, info.smallest_normal, info.max, -info.max)
    return torch.tensor(numbers, dtype=torch.float64, device=_CPU).to(_dtype(dtype))


def _picked(numbers: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    return numbers[torch.randint(len(numbers), (size,), generator=generator, device=_CPU)]


def _uniform(size: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    # Bounds are powers of two or have few bits: their arithmetic is exact, on every platform alike.
    return torch.empty(size, dtype=torch.float64, device=_CPU).uniform_(low, high, generator=generator)


def _real(size: int, dtype: str, generator: torch.Generator) -> torch.Tensor:  # noqa: ARG001
    return _uniform(size, -4.0, 4.0, generator)


def _positive(size: int, dtype: str, generator: torch.Generator) -> torch.Tensor:  # noqa: ARG001
    return _uniform(size, 0.25, 4.0, generator)


def _nonzero(size: int, dtype: str, generator: torch.Generator) -> torch.Tensor:  # noqa: ARG001
    numbers = _uniform(size, -3.75, 3.75, generator)
    return numbers + torch.copysign(torch.full_like(numbers, 0.25), numbers)


def _ties(size: int, dtype: str, generator: torch.Generator) -> torch.Tensor:  # noqa: ARG001
    # Half as many numbers as places, and never more than four, so that most of them come several times.
    return _picked(_uniform(min(4, size // 2 + 1), -4.0, 4.0, generator), size, generator)


def _kinks(size: int, dtype: str, generator: torch.Generator) -> torch.Tensor:
    return _picked(_pool("kinks", dtype), size, generator)


def _special(size: int, dtype: str, generator: torch.Generator) -> torch.Tensor:
    special = _picked(_pool("special", dtype), size, generator).to(torch.float64)
    ordinary = _uniform(size, -4.0, 4.0, generator)
    return torch.where(_uniform(size, 0.0, 1.0, generator) < 0.5, special, ordinary)


def _dyadic(size: int, dtype: str, generator: torch.Generator) -> torch.Tensor:
    return _picked(_pool("dyadic", dtype), size, generator)


_RANDOM: dict[str, Callable[[int, str, torch.Generator], torch.Tensor]] = {
    "real": _real,
    "positive": _positive,
    "nonzero": _nonzero,
    "distinct": _real,
    "ties": _ties,
    "kinks": _kinks,
    "special": _special,
    "dyadic": _dyadic,
}


_PARTS = 16
"""The simple numbers between two bounds are sixteenths of the way; a rounded one stays between them."""


def _within(bounds: tuple[float, float], size: int, dtype: str, seed: int, start: int) -> torch.Tensor:
    """Numbers between two bounds, the middle first; integers count from the lower one."""
    low, high = bounds
    generator = _generator(seed, start)
    if dtype not in FLOATING:
        count = int(high) - int(low) + 1
        order = torch.arange(size, device=_CPU) if seed == 0 else torch.empty(0)
        if seed:
            order = torch.randint(count, (size,), generator=generator, device=_CPU)
        return (order.remainder(count) + int(low)).to(_dtype(dtype))
    if seed < SIMPLE:
        steps = torch.arange(size, device=_CPU) + start + _PARTS // 2 - 1
        if seed:
            steps = torch.randint(_PARTS - 1, (size,), generator=generator, device=_CPU)
        part = (steps.remainder(_PARTS - 1) + 1).to(torch.float64) / _PARTS
    else:
        part = _uniform(size, 1 / 64, 63 / 64, generator)
    return (low + part * (high - low)).to(_dtype(dtype))


def _distinct(size: int, dtype: str, seed: int, start: int) -> torch.Tensor:
    """Numbers of which no two are alike: 1, 2, 3, ... for seed 0, else a shuffled grid around 0.

    Where the dtype has the digits, each number is moved at random by less than a quarter of the grid's step.
    """
    room = 2 if dtype == "bool" else 2 * _GRID[dtype] + 1 if dtype in _GRID else None
    if room is not None and size > room:
        raise UsageError(f"values: distinct: {dtype} has no {size} distinct numbers on a grid; it has {room}")
    if seed == 0 and dtype != "bool":
        # Past the largest exact integer the count goes on with 0, -1, ...
        numbers = torch.arange(1 + start, 1 + start + size, dtype=torch.float64, device=_CPU)
        if dtype in _GRID:
            numbers = torch.where(numbers > _GRID[dtype], _GRID[dtype] + 1 - numbers, numbers)
        return numbers.to(_dtype(dtype))
    generator = _generator(seed, start)
    grid = torch.randperm(size, generator=generator, device=_CPU).to(torch.float64)
    if dtype == "bool":
        return (grid + start).remainder(2) == 0 if seed else torch.arange(size, device=_CPU) == 0
    grid -= size // 2
    if dtype in FLOATING and dtype not in _GRID and seed >= SIMPLE:
        grid += _uniform(size, -0.25, 0.25, generator)
    # A quarter of the grid keeps its numbers moderate; integers cannot be divided.
    return (grid / 4 if dtype in FLOATING and size <= 64 else grid).to(_dtype(dtype))
