"""Random straight-line programs: leaves, operators with fan-out and reuse, a sum and a backward.

Each step is one choice, which is what makes a program cheap to draw; its simplest value leaves the step out,
so that a failing program shrinks to the steps that it needs. What is known of the magnitude of each value
decides which operators may take it, so that nearly all numbers stay finite and inside the operators' domains.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from gradconform.errors import UsageError
from gradconform.program.steps import Apply, Backward, Input, Options, Program, Ref
from gradconform.program.vocabulary import OPERATORS
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.values import fill
from gradconform.spec.dtypes import FLOATING

Range = Literal["unit", "small", "positive", "any"]
"""What is known of a value: from -1 to 1; from -8 to 8 (leaves); about 0.001 to 1000; nothing."""

_UNARY: dict[Range, dict[str, Range]] = {
    "unit": {
        "neg": "unit",
        "square": "unit",
        "exp": "positive",
        "sigmoid": "positive",
        "sin": "unit",
        "cos": "unit",
        "tanh": "unit",
    },
    "small": {
        "neg": "small",
        "square": "any",
        "exp": "positive",
        "sigmoid": "positive",
        "sin": "unit",
        "cos": "unit",
        "tanh": "unit",
    },
    "positive": {
        "neg": "any",
        "log": "small",
        "sqrt": "positive",
        "rsqrt": "positive",
        "reciprocal": "positive",
        "sin": "unit",
        "cos": "unit",
        "tanh": "unit",
    },
    "any": {"neg": "any", "sigmoid": "unit", "sin": "unit", "cos": "unit", "tanh": "unit"},
}


def _binary(left: Range, right: Range) -> dict[str, Range]:
    sums: Range = "small" if left == right == "unit" else "any"
    found: dict[str, Range] = {"add": sums, "sub": sums}
    if left != "any" or right in {"unit", "small"}:
        # Never two values of unknown size: eight squarings of 10 overflow.
        found["mul"] = "unit" if left == right == "unit" else "any"
    if right == "positive":
        found["div"] = "any"
    return found


Row = tuple[str, bool, Range]
"""An operator, whether it takes two operands, and the range of its result."""

_ROWS: dict[tuple[Range, Range], tuple[Row, ...]] = {
    (left, right): (
        *((name, False, result) for name, result in _UNARY[left].items()),
        *((name, True, result) for name, result in _binary(left, right).items()),
    )
    for left in _UNARY
    for right in _UNARY
}
_SPREAD = 120
"""How many values of a choice are spread over the rows: many more than rows, so that all are as likely."""

_WINDOW = 3
"""The first operand is one of so many latest values, so that programs become deep; the second is any."""

_LEAVES = ("x", "y", "z")
_PLAIN: Options = {}


def random_program(
    chooser: Chooser, *, steps: int = 8, shape: tuple[int, ...] = (3, 3), dtype: str = "float32"
) -> Program:
    """A program of two or three leaves of this shape and dtype, up to `steps` operators, a sum, a backward.

    Raises UsageError for a dtype that is not floating: a sum of any other has no implicit gradient.
    """
    if dtype not in FLOATING:
        raise UsageError(
            f"a random program ends in sum().backward(), which {dtype} does not have; use float32"
        )
    leaves = _LEAVES[: 2 + chooser.below(2)]
    data = fill("real", (len(leaves), *shape), dtype, chooser.seed())
    live: list[tuple[str, Range]] = [(name, "small") for name in leaves]
    applied = []
    for index in range(steps):
        size = len(live)
        window = min(size, _WINDOW)
        number = chooser.below(1 + _SPREAD * size * window)
        if not number:
            continue
        number, back = divmod(number - 1, window)
        number, other = divmod(number, size)
        left, left_range = live[size - 1 - back]
        right, right_range = live[other]
        rows = _ROWS[left_range, right_range]
        operator, binary, result = rows[number * len(rows) // _SPREAD]
        applied.append(_apply(index, operator, left, right if binary else ""))
        live.append((f"v{index}", result))
    inputs = tuple(Input(name, data[index], True) for index, name in enumerate(leaves))
    return Program(inputs, (*applied, _sum(live[-1][0]), _BACKWARD))


@lru_cache(maxsize=65536)
def _apply(index: int, operator: str, left: str, right: str) -> Apply:
    # Steps are values: the same one may stand in many programs.
    return Apply(f"v{index}", operator, (Ref(left), Ref(right)) if right else (Ref(left),), _PLAIN)


@lru_cache(maxsize=1024)
def _sum(name: str) -> Apply:
    return Apply("total", "sum", (Ref(name),), _PLAIN)


_BACKWARD = Backward((Ref("total"),), _PLAIN)

assert all(row[0] in OPERATORS for rows in _ROWS.values() for row in rows)  # noqa: S101
