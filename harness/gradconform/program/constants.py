"""What is known before a program runs: literals, drawn integers and choices, and arithmetic on them.

Only numbers are computed with, one operation at a time and within bounds, so that no text can make the
harness work for long or fill the memory.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

from gradconform.program.steps import Argument, Dtype
from gradconform.program.vocabulary import DTYPES

BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Pow: "pow",
    ast.MatMult: "matmul",
}
COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
}
RELATIONS: dict[type[ast.cmpop], str] = {
    **COMPARE,
    ast.Is: "is",
    ast.IsNot: "is_not",
    ast.In: "in",
    ast.NotIn: "not_in",
}
NUMBERS = (bool, int, float, complex)
INTEGER_BITS = 64

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_SAME: dict[type[ast.cmpop], bool] = {ast.Eq: True, ast.NotEq: False}
_IDENTICAL: dict[type[ast.cmpop], bool] = {ast.Is: True, ast.IsNot: False}


class Unknown(Exception):  # noqa: N818 - says that an expression is not a constant; never leaves this package
    """The expression is not known before the program runs."""


class ConstantError(Exception):
    """Arithmetic on constants that cannot be done; `node` is where it stands."""

    def __init__(self, node: ast.expr, message: str) -> None:
        self.node = node
        super().__init__(message)


class Constants(dict[str, Argument]):
    """The names whose values are known at this point of a program, and arithmetic on them."""

    def lookup(self, node: ast.expr) -> tuple[bool, Argument]:
        """(True, its value) where an expression is a constant, else (False, None). Raises ConstantError."""
        # The commonest cases first, without the cost of an exception.
        if isinstance(node, ast.Name):
            if node.id in self:
                return True, self[node.id]
            return (True, Dtype(node.id)) if node.id in DTYPES else (False, None)
        if isinstance(node, ast.Attribute | ast.Subscript | ast.List | ast.Tuple):
            return False, None
        try:
            return True, self.evaluate(node)
        except Unknown:
            return False, None

    def evaluate(self, node: ast.expr) -> Any:
        """The value of a constant expression. Raises Unknown where it is none, and ConstantError."""
        match node:
            case ast.Constant(value=value):
                return _bounded(node, value)
            case ast.Name(id=name) if name in self:
                return self[name]
            case ast.Name(id=name) if name in DTYPES:
                return Dtype(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _bounded(node, -_number(node, self.evaluate(operand)))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.evaluate(operand)
            case ast.BoolOp(op=op, values=[*others, last]):
                for other in others:
                    part = self.evaluate(other)
                    if bool(part) is isinstance(op, ast.Or):
                        return part
                return self.evaluate(last)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return _arithmetic(node, op, self.evaluate(left), self.evaluate(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return _compare(node, op, self.evaluate(left), self.evaluate(right))
            case ast.Call(func=ast.Name("float"), args=[ast.Constant(str() as text)], keywords=[]):
                return _float(node, text)
            case ast.Call(func=ast.Name("complex"), args=[real, imaginary], keywords=[]):
                return complex(_real(real, self.evaluate(real)), _real(imaginary, self.evaluate(imaginary)))
            case _:
                raise Unknown


def is_constant(node: ast.expr, names: Container[str]) -> bool:
    """Whether `Constants.evaluate` has a value for an expression, given the names that are constant."""
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return name in names or name in DTYPES
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            return is_constant(operand, names)
        case ast.BoolOp(values=values):
            return all(is_constant(value, names) for value in values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return is_constant(left, names) and is_constant(right, names)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if not isinstance(op, ast.In | ast.NotIn):
            return is_constant(left, names) and is_constant(right, names)
        case ast.Call(func=ast.Name("float"), args=[ast.Constant(str())], keywords=[]):
            return True
        case ast.Call(func=ast.Name("complex"), args=[real, imaginary], keywords=[]):
            return is_constant(real, names) and is_constant(imaginary, names)
        case _:
            return False


def assigned(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names that statements and their bodies, or targets, give a value to or delete, definitions
    included; what a definition's own body assigns is its own."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        else:
            waiting += ast.iter_child_nodes(node)


def parameters(node: ast.FunctionDef) -> Iterator[str]:
    """The names of a definition's parameters, in order."""
    given = node.args
    for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
        if one is not None:
            yield one.arg


