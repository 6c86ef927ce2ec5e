"""What is known at one point of a program's text while it is checked, and where problems go."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gradconform.errors import did_you_mean
from gradconform.program import vocabulary as words
from gradconform.program.constants import ConstantError, Constants, is_constant

Report = Callable[[ast.AST, str, str], None]
"""Takes a node, what is wrong with it, and a hint or ""."""


# Syntax that not every supported Python has.
_NEWER = {"TryStar": "try", "TypeAlias": "type", "TemplateStr": "a t-string"}
NOT_IN_SUBSET: dict[type[ast.AST], str] = {
    ast.Import: "import",
    ast.ImportFrom: "import",
    ast.AsyncFunctionDef: "async def",
    ast.While: "while",
    ast.AsyncFor: "async for",
    ast.AsyncWith: "async with",
    ast.Try: "try",
    ast.Break: "break",
    ast.Continue: "continue",
    ast.Lambda: "lambda (write `def`)",
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
    ast.Yield: "`yield` inside an expression",
    ast.YieldFrom: "yield from",
    ast.Await: "await",
    ast.Raise: "raise (write `fail(Error)`)",
    ast.IfExp: "a conditional expression",
    ast.Match: "match",
    ast.AnnAssign: "an annotation",
    ast.Assign: "an assignment to several targets",
    ast.AugAssign: "an in-place assignment to this",
    ast.For: "this form of `for`",
    ast.With: "a `with` of several items",
    ast.Assert: "an `assert` with a message",
    ast.BoolOp: "`and` or `or` outside of a fact",
    ast.Compare: "this comparison outside of a fact",
    ast.UnaryOp: "this sign",
    ast.Slice: "a slice outside of an index",
    **{getattr(ast, name): what for name, what in _NEWER.items() if hasattr(ast, name)},
}
"""What the subset leaves out, or takes in other forms only, in words."""

_LOG = "`record(value)` appends to the log of the run; facts read it as `recorded()`"
INSTEAD = {"append": _LOG, "print": _LOG, "allclose": "write `close(a, b)`"}
"""Words of Python and torch that programs are written with elsewhere, with what the step language has
instead."""


@dataclass(slots=True)
class Scope:
    """What is known at one point of a program's text.

    live: the names that may have a value here. constants: those known before the program runs.
    fixed: the constants that `let` and loops make. choices: operator and choice variables, each with the
    words that it may stand for. function: whether this is in the body of a definition. contexts: the names
    that stand for the context of a custom function, which has whatever attributes the program gives it.
    given: the variables of `let`. loops: the variables of the loops around this point. outer_loops: those of
    the loops around the definition. own: all names that the text gives a value to.
    """

    report: Report
    live: set[str]
    constants: frozenset[str]
    fixed: frozenset[str]
    choices: Mapping[str, tuple[str, ...]]
    function: bool = False
    contexts: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    loops: frozenset[str] = frozenset()
    outer_loops: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()

    def is_constant(self, node: ast.expr) -> bool:
        """Whether an expression is known before the program runs."""
        return is_constant(node, self.constants)

    def fold(self, node: ast.expr) -> None:
        """Reports arithmetic on literals that cannot be done."""
        if is_constant(node, ()):
            try:
                Constants().evaluate(node)
            except ConstantError as error:
                self.report(error.node, str(error), "")

    def unknown(self, node: ast.AST, what: str, word: str, known: Iterable[str]) -> None:
        """Reports a word that the language does not have."""
        self.report(node, f"unknown {what} '{word}'", INSTEAD.get(word) or did_you_mean(word, known))

    def outside(self, node: ast.AST) -> None:
        """Reports syntax outside the subset."""
        what = NOT_IN_SUBSET.get(type(node), f"`{type(node).__name__}`")
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            what = "`not` outside of a fact"
        self.report(node, f"{what} is not in the step language", "the subset is in specs/README.md")

    def name(self, node: ast.Name) -> None:
        """Reports a name without a value."""
        if node.id in self.outer_loops:
            self.report(
                node,
                f"'{node.id}' is the variable of a loop around this definition",
                "give its value a name in the loop, or pass it as an argument",
            )
        elif node.id not in self.live and node.id not in words.DTYPES:
            self.unknown(node, "name", node.id, [*self.live, *words.DTYPES])

    def fits(self, node: ast.Call, row: words.Operator, receiver: int = 0) -> None:
        """Reports a call that does not fit the signature of an operator."""
        why = words.call_error(row, len(node.args) + receiver, _keywords(node))
        self._misfit(node, row.name, row.signature, why)

    def fits_signature(self, node: ast.Call, name: str, signature: str, receiver: int = 0) -> None:
        """As `fits`, for a function that is no operator."""
        why = words.arity_error(signature, len(node.args) + receiver, _keywords(node))
        self._misfit(node, name, signature, why)

    def _misfit(self, node: ast.Call, name: str, signature: str, why: str) -> None:
        if why and not any(isinstance(argument, ast.Starred) for argument in node.args):
            self.report(node, f"call of '{name}' does not fit its signature: {why}", f"{name}({signature})")


def _keywords(node: ast.Call) -> tuple[str, ...]:
    return tuple(keyword.arg for keyword in node.keywords if keyword.arg)
