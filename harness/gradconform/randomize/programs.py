"""Random straight-line programs: leaves, operators with fan-out and reuse, a sum and a backward.

Each step is one choice, which makes a program cheap to draw. The simplest choice leaves the step out, and
what would have used its result uses the value before it; the steps after it stay as they are, so that a
failing program shrinks to the steps that it needs. What is known of the size of each value decides which
operators may take it, so that nearly all numbers stay finite and inside the operators' domains.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

from gradconform.errors import UsageError
from gradconform.program.steps import Apply, Backward, Input, Options, Program, Ref
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.values import fill
from gradconform.spec.dtypes import FLOATING

Range = Literal["unit", "small", "positive", "any"]
"""What is known of a value: from -1 to 1; from -8 to 8 (leaves); from about 0.001 to 1000; nothing."""

_UNARY: dict[str, dict[Range, tuple[str, Range]]] = {
    # For each range of the operand: what is applied, and the range of the result. Where an operator's numbers
    # would grow or leave its domain, one from before it takes its place: a simpler choice gives that one too.
    "neg": {
        "unit": ("neg", "unit"),
        "small": ("neg", "small"),
        "positive": ("neg", "any"),
        "any": ("neg", "any"),
    },
    "sin": dict.fromkeys(get_args(Range), ("sin", "unit")),
    "cos": dict.fromkeys(get_args(Range), ("cos", "unit")),
    "tanh": dict.fromkeys(get_args(Range), ("tanh", "unit")),
    "sigmoid": {
        "unit": ("sigmoid", "positive"),
        "small": ("sigmoid", "positive"),
        "positive": ("sigmoid", "positive"),
        "any": ("sigmoid", "unit"),
    },
    "exp": {
        "unit": ("exp", "positive"),
        "small": ("exp", "positive"),
        "positive": ("sigmoid", "positive"),
        "any": ("tanh", "unit"),
    },
    "log": {
        "unit": ("exp", "positive"),
        "small": ("exp", "positive"),
        "positive": ("log", "small"),
        "any": ("sin", "unit"),
    },
    "sqrt": {
        "unit": ("sigmoid", "positive"),
        "small": ("sigmoid", "positive"),
        "positive": ("sqrt", "positive"),
        "any": ("cos", "unit"),
    },
    "rsqrt": {
        "unit": ("exp", "positive"),
        "small": ("exp", "positive"),
        "positive": ("rsqrt", "positive"),
        "any": ("sin", "unit"),
    },
    "reciprocal": {
        "unit": ("sigmoid", "positive"),
        "small": ("sigmoid", "positive"),
        "positive": ("reciprocal", "positive"),
        "any": ("cos", "unit"),
    },
    "square": {
        "unit": ("square", "unit"),
        "small": ("square", "any"),
        "positive": ("log", "small"),
        "any": ("tanh", "unit"),
    },
}


def _sum(name: str, left: Range, right: Range) -> tuple[str, Range]:
    return name, "small" if left == right == "unit" else "any"


def _product(left: Range, right: Range) -> tuple[str, Range]:
    if left == right == "unit":
        return "mul", "unit"
    # Never two large values: eight squarings of 10 overflow.
    return ("mul", "any") if "unit" in {left, right} or "small" in {left, right} else ("add", "any")


def _quotient(left: Range, right: Range) -> tuple[str, Range]:
    return ("div", "any") if right == "positive" else _product(left, right)


OPERATORS = (*_UNARY, "add", "sub", "mul", "div")
"""The operators of random programs, the simplest first."""

_ROWS: dict[tuple[Range, Range], tuple[tuple[str, bool, Range], ...]] = {
    # For each operator: what is applied, whether to two operands, and the range of the result.
    (left, right): (
        *((by[left][0], False, by[left][1]) for by in _UNARY.values()),
        *(
            (name, True, result)
            for name, result in (
                _sum("add", left, right),
                _sum("sub", left, right),
                _product(left, right),
                _quotient(left, right),
            )
        ),
    )
    for left in get_args(Range)
    for right in get_args(Range)
}

_WINDOW = 3
"""The first operand is one of so many latest values, so that programs become deep; the second is any."""

_PLAIN: Options = {}


def random_program(
    chooser: Chooser, *, steps: int = 8, shape: tuple[int, ...] = (3, 3), dtype: str = "float32"
) -> Program:
    """A program of leaves of this shape and dtype, up to `steps` operators, a sum and a backward.

    The leaves are x and y, and z where a step uses it.
    Raises UsageError for a dtype that is not floating: a sum of any other has no implicit gradient.
    """
    if dtype not in FLOATING:
        raise UsageError(
            f"a random program ends in sum().backward(), which {dtype} does not have; use float32"
        )
    leaves = _leaves(chooser.below(_SEEDS), shape, dtype)
    # z stands between the first and the last, which are the simplest to choose.
    live: list[tuple[str, Range]] = [("x", "small"), ("z", "small"), ("y", "small")]
    applied = []
    has_z = False
    for index in range(steps):
        size = len(live)
        number = chooser.below(1 + len(OPERATORS) * size * _WINDOW)
        if number == 0:
            live.append(live[-1])  # so that the number of values stays, and what later choices mean
            continue
        number -= 1
        left, left_range = live[size - 1 - number % _WINDOW]
        number //= _WINDOW
        right, right_range = live[number % size]
        name, binary, result = _ROWS[left_range, right_range][number // size]
        applied.append(_apply(index, name, left, right if binary else ""))
        has_z = has_z or left == "z" or (binary and right == "z")
        live.append((f"v{index}", result))
    return Program(leaves if has_z else leaves[:2], (*applied, _total(live[-1][0]), _BACKWARD))


_SEEDS = 4096
"""The leaves are those of one of so many seeds. Filling them takes as long as drawing all the steps, so what
was filled is kept."""


@lru_cache(maxsize=2 * _SEEDS)
def _leaves(seed: int, shape: tuple[int, ...], dtype: str) -> tuple[Input, ...]:
    data = fill("real", (3, *shape), dtype, seed).unbind()
    return tuple(Input(name, leaf, True) for name, leaf in zip("xyz", data, strict=True))


@lru_cache(maxsize=65536)
def _apply(index: int, operator: str, left: str, right: str) -> Apply:
    # Steps are values: the same one may stand in many programs.
    return Apply(f"v{index}", operator, (Ref(left), Ref(right)) if right else (Ref(left),), _PLAIN)


@lru_cache(maxsize=1024)
def _total(name: str) -> Apply:
    return Apply("total", "sum", (Ref(name),), _PLAIN)


_BACKWARD = Backward((Ref("total"),), _PLAIN)