class _Anything:
    def __contains__(self, name: object) -> bool:
        return True


def constant_names(nodes: Iterable[ast.AST], given: Iterable[str], tensors: Iterable[str]) -> frozenset[str]:
    """The names that hold constants wherever they are assigned; `given` are constant from the start.

    nodes: all of a program's syntax tree.

    A name that is given another value anywhere is no constant, nor is one that depends on it. Neither is one
    that is assigned in a body of `raises`, since nobody knows how far that runs.
    """
    candidates = set(given)
    dependents: dict[str, set[str]] = {}
    variable = list(tensors)

    def value(name: str, node: ast.expr) -> None:
        candidates.add(name)
        if not is_constant(node, _Anything()):
            variable.append(name)
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                dependents.setdefault(part.id, set()).add(name)

    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=source):
                value(name, source)
            case ast.AugAssign(target=ast.Name(id=name), value=source):
                value(name, source)
            case ast.Assign(targets=targets):
                variable += assigned(targets)
            case ast.FunctionDef(name=name):
                variable += (name, *parameters(node))
            case ast.ClassDef(name=name):
                variable.append(name)
            case ast.withitem(optional_vars=ast.expr() as target):
                variable += assigned([target])
            case ast.For(target=ast.Name(id=name)):
                candidates.add(name)
            case ast.With(items=[ast.withitem(context_expr=ast.Call(func=ast.Name("raises")))], body=body):
                variable += assigned(body)
    while variable:
        name = variable.pop()
        candidates.discard(name)
        variable += dependents.pop(name, ())
    return frozenset(candidates)


def _number(node: ast.expr, value: object) -> Any:
    if not isinstance(value, NUMBERS):
        raise ConstantError(node, f"there is no arithmetic on {kind(value)}")
    return value


def _real(node: ast.expr, value: object) -> float:
    if isinstance(value, complex):
        raise ConstantError(node, "a part of a complex number is a real number")
    return float(_number(node, value))


def _bounded(node: ast.expr, value: Any) -> Any:
    if isinstance(value, int) and not -(2 ** (INTEGER_BITS - 1)) <= value < 2 ** (INTEGER_BITS - 1):
        raise ConstantError(node, f"an integer must fit in {INTEGER_BITS} bits")
    return value


def _arithmetic(node: ast.expr, op: ast.operator, left: object, right: object) -> Any:
    a, b = _number(node, left), _number(node, right)
    if type(op) not in _ARITHMETIC:
        raise ConstantError(node, "`@` multiplies matrices, not numbers")
    if isinstance(op, ast.Pow) and isinstance(a, int) and isinstance(b, int):
        # Refused before it is computed: the result may have any number of digits.
        if a.bit_length() > 1 and a.bit_length() * b > 2 * INTEGER_BITS:
            raise ConstantError(node, f"an integer must fit in {INTEGER_BITS} bits")
        if abs(a) <= 1 and b > 1:
            b = 2 + b % 2
    try:
        return _bounded(node, _ARITHMETIC[type(op)](a, b))
    except (ArithmeticError, ValueError) as error:
        raise ConstantError(node, f"arithmetic on constants failed: {error}") from None


def _compare(node: ast.expr, op: ast.cmpop, left: object, right: object) -> bool:
    if type(op) in _SAME:
        return (left == right) is _SAME[type(op)]
    if type(op) in _IDENTICAL:
        return (type(left) is type(right) and left == right) is _IDENTICAL[type(op)]
    if type(op) not in _ORDER:
        raise Unknown
    for value in (left, right):
        _real(node, value)
    return _ORDER[type(op)](left, right)


def _float(node: ast.expr, text: str) -> float:
    try:
        return float(text[:64])
    except ValueError:
        raise ConstantError(node, f"float({text[:40]!r}) is no number") from None


def kind(value: object) -> str:
    """What a constant is, for a message: `a string`, `None`, `a dtype`."""
    match value:
        case None:
            return "None"
        case str():
            return "a string"
        case Dtype():
            return "a dtype"
        case bool():
            return "a boolean"
        case int() | float() | complex():
            return "a number"
        case _:
            return f"a {type(value).__name__}"
