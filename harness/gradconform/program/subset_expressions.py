"""Checking expressions in steps: what an engine computes."""

from __future__ import annotations

import ast

from gradconform.program import vocabulary as words
from gradconform.program.constants import BINARY, COMPARE
from gradconform.program.scope import Scope
from gradconform.program.vocabulary import dotted

NAMESPACES = {"torch", *(name.partition(".")[0] for name in words.FUNCTIONS if "." in name)}


class Expressions:
    """Checks the expressions of one program, each in the scope as it is at the time."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def check(self, node: ast.expr) -> None:
        """Reports every problem of an expression."""
        scope = self.scope
        match node:
            case ast.Constant(value=value):
                if isinstance(value, bytes):
                    scope.report(node, "bytes are not in the step language", "")
                scope.fold(node)
            case ast.Name():
                scope.name(node)
            case _ if scope.is_constant(node):
                self.constant(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                self.check(operand)
            case ast.BinOp(left=left, op=op, right=right):
                if type(op) not in BINARY:
                    scope.report(node, "this operator is not in the step language", "it has + - * / ** @")
                self.operand(left)
                self.operand(right)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARE:
                self.operand(left)
                self.operand(right)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                for element in elements:
                    self.check(element)
            case ast.Subscript(value=value, slice=index):
                self.receiver(value)
                self.index(index)
            case ast.Attribute(value=value, attr=attribute):
                self.receiver(value)
                free = isinstance(value, ast.Name) and value.id in scope.contexts
                if attribute not in words.ATTRIBUTES and not free:
                    scope.unknown(node, "attribute", attribute, words.ATTRIBUTES)
            case ast.Call():
                self.call(node)
            case _:
                scope.outside(node)

    def constant(self, node: ast.expr) -> None:
        """An expression of constants: its names must have a value, its arithmetic must be possible."""
        for part in ast.walk(node):
            # `float("inf")` and `complex(1, 2)` are literals.
            if isinstance(part, ast.Name) and part.id not in {"float", "complex"}:
                self.scope.name(part)
        self.scope.fold(node)

    def operand(self, node: ast.expr) -> None:
        """An operand of arithmetic: no list, no string."""
        match node:
            case ast.List() | ast.Tuple() | ast.Constant(value=str()):
                self.scope.report(node, "there is no arithmetic on lists and strings", "")
            case _:
                self.check(node)

    def receiver(self, node: ast.expr) -> None:
        """What has a method, an attribute or an item: a tensor or an object, no constant and no list."""
        literal = isinstance(node, ast.List | ast.Tuple | ast.Constant)
        if literal or (not isinstance(node, ast.Name) and self.scope.is_constant(node)):
            self.scope.report(node, "a constant has no methods, attributes or items", "")
        elif isinstance(node, ast.Name) and (node.id in self.scope.fixed or node.id in words.DTYPES):
            self.scope.report(node, f"'{node.id}' is known before the program runs; it is no tensor", "")
        else:
            self.check(node)

    def index(self, node: ast.expr) -> None:
        """What stands between brackets."""
        match node:
            case ast.Slice(lower=lower, upper=upper, step=step):
                for part in (lower, upper, step):
                    if part is not None:
                        self.check(part)
            case ast.Tuple(elts=elements):
                for element in elements:
                    self.index(element)
            case _:
                self.check(node)

    # calls

    def call(self, node: ast.Call) -> None:
        """A call whose result is used; `backward` has none."""
        function = dotted(node.func)
        if function == "autograd.backward" or (
            isinstance(node.func, ast.Attribute) and node.func.attr == "backward"
        ):
            self.scope.report(node, "backward gives no result", "let it stand on a line of its own")
        self.called(node)

    def called(self, node: ast.Call) -> None:
        """Any call: a function or method that is known, arguments that fit it."""
        scope, function = self.scope, dotted(node.func)
        if function in scope.choices:
            for name in scope.choices[function]:
                if name in words.OPERATORS:
                    scope.fits(node, words.OPERATORS[name])
                else:
                    scope.unknown(node.func, "operator", name, words.OPERATORS)
        elif function == "autograd.backward":
            scope.fits_signature(node, function, words.AUTOGRAD_BACKWARD)
        elif function == "autograd.grad":
            scope.fits_signature(node, function, words.AUTOGRAD_GRAD)
        elif function in words.FUNCTIONS and function not in scope.own:
            scope.fits(node, words.OPERATORS[function])
        elif isinstance(node.func, ast.Attribute) and function.partition(".")[0] not in NAMESPACES:
            self.method(node, node.func)
        elif self.gives_function(node.func):
            self.check(node.func)
        elif function == "watch":
            scope.report(node, "`watch` stands alone behind a name", "w = watch(y)")
        else:
            self.unknown_function(node.func, function)
        self.arguments(node)

    def gives_function(self, node: ast.expr) -> bool:
        """Whether an expression may stand for a function: a name that the program has given a value to, or
        the result of an operator that makes no tensor."""
        if isinstance(node, ast.Call):
            row = words.OPERATORS.get(dotted(node.func))
            return row.effect == "object" if row else self.gives_function(node.func)
        return isinstance(node, ast.Name) and node.id in self.scope.live - self.scope.given

    def unknown_function(self, node: ast.expr, function: str) -> None:
        """Reports a call of what is no operator."""
        if function.startswith("torch."):
            plain = function.removeprefix("torch.")
            self.scope.report(node, "torch's names stand by themselves", f"write `{plain}(...)`")
            return
        if function in words.METHODS:
            self.scope.report(node, f"'{function}' is a method", f"write `x.{function}(...)`")
            return
        known = [*words.FUNCTIONS, "autograd.backward", "autograd.grad", *self.scope.choices]
        self.scope.unknown(node, "operator", function or ast.unparse(node)[:40], known)

    def arguments(self, node: ast.Call) -> None:
        """The arguments of a call."""
        for argument in node.args:
            self.check(argument)
        for keyword in node.keywords:
            if keyword.arg is None:
                self.scope.report(keyword.value, "`**` arguments are not in the step language", "")
            self.check(keyword.value)

    def method(self, node: ast.Call, func: ast.Attribute) -> None:
        """A call of a method, its arguments not included."""
        scope, name = self.scope, func.attr
        self.receiver(func.value)
        if name == "backward":
            scope.fits_signature(node, name, words.BACKWARD, receiver=1)
        elif name in words.METHODS_OF_OBJECTS:
            scope.fits(node, words.METHODS_OF_OBJECTS[name])
        elif name in words.METHODS:
            scope.fits(node, words.OPERATORS[name], receiver=1)
        elif name in words.FUNCTIONS:
            scope.report(func, f"'{name}' is a function, not a method", f"write `{name}(...)`")
        else:
            known = [*words.METHODS, *words.METHODS_OF_OBJECTS, "backward"]
            scope.unknown(func, "method", name, known)
