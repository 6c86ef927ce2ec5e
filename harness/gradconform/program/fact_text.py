"""The text of a fact, written from its expression: what was drawn stands in it with its value."""

from __future__ import annotations

from gradconform.program.expressions import Constant, Expression, Operation, Place, Shown
from gradconform.program.literals import (
    AND,
    ATOM,
    COMPARISON,
    NOT,
    OR,
    SIGN,
    Text,
    constant,
    enclosed,
    infix,
)
from gradconform.program.vocabulary import DTYPES, OPERATORS

_WORDS = {"is": "is", "is_not": "is not", "in": "in", "not_in": "not in"}
_INFIX = {row.name: row.symbol for row in OPERATORS.values() if row.symbol and not row.method}


def fact_text(expression: Expression, places: tuple[Place, ...], *, law: bool) -> str:
    """`assert ...` for a law, `shows(place, literal)` for what only the documented example shows."""
    match expression:
        case Operation("eq", (place, literal)) if not law:
            return f"shows({_text(place, places)[0]}, {_text(literal, places)[0]})"
        case _:
            return f"assert {_text(expression, places)[0]}"


def _text(expression: Expression, places: tuple[Place, ...]) -> Text:
    match expression:
        case Shown(index):
            return str(places[index]), ATOM
        case Constant(value):
            return _constant(value)
        case Operation("getitem", (owner, Operation("tuple", (_, *_) as items))):
            inside = ", ".join(_text(item, places)[0] for item in items) + ("," if len(items) == 1 else "")
            return f"{enclosed(_text(owner, places), ATOM)}[{inside}]", ATOM
        case Operation(name, operands, options):
            named = [f"{key}={_constant(value)[0]}" for key, value in options.items()]
            return _operation(name, [_text(operand, places) for operand in operands], named)


def _constant(value: object) -> Text:
    if isinstance(value, slice):
        return _slice(value), ATOM
    # A dtype is seen as its name, and stands in a fact as a name.
    return (value, ATOM) if isinstance(value, str) and value in DTYPES else constant(value)


def _operation(name: str, operands: list[Text], named: list[str]) -> Text:
    match name, operands:
        case (("and" | "or"), _):
            rank = AND if name == "and" else OR
            return f" {name} ".join(enclosed(operand, rank + 1) for operand in operands), rank
        case "not", [operand]:
            return f"not {enclosed(operand, NOT)}", NOT
        case "neg", [operand] if not named:
            return f"-{enclosed(operand, SIGN)}", SIGN
        case "list", _:
            return f"[{', '.join(operand for operand, _ in operands)}]", ATOM
        case "tuple", _:
            inner = ", ".join(operand for operand, _ in operands)
            return f"({inner}{',' if len(operands) == 1 else ''})", ATOM
        case "getitem", [owner, (index, _)]:
            return f"{enclosed(owner, ATOM)}[{index}]", ATOM
        case _, [left, right] if name in _WORDS:
            sides = enclosed(left, COMPARISON + 1), enclosed(right, COMPARISON + 1)
            return f"{sides[0]} {_WORDS[name]} {sides[1]}", COMPARISON
        case _, [left, right] if name in _INFIX and not named:
            return infix(_INFIX[name], left, right)
    rest = [operand for operand, _ in operands]
    if name in OPERATORS and OPERATORS[name].method:
        return f"{enclosed(operands[0], ATOM)}.{name}({', '.join((*rest[1:], *named))})", ATOM
    return f"{name}({', '.join((*rest, *named))})", ATOM


def _slice(value: slice) -> str:
    parts = ["" if part is None else constant(part)[0] for part in (value.start, value.stop, value.step)]
    return ":".join(parts[: 3 if value.step is not None else 2])
