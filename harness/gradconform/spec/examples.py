"""The documented examples of tensor variables: literals from a file, and whether they fit their domain."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gradconform.errors import Place
from gradconform.spec.describe import describe
from gradconform.spec.dtypes import COMPLEX, INTEGER, LARGEST
from gradconform.spec.scenario import Nested, Number, within
from gradconform.spec.shapes import MAX_RANK
from gradconform.spec.source import Report
from gradconform.spec.tree import Node, Scalar, Sequence

_NUMBER_TEXT = re.compile(r"[-+0-9.eEjnaif]+")
_DYADIC_BITS = 8
"""Significant binary digits of a dyadic example: bfloat16, the coarsest dtype, holds so many."""


@dataclass(frozen=True, slots=True)
class Example:
    """A literal tensor: its value as nested tuples, its sizes, and each number with its place."""

    value: Nested
    sizes: tuple[int, ...]
    numbers: tuple[tuple[Place, Number], ...]


def read_example(node: Node, report: Report) -> Example | None:
    """The literal at a node that a tensor variable can be, or None with what is wrong in the report."""
    rank = len(_sizes(node))
    if rank > MAX_RANK:
        report.add(node.place, f"the example has {rank} dimensions", f"a tensor has at most {MAX_RANK}")
        return None
    return read_literal(node, report)


def read_literal(node: Node, report: Report) -> Example | None:
    """The literal at a node, or None with what is wrong in the report."""
    numbers: list[tuple[Place, Number]] = []
    sizes = _sizes(node)
    count = len(report.problems)
    value = _literal(node, sizes, numbers, report)
    if value is None or len(report.problems) > count:
        return None
    return Example(value, sizes, tuple(numbers))


def check_numbers(example: Example, dtypes: tuple[str, ...], values: str, report: Report) -> None:
    """Reports the first number that does not fit a dtype, and the first that is not of the kind of values."""
    for problems in (_dtype_problems(example, dtypes), values_problems(example.numbers, values)):
        for place, message, hint in problems:
            report.add(place, message, hint)
            break


def equal_rows(example: Example) -> bool:
    """Whether all rows along the first dimension hold the same numbers, signs of zero and nan included."""
    numbers = [number for _, number in example.numbers]
    length = len(numbers) // example.sizes[0] if example.sizes and example.sizes[0] else len(numbers)
    return all(_same(number, numbers[index % length]) for index, number in enumerate(numbers))


def _same(one: Number, other: Number) -> bool:
    return str(one) == str(other) or (one == other != 0)


def _sizes(node: Node) -> tuple[int, ...]:
    """The sizes along the first element of each list: those that all the others must have."""
    sizes: list[int] = []
    while isinstance(node, Sequence):
        sizes.append(len(node.items))
        if not node.items:
            break
        node = node.items[0]
    return tuple(sizes)


def _literal(
    node: Node, sizes: tuple[int, ...], numbers: list[tuple[Place, Number]], report: Report
) -> Nested | None:
    match node:
        case Sequence(items=items) if sizes and len(items) == sizes[0]:
            parts = []
            for item in items:
                part = _literal(item, sizes[1:], numbers, report)
                if part is None:
                    return None
                parts.append(part)
            return tuple(parts)
        case Scalar(value=value) if not sizes:
            number = _number(value)
            if number is None:
                report.add(
                    node.place,
                    f"{describe(value)} is no number of an example",
                    "write numbers, or nan, inf, -inf, 1+2j",
                )
                return None
            numbers.append((node.place, number))
            return number
        case Sequence(items=items):
            wanted = f"{sizes[0]} elements" if sizes else "a number"
            report.add(
                node.place, f"a list of {len(items)} where the example has {wanted} before it", _RAGGED
            )
        case Scalar():
            report.add(node.place, f"a number where the example has a list of {sizes[0]} before it", _RAGGED)
        case _:
            report.add(node.place, "an example is a number or nested lists of numbers, not a mapping")
    return None


_RAGGED = "the lists of one level must be equally long"


def _number(value: object) -> Number | None:
    match value:
        case bool() | int() | float():
            return value
        case str() if len(value) < 100 and _NUMBER_TEXT.fullmatch(value):
            for read in (float, complex):
                try:
                    return read(value)
                except ValueError:
                    continue
    return None


def _dtype_problems(example: Example, dtypes: tuple[str, ...]) -> Iterator[tuple[Place, str, str]]:
    for place, number in example.numbers:
        for dtype in dtypes:
            reason = _misfit(number, dtype)
            if reason:
                yield (
                    place,
                    f"{_shown(number)} does not fit dtype {dtype}: {reason}",
                    _dtype_hint(number, dtype),
                )


def _misfit(number: Number, dtype: str) -> str:
    """Why a number cannot be an element of a tensor of this dtype, or an empty string."""
    if isinstance(number, bool) != (dtype == "bool"):
        return "it is a boolean" if isinstance(number, bool) else "its elements are true and false"
    if dtype == "bool":
        return ""
    if isinstance(number, complex):
        return "" if dtype in COMPLEX else "it is complex"
    if dtype in INTEGER and not isinstance(number, int):
        return "it is no whole number"
    # An integer is compared as one: it may be larger than any float.
    if abs(number) > LARGEST[dtype] and not (isinstance(number, float) and math.isinf(number)):
        return f"the largest number there is {LARGEST[dtype]}"
    return ""


def _dtype_hint(number: Number, dtype: str) -> str:
    if isinstance(number, complex):
        return "give the variable dtype: complex, or the scenario complex dtypes"
    if isinstance(number, bool):
        return "write 1.0 or 0.0, or give the variable dtype: bool"
    return "write true or false" if dtype == "bool" else ""


def values_problems(numbers: Iterable[tuple[Place, Number]], values: str) -> Iterator[tuple[Place, str, str]]:
    """Place, message and hint for each number of an example that is not of this kind of values."""
    if values == "special":
        return
    bounds = within(values)
    seen: set[Number] = set()
    for place, number in numbers:
        if isinstance(number, bool):
            continue
        parts = (number.real, number.imag)
        reason = ""
        if not all(isinstance(part, int) or math.isfinite(part) for part in parts):
            yield place, f"{_shown(number)} is not finite, and the values are {values}", "use values: special"
        elif values == "positive" and not number.real > 0:
            reason = "positive"
        elif values == "nonzero" and number == 0:
            reason = "nonzero"
        elif bounds is not None and not all(_inside(part, bounds) for part in _parts(number)):
            reason = f"between {bounds[0]:g} and {bounds[1]:g}"
        elif values == "distinct" and number in seen:
            reason = "distinct from the numbers before it"
        elif values == "dyadic" and not all(map(_is_dyadic, parts)):
            reason = f"dyadic (a fraction k / 2**n with k of at most {_DYADIC_BITS} binary digits)"
        if reason:
            yield (
                place,
                f"{_shown(number)} is not {reason}, as values: {values} has it",
                "change one of the two",
            )
        seen.add(number)


def _parts(number: Number) -> tuple[float, ...]:
    return (number.real, number.imag) if isinstance(number, complex) else (number,)


def _inside(part: float, bounds: tuple[float, float]) -> bool:
    low, high = bounds
    return low <= part <= high if isinstance(part, int) else low < part < high


def _is_dyadic(part: float) -> bool:
    if part == 0:
        return True
    if isinstance(part, int):
        return (abs(part) >> ((part & -part).bit_length() - 1)).bit_length() <= _DYADIC_BITS
    mantissa, _ = math.frexp(part)
    return float(mantissa * 2**_DYADIC_BITS).is_integer()


def _shown(number: Number) -> str:
    text = str(number).lower() if isinstance(number, bool) else str(number)
    return text if len(text) <= 40 else text[:40] + "..."
