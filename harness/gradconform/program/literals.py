"""Writing constants as text that reads back as the same value, with Python's precedence."""

from __future__ import annotations

from math import copysign, isfinite

from gradconform.program.steps import Dtype, Named

OR, AND, NOT, COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM = range(9)
"""Python's precedence, as far as the language has operators; a higher number binds tighter."""

PRECEDENCE = {
    "+": SUM,
    "-": SUM,
    "*": PRODUCT,
    "/": PRODUCT,
    "@": PRODUCT,
    "**": POWER,
    "==": COMPARISON,
    "!=": COMPARISON,
    "<": COMPARISON,
    "<=": COMPARISON,
    ">": COMPARISON,
    ">=": COMPARISON,
}

Text = tuple[str, int]
"""An expression's text with its precedence."""


def enclosed(text: Text, rank: int) -> str:
    """The text, in parentheses where it binds less tightly than its place asks for."""
    return f"({text[0]})" if text[1] < rank else text[0]


def infix(symbol: str, left: Text, right: Text) -> Text:
    """`left symbol right`, with the parentheses that it needs."""
    rank = PRECEDENCE[symbol]
    # Comparisons do not chain in the language, and a power binds to the right.
    tighter_left = rank + (symbol == "**" or rank == COMPARISON)
    tighter_right = rank + (symbol != "**")
    return f"{enclosed(left, tighter_left)} {symbol} {enclosed(right, tighter_right)}", rank


def constant(value: object, prefix: str = "") -> Text:
    """A constant as the step language writes it; `prefix` stands before a dtype's name.

    Raises TypeError for what is no constant of the language.
    """
    match value:
        case Dtype(name) | Named(name):
            return prefix + name, ATOM
        case None | bool() | str():
            return repr(value), ATOM
        case int():
            return repr(value), ATOM if value >= 0 else SIGN
        case float():
            return _float(value), SIGN if isfinite(value) and copysign(1.0, value) < 0 else ATOM
        case complex(real=real, imag=imaginary):
            if copysign(1.0, real) > 0 and real == 0 and isfinite(imaginary) and copysign(1.0, imaginary) > 0:
                return f"{imaginary!r}j", ATOM
            # "1 - 2j" would lose the sign of a zero.
            return f"complex({_float(real)}, {_float(imaginary)})", ATOM
        case tuple():
            return f"[{', '.join(constant(item, prefix)[0] for item in value)}]", ATOM
        case _ if value is ...:
            return "...", ATOM
        case _:
            raise TypeError(f"a {type(value).__name__} is no constant of the step language")


def _float(value: float) -> str:
    return repr(value) if isfinite(value) else f'float("{value}")'
