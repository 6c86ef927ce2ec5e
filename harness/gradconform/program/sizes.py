"""How many elements a call asks for, as far as that is known before the program runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, prod

from gradconform.program.steps import Items
from gradconform.spec.shapes import MAX_ELEMENTS

Values = Sequence[object]
Named = Mapping[str, object]


def size_error(name: str, arguments: Values, options: Named) -> str:
    """Why a call makes a tensor that no scenario may have, or "". What is no literal counts as 1."""
    count = SIZED.get(name)
    if count is None:
        return ""
    if name == "Tensor" and any(isinstance(value, int | float) for value in arguments):
        return "'Tensor' of a number makes elements that nobody has set; give it a list"
    made = count(arguments, options)
    if made > MAX_ELEMENTS:
        return f"'{name}' asks for {made:.0f} elements; a tensor has at most {MAX_ELEMENTS}"
    return ""


def _dims(values: Values) -> float:
    sizes: list[object] = []
    for value in values:
        if isinstance(value, Items):
            sizes += value.items
        elif isinstance(value, tuple | list):
            sizes += value
        else:
            sizes.append(value)
    return prod(max(size, 1) for size in sizes if isinstance(size, int))


def _full(arguments: Values, options: Named) -> float:
    return _dims([*arguments[:1], *([options["size"]] if "size" in options else [])])


def _eye(arguments: Values, options: Named) -> float:
    sizes = [*arguments, *(options[key] for key in ("n", "m") if key in options)]
    return _dims(sizes) if len(sizes) > 1 else _dims(sizes * 2)


def _arange(arguments: Values, options: Named) -> float:
    given = [*arguments, *(options[key] for key in ("start", "end", "step") if key in options)]
    numbers = [value for value in given if isinstance(value, int | float)]
    if len(numbers) < len(given) or not all(map(isfinite, numbers)):
        return 0
    first, last, step = ((0, numbers[0], 1), (*numbers, 1), tuple(numbers))[min(len(numbers), 3) - 1]
    return abs((last - first) / step) if step else 0


def _linspace(arguments: Values, options: Named) -> float:
    return _dims([*arguments[2:], options.get("steps")])


def _padded(arguments: Values, options: Named) -> float:
    given = arguments[1] if len(arguments) > 1 else options.get("pad")
    sizes = given.items if isinstance(given, Items) else given
    if not isinstance(sizes, tuple | list):
        return 1
    return prod(1 + size for size in sizes if isinstance(size, int) and size > 0)


SIZED: dict[str, Callable[[Values, Named], float]] = {
    "zeros": lambda arguments, _: _dims(arguments),
    "ones": lambda arguments, _: _dims(arguments),
    "full": _full,
    "eye": _eye,
    "arange": _arange,
    "linspace": _linspace,
    "new_zeros": lambda arguments, options: _full(arguments[1:], options),
    "new_ones": lambda arguments, options: _full(arguments[1:], options),
    "new_full": lambda arguments, options: _full(arguments[1:], options),
    "expand": lambda arguments, _: _dims(arguments[1:]),
    "broadcast_to": lambda arguments, _: _dims(arguments[1:]),
    "nn.functional.one_hot": lambda arguments, options: _dims([*arguments[1:], options.get("num_classes")]),
    "nn.functional.pad": _padded,
    "repeat": lambda arguments, _: _dims(arguments[1:]),
    "repeat_interleave": lambda arguments, options: _dims([*arguments[1:2], options.get("repeats")]),
    "tile": lambda arguments, _: _dims(arguments[1:]),
    "Tensor": lambda *_: 0,
}
"""The operators whose own arguments say how much they make."""
