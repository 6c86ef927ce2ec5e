"""Slips in a text of Python: operators swapped, conditions negated, constants and defaults changed,
statements left out, nothing returned."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Statement = ast.stmt
Slip = tuple[ast.expr | ast.stmt, str, str]
"""What is changed, the kind of slip, and what takes its place."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One slip.

    function: the name of the function that it is in, with those around it. line: where it starts. lines: the
    lines that run only where the slip can matter. around: those of the function's body. old, new: the text of
    the expression or statement before and after. text: that of the whole file with the slip.
    """

    path: str
    function: str
    kind: str
    line: int
    lines: frozenset[int]
    around: frozenset[int]
    old: str
    new: str
    text: str

    def __str__(self) -> str:
        return f"{self.path} {self.function}, {self.kind}: {_short(self.old)} -> {_short(self.new)}"


def _short(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) <= 100 else f"{one[:97]}..."


def mutations(path: str, text: str) -> Iterator[Mutation]:
    """The slips that can be made in the functions of a file, in the order of its text."""
    yield from _Finder(path, text).found()


class _Finder:
    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.lines = text.encode().splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def found(self) -> Iterator[Mutation]:
        for name, function in _functions(ast.parse(self.text).body, ""):
            yield from self._defaults(name, function)
            around = _own_lines(function)
            for statement in _statements(function.body):
                for slip in _slips(statement):
                    yield self._mutation(name, _own_lines(statement), around, slip)

    def _defaults(self, name: str, function: _Function) -> Iterator[Mutation]:
        arguments = function.args
        for default in (*arguments.defaults, *arguments.kw_defaults):
            other = _other_default(default)
            if default is not None and other is not None:
                lines = _own_lines(function)
                yield self._mutation(name, lines, lines, (default, "default changed", other))

    def _mutation(
        self,
        function: str,
        lines: frozenset[int],
        around: frozenset[int],
        slip: Slip,
    ) -> Mutation:
        node, kind, new = slip
        start, end = self._place(node.lineno, node.col_offset), self._place(_line(node), _column(node))
        whole = self.text.encode()
        old = whole[start:end].decode()
        text = (whole[:start] + new.encode() + whole[end:]).decode()
        return Mutation(self.path, function, kind, node.lineno, lines, around, old, new, text)

    def _place(self, line: int, column: int) -> int:
        return self.starts[line - 1] + column


def _line(node: ast.expr | _Statement) -> int:
    assert node.end_lineno is not None
    return node.end_lineno


def _column(node: ast.expr | _Statement) -> int:
    assert node.end_col_offset is not None
    return node.end_col_offset


def _own_lines(statement: _Statement) -> frozenset[int]:
    """The lines of a statement without those of its body; of a function, whose defaults matter where it is
    called, those of its body."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return frozenset(range(statement.body[0].lineno, _line(statement) + 1))
        case ast.If() | ast.While() | ast.For() | ast.With() | ast.Try():
            last = max(statement.lineno, statement.body[0].lineno - 1)
            return frozenset(range(statement.lineno, last + 1))
        case _:
            return frozenset(range(statement.lineno, _line(statement) + 1))


def _functions(body: list[_Statement], inside: str) -> Iterator[tuple[str, _Function]]:
    """All functions, those of classes and those in functions too."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield f"{inside}{name}", statement
                yield from _functions(statement.body, f"{inside}{name}.")
            case ast.ClassDef(name=name):
                yield from _functions(statement.body, f"{inside}{name}.")
            case ast.If() if not _is_type_checking(statement):
                yield from _functions([*statement.body, *statement.orelse], inside)
            case ast.For() | ast.While() | ast.With() | ast.Try():
                yield from _functions(statement.body, inside)


def _is_type_checking(statement: _Statement) -> bool:
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"


def _statements(body: list[_Statement]) -> Iterator[_Statement]:
    """The statements of a function, those of its blocks too, without those of functions and classes in it."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        yield statement
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, name, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


def _slips(statement: _Statement) -> Iterator[Slip]:
    """The slips in a statement, without those in its body."""
    match statement:
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield statement, "nothing returned", "return None"
        case ast.Expr(value=ast.Call()):
            yield statement, "statement left out", "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            yield statement, "statement left out", "pass"
        case ast.AugAssign() | ast.Raise() | ast.Delete() | ast.Continue() | ast.Break():
            yield statement, "statement left out", "pass"
        case ast.If(test=test) | ast.While(test=test):
            yield test, "condition negated", f"not ({ast.unparse(test)})"
    for expression in _expressions(statement):
        for node in _within(expression):
            yield from _slip(node)


def _expressions(statement: _Statement) -> Iterator[ast.expr]:
    """The expressions that belong to a statement itself; no annotations, and no errors."""
    for name, value in ast.iter_fields(statement):
        if name == "annotation" or isinstance(statement, ast.Raise):
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ast.expr):
                yield each
            elif isinstance(each, ast.withitem):
                yield each.context_expr


def _within(expression: ast.expr) -> Iterator[ast.expr]:
    """An expression and those in it, without texts that are put together, casts for the types, and what no
    program can see: `strict` of zip and the `stacklevel` of warnings."""
    if isinstance(expression, ast.JoinedStr):
        return
    if isinstance(expression, ast.Call) and ast.unparse(expression.func) == "cast":
        yield from _within(expression.args[1])
        return
    yield expression
    for child in ast.iter_child_nodes(expression):
        if isinstance(child, ast.keyword) and child.arg in {"strict", "stacklevel"}:
            continue
        for part in [child] if isinstance(child, ast.expr) else ast.iter_child_nodes(child):
            if isinstance(part, ast.expr):
                yield from _within(part)


def _slip(node: ast.expr) -> Iterator[Slip]:
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _COMPARISONS:
            other = ast.Compare(node.left, [_COMPARISONS[type(operator)]()], node.comparators)
            yield node, "comparison swapped", f"({ast.unparse(other)})"
        case ast.BoolOp(op=ast.And() | ast.Or() as operator, values=values):
            swapped = ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
            yield node, "and, or swapped", f"({ast.unparse(swapped)})"
        case ast.BinOp(op=operator) if type(operator) in _ARITHMETIC:
            result = ast.BinOp(node.left, _ARITHMETIC[type(operator)](), node.right)
            yield node, "arithmetic swapped", f"({ast.unparse(result)})"
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            yield node, "sign or not dropped", f"({ast.unparse(operand)})"
        case ast.IfExp(test=test):
            yield test, "condition negated", f"(not ({ast.unparse(test)}))"
        case ast.Constant(value=value):
            other_value = _other(value)
            if other_value:
                yield node, "constant changed", other_value


def _other(value: object) -> str:
    """Another constant in the place of a truth or of a small number; "" for none."""
    if isinstance(value, bool):
        return str(not value)
    if isinstance(value, int | float):
        return "1" if value == 0 else "0" if value == 1 else ""
    return ""


def _other_default(default: ast.expr | None) -> str | None:
    match default:
        case ast.Constant(value=bool() as value):
            return str(not value)
        case ast.Constant(value=int() | float() as value):
            return str(value + 1)
        case ast.Constant(value=None):
            return "0"
        case _:
            return None


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None
