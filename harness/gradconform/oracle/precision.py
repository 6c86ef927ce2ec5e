"""The same program in another precision, or with its inputs moved a little; for the second opinions.

In the wider program every floating or complex input, and every dtype that a step names, is float64 or
complex128. The casts that a program makes on purpose (`x.half()`) are then exact: they belong to the rounding
whose size is measured, not to the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import torch

from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Call,
    Dtype,
    Grad,
    Input,
    Invoke,
    Items,
    Let,
    Mutate,
    Program,
    Record,
    Return,
    Set,
    Step,
    Yield,
    body_of,
    with_body,
)

WIDER = {
    "float16": "float64",
    "bfloat16": "float64",
    "float32": "float64",
    "float64": "float64",
    "complex32": "complex128",
    "complex64": "complex128",
    "complex128": "complex128",
}
NARROWER = {"float64": "float32", "complex128": "complex64"}

CASTS = {
    "half": "float16",
    "bfloat16": "bfloat16",
    "float": "float32",
    "double": "float64",
    "cfloat": "complex64",
    "cdouble": "complex128",
}
"""Operators that cast, and their dtypes."""


def wider(program: Program) -> Program:
    """The program in float64 and complex128."""
    return _retyped(program, WIDER)


def narrower(program: Program) -> Program:
    """A program in float64 or complex128 as one in float32 or complex64. Its inputs are rounded."""
    return _retyped(program, NARROWER)


def is_widest(program: Program) -> bool:
    """Whether all floating or complex inputs (there is at least one) are in 64-bit floats already."""
    dtypes = [item.data.dtype for item in program.inputs if is_inexact(item.data)]
    return bool(dtypes) and all(dtype in (torch.float64, torch.complex128) for dtype in dtypes)


def casts_down(program: Program) -> bool:
    """Whether a step names a dtype, or an operator that casts to one, narrower than the widest of the
    inputs."""
    return coarsest(program) > finest(program)


def coarsest(program: Program) -> float:
    """The largest unit roundoff among that of the widest input and those of the dtypes that steps name or
    cast to; 0 where nothing is floating or complex."""
    named: set[str] = set()
    for _, step in program.walk():
        if isinstance(step, Apply | Mutate | Invoke):
            named.update(
                argument.name
                for argument in (*step.arguments, *step.options.values())
                if isinstance(argument, Dtype) and argument.name in WIDER
            )
        if isinstance(step, Apply) and step.operator in CASTS:
            named.add(CASTS[step.operator])
    return max([finest(program), *(unit(getattr(torch, name)) for name in named)])


def finest(program: Program) -> float:
    """The unit roundoff of the widest input; 0 where none is floating or complex."""
    widths = [unit(item.data.dtype) for item in program.inputs if is_inexact(item.data)]
    return min(widths, default=0.0)


def unit(dtype: torch.dtype) -> float:
    """The unit roundoff of a floating or complex dtype: half the distance from 1 to the next number."""
    return torch.finfo(dtype).eps / 2


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Factories without a dtype (`tensor([0.1])`) make this dtype inside; the former default is restored."""
    former = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(former)


def one_ulp_away(program: Program, seed: int) -> Program:
    """Every floating or complex input moved to a neighbouring number, up or down by the toss of a seeded
    coin."""

    def move(value: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        up = torch.randint(0, 2, value.shape, generator=generator) == 1
        infinity = torch.full_like(value, float("inf"))
        return torch.nextafter(value, infinity.where(up, -infinity))

    return _moved(program, seed, move)


def nearby(program: Program, seed: int, reach: float) -> Program:
    """Every floating or complex input made smaller by a random share of at most `reach` (0 < reach < 1).

    Smaller, never larger and never of the other sign: so it stays where log, sqrt and asin are defined.
    """

    def move(value: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        share = torch.rand(value.shape, generator=generator, dtype=torch.float64) * reach
        return (value.to(torch.float64) * (1 - share)).to(value.dtype)

    return _moved(program, seed, move)


def _moved(
    program: Program, seed: int, move: Callable[[torch.Tensor, torch.Generator], torch.Tensor]
) -> Program:
    generator = torch.Generator().manual_seed(seed)

    def moved(data: torch.Tensor) -> torch.Tensor:
        if data.is_complex():
            return torch.view_as_complex(moved(torch.view_as_real(data)))
        there = move(data, generator)
        return there.where(there.isfinite(), data)

    def moved_input(item: Input) -> Input:
        if not is_inexact(item.data):
            return item
        if item.layout == "expanded" and item.data.dim():
            # One row stands for all of them in memory, so they move together.
            return replace(item, data=moved(item.data[:1]).expand_as(item.data).contiguous())
        return replace(item, data=moved(item.data))

    return replace(program, inputs=tuple(map(moved_input, program.inputs)))


def is_inexact(data: torch.Tensor) -> bool:
    """Whether a tensor holds floating or complex numbers."""
    return data.is_floating_point() or data.is_complex()


def _retyped(program: Program, names: Mapping[str, str]) -> Program:
    def cast(item: Input) -> Input:
        name = names.get(str(item.data.dtype).removeprefix("torch."))
        return item if name is None else replace(item, data=item.data.to(getattr(torch, name)))

    steps = tuple(_retype(step, names) for step in program.steps)
    return replace(program, inputs=tuple(map(cast, program.inputs)), steps=steps)


def _retyped_cast(operator: str, names: Mapping[str, str]) -> str:
    """What casts to the other dtype, for an operator that casts; otherwise the operator itself."""
    dtype = CASTS.get(operator, "")
    if dtype not in names:
        return operator
    return next(cast for cast, made in CASTS.items() if made == names[dtype])


def _retype(step: Step, names: Mapping[str, str]) -> Step:
    def argument(value: Argument) -> Argument:
        match value:
            case Dtype(name):
                return Dtype(names.get(name, name))
            case Items(items):
                return replace(value, items=tuple(map(argument, items)))
            case _:
                return value

    match step:
        case Apply() | Mutate():
            operator = _retyped_cast(step.operator, names)
            arguments = tuple(map(argument, step.arguments))
            options = {key: argument(value) for key, value in step.options.items()}
            return replace(step, operator=operator, arguments=arguments, options=options)
        case Invoke() | Call() | Backward() | Grad():
            options = {key: argument(value) for key, value in step.options.items()}
            return replace(step, arguments=tuple(map(argument, step.arguments)), options=options)
        case Set() | Let() | Return() | Yield() | Record():
            return replace(step, value=argument(step.value))
        case _:
            body = body_of(step)
            return with_body(step, tuple(_retype(inner, names) for inner in body)) if body else step
