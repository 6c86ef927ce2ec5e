"""The subset of Python's syntax that a program may use, checked before anything is built from it.

`Checker` walks a program's syntax tree once and collects every problem: syntax outside the subset, unknown names,
operators and attributes, calls that do not fit a signature, loops and conditions over what is not known before
the program runs. What it lets through, `gradconform.program.lower` can build. Nothing is ever evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from gradconform.errors import did_you_mean
from gradconform.program import vocabulary as words

FACT_WORDS = {"close": 2, "shares_storage": 2, "len": 1}
"""Functions that only facts have, with the number of their arguments."""

ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.MatMult)
COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
NOT_IN_SUBSET = {
    ast.Import: "import",
    ast.ImportFrom: "import",
    ast.FunctionDef: "def",
    ast.AsyncFunctionDef: "async def",
    ast.ClassDef: "class",
    ast.While: "while",
    ast.Try: "try",
    ast.Lambda: "lambda",
    ast.JoinedStr: "an f-string",
    ast.ListComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Dict: "a dict",
    ast.Set: "a set",
    ast.Starred: "a starred argument",
    ast.NamedExpr: "an assignment inside an expression",
    ast.Global: "global",
    ast.Nonlocal: "nonlocal",
    ast.Return: "return",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.Await: "await",
    ast.Raise: "raise (write `fail(Error)`)",
    ast.IfExp: "a conditional expression",
    ast.Match: "match",
    ast.AnnAssign: "an annotation",
}

Report = Callable[[ast.AST, str, str], None]


def dotted(node: ast.expr) -> str:
    """`autograd.grad` for an attribute path of names, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


