"""Checking definitions: functions for hooks, closures and generators, and custom functions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from gradconform.program import vocabulary as words
from gradconform.program.constants import assigned, parameters
from gradconform.program.scope import Scope
from gradconform.program.subset_expressions import Expressions
from gradconform.program.vocabulary import dotted


class Functions:
    """Checks the definitions of one program.

    block, new_name: what checks statements, and a name that gets a value.
    """

    def __init__(
        self,
        scope: Scope,
        expressions: Expressions,
        block: Callable[[list[ast.stmt]], None],
        new_name: Callable[[ast.Name], None],
    ) -> None:
        self.scope = scope
        self.expressions = expressions
        self.block = block
        self.new_name = new_name

    def statement(self, node: ast.stmt) -> None:
        """A definition, or a statement that stands in definitions only."""
        match node:
            case ast.FunctionDef():
                self.define(node)
            case ast.ClassDef():
                self.derive(node)
            case ast.Return(value=value) | ast.Expr(value=ast.Yield(value=value)):
                self.give(node, value)
            case ast.Assign(targets=[ast.Name() as target], value=ast.Yield(value=value)):
                self.give(node, value)
                self.new_name(target)
            case _:
                self.scope.report(node, "what `yield` gives back gets one name", "sent = yield value")

    def define(self, node: ast.FunctionDef) -> None:
        """`def name(parameters):` with its decorators and its body."""
        for decorator in node.decorator_list:
            self.decorator(decorator)
        self._named(node)
        self._body(node, frozenset())

    def derive(self, node: ast.ClassDef) -> None:
        """`class Name(autograd.Function):`, whose body is static methods."""
        scope = self.scope
        match node:
            case ast.ClassDef(bases=[base], keywords=[], decorator_list=[]) if dotted(base) in words.BASES:
                pass
            case ast.ClassDef(bases=[base], keywords=[], decorator_list=[]):
                scope.unknown(base, "base class", dotted(base), words.BASES)
            case _:
                scope.report(node, "a class has one base and no decorators", f"class F({words.BASES[0]}):")
        methods: set[str] = set()
        for statement in node.body:
            if not isinstance(statement, ast.FunctionDef):
                scope.report(statement, "the body of a class holds methods only", "")
                continue
            if statement.name in methods:
                scope.report(statement, f"there are two methods '{statement.name}'", "")
            methods.add(statement.name)
            self._method(statement)
        self._named(node)

    def _method(self, node: ast.FunctionDef) -> None:
        if not (node.decorator_list and dotted(node.decorator_list[0]) == "staticmethod"):
            self.scope.report(node, f"method '{node.name}' is not static", "write @staticmethod above it")
        for decorator in node.decorator_list[1:]:
            self.decorator(decorator)
        names = list(parameters(node))
        self._body(node, frozenset(names[:1]))
        if node.name.startswith("_"):
            self.scope.report(node, f"method '{node.name}' starts with an underscore", "rename it")

    def _named(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        self.new_name(ast.copy_location(ast.Name(node.name, ast.Store()), node))

    def decorator(self, node: ast.expr) -> None:
        """`@no_grad()`, `@no_grad` or another word that may stand above a definition."""
        name = dotted(node.func) if isinstance(node, ast.Call) else dotted(node)
        for word in self.scope.choices.get(name, (name,)):
            if word in words.OWN_MODES or (word not in words.MODES and word not in words.DECORATORS):
                known = [*(mode for mode in words.MODES if mode not in words.OWN_MODES), *words.DECORATORS]
                self.scope.unknown(node, "decorator", word, known)
            elif isinstance(node, ast.Call) and word in words.MODES:
                self.scope.fits_signature(node, word, words.MODES[word])
        if isinstance(node, ast.Call):
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                self.expressions.check(argument)
                if not self.scope.is_constant(argument):
                    self.scope.report(argument, "a decorator's arguments are known before", "")

    def give(self, node: ast.stmt, value: ast.expr | None) -> None:
        """`return value` or `yield value`."""
        if not self.scope.function:
            word = "return" if isinstance(node, ast.Return) else "yield"
            self.scope.report(node, f"`{word}` stands in a definition only", "")
        if value is not None:
            self.expressions.check(value)

    def _body(self, node: ast.FunctionDef, contexts: frozenset[str]) -> None:
        scope = self.scope
        self._form(node)
        for default in node.args.defaults:
            self.expressions.check(default)
            if not scope.is_constant(default):
                scope.report(default, "a default is known before the program runs", "")
        before = replace(scope)
        own = set(assigned(node.body))
        names = list(parameters(node))
        # A name that the body assigns is its own in the whole body, as in Python.
        scope.live = set(scope.live) - own
        scope.outer_loops = (scope.outer_loops | scope.loops) - {*names, *own}
        scope.loops = frozenset()
        # What the program around it assigns may have another value when the body runs.
        let = scope.fixed - scope.outer_loops
        scope.constants = scope.constants & (let | own)
        scope.fixed = scope.fixed - {*names, *own}
        scope.function, scope.contexts = True, (scope.contexts - {*names}) | contexts
        for name in names:
            if name in before.fixed & (before.given | {"dtype"}):
                message = f"parameter '{name}' hides what is known before the program runs"
                scope.report(node, message, "choose another name")
            self.new_name(ast.copy_location(ast.Name(name, ast.Store()), node))
        self.block(node.body)
        for field in ("live", "constants", "fixed", "function", "contexts", "loops", "outer_loops"):
            setattr(scope, field, getattr(before, field))

    def _form(self, node: ast.FunctionDef) -> None:
        """What Python's definitions have and the language's do not."""
        given = node.args
        others = [*given.posonlyargs, *given.kwonlyargs, given.kwarg]
        if any(one is not None for one in others):
            self.scope.report(node, "a definition takes plain parameters and one `*rest`", "def f(x, *rest):")
        annotated = [*given.args, given.vararg]
        if node.returns is not None or any(one is not None and one.annotation for one in annotated):
            self.scope.report(node, "an annotation is not in the step language", "leave it out")
