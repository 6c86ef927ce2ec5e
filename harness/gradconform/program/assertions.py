"""Lowering facts: what the engine has to show, and the expression that the oracle evaluates on it.

An engine never evaluates an assertion. The maximal parts of the expression that can be looked at (`x`,
`x.grad`, `y.grad_fn`, `is_grad_enabled()`) become places; the rest is arithmetic and comparison, left to the
oracle.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from gradconform.program import vocabulary as words
from gradconform.program.constants import BINARY, RELATIONS, Constants
from gradconform.program.expressions import ALIVE, Constant, Expression, Operation, Place, Shown
from gradconform.program.fact_text import fact_text
from gradconform.program.steps import Dtype, Fact


class FactReader:
    """Reads the facts of one program; `names` maps operator and choice variables to what was drawn."""

    def __init__(self, constants: Constants, names: Mapping[str, str]) -> None:
        self.constants = constants
        self.names = names
        self.places: list[Place] = []

    def law(self, test: ast.expr, line: int) -> Fact:
        """`assert test`."""
        self.places = []
        return self._fact(self.expression(test), line, law=True)

    def shows(self, place: ast.expr, literal: ast.expr, line: int) -> Fact:
        """`shows(place, literal)`."""
        self.places = []
        left = self.expression(place)
        return self._fact(Operation("eq", (left, Constant(self.literal(literal)))), line, law=False)

    def _fact(self, expression: Expression, line: int, *, law: bool) -> Fact:
        places = tuple(self.places)
        return Fact(law, expression, places, fact_text(expression, places, law=law), line)

    def literal(self, node: ast.expr) -> object:
        """The value of a literal; lists become tuples."""
        match node:
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return tuple(self.literal(element) for element in elements)
            case _:
                return _plain(self.constants.evaluate(node))

    def shown(self, place: Place) -> Shown:
        """The number of a place; each is looked at once."""
        if place not in self.places:
            self.places.append(place)
        return Shown(self.places.index(place))

    def expression(self, node: ast.expr) -> Expression:
        """What the oracle evaluates; collects the places on the way."""
        known, constant = self.constants.lookup(node)
        if known:
            return Constant(_plain(constant))
        place = self.place(node)
        if place is not None:
            return self.shown(place)
        match node:
            case ast.BoolOp(op=op, values=values):
                name = "and" if isinstance(op, ast.And) else "or"
                return Operation(name, tuple(map(self.expression, values)))
            case ast.UnaryOp(op=op, operand=operand):
                return Operation("not" if isinstance(op, ast.Not) else "neg", (self.expression(operand),))
            case ast.BinOp(left=left, op=operator, right=right):
                return Operation(BINARY[type(operator)], (self.expression(left), self.expression(right)))
            case ast.Compare(left=left, ops=[relation], comparators=[right]):
                return Operation(RELATIONS[type(relation)], (self.expression(left), self.expression(right)))
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                name = "list" if isinstance(node, ast.List) else "tuple"
                return Operation(name, tuple(map(self.expression, elements)))
            case ast.Subscript(value=value, slice=index):
                return Operation("getitem", (self.expression(value), self.index(index)))
            case ast.Call():
                return self.call(node)
            case _:
                raise TypeError(f"a checked fact cannot hold {ast.unparse(node)}")

    def index(self, node: ast.expr) -> Expression:
        """What stands between brackets."""
        if isinstance(node, ast.Slice):
            parts = (node.lower, node.upper, node.step)
            return Constant(slice(*(part and self.constants.evaluate(part) for part in parts)))
        if isinstance(node, ast.Tuple):
            return Operation("tuple", tuple(map(self.index, node.elts)))
        return self.expression(node)

    def place(self, node: ast.expr) -> Place | None:
        """The place that an expression names, or None where it has to be computed."""
        match node:
            case ast.Name(id=name):
                return Place(name)
            case ast.Attribute(value=value, attr=attribute):
                base = self.place(value)
                return base and Place(base.name, (*base.path, attribute))
            case ast.Call(func=ast.Attribute(value=value, attr="name"), args=[]):
                base = self.place(value)
                return base and Place(base.name, (*base.path, "name()"))
            case ast.Call(func=ast.Name("alive"), args=[ast.Name(id=name)]):
                return Place(name, (ALIVE,))
            case ast.Call(func=ast.Name(id=query), args=[]) if query in words.QUERIES:
                return Place("", (query,))
            case _:
                return None

    def call(self, node: ast.Call) -> Expression:
        """An operator that the oracle applies."""
        function = words.dotted(node.func)
        name = self.names.get(function, function)
        receiver: tuple[Expression, ...] = ()
        if isinstance(node.func, ast.Attribute):
            name, receiver = node.func.attr, (self.expression(node.func.value),)
        operands = (*receiver, *map(self.expression, node.args))
        options = {
            keyword.arg: _plain(self.constants.evaluate(keyword.value))
            for keyword in node.keywords
            if keyword.arg
        }
        return Operation(name, operands, options)


def _plain(value: object) -> object:
    """A dtype is seen as its name, so that `x.dtype == float64` compares text with text."""
    return value.name if isinstance(value, Dtype) else value