class Checker:
    """Checks one program. `report(node, message, hint)` is called once for each problem.

    names: the tensors and objects that are live at this point. constants: names known before the program runs.
    functions, modes: names of operator or choice variables, each with the words that it may stand for.
    """

    def __init__(
        self,
        report: Report,
        *,
        names: Iterable[str],
        constants: Iterable[str],
        choices: dict[str, tuple[str, ...]],
    ) -> None:
        self.report = report
        self.names = set(names)
        self.constants = {*constants, "dtype"}
        self.choices = choices

    # statements

    def block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=[target], value=value):
                self.expression(value)
                self.assign(target, value)
            case ast.AugAssign(target=ast.Name() as target, op=op, value=value):
                self.augmented(op, target)
                self.expression(target)
                self.expression(value)
            case ast.AugAssign(target=ast.Subscript() as target, op=op, value=value):
                self.augmented(op, target)
                self.expression(target)
                self.expression(value)
            case ast.Expr(value=ast.Call(func=ast.Name("shows")) as call):
                self.shows(call)
            case ast.Expr(value=ast.Call(func=ast.Name("fail")) as call):
                self.fail(call)
            case ast.Expr(value=ast.Call() as call):
                self.expression(call, statement=True)
            case ast.Assert(test=test, msg=None):
                self.fact(test)
            case ast.Delete(targets=targets):
                for target in targets:
                    self.delete(target)
            case ast.With(items=[item], body=body):
                self.within(item)
                self.block(body)
            case ast.For(target=ast.Name(id=name), iter=iterable, body=body, orelse=[]):
                self.loop(name, iterable)
                self.block(body)
            case ast.If(test=test, body=body, orelse=orelse):
                self.constant(test, "the condition of an `if`")
                self.block(body)
                self.block(orelse)
            case ast.Pass():
                pass
            case ast.Expr():
                self.report(
                    node,
                    "an expression that is neither called nor asserted does nothing",
                    "write `assert ...`",
                )
            case _:
                self.outside(node)

    def augmented(self, op: ast.operator, target: ast.expr) -> None:
        if not isinstance(op, ast.Add | ast.Sub | ast.Mult | ast.Div):
            self.report(
                target, "this in-place operator is not in the step language", "it has +=, -=, *= and /="
            )

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        match target:
            case ast.Name(id=name):
                self.new_name(target, name)
                if self.is_constant(value):
                    self.constants.add(name)
                    self.names.discard(name)
                else:
                    self.names.add(name)
                    self.constants.discard(name)
            case ast.Tuple(elts=elements) if elements and all(isinstance(e, ast.Name) for e in elements):
                if not isinstance(value, ast.Call):
                    self.report(target, "only the result of a call can be unpacked", "")
                for element in elements:
                    assert isinstance(element, ast.Name)
                    self.new_name(element, element.id)
                    self.names.add(element.id)
            case ast.Attribute(value=base, attr=attribute):
                self.expression(base)
                if attribute not in words.WRITABLE:
                    self.report(
                        target,
                        f"attribute '{attribute}' cannot be assigned",
                        did_you_mean(attribute, words.WRITABLE) or f"assignable: {', '.join(words.WRITABLE)}",
                    )
            case ast.Subscript():
                self.expression(target)
            case _:
                self.report(
                    target,
                    "this cannot be assigned to",
                    "a name, a tuple of names, an attribute or an index can",
                )

    def new_name(self, node: ast.expr, name: str) -> None:
        if name.startswith("_"):
            self.report(node, f"name '{name}' starts with an underscore", "such names are the language's own")
        elif name in words.FUNCTIONS or name in self.choices or name in FACT_WORDS or name == "dtype":
            self.report(node, f"name '{name}' is a word of the step language", "choose another name")

    def delete(self, target: ast.expr) -> None:
        match target:
            case ast.Name(id=name) if name in self.names:
                self.names.discard(name)
            case ast.Name():
                self.name(target)
            case _:
                self.report(target, "only a name can be deleted", "")

    def within(self, item: ast.withitem) -> None:
        match item:
            case ast.withitem(context_expr=ast.Call(func=ast.Name("raises")) as call, optional_vars=None):
                self.raises(call)
            case ast.withitem(context_expr=ast.Call(func=func) as call, optional_vars=None):
                mode = dotted(func)
                for name in self.choices.get(mode, (mode,)):
                    if name not in words.MODES:
                        self.unknown(func, "mode", name, [*words.MODES, "raises"])
                    else:
                        self.arity(call, words.MODES[name], name)
                for argument in call.args:
                    self.expression(argument)
            case _:
                self.report(item.context_expr, "`with` takes one mode or `raises(...)`, without `as`", "")

    def raises(self, call: ast.Call) -> None:
        match call.args:
            case [ast.Name(id=error)] if error in words.ERRORS:
                pass
            case [error_node]:
                self.unknown(error_node, "error class", dotted(error_node), words.ERRORS)
            case _:
                self.report(call, "`raises` takes one error class", "raises(RuntimeError, phase='backward')")
        for keyword in call.keywords:
            match keyword:
                case ast.keyword(arg="phase", value=ast.Constant("forward" | "backward")):
                    pass
                case ast.keyword(arg="match", value=ast.Constant(str())):
                    pass
                case ast.keyword(arg="phase"):
                    self.report(keyword.value, "phase is 'forward' or 'backward'", "")
                case _:
                    self.report(
                        keyword.value, f"`raises` has no option '{keyword.arg}'", "it has phase and match"
                    )

    def fail(self, call: ast.Call) -> None:
        match call:
            case ast.Call(args=[ast.Name(id=error)], keywords=[]) if error in words.ERRORS:
                pass
            case _:
                self.report(call, "`fail` takes one error class", f"one of {', '.join(words.ERRORS)}")

    def loop(self, name: str, iterable: ast.expr) -> None:
        match iterable:
            case ast.Call(func=ast.Name("range"), args=[bound], keywords=[]):
                self.constant(bound, "the number of rounds")
            case _:
                self.report(iterable, "a loop runs over range(n)", "for i in range(n):")
        self.constants.add(name)

    # expressions

    def expression(self, node: ast.expr, *, statement: bool = False) -> None:
        match node:
            case ast.Constant(value=value):
                if isinstance(value, bytes):
                    self.report(node, "bytes are not in the step language", "")
            case ast.Name():
                self.name(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                self.expression(operand)
            case ast.BinOp(left=left, op=op, right=right):
                if not isinstance(op, ARITHMETIC):
                    self.report(node, "this operator is not in the step language", "it has + - * / ** @")
                self.expression(left)
                self.expression(right)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if isinstance(op, COMPARISONS):
                self.expression(left)
                self.expression(right)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                for element in elements:
                    self.expression(element)
            case ast.Subscript(value=value, slice=index):
                self.expression(value)
                self.index(index)
            case ast.Attribute(value=value, attr=attribute):
                self.attribute(node, value, attribute)
            case ast.Call():
                self.call(node, statement=statement)
            case _:
                self.outside(node)

    def index(self, node: ast.expr) -> None:
        match node:
            case ast.Slice(lower=lower, upper=upper, step=step):
                for part in (lower, upper, step):
                    if part is not None:
                        self.expression(part)
            case ast.Tuple(elts=elements):
                for element in elements:
                    self.index(element)
            case _:
                self.expression(node)

    def name(self, node: ast.Name) -> None:
        name = node.id
        if name in self.names or name in self.constants or name in words.DTYPES:
            return
        self.unknown(node, "name", name, [*self.names, *self.constants, *words.DTYPES])

    def attribute(self, node: ast.expr, value: ast.expr, attribute: str) -> None:
        self.expression(value)
        if attribute not in words.ATTRIBUTES:
            self.unknown(node, "attribute", attribute, words.ATTRIBUTES)

    def call(self, node: ast.Call, *, statement: bool = False) -> None:
        function = dotted(node.func)
        if function in self.choices:
            for name in self.choices[function]:
                if name not in words.OPERATORS:
                    self.unknown(node.func, "operator", name, words.OPERATORS)
                else:
                    self.arity(node, words.OPERATORS[name].signature, name)
        elif function == "autograd.backward":
            self.arity(node, words.AUTOGRAD_BACKWARD, function)
        elif function == "autograd.grad":
            self.arity(node, words.AUTOGRAD_GRAD, function)
        elif function in words.FUNCTIONS:
            self.arity(node, words.OPERATORS[function].signature, function)
        elif isinstance(node.func, ast.Attribute) and function.split(".")[0] not in (
            "autograd",
            "nn",
            "optim",
        ):
            self.method(node, node.func)
        else:
            known = [*words.FUNCTIONS, "autograd.backward", "autograd.grad", *self.choices]
            self.unknown(node.func, "operator", function or ast.unparse(node.func), known)
        for argument in node.args:
            self.expression(argument)
        for keyword in node.keywords:
            if keyword.arg is None:
                self.report(keyword.value, "`**` arguments are not in the step language", "")
            self.expression(keyword.value)

    def method(self, node: ast.Call, func: ast.Attribute) -> None:
        self.expression(func.value)
        name = func.attr
        if name == "backward":
            self.arity(node, words.BACKWARD, name, receiver=1)
        elif name in words.METHODS_OF_OBJECTS:
            self.arity(node, words.METHODS_OF_OBJECTS[name].signature, name)
        elif name in words.OPERATORS and words.OPERATORS[name].effect not in ("factory",):
            self.arity(node, words.OPERATORS[name].signature, name, receiver=1)
        else:
            known = [*words.OPERATORS, *words.METHODS_OF_OBJECTS, "backward"]
            self.unknown(func, "method", name, known)

    def arity(self, node: ast.Call, signature: str, name: str, receiver: int = 0) -> None:
        keywords = tuple(keyword.arg for keyword in node.keywords if keyword.arg)
        why = words.arity_error(signature, len(node.args) + receiver, keywords)
        if why:
            self.report(node, f"call of '{name}' does not fit its signature: {why}", f"{name}({signature})")

    # facts

    def shows(self, call: ast.Call) -> None:
        match call:
            case ast.Call(args=[place, literal], keywords=[]):
                self.fact(place)
                if not self.is_literal(literal):
                    self.report(
                        literal,
                        "`shows` takes a literal as its second argument",
                        "a law belongs into `assert`",
                    )
            case _:
                self.report(call, "`shows` takes a place and a literal", "shows(x.grad, [2.0])")

    def fact(self, node: ast.expr) -> None:
        match node:
            case ast.BoolOp(values=values):
                for value in values:
                    self.fact(value)
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                self.fact(operand)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                if len(ops) > 1:
                    self.report(
                        node, "a chain of comparisons is not in the step language", "write them with `and`"
                    )
                for part in (left, *comparators):
                    self.fact(part)
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, ARITHMETIC):
                self.fact(left)
                self.fact(right)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                for element in elements:
                    self.fact(element)
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr="grad_fn") as base, attr="name"),
                args=[],
                keywords=[],
            ):
                self.expression(base)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FACT_WORDS:
                if len(arguments) != FACT_WORDS[name]:
                    self.report(
                        node, f"'{name}' takes {FACT_WORDS[name]} arguments, not {len(arguments)}", ""
                    )
                for argument in arguments:
                    self.fact(argument)
            case ast.Call(func=func, args=arguments, keywords=keywords):
                self.fact_call(node, func, arguments, keywords)
            case ast.Subscript(value=value, slice=index):
                self.fact(value)
                self.index(index)
            case _:
                self.expression(node)

    def fact_call(
        self, node: ast.Call, func: ast.expr, arguments: list[ast.expr], keywords: list[ast.keyword]
    ) -> None:
        name = dotted(func)
        if isinstance(func, ast.Attribute) and func.attr in words.OPERATORS:
            self.fact(func.value)
            name, receiver = func.attr, 1
        else:
            receiver = 0
        for operator in self.choices.get(name, (name,)):
            row = words.OPERATORS.get(operator)
            if row is None:
                self.unknown(func, "operator", operator or ast.unparse(func), [*words.FUNCTIONS, *FACT_WORDS])
            elif row.effect in ("write", "object"):
                self.report(
                    node, f"'{operator}' cannot stand in a fact", "a fact only looks; do it in a step before"
                )
            else:
                self.arity(node, row.signature, operator, receiver)
        for argument in (*arguments, *(keyword.value for keyword in keywords)):
            self.fact(argument)

    # what is known before the program runs

    def constant(self, node: ast.expr, what: str) -> None:
        self.fact(node)
        if not self.is_constant(node):
            self.report(
                node,
                f"{what} must be known before the program runs",
                "use `let` integers, booleans or choices",
            )

    def is_constant(self, node: ast.expr) -> bool:
        match node:
            case ast.Constant():
                return True
            case ast.Name(id=name):
                return name in self.constants or name in words.DTYPES
            case ast.UnaryOp(operand=operand):
                return self.is_constant(operand)
            case ast.BinOp(left=left, right=right):
                return self.is_constant(left) and self.is_constant(right)
            case ast.Compare(left=left, comparators=comparators):
                return all(self.is_constant(part) for part in (left, *comparators))
            case ast.BoolOp(values=values):
                return all(self.is_constant(value) for value in values)
            case _:
                return False

    def is_literal(self, node: ast.expr) -> bool:
        match node:
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return all(self.is_literal(element) for element in elements)
            case ast.Call(func=ast.Name("float"), args=[ast.Constant(str())], keywords=[]):
                return True
            case _:
                return self.is_constant(node)

    # reports

    def unknown(self, node: ast.AST, what: str, word: str, known: Iterable[str]) -> None:
        self.report(node, f"unknown {what} '{word}'", did_you_mean(word, known))

    def outside(self, node: ast.AST) -> None:
        what = NOT_IN_SUBSET.get(type(node), type(node).__name__.lower())
        self.report(node, f"{what} is not in the step language", "the subset is in specs/README.md")
