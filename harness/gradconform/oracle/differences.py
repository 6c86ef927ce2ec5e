"""A numerical opinion on gradients of first order that asks no autograd: finite differences in float64.

The gradient of a tensor x is what changes in the sum over backward calls of <cotangent, root> when one
element of x moves, and nothing else than the forward steps tells it (`gradconform.oracle.recording`). For
complex x it is the derivative by the real part plus i times that by the imaginary one, torch's convention
(https://docs.pytorch.org/docs/stable/notes/autograd.html#autograd-for-complex-numbers).

An opinion is given element by element, and only where the function is smooth. Central differences of two
widths, h and h/2, must agree, and so must the quotients to the left and to the right, once what curvature
takes away from their agreement, which halves with h, is allowed for. Both are asked of every number that any
step computes, and not of the sum alone: in `relu(x) - relu(-x)` two kinks hide one another. Integers and
booleans must not change at all. The widths are tried from the largest on; at a kink none of them will do.
Slopes along directions in which all elements move must follow from those of the elements.

What it gives is Richardson's extrapolation of the two quotients. Its error is taken to be four times their
difference, what the jump of the slope leaves, and the rounding of the quotient, eps * |largest number| / h.

*Source:* Press et al., Numerical Recipes, section 5.7 (quotients, their widths and their errors).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gradconform.oracle.recording import Recording
from gradconform.oracle.replay import Abstains, Gradient, Replayed
from gradconform.oracle.spots import Spot
from gradconform.program.steps import Program

WIDTHS = (1e-4, 1e-5, 1e-6, 1e-7)
"""h in units of max(1, |x|), from the best one for what varies slowly on."""
SMOOTH = 1e-5
"""By so much of themselves may quotients of smooth functions disagree."""
ROUNDING = 64 * torch.finfo(torch.float64).eps
"""What rounding may do to a difference, in units of the largest number that the program computes."""
LARGEST = 1e8
"""A program with larger numbers has roundings in which a kink could hide."""
ELEMENTS = 256
DIRECTIONS = 2
"""So many directions are tried besides those of the elements."""


@dataclass(frozen=True, slots=True)
class Abstention:
    """No opinion, and why not."""

    reason: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """The gradient as differences have it.

    value: float64 or complex128, of the shape of the gradient. error: how far off it may be; infinite where
    nothing is said of an element (both float64, the same shape).
    """

    value: torch.Tensor
    error: torch.Tensor

    @property
    def known(self) -> torch.Tensor:
        """Of which elements something is said (bool, the same shape)."""
        return self.error.isfinite()


def estimates(program: Program, last: int | None = None) -> dict[Spot, Estimate | Abstention]:
    """The gradients that stand after a step (the last one by default): `.grad` of leaves, and results of
    `autograd.grad`. Of a program that cannot be judged, one abstention under no name."""
    if last is None:
        last = sum(1 for _ in program.walk()) - 1
    found = Differences(program)
    try:
        spots = list(found.recording(last).spots())
    except Abstains as why:
        return {Spot(""): Abstention(str(why))}
    return {spot: found.estimate(spot, last) for spot in spots}


class Differences:
    """The opinions on the gradients of one program; nothing is run before it is asked for."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._recordings: dict[int, Recording] = {}

    def recording(self, step: int) -> Recording:
        """The program up to and including a step. Raises Abstains."""
        if step not in self._recordings:
            self._recordings[step] = Recording(self._program, step)
        return self._recordings[step]

    def estimate(self, spot: Spot, step: int) -> Estimate | Abstention:
        """The gradient at a place after a step."""
        try:
            recording = self.recording(step)
            return _Quotients(recording, recording.gradient(spot)).estimate()
        except Abstains as why:
            return Abstention(str(why))


@dataclass(frozen=True, slots=True)
class _Slope:
    """A derivative, and how far off it may be (infinite: nothing is known)."""

    value: float
    error: float


_NOTHING = _Slope(0.0, float("inf"))


