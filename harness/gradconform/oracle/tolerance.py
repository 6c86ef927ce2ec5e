"""The arithmetic of the first two stages of `gradconform.oracle.policy`, for one pair of tensors.

1. `bits`: the same numbers, nan equal to nan. As everywhere in IEEE 754 arithmetic, +0 equals -0.
2. `tolerance`: |got - expected| <= atol + rtol * |expected|, with the defaults of
   `torch.testing.assert_close` (https://docs.pytorch.org/docs/stable/testing.html#torch.testing.assert_close,
   the table "dtype, rtol, atol"). nan, +inf and -inf must match place by place, in the real and in the
   imaginary part; finite complex numbers are compared by the modulus of their difference, as `torch.isclose`
   does. Integer and boolean dtypes have no tolerance. Differences are taken in float64, so that they neither
   round nor overflow in half precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch

from gradconform.oracle.text import dtype_name, number

TOLERANCES: dict[torch.dtype, tuple[float, float]] = {
    torch.float16: (1e-3, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.float32: (1.3e-6, 1e-5),
    torch.float64: (1e-7, 1e-7),
    torch.complex32: (1e-3, 1e-5),
    torch.complex64: (1.3e-6, 1e-5),
    torch.complex128: (1e-7, 1e-7),
}
"""(rtol, atol) by dtype; any other dtype is compared exactly."""


@dataclass(frozen=True, slots=True)
class Miss:
    """Two tensors of one shape and dtype that are further apart than the tolerance allows.

    count of total elements miss. index: the place that is furthest off (a non-finite one first), with what
    stands there (expected, got), the modulus of the difference (inf where one is not finite), the same
    relative to |expected|, and the difference that the tolerance allows there.
    """

    count: int
    total: int
    index: tuple[int, ...]
    expected: complex
    got: complex
    absolute: float
    relative: float
    allowed: float
    dtype: torch.dtype

    def __str__(self) -> str:
        name = dtype_name(self.dtype)
        elements = "element differs" if self.total == 1 else "elements differ"
        head = f"{name}, {self.count} of {self.total} {elements}"
        where = f" at {list(self.index)}" if self.index else ""
        if self.dtype not in TOLERANCES:
            return f"{head}, the first{where}; {name} is compared exactly"
        if self.absolute == inf:
            expected, got = (number(value, self.dtype) for value in (self.expected, self.got))
            return (
                f"{head}, expected {expected} got {got}{where}; nan, inf and -inf must match place by place"
            )
        rtol, atol = TOLERANCES[self.dtype]
        return (
            f"{head}, largest difference {self.absolute:.3g}{where}, allowed {rtol:g} * |expected| + {atol:g}"
        )


def same_bits(expected: torch.Tensor, got: torch.Tensor) -> bool:
    """Whether two tensors of one shape and dtype hold the same numbers."""
    # torch compares no complex numbers of half precision.
    if expected.dtype != torch.complex32 and torch.equal(expected, got):
        return True
    if expected.dtype not in TOLERANCES:
        return False
    a, b = parts(expected), parts(got)
    return bool(((a == b) | (a.isnan() & b.isnan())).all())


def within(expected: torch.Tensor, got: torch.Tensor) -> torch.Tensor:
    """Element by element, whether got lies within the tolerance of expected (bool, their shape)."""
    if expected.dtype not in TOLERANCES:
        return expected == got
    rtol, atol = TOLERANCES[expected.dtype]
    a, b = parts(expected), parts(got)
    finite = a.isfinite() & b.isfinite()
    alike = finite | (a == b) | (a.isnan() & b.isnan())
    a, b = a.where(finite, 0.0), b.where(finite, 0.0)
    return alike.all(-1) & (modulus(a - b) <= atol + rtol * modulus(a))


def parts(value: torch.Tensor) -> torch.Tensor:
    """The numbers in float64 with one more dimension at the end: (real,) or (real, imaginary)."""
    if value.is_complex():
        return torch.view_as_real(value.resolve_conj().to(torch.complex128))
    return value.to(torch.float64).unsqueeze(-1)


def is_finite(value: torch.Tensor) -> torch.Tensor:
    """Element by element, whether all parts of the number are finite (bool, the shape of value)."""
    return parts(value).isfinite().all(-1)


def modulus(numbers: torch.Tensor) -> torch.Tensor:
    """The absolute value of what `parts` made; the last dimension goes."""
    if numbers.shape[-1] == 1:
        return numbers[..., 0].abs()
    return torch.hypot(numbers[..., 0], numbers[..., 1])


def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """|a - b| element by element in float64; inf where either is not finite."""
    apart = modulus(parts(a) - parts(b))
    return apart.where(apart.isfinite(), inf)


def unravel(values: torch.Tensor) -> tuple[int, ...]:
    """The first place of the largest value (any shape, at least one element, no nan).

    Not torch.unravel_index: its first call imports sympy, which takes half a second.
    """
    return tuple((values == values.max()).nonzero()[0].tolist())


def measured(expected: torch.Tensor, got: torch.Tensor, near: torch.Tensor) -> Miss:
    """How far off a pair is that is not `near` (what `within` made of it) everywhere."""
    apart = distance(expected, got).where(~near, -1.0)
    index = unravel(apart)
    a, b = expected[index].item(), got[index].item()
    rtol, atol = TOLERANCES.get(expected.dtype, (0.0, 0.0))
    absolute = float(apart[index])
    size = float(modulus(parts(expected[index])))
    return Miss(
        count=int((~near).sum()),
        total=expected.numel(),
        index=index,
        expected=a,
        got=b,
        absolute=absolute,
        relative=absolute / size if size else inf,
        allowed=atol + rtol * size,
        dtype=expected.dtype,
    )


def require_comparable(expected: torch.Tensor, got: torch.Tensor) -> None:
    """Raises ValueError unless shape, dtype and device are the same."""
    if (expected.shape, expected.dtype, expected.device) == (got.shape, got.dtype, got.device):
        return
    described = [f"{dtype_name(t.dtype)} {list(t.shape)} on {t.device}" for t in (expected, got)]
    raise ValueError(
        f"cannot compare {described[0]} with {described[1]}: shape, dtype and device must be the same; "
        "compare them first"
    )
