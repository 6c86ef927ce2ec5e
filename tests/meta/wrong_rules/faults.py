"""Wrong formulas out of right ones, by the slips that people make when they derive."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from refgrad.rules import Rule

Edit = Callable[[ast.expr], ast.expr]

_STRICTNESS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in one row.

    formulas: by tensor, those that are wrong. forward_mode: whether they are those that the row states for
    forward mode alone.
    """

    row: str
    kind: str
    formulas: Mapping[str, str]
    forward_mode: bool = False

    @property
    def where(self) -> str:
        """The tensors whose formulas are wrong, with the formulas."""
        mode = " in forward mode" if self.forward_mode else ""
        return "; ".join(f"{tensor}{mode}: {formula}" for tensor, formula in self.formulas.items())

    def __str__(self) -> str:
        return f"{self.row}, {self.kind}: {self.where}"


def faults(rule: Rule, integers: Collection[str] = ()) -> Iterator[Fault]:
    """Every fault that applies to a row. integers: those of its arguments that are whole numbers."""
    stated = {tensor: formula for tensor in rule.tensors if (formula := rule.formula(tensor)) is not None}
    transposed = {tensor: one for tensor, one in rule.forward_mode.items() if isinstance(one, str)}
    for formulas in (stated, transposed):
        for tensor, formula in formulas.items():
            known = {_plain(formula)}
            for kind, wrong in _wrong(formula, integers):
                if wrong not in known:
                    known.add(wrong)
                    yield Fault(rule.name, kind, {tensor: wrong}, formulas is transposed)
    if rule.elementwise:  # all tensors have one shape, so that no formula gives itself away by its own
        for a, b in combinations(stated, 2):
            if _plain(stated[a]) != _plain(stated[b]):
                yield Fault(rule.name, "formulas swapped", {a: stated[b], b: stated[a]})


def _wrong(formula: str, integers: Collection[str]) -> Iterator[tuple[str, str]]:
    if not formula.startswith("zeros_like(") and formula != "None":
        yield "zeros", f"zeros_like({formula})"
        yield "sign", _plain(f"-({formula})")
    for place, node in enumerate(ast.walk(ast.parse(formula, mode="eval"))):
        if isinstance(node, ast.expr):
            for kind, edit in _edits(node, integers):
                yield kind, _edited(formula, place, edit)


def _edits(node: ast.expr, integers: Collection[str]) -> Iterator[tuple[str, Edit]]:
    """The faults that can be made where a node stands."""
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            if not _has_gradient(left):
                yield "factor dropped", lambda n: n.right  # type: ignore[attr-defined]
            if not _has_gradient(right):
                yield "factor dropped", lambda n: n.left  # type: ignore[attr-defined]
        case ast.BinOp(op=ast.Div()):
            yield "divisor dropped", lambda n: n.left  # type: ignore[attr-defined]
        case ast.BinOp(op=ast.Add() | ast.Sub() as op):
            yield "term dropped", lambda n: n.left  # type: ignore[attr-defined]
            if isinstance(op, ast.Add):
                yield "term dropped", lambda n: n.right  # type: ignore[attr-defined]
            else:
                yield "term dropped", lambda n: ast.UnaryOp(ast.USub(), n.right)  # type: ignore[attr-defined]
        case ast.UnaryOp(op=ast.USub()):
            yield "sign", lambda n: n.operand  # type: ignore[attr-defined]
        case ast.Call(func=ast.Name(id="conj")):
            yield "conj dropped", lambda n: n.args[0]  # type: ignore[attr-defined]
        case ast.Call(func=ast.Attribute(attr="conj" | "masked_fill" | "where" as attr)):
            kind = "conj dropped" if attr == "conj" else "mask dropped"
            yield kind, lambda n: n.func.value  # type: ignore[attr-defined]
        case ast.Call(func=ast.Name(id="where")):
            yield "mask dropped", lambda n: n.args[1]  # type: ignore[attr-defined]
            yield "mask dropped", lambda n: n.args[2]  # type: ignore[attr-defined]
        case ast.Compare(ops=[op]) if type(op) in _STRICTNESS:
            yield "edge of a mask", _other_strictness
        case ast.Constant(value=int()) if not isinstance(node.value, bool):
            yield "off by one", lambda n: ast.Constant(n.value + 1)  # type: ignore[attr-defined]
        case ast.Name(id=name) if name in integers:
            yield "off by one", lambda n: ast.BinOp(n, ast.Add(), ast.Constant(1))


def _other_strictness(node: ast.expr) -> ast.expr:
    assert isinstance(node, ast.Compare)
    return ast.Compare(node.left, [_STRICTNESS[type(node.ops[0])]()], node.comparators)


def _has_gradient(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id.startswith("grad") for part in ast.walk(node))


def _edited(formula: str, place: int, edit: Edit) -> str:
    """The formula with the node that stands at a place of `ast.walk` edited."""
    tree = ast.parse(formula, mode="eval")
    target = list(ast.walk(tree))[place]

    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            if node is target:
                assert isinstance(node, ast.expr)
                return edit(node)
            return self.generic_visit(node)

    return ast.unparse(ast.fix_missing_locations(Replace().visit(tree)))


def _plain(formula: str) -> str:
    return ast.unparse(ast.parse(formula, mode="eval"))
