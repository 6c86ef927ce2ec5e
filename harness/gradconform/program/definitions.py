"""Binding definitions: `def` and `class` of a program's text, with their bodies, as steps."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from gradconform.program.constants import Constants, assigned, parameters
from gradconform.program.steps import Argument, Class, Decorator, Define, Step
from gradconform.program.vocabulary import dotted


class Definitions:
    """Binds the definitions of one program.

    constants: what is known at this point of the program, changed by `block`, which binds statements. names:
    what was drawn for operator and choice variables.
    """

    def __init__(
        self,
        constants: Constants,
        names: Mapping[str, str],
        block: Callable[[list[ast.stmt]], list[Step]],
    ) -> None:
        self.constants = constants
        self.given = dict(constants)
        self.names = names
        self.block = block

    def define(self, node: ast.FunctionDef) -> Define:
        """A function; `@staticmethod` is said by the class that it stands in."""
        own = self.constants.evaluate
        defaults: dict[str, Argument] = {}
        if node.args.defaults:
            named = node.args.args[-len(node.args.defaults) :]
            defaults = {one.arg: own(value) for one, value in zip(named, node.args.defaults, strict=True)}
        variadic = node.args.vararg.arg if node.args.vararg else ""
        plain = tuple(one.arg for one in node.args.args)
        decorators = tuple(
            self._decorator(one) for one in node.decorator_list if dotted(one) != "staticmethod"
        )
        body = self._body(node)
        self.constants.pop(node.name, None)
        return Define(node.name, plain, body, variadic, defaults, decorators, node.lineno)

    def derive(self, node: ast.ClassDef) -> Class:
        """A class of static methods."""
        methods = tuple(self.define(one) for one in node.body if isinstance(one, ast.FunctionDef))
        self.constants.pop(node.name, None)
        return Class(node.name, dotted(node.bases[0]), methods, node.lineno)

    def _body(self, node: ast.FunctionDef) -> tuple[Step, ...]:
        """The steps of a body, for which only what `let` has drawn is known: the names that the program
        around it assigns are looked up when it runs, as in Python."""
        around = dict(self.constants)
        hidden = {*parameters(node), *assigned(node.body)}
        self.constants.clear()
        self.constants.update({name: value for name, value in self.given.items() if name not in hidden})
        steps = self.block(node.body)
        self.constants.clear()
        self.constants.update(around)
        return tuple(steps)

    def _decorator(self, node: ast.expr) -> Decorator:
        if not isinstance(node, ast.Call):
            name = dotted(node)
            return Decorator(self.names.get(name, name), called=False)
        name, value = dotted(node.func), self.constants.evaluate
        options = {keyword.arg: value(keyword.value) for keyword in node.keywords if keyword.arg}
        arguments = tuple(value(argument) for argument in node.args)
        return Decorator(self.names.get(name, name), True, arguments, options)