class _Quotients:
    """Differences of one gradient of a recorded program. A point is a vector of real numbers here: complex
    ones are their real and imaginary parts."""

    def __init__(self, recording: Recording, gradient: Gradient) -> None:
        self._recording = recording
        self._gradient = gradient
        self._target = gradient.target.value
        if self._target.numel() > ELEMENTS:
            raise Abstains(f"a gradient of more than {ELEMENTS} elements")
        self._point = _reals(self._target)
        self._scale = self._point.abs().clamp(min=1.0)
        self._base = self._run(self._point)
        self._numbers = _numbers(self._base)
        if not self._numbers[0].isfinite():
            raise Abstains("the value is not finite")
        if self._numbers[self._numbers.isfinite()].abs().max() > LARGEST:
            raise Abstains("numbers so large that their rounding hides a kink")

    def estimate(self) -> Estimate:
        slopes = [self._slope(direction) for direction in torch.diag(self._scale)]
        value = torch.tensor([slope.value for slope in slopes], dtype=torch.float64) / self._scale
        error = torch.tensor([slope.error for slope in slopes], dtype=torch.float64) / self._scale
        if not self._is_linear(value, error):
            error = torch.full_like(error, float("inf"))
        shape = self._target.shape
        if self._target.is_complex():
            pairs = torch.view_as_complex(value.view(-1, 2))
            return Estimate(pairs.view(shape), error.view(-1, 2).sum(-1).view(shape))
        return Estimate(value.view(shape), error.view(shape))

    def _is_linear(self, value: torch.Tensor, error: torch.Tensor) -> bool:
        """Whether the known elements tell the slope along other directions as well.

        It is what makes them a derivative: of [1, 1, 1], no element moves the median alone.
        """
        known = error.isfinite()
        value, error = value.where(known, 0.0), error.where(known, 0.0)
        generator = torch.Generator().manual_seed(0)
        for _ in range(DIRECTIONS if int(known.sum()) > 1 else 0):
            direction = torch.randn(len(value), generator=generator, dtype=torch.float64)
            direction = (direction * self._scale).where(known, 0.0)
            slope = self._slope(direction)
            allowed = slope.error + float(((SMOOTH * value.abs() + error) * direction.abs()).sum())
            if not (slope.error < float("inf") and abs(slope.value - float(value @ direction)) <= allowed):
                return False
        return True

    def _slope(self, direction: torch.Tensor) -> _Slope:
        slopes = (self._with_width(direction, width) for width in WIDTHS)
        return next((slope for slope in slopes if slope is not None), _NOTHING)

    def _with_width(self, direction: torch.Tensor, h: float) -> _Slope | None:
        """The derivative along a direction; None where the function is not smooth at this width."""
        base = self._numbers.where(self._numbers.isfinite(), 0.0)
        lefts, rights = [], []
        for width in (h, h / 2):
            left, right = (self._moved(way * direction) for way in (-width, width))
            if left is None or right is None:
                return None
            lefts.append((base - left) / width)
            rights.append((right - base) / width)
        noise = ROUNDING * max(1.0, float(base.abs().max())) / h
        far, near = ((left + right) / 2 for left, right in zip(lefts, rights, strict=True))
        far_jump, near_jump = (right - left for left, right in zip(lefts, rights, strict=True))
        wobble, jump = (far - near).abs(), (2 * near_jump - far_jump).abs()
        allowed = SMOOTH * torch.stack([*lefts, *rights]).abs().amax(0) + noise
        if not bool(((wobble <= allowed) & (jump <= allowed)).all()):
            return None
        return _Slope(float(4 * near[0] - far[0]) / 3, float(4 * wobble[0] + jump[0]) + noise)

    def _moved(self, by: torch.Tensor) -> torch.Tensor | None:
        """All numbers of a run close by, those that are not finite and stay what they are left out; None
        where the run takes another way."""
        try:
            run = self._run(self._point + by)
        except Abstains:
            return None
        if run.numbers.shape != self._base.numbers.shape or not torch.equal(run.whole, self._base.whole):
            return None
        numbers, base = _numbers(run), self._numbers
        same = (numbers == base) | (numbers.isnan() & base.isnan())
        return numbers.where(base.isfinite() | ~same, 0.0)

    def _run(self, point: torch.Tensor) -> Replayed:
        shape = self._target.shape
        moved = (
            torch.view_as_complex(point.view(*shape, 2)) if self._target.is_complex() else point.view(shape)
        )
        try:
            return self._recording.replay(self._gradient, moved)
        except (RuntimeError, ValueError, IndexError) as error:
            raise Abstains(f"a step raises {type(error).__name__} close by") from error


def _reals(value: torch.Tensor) -> torch.Tensor:
    return (torch.view_as_real(value.resolve_conj()) if value.is_complex() else value).flatten().double()


def _numbers(run: Replayed) -> torch.Tensor:
    """The sum in the first place, and all numbers that led to it."""
    return torch.cat([torch.tensor([run.total], dtype=torch.float64), run.numbers])
