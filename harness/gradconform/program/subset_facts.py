"""Checking facts: what `assert` and `shows` may look at, and what the oracle may compute from it."""

from __future__ import annotations

import ast

from gradconform.program import vocabulary as words
from gradconform.program.constants import BINARY, RELATIONS
from gradconform.program.scope import Scope
from gradconform.program.subset_expressions import Expressions
from gradconform.program.vocabulary import dotted


class Facts:
    """Checks the facts of one program, each in the scope as it is at the time."""

    def __init__(self, scope: Scope, expressions: Expressions) -> None:
        self.scope = scope
        self.expressions = expressions

    def shows(self, call: ast.Call) -> None:
        """`shows(place, literal)`."""
        match call:
            case ast.Call(args=[place, literal], keywords=[]):
                self.check(place)
                self.looks(place)
                self.literal(literal)
            case _:
                self.scope.report(call, "`shows` takes a place and a literal", "shows(x.grad, [2.0])")

    def law(self, test: ast.expr) -> None:
        """`assert test`."""
        self.check(test)
        self.looks(test)

    def looks(self, node: ast.expr) -> None:
        """A fact looks at something that an engine shows: a name that is no constant, or a query."""
        constants, functions = {*self.scope.constants, *self.scope.choices, *words.DTYPES}, set()
        for part in ast.walk(node):
            if isinstance(part, ast.Call):
                functions.add(part.func)
                if dotted(part.func) in words.QUERIES:
                    return
            if isinstance(part, ast.Name) and part not in functions and part.id not in constants:
                return
        self.scope.report(
            node,
            "this fact says nothing about the program: it looks at nothing that an engine shows",
            "look at a tensor, an attribute of one, or is_grad_enabled()",
        )

    def literal(self, node: ast.expr) -> None:
        """Constants, and lists of them."""
        match node:
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                for element in elements:
                    self.literal(element)
            case _ if self.scope.is_constant(node):
                self.expressions.check(node)
            case _:
                self.scope.report(
                    node, "`shows` takes a literal as its second argument", "a law belongs into `assert`"
                )

    def check(self, node: ast.expr) -> None:
        """Reports every problem of an expression that the oracle evaluates."""
        scope = self.scope
        match node:
            case ast.Constant() | ast.Name():
                self.expressions.check(node)
            case _ if scope.is_constant(node):
                self.expressions.check(node)
            case ast.BoolOp(values=values):
                for value in values:
                    self.check(value)
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                self.check(operand)
            case ast.Compare(ops=[_, _, *_]):
                scope.report(
                    node, "a chain of comparisons is not in the step language", "write them with `and`"
                )
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in RELATIONS:
                self.check(left)
                self.check(right)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                self.check(left)
                self.check(right)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                for element in elements:
                    self.check(element)
            case ast.Call():
                self.call(node)
            case ast.Subscript(value=value, slice=index):
                self.check(value)
                self.index(index)
            case ast.Attribute(value=value, attr=attribute):
                self.place(value)
                free = isinstance(value, ast.Name) and value.id in scope.contexts
                if attribute not in words.ATTRIBUTES and not free:
                    scope.unknown(node, "attribute", attribute, words.ATTRIBUTES)
            case _:
                self.expressions.check(node)

    def place(self, node: ast.expr) -> None:
        """What stands before an attribute: a name, or an attribute of one."""
        match node:
            case ast.Name():
                self.expressions.receiver(node)
            case ast.Attribute():
                self.check(node)
            case _:
                self.scope.report(
                    node, "a fact looks at attributes of names only", "give this a name in a step before"
                )

    def index(self, node: ast.expr) -> None:
        """What stands between brackets; the ends of a slice are constants."""
        match node:
            case ast.Slice(lower=lower, upper=upper, step=step):
                for part in (lower, upper, step):
                    if part is not None:
                        self.known(part, "the end of a slice in a fact")
            case ast.Tuple(elts=elements):
                for element in elements:
                    self.index(element)
            case _:
                self.check(node)

    def known(self, node: ast.expr, what: str) -> None:
        """An expression that must be a constant."""
        self.check(node)
        if not self.scope.is_constant(node):
            self.scope.report(
                node,
                f"{what} must be known before the program runs",
                "use `let` integers, booleans or choices",
            )

    def call(self, node: ast.Call) -> None:
        """An operator that the oracle applies, or one of the words that only facts have."""
        match node:
            case ast.Call(func=ast.Attribute(value=base, attr="name"), args=[], keywords=[]):
                self.place(base)
                if not (isinstance(base, ast.Attribute) and base.attr == "grad_fn"):
                    self.scope.report(node, "only a grad_fn has a name()", "assert y.grad_fn.name() == ...")
            case ast.Call(func=ast.Name("alive"), args=[ast.Name() as watched], keywords=[]):
                self.expressions.receiver(watched)
            case ast.Call(func=ast.Name("alive")):
                self.scope.report(node, "`alive` takes the name of what `watch` gave", "w = watch(y)")
            case ast.Call(func=ast.Name(id=name), args=[], keywords=[]) if name in words.QUERIES:
                pass
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in words.FACT_WORDS:
                wanted = words.FACT_WORDS[name]
                if len(arguments) != wanted or node.keywords:
                    self.scope.report(node, f"'{name}' takes {wanted} arguments by position", "")
                for argument in arguments:
                    self.check(argument)
            case _:
                self.operator(node)

    def operator(self, node: ast.Call) -> None:
        """An operator of the vocabulary: only what looks and computes."""
        scope, function = self.scope, dotted(node.func)
        names, receiver = scope.choices.get(function, (function,)), 0
        if function.startswith("torch."):
            self.expressions.unknown_function(node.func, function)
            names = ()
        elif isinstance(node.func, ast.Attribute) and node.func.attr in words.METHODS:
            self.check(node.func.value)
            names, receiver = (node.func.attr,), 1
        elif function in scope.live - scope.given:
            hint = "give its result a name in a step before"
            scope.report(node, f"'{function}' cannot be called in a fact", hint)
            names = ()
        for name in names:
            row = words.OPERATORS.get(name)
            if row is None or (
                not receiver and function not in scope.choices and name not in words.FUNCTIONS
            ):
                known = [*words.FUNCTIONS, *words.METHODS, *words.FACT_WORDS, *scope.choices]
                scope.unknown(node.func, "operator", name or ast.unparse(node.func)[:40], known)
            elif row.effect in {"write", "object"} or "." in name:
                scope.report(
                    node, f"'{name}' cannot stand in a fact", "a fact only looks; do it in a step before"
                )
            elif name in words.OF_THE_RUN:
                scope.report(
                    node, f"'{name}' cannot be asked by a fact, which has copies", words.NAME_THE_ANSWER
                )
            else:
                scope.fits(node, row, receiver)
        for argument in node.args:
            self.check(argument)
        for keyword in node.keywords:
            if keyword.arg is None:
                scope.report(keyword.value, "`**` arguments are not in the step language", "")
            self.known(keyword.value, "an option in a fact")
