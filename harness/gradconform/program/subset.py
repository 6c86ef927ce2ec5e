"""The subset of Python's syntax that a program may use, checked before anything is built from it.

`Checker` walks a program's syntax tree once and collects every problem: syntax outside the subset, unknown
names, operators and attributes, calls that do not fit a signature, loops and conditions over what is not
known before the program runs. What it lets through, `gradconform.program.lower` can build. Nothing is ever
evaluated but arithmetic on constants, which is bounded.

Whether a name has a value at some point may depend on the draw; the checker reports those that never have
one, and `gradconform.program.check` decides the others when the program is bound.
"""

from __future__ import annotations

import ast

from gradconform.errors import did_you_mean
from gradconform.program import vocabulary as words
from gradconform.program.constants import assigned
from gradconform.program.scope import Scope
from gradconform.program.subset_expressions import Expressions
from gradconform.program.subset_facts import Facts
from gradconform.program.subset_functions import Functions
from gradconform.program.vocabulary import dotted

_OPTIONS = {"phase": "backward", "match": "saved tensors"}


class Checker:
    """Checks the statements of one program."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.expressions = Expressions(scope)
        self.facts = Facts(scope, self.expressions)
        self.functions = Functions(scope, self.expressions, self.block, self.new_name)
        self.words = {"shows": self.facts.shows, "fail": self.fail, "record": self.record}

    def block(self, body: list[ast.stmt]) -> None:
        """Reports every problem of some statements, in order."""
        for statement in body:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        """Reports every problem of a statement and of its body."""
        match node:
            case (
                ast.FunctionDef()
                | ast.ClassDef()
                | ast.Return()
                | ast.Expr(value=ast.Yield())
                | ast.Assign(value=ast.Yield())
            ):
                self.functions.statement(node)
            case ast.Assign(targets=[ast.Name() as target], value=ast.Call(func=ast.Name("watch")) as call):
                self.watch(call)
                self.new_name(target)
            case ast.Assign(targets=[target], value=value):
                self.expressions.check(value)
                self.assign(target, value)
            case ast.AugAssign(target=ast.Name() | ast.Subscript() | ast.Attribute()):
                self.augmented(node)
            case ast.Expr(value=ast.Call(func=ast.Name(id=word)) as call) if word in self.words:
                self.words[word](call)
            case ast.Expr(value=ast.Call() as call):
                self.expressions.called(call)
            case ast.Assert(test=test, msg=None):
                self.facts.law(test)
            case ast.Delete(targets=targets):
                for target in targets:
                    self.delete(target)
            case ast.With(items=[item], body=body):
                self.within(item, body)
            case ast.For(target=ast.Name() as target, iter=iterable, body=body, orelse=[]):
                self.loop(target, iterable, body)
            case ast.If(test=test, body=body, orelse=orelse):
                self.condition(test, body, orelse)
            case ast.Pass():
                pass
            case ast.Expr(value=ast.YieldFrom() | ast.Await() | ast.NamedExpr() as value):
                self.scope.outside(value)
            case ast.Expr():
                self.scope.report(
                    node,
                    "an expression that is neither called nor asserted does nothing",
                    "write `assert ...`",
                )
            case _:
                self.scope.outside(node)

    # assignments

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        """The target of an assignment."""
        match target:
            case ast.Name():
                self.new_name(target)
            case ast.Tuple(elts=elements) if elements:
                if not self.gives_several(value):
                    self.scope.report(target, "this does not give several results", "")
                for element in elements:
                    if isinstance(element, ast.Name):
                        self.new_name(element)
                    else:
                        self.scope.report(element, "a result is unpacked into names only", "")
            case ast.Attribute():
                self.writable(target)
            case ast.Subscript():
                self.expressions.check(target)
            case _:
                self.scope.report(
                    target,
                    "this cannot be assigned to",
                    "a name, a tuple of names, an attribute or an index can",
                )

    def gives_several(self, value: ast.expr) -> bool:
        """Whether an expression may give several results: a call that changes nothing in place, an attribute,
        an item or a name."""
        if isinstance(value, ast.Attribute | ast.Subscript | ast.Name):
            return not self.scope.is_constant(value)
        if not isinstance(value, ast.Call):
            return False
        function = dotted(value.func)
        names = self.scope.choices.get(function, (function,))
        if isinstance(value.func, ast.Attribute) and function not in words.FUNCTIONS:
            names = (value.func.attr,)
        rows = [
            words.OPERATORS[name] for name in names if name in words.OPERATORS and name not in self.scope.own
        ]
        return all(row.effect != "write" for row in rows)

    def writable(self, node: ast.Attribute, what: str = "assigned") -> None:
        """An attribute that is assigned or deleted."""
        self.expressions.receiver(node.value)
        attribute = node.attr
        if isinstance(node.value, ast.Name) and node.value.id in self.scope.contexts:
            if attribute.startswith("_"):
                self.scope.report(node, f"attribute '{attribute}' starts with an underscore", "rename it")
        elif attribute not in words.WRITABLE:
            hint = did_you_mean(attribute, words.WRITABLE) or f"assignable: {', '.join(words.WRITABLE)}"
            self.scope.report(node, f"attribute '{attribute}' cannot be {what}", hint)

    def augmented(self, node: ast.AugAssign) -> None:
        """`x += 1`, `x[0] += 1`, `x.data += 1`: what is changed has a name."""
        if not isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
            self.scope.report(
                node, "this in-place operator is not in the step language", "it has +=, -=, *= and /="
            )
        match node.target:
            case ast.Name(id=name):
                self.scope.name(node.target)
                if name in self.scope.live:
                    self.new_name(node.target)
            case ast.Subscript(value=base, slice=index):
                self.expressions.check(node.target)
                computed = any(
                    isinstance(part, ast.Call | ast.Attribute | ast.BinOp) for part in ast.walk(index)
                )
                if not isinstance(base, ast.Name) or (computed and not self.scope.is_constant(index)):
                    self.scope.report(
                        node.target,
                        "only items of a name, with constants or names as index, are changed in place",
                        "give it a name in a step before",
                    )
            case ast.Attribute(value=base):
                self.expressions.check(node.target)
                self.writable(node.target)
                if not isinstance(base, ast.Name):
                    self.scope.report(
                        node.target,
                        "only attributes of a name are changed in place",
                        "give it a name in a step before",
                    )
        self.expressions.operand(node.value)

    def new_name(self, node: ast.Name) -> None:
        """A name that gets a value."""
        name = node.id
        if name.startswith("_"):
            self.scope.report(
                node, f"name '{name}' starts with an underscore", "such names are the language's own"
            )
        elif not name.isascii():
            self.scope.report(node, f"name '{name}' is not ASCII", "engines in other languages read it too")
        elif name in words.RESERVED or name in self.scope.choices:
            self.scope.report(node, f"name '{name}' is a word of the step language", "choose another name")
        self.scope.live.add(name)

    def delete(self, target: ast.expr) -> None:
        """`del name`, or `del name.attribute`."""
        if isinstance(target, ast.Attribute):
            self.writable(target, "deleted")
        elif not isinstance(target, ast.Name):
            self.scope.report(target, "only a name or an attribute can be deleted", "")
        elif target.id in self.scope.fixed:
            self.scope.report(target, f"'{target.id}' is known before the program runs", "it has no end")
        else:
            self.scope.name(target)
            self.scope.live.discard(target.id)

    # blocks

    def within(self, item: ast.withitem, body: list[ast.stmt]) -> None:
        """`with mode() as name:`, `with raises(...):` or `with warns(...):`."""
        match item:
            case ast.withitem(context_expr=ast.Call(func=ast.Name("raises")) as call, optional_vars=None):
                self.expected(call, words.ERRORS, ("phase", "match"))
                before = set(self.scope.live)
                self.block(body)
                # Nobody knows how far the body runs: what it names first may not exist after it.
                self.scope.live &= before
            case ast.withitem(context_expr=ast.Call(func=ast.Name("warns")) as call, optional_vars=None):
                self.expected(call, words.WARNINGS, ("match",))
                self.block(body)
            case ast.withitem(context_expr=ast.Call() as call, optional_vars=None | ast.Name()):
                self.mode(call)
                if isinstance(item.optional_vars, ast.Name):
                    self.new_name(item.optional_vars)
                self.block(body)
            case _:
                self.scope.report(
                    item.context_expr, "`with` takes one mode, `raises(...)` or `warns(...)`", ""
                )
                self.block(body)

    def mode(self, call: ast.Call) -> None:
        """A mode."""
        mode = dotted(call.func)
        for name in self.scope.choices.get(mode, (mode,)):
            if name in words.MODES:
                self.scope.fits_signature(call, name, words.MODES[name])
            else:
                self.scope.unknown(call.func, "mode", name, [*words.MODES, "raises", "warns"])
        self.expressions.arguments(call)

    def expected(self, call: ast.Call, classes: tuple[str, ...], options: tuple[str, ...]) -> None:
        """`raises(Error, phase="backward", match="text")`, or `warns(Warning, match="text")`."""
        report, word = self.scope.report, dotted(call.func)
        match call.args:
            case [ast.Name(id=error)] if error in classes:
                pass
            case [node]:
                what = "error class" if word == "raises" else "warning class"
                self.scope.unknown(node, what, dotted(node), classes)
            case _:
                given = ", ".join(f"{name}='{_OPTIONS[name]}'" for name in options)
                what = "error class" if word == "raises" else "warning class"
                report(call, f"`{word}` takes one {what}", f"{word}({classes[0]}, {given})")
        for keyword in call.keywords:
            match keyword:
                case ast.keyword(arg="phase", value=ast.Constant("forward" | "backward")) if (
                    "phase" in options
                ):
                    pass
                case ast.keyword(arg="match", value=ast.Constant(str())):
                    pass
                case ast.keyword(arg="phase") if "phase" in options:
                    report(keyword.value, "phase is 'forward' or 'backward'", "")
                case ast.keyword(arg="match"):
                    report(keyword.value, "match is a string", "match='saved tensors'")
                case _:
                    known = " and ".join(options)
                    report(keyword.value, f"`{word}` has no option '{keyword.arg}'", f"it has {known}")

    def fail(self, call: ast.Call) -> None:
        """`fail(Error)`."""
        match call:
            case ast.Call(args=[ast.Name(id=error)], keywords=[]) if error in words.ERRORS:
                pass
            case _:
                self.scope.report(call, "`fail` takes one error class", f"one of {', '.join(words.ERRORS)}")

    def record(self, call: ast.Call) -> None:
        """`record(value)`."""
        match call:
            case ast.Call(args=[value], keywords=[]):
                self.expressions.check(value)
            case _:
                self.scope.report(call, "`record` takes one value", "record(g)")

    def watch(self, call: ast.Call) -> None:
        """`w = watch(name)`."""
        match call:
            case ast.Call(args=[ast.Name() as watched], keywords=[]):
                self.expressions.receiver(watched)
            case _:
                self.scope.report(call, "`watch` takes one name", "w = watch(y)")

    def loop(self, target: ast.Name, iterable: ast.expr, body: list[ast.stmt]) -> None:
        """`for i in range(n):`; what a round assigns, the next one may use."""
        match iterable:
            case ast.Call(func=ast.Name("range"), args=[bound], keywords=[]):
                self.facts.known(bound, "the number of rounds")
                rounds = bound.value if isinstance(bound, ast.Constant) else 0
                if type(rounds) is not int:
                    message = f"the number of rounds is {rounds!r}; it must be an integer"
                    self.scope.report(bound, message, "for i in range(2):")
            case _:
                self.scope.report(iterable, "a loop runs over range(n)", "for i in range(n):")
        self.new_name(target)
        self.scope.live |= set(assigned(body))
        around, self.scope.loops = self.scope.loops, self.scope.loops | {target.id}
        self.block(body)
        self.scope.loops = around

    def condition(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]) -> None:
        """`if` on a constant; after it, a name may have the value that either branch gave it."""
        self.facts.known(test, "the condition of an `if`")
        before = set(self.scope.live)
        self.block(body)
        after, self.scope.live = self.scope.live, before
        self.block(orelse)
        self.scope.live |= after
