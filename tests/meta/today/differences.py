"""Gradients held against the function's own values: by complex steps where the function is analytic and
takes complex numbers, by central differences elsewhere.

The cotangent is random, and every element of every input is moved, so that the whole Jacobian is seen through
one random direction of the results.

Source: W. Squire, G. Trapp, "Using complex variables to estimate derivatives of real functions" (1998)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from gradconform.engines.base import Engine
from gradconform.program.cotangents import cotangent

from .base import Check
from .functions import Call, Function, differentiable, of_networks
from .tables import calls

_STEP = 1e-6
_RELATIVE, _ABSOLUTE = 1e-4, 1e-6
_COMPLEX_STEP = 1e-30
_COMPLEX_RELATIVE, _COMPLEX_ABSOLUTE = 1e-8, 1e-10


def _weights(results: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """A random cotangent of each result."""
    return [cotangent(one, 11 + number) for number, one in enumerate(results)]


def _gradients(function: Function, engine: Engine) -> list[torch.Tensor]:
    """What backward gives, for the random cotangent."""
    leaves = function.leaves(engine)
    results = differentiable(engine, function.on(engine)(*leaves))
    given = [engine.from_torch(weight) for weight in _weights(map(engine.to_torch, results))]
    engine.backward_function(results, given)
    return [
        torch.zeros_like(data) if leaf.grad is None else engine.to_torch(leaf.grad)
        for leaf, data in zip(leaves, function.inputs.values(), strict=True)
    ]


def _moved(data: torch.Tensor, step: complex) -> Iterator[torch.Tensor]:
    """The tensor with one element after the other moved."""
    kind = torch.complex128 if step.imag else data.dtype
    for number in range(data.numel()):
        moved = data.to(kind, copy=True).contiguous()
        moved.view(-1)[number] += step
        yield moved


class _Objective:
    """The sum of cotangent times result, as a function of the numbers of the inputs."""

    def __init__(self, function: Function, engine: Engine) -> None:
        self.engine = engine
        self.call: Call = function.on(engine)
        self.data = [*function.inputs.values()]
        results = self.call(*function.leaves(engine))
        self.places = [
            number
            for number, one in enumerate(results)
            if engine.is_tensor(one) and engine.get(one, "requires_grad")
        ]
        self.weights = _weights(engine.to_torch(results[number]) for number in self.places)

    def at(self, place: int, data: torch.Tensor) -> torch.Tensor:
        """The value with one input replaced."""
        points = [*self.data]
        points[place] = data
        results = self.call(*(self.engine.from_torch(one.clone()) for one in points))
        values = [self.engine.to_torch(results[number]) for number in self.places]
        pairs = zip(self.weights, values, strict=True)
        return sum(((weight.conj() * value).sum() for weight, value in pairs), torch.tensor(0.0))

    def complex_steps(self) -> list[torch.Tensor]:
        """The derivatives by each element of each input, by complex steps."""
        return [
            _shaped(
                [self.at(place, moved).imag / _COMPLEX_STEP for moved in _moved(data, 1j * _COMPLEX_STEP)],
                data,
            )
            for place, data in enumerate(self.data)
        ]

    def differences(self) -> list[torch.Tensor]:
        """The same by central differences; by a complex element those of its two parts."""
        found = []
        for place, data in enumerate(self.data):
            grad = self.difference(place, data, _STEP)
            if data.is_complex():
                grad = grad + 1j * self.difference(place, data, 1j * _STEP)
            found.append(grad)
        return found

    def difference(self, place: int, data: torch.Tensor, step: complex) -> torch.Tensor:
        pairs = zip(_moved(data, step), _moved(data, -step), strict=True)
        return _shaped(
            [(self.at(place, up) - self.at(place, down)).real / (2 * abs(step)) for up, down in pairs], data
        )


def _shaped(numbers: list[torch.Tensor], data: torch.Tensor) -> torch.Tensor:
    return torch.stack(numbers).reshape(data.shape) if numbers else torch.zeros(data.shape)


def _complaint(function: Function, analytic: bool, engine: Engine) -> str:
    objective = _Objective(function, engine)
    if not objective.places:
        return "nothing requires grad"
    expected = objective.complex_steps() if analytic else objective.differences()
    relative, absolute = (_COMPLEX_RELATIVE, _COMPLEX_ABSOLUTE) if analytic else (_RELATIVE, _ABSOLUTE)
    for name, ours, theirs in zip(function.inputs, _gradients(function, engine), expected, strict=True):
        if ours.shape != theirs.shape:
            return f"{name}.grad has shape {tuple(ours.shape)}"
        worst = (ours - theirs).abs() - relative * theirs.abs()
        if not bool((worst <= absolute).all()):
            return f"{name}.grad is {ours.flatten().tolist()}, differences say {theirs.flatten().tolist()}"
    return ""


def _ways(function: Function) -> tuple[bool, ...]:
    """By complex steps, and by differences."""
    return (False,) if any(data.is_complex() for data in function.inputs.values()) else (True, False)


def _functions() -> Iterable[Function]:
    yield from of_networks(("float64",))
    yield from calls(("float64", "complex128"))


DIFFERENCES = Check(
    "differences",
    "finite differences, and complex steps where a function is analytic",
    _functions,
    _ways,
    _complaint,
)
