"""Flattening expressions: each operation of a nested expression becomes a step with a name for its result."""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping
from typing import Any

from gradconform.program import vocabulary as words
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Dtype,
    Get,
    Grad,
    Invoke,
    Items,
    Let,
    Mutate,
    Ref,
    Slice,
    Step,
)
from gradconform.program.subset import dotted

Target = str | tuple[str, ...]
Lowered = tuple[list[Step], Argument]

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
FOLD: dict[str, Any] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


class Unknown(Exception):  # noqa: N818 - says that an expression is not a constant; never leaves this package
    """The expression is not known before the program runs."""


class Constants(dict[str, Argument]):
    """The names whose values are known before the program runs, and arithmetic on them."""

    def lookup(self, node: ast.expr) -> tuple[bool, Argument]:
        """(True, its value) where an expression is a constant, else (False, None)."""
        try:
            return True, self.evaluate(node)
        except Unknown:
            return False, None

    def evaluate(self, node: ast.expr) -> Any:
        """The value of a constant expression. Raises Unknown where it is none."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name) if name in self:
                return self[name]
            case ast.Name(id=name) if name in words.DTYPES:
                return Dtype(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.evaluate(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.evaluate(operand)
            case ast.BoolOp(op=op, values=values):
                parts = [self.evaluate(value) for value in values]
                return all(parts) if isinstance(op, ast.And) else any(parts)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return self._fold(BINARY[type(op)], left, right)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARE:
                return self._fold(COMPARE[type(op)], left, right)
            case ast.Call(func=ast.Name("float"), args=[ast.Constant(str() as text)]):
                return float(text)
            case _:
                raise Unknown

    def _fold(self, name: str, left: ast.expr, right: ast.expr) -> Any:
        a, b = self.evaluate(left), self.evaluate(right)
        comparing = name in COMPARE.values()
        if not comparing and not all(isinstance(part, bool | int | float | complex) for part in (a, b)):
            raise Unknown
        if name == "pow" and isinstance(b, int) and abs(b) > 64:
            raise Unknown  # a power that could fill the memory is left to the engines, which bound it
        return FOLD[name](a, b)


class Lowering:
    """Lowers expressions of one program; `names` maps operator and choice variables to what was drawn."""

    def __init__(self, constants: Constants, names: Mapping[str, str]) -> None:
        self.constants = constants
        self.names = names
        self._count = 0

    def temporary(self) -> str:
        self._count += 1
        return f"_{self._count}"

    def apply(
        self,
        target: Target,
        name: str,
        arguments: tuple[Argument, ...],
        options: dict[str, Argument],
        line: int,
    ) -> Step:
        if words.OPERATORS[name].effect == "write":
            assert isinstance(target, str)
            return Mutate(target, name, arguments, options, line)
        return Apply(target, name, arguments, options, line)

    def argument(self, node: ast.expr, line: int) -> Lowered:
        """The steps that compute an expression, and what stands for its value afterwards."""
        known, constant = self.constants.lookup(node)
        if known:
            return [], constant
        match node:
            case ast.Name(id=name):
                return [], Ref(name)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                steps: list[Step] = []
                items = []
                for element in elements:
                    more, item = self.argument(element, line)
                    steps += more
                    items.append(item)
                return steps, Items(tuple(items), "list" if isinstance(node, ast.List) else "tuple")
            case _:
                name = self.temporary()
                return self.into(name, node, line), Ref(name)

    def named(self, node: ast.expr, line: int) -> tuple[list[Step], str]:
        """As `argument`, for an expression whose value is no constant: the name that holds it."""
        steps, argument = self.argument(node, line)
        if isinstance(argument, Ref):
            return steps, argument.name
        name = self.temporary()
        return [*steps, Let(name, argument, line)], name

    def index(self, node: ast.expr, line: int) -> Lowered:
        match node:
            case ast.Slice(lower=lower, upper=upper, step=step):
                steps: list[Step] = []
                parts: list[Argument] = []
                for part in (lower, upper, step):
                    more, value = self.argument(part, line) if part is not None else ([], None)
                    steps += more
                    parts.append(value)
                return steps, Slice(*parts)
            case ast.Tuple(elts=elements):
                lowered = [self.index(element, line) for element in elements]
                return [step for steps, _ in lowered for step in steps], Items(
                    tuple(item for _, item in lowered), "tuple"
                )
            case _:
                return self.argument(node, line)

    def into(self, target: Target, node: ast.expr, line: int) -> list[Step]:
        """The steps that compute an expression and give its value the target's name."""
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                steps, argument = self.argument(operand, line)
                return [*steps, Apply(target, "neg", (argument,), {}, line)]
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(target, BINARY[type(op)], left, right, line)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self._binary(target, COMPARE[type(op)], left, right, line)
            case ast.Subscript(value=value, slice=index):
                steps, owner = self.argument(value, line)
                more, position = self.index(index, line)
                return [*steps, *more, Apply(target, "getitem", (owner, position), {}, line)]
            case ast.Attribute(value=value, attr=attribute):
                assert isinstance(target, str)
                steps, owner_name = self.named(value, line)
                return [*steps, Get(target, owner_name, attribute, line)]
            case ast.Call():
                return self.call(target, node, line)
            case _:
                assert isinstance(target, str)
                steps, argument = self.argument(node, line)
                return [*steps, Let(target, argument, line)]

    def _binary(self, target: Target, name: str, left: ast.expr, right: ast.expr, line: int) -> list[Step]:
        steps, a = self.argument(left, line)
        more, b = self.argument(right, line)
        return [*steps, *more, Apply(target, name, (a, b), {}, line)]

    def call_statement(self, node: ast.Call, line: int) -> list[Step]:
        """A call whose result the text throws away."""
        function = dotted(node.func)
        if function == "autograd.backward":
            steps, arguments, options = self._arguments(node, line)
            return [*steps, Backward(arguments, options, True, line)]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "backward":
            steps, owner = self.argument(node.func.value, line)
            more, arguments, options = self._arguments(node, line)
            return [*steps, *more, Backward((owner, *arguments), options, False, line)]
        return self.call("", node, line)

    def call(self, target: Target, node: ast.Call, line: int) -> list[Step]:
        function = dotted(node.func)
        name = self.names.get(function, function)
        if name == "autograd.grad":
            steps, arguments, options = self._arguments(node, line)
            return [*steps, Grad(target, arguments, options, line)]
        if name in words.OPERATORS and (function in self.names or function in words.FUNCTIONS):
            steps, arguments, options = self._arguments(node, line)
            return [*steps, self.apply(target or self.temporary(), name, arguments, options, line)]
        assert isinstance(node.func, ast.Attribute)
        method = node.func.attr
        steps, owner = self.argument(node.func.value, line)
        more, arguments, options = self._arguments(node, line)
        if method in words.METHODS_OF_OBJECTS:
            assert isinstance(target, str)
            assert isinstance(owner, Ref)
            return [*steps, *more, Invoke(target, owner.name, method, arguments, options, line)]
        write = words.OPERATORS[method].effect == "write"
        return [
            *steps,
            *more,
            self.apply(
                target if target or write else self.temporary(), method, (owner, *arguments), options, line
            ),
        ]

    def _arguments(
        self, node: ast.Call, line: int
    ) -> tuple[list[Step], tuple[Argument, ...], dict[str, Argument]]:
        steps: list[Step] = []
        arguments = []
        for argument in node.args:
            more, value = self.argument(argument, line)
            steps += more
            arguments.append(value)
        options: dict[str, Argument] = {}
        for keyword in node.keywords:
            more, value = self.argument(keyword.value, line)
            steps += more
            if keyword.arg is not None:
                options[keyword.arg] = value
        return steps, tuple(arguments), options
