"""Whether a fact makes sense: its places can be looked at, and the oracle can evaluate its expression."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from itertools import pairwise

from gradconform.errors import did_you_mean
from gradconform.program import vocabulary as words
from gradconform.program.expressions import ALIVE, Constant, Expression, Operation, Place, Shown
from gradconform.program.kinds import LIST, NUMBER, OF_ATTRIBUTES, PLAIN, SHAPE, TENSOR, WHAT, Kind
from gradconform.program.sizes import size_error
from gradconform.program.steps import Fact

MAX_DEPTH = 64
"""How deep an expression may be nested."""

CONNECTIVES = {"and", "or", "not"}
RELATIONS = {"eq", "ne", "lt", "le", "gt", "ge", "is", "is_not", "in", "not_in"}
ARITHMETIC = {"add", "sub", "mul", "div", "pow", "matmul", "neg"}
_OPERANDS = {"not": 1, "neg": 1, "getitem": 2, **dict.fromkeys(RELATIONS, 2), **words.FACT_WORDS}


def check_fact(fact: Fact, kinds: Mapping[str, Kind], contexts: Container[str] = ()) -> Iterator[str]:
    """Everything that is wrong with a fact, given the names that have a value.

    contexts: those that stand for the context of a custom function, which has any attribute.
    """
    shown: list[Kind] = []
    for place in fact.places:
        wrong = _place_error(place, kinds, contexts)
        if wrong:
            yield wrong
        shown.append(_of_place(place, kinds))
    problems: list[str] = []
    _expression(fact.expression, shown, problems, 0)
    yield from problems


def _place_error(place: Place, kinds: Mapping[str, Kind], contexts: Container[str]) -> str:
    if not place.name:
        return "" if place.path in {(query,) for query in words.QUERIES} else f"unknown query {place.path}"
    if place.name not in kinds:
        hint = did_you_mean(place.name, kinds)
        return f"name '{place.name}' has no value here" + (f"; {hint}" if hint else "")
    if place.path == (ALIVE,):
        return ""
    free = int(place.name in contexts)
    for before, part in pairwise((place.name, *place.path)[free:]):
        if part not in words.ATTRIBUTES and (before, part) != ("grad_fn", "name()"):
            hint = did_you_mean(part, words.ATTRIBUTES)
            return f"unknown attribute '{part}'" + (f"; {hint}" if hint else "")
    return ""


def _of_place(place: Place, kinds: Mapping[str, Kind]) -> Kind:
    if not place.path:
        return kinds.get(place.name, TENSOR)
    if place.path[-1] == ALIVE or not place.name:
        return LIST if place.path[-1] == "recorded" else NUMBER
    return PLAIN if place.path[-1] == "name()" else OF_ATTRIBUTES.get(place.path[-1], TENSOR)


def _expression(expression: Expression, shown: list[Kind], problems: list[str], depth: int) -> Kind:
    if depth > MAX_DEPTH:
        problems.append(f"the expression is nested more than {MAX_DEPTH} deep")
        return TENSOR
    match expression:
        case Shown(index):
            if not 0 <= index < len(shown):
                problems.append(f"the fact has no place {index}")
                return TENSOR
            return shown[index]
        case Constant(value):
            return _of_constant(value)
        case Operation(name, operands, options):
            found = [_expression(operand, shown, problems, depth + 1) for operand in operands]
            wrong = _operation_error(expression, found)
            if wrong:
                problems.append(wrong)
            literals = [operand.value if isinstance(operand, Constant) else operand for operand in operands]
            too_large = size_error(name, literals, options)
            if too_large:
                problems.append(too_large)
            return _result(name, found)


def _operation_error(operation: Operation, kinds: list[Kind]) -> str:
    name, count = operation.name, len(kinds)
    if name in _OPERANDS:
        if count != _OPERANDS[name]:
            return f"'{name}' takes {_OPERANDS[name]} operands, not {count}"
    elif name in CONNECTIVES or name in {"list", "tuple"}:
        pass
    elif name not in words.OPERATORS:
        hint = did_you_mean(name, words.OPERATORS)
        return f"unknown operator '{name}'" + (f"; {hint}" if hint else "")
    elif words.OPERATORS[name].effect in {"write", "object"} or "." in name:
        return f"'{name}' cannot stand in a fact; a fact only looks"
    elif name in words.OF_THE_RUN:
        return f"'{name}' cannot be asked by a fact, which has copies; {words.NAME_THE_ANSWER}"
    else:
        why = words.call_error(words.OPERATORS[name], count, tuple(operation.options))
        if why:
            return f"call of '{name}' does not fit its signature: {why}"
    if name in ARITHMETIC:
        highest = max(kinds)
        if highest > NUMBER:
            return f"'{words.OPERATORS[name].symbol}' has no meaning for {WHAT[highest]}"
        small = len(operation.operands) == 2 and _is_small(operation.operands[1])
        if name == "pow" and TENSOR not in kinds and not small:
            return "'**' of plain numbers may grow without bound"
    return ""


def _is_small(exponent: Expression) -> bool:
    return (
        isinstance(exponent, Constant)
        and isinstance(exponent.value, int | float)
        and abs(exponent.value) <= 8
    )


def _result(name: str, kinds: list[Kind]) -> Kind:
    if name in {"list", "tuple"}:
        return LIST if all(kind == TENSOR for kind in kinds) else PLAIN
    if name == "getitem" and kinds:
        return NUMBER if kinds[0] == SHAPE else TENSOR if kinds[0] == LIST else kinds[0]
    if name in ARITHMETIC:
        return NUMBER if NUMBER in kinds and TENSOR not in kinds else TENSOR
    if name in {"numel", "dim", "item", "len"} or name in CONNECTIVES or name in words.FACT_WORDS:
        return NUMBER
    return PLAIN if name == "tolist" else TENSOR


def _of_constant(value: object) -> Kind:
    if value is None:
        return TENSOR
    return NUMBER if isinstance(value, bool | int | float | complex) else PLAIN
