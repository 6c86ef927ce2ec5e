"""Flattening expressions: each operation of a nested expression becomes a step with a name for its result."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from gradconform.program import vocabulary as words
from gradconform.program.constants import BINARY, COMPARE, Constants
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Call,
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
from gradconform.program.vocabulary import dotted

Target = str | tuple[str, ...]
Lowered = tuple[list[Step], Argument]


class Lowering:
    """Lowers expressions of one program; `names` maps operator and choice variables to what was drawn.

    own: the names that the program gives a value to.
    """

    def __init__(
        self, constants: Constants, names: Mapping[str, str], own: frozenset[str] = frozenset()
    ) -> None:
        self.constants = constants
        self.names = names
        self.own = own
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
            return Mutate(_single(target), name, arguments, options, line)
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
        """As `argument`, where only a name can stand: a constant gets a temporary one."""
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
                steps, owner_name = self.named(value, line)
                return [*steps, Get(target, owner_name, attribute, line)]
            case ast.Call():
                return self.call(target, node, line)
            case _:
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
            steps, arguments, options = self.arguments(node, line)
            return [*steps, Backward(arguments, options, True, line)]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "backward":
            steps, owner = self.argument(node.func.value, line)
            more, arguments, options = self.arguments(node, line)
            return [*steps, *more, Backward((owner, *arguments), options, False, line)]
        return self.call("", node, line)

    def call(self, target: Target, node: ast.Call, line: int) -> list[Step]:
        """The steps of a call other than `backward`; an empty target throws the result away."""
        function = dotted(node.func)
        name = self.names.get(function, function)
        if name == "autograd.grad":
            steps, arguments, options = self.arguments(node, line)
            return [*steps, Grad(target, arguments, options, line)]
        if function in self.names or (function in words.FUNCTIONS and function not in self.own):
            steps, arguments, options = self.arguments(node, line)
            return [*steps, self.apply(target, name, arguments, options, line)]
        if not isinstance(node.func, ast.Attribute):
            steps, called = self.named(node.func, line)
            more, arguments, options = self.arguments(node, line)
            return [*steps, *more, Call(target, called, arguments, options, line)]
        method = node.func.attr
        if method in words.METHODS_OF_OBJECTS:
            steps, owner_name = self.named(node.func.value, line)
            more, arguments, options = self.arguments(node, line)
            return [*steps, *more, Invoke(target, owner_name, method, arguments, options, line)]
        steps, owner = self.argument(node.func.value, line)
        more, arguments, options = self.arguments(node, line)
        return [*steps, *more, self.apply(target, method, (owner, *arguments), options, line)]

    def arguments(
        self, node: ast.Call, line: int
    ) -> tuple[list[Step], tuple[Argument, ...], dict[str, Argument]]:
        """The steps that compute the arguments of a call, its positional ones, and those by name."""
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


def _single(target: Target) -> str:
    if isinstance(target, tuple):
        raise TypeError(f"only a call that gives several results can be unpacked into {', '.join(target)}")
    return target
