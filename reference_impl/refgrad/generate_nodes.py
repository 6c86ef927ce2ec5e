"""The text of node classes, one for each set of tensors that require grad; `generate` adds the functions that
run and record an operation.

Nothing here knows any operation: all that is particular comes from the row.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from .rules.formulas import FUNCTIONS
from .rules.registry import METADATA, Missing, Rule


def chosen_tensors(rule: Rule, mask: int) -> list[str]:
    """Return the tensors that require grad in the variant `mask`."""
    return [name for bit, name in enumerate(rule.differentiable) if mask >> bit & 1]


def _last(name: str) -> str:
    """Return the name of a node without the C++ namespace that some of torch's names have."""
    return name.rpartition("::")[2]


def class_name(rule: Rule, mask: int, plain: bool) -> str:
    """Return the name of the class of the variant `mask`."""
    return f"{_last(rule.grad_fn)}_{'_'.join(chosen_tensors(rule, mask))}{'' if plain else '_general'}"


@dataclass(frozen=True, slots=True)
class Needs:
    """What one variant keeps: tensors, results (all that any formula uses, as in torch), and the arguments,
    shapes and dtypes that its own formulas use, in a fixed order.
    """

    tensors: list[str]
    results: list[str]
    args: list[str]
    metadata: list[str]
    releases: tuple[str, ...]

    @classmethod
    def of(cls, rule: Rule, mask: int, plain: bool) -> Needs:
        chosen = chosen_tensors(rule, mask)
        used: set[str] = set().union(*(rule.names_in(name) for name in chosen))
        metadata = {f"{tensor}_{what}" for tensor in rule.tensors for what in METADATA} & used
        if not plain:
            metadata |= {f"{name}_{what}" for name in chosen for what in ("shape", "dtype")}
        return cls(
            list(rule.saved_for(chosen)),
            [name for name in rule.results if name in rule.saves],
            [name for name in rule.args if name in used],
            sorted(metadata),
            tuple(name for name in rule.releases if name in used),
        )

    @property
    def slots(self) -> list[str]:
        """The attributes of a node."""
        saved = [f"s_{name}" for name in self.tensors]
        for name in self.results:
            saved += [f"s_{name}", f"c_{name}"]
        return [*saved, *(f"a_{name}" for name in self.args), *(f"m_{name}" for name in self.metadata)]


def node_class(rule: Rule, mask: int, plain: bool) -> list[str]:
    """Return the class for the variant `mask`."""
    needs = Needs.of(rule, mask, plain)
    chosen = chosen_tensors(rule, mask)
    name = class_name(rule, mask, plain)
    lines = [
        f"class {name}({'SeveralNode' if rule.outputs else 'SavedNode'}):",
        f"    __slots__ = {tuple(needs.slots)!r}",
        f"    operands = {tuple(needs.tensors)!r}",
        f"    results = {tuple(needs.results)!r}",
        *_outputs(rule),
        f"    savable = {rule.saves!r}",
        f"    label = {rule.grad_fn!r}",
        f"    mask = {tuple(tensor in chosen for tensor in rule.differentiable)!r}",
        f"    some = partial(some_of, {mask}, {plain})",
        "",
        *(f"    {line}" for line in vjp(rule, mask, plain, graph=False)),
        "",
        *(f"    {line}" for line in vjp(rule, mask, plain, graph=True)),
        "",
    ]
    lines += [f"{name}.__name__ = {name}.__qualname__ = {_last(rule.grad_fn)!r}"]
    return lines


def vjp(rule: Rule, mask: int, plain: bool, graph: bool, wanted: tuple[bool, ...] | None = None) -> list[str]:
    """Return the method `vjp` of the variant `mask`, or with `graph` `vjp_graph`. wanted: the gradients that
    it computes, all where that is left out; all that was saved is checked and released in any case.
    """
    needs = Needs.of(rule, mask, plain)
    chosen = chosen_tensors(rule, mask)
    body = _separate(rule)
    if graph:
        body += [f"{saved} = unpack(node, {saved!r})" for saved in needs.tensors]
        body += [
            f"{name} = unpack_{f'output(node, {name!r})' if rule.outputs else 'result(node)'}"
            for name in needs.results
        ]
        body += _unpack_arguments(needs)
        body += [f"{item} = node.m_{item}" for item in needs.metadata]
    else:
        body += _unpack_data(needs)
    body += _evaluate(rule, chosen, plain, graph, wanted or (True,) * len(chosen))
    return [
        f"def {'vjp_graph' if graph else 'vjp'}(node, grad, keep):",
        *(f"    {line}" for line in [*body, *_release(needs), "return grads"]),
    ]


def _outputs(rule: Rule) -> list[str]:
    """Return the lines that tell a class of several results about them."""
    if not rule.outputs:
        return []
    numbers = {name: number for number, name in enumerate(rule.differentiable_outputs)}
    return [f"    outputs = {rule.outputs!r}", f"    numbers = {numbers!r}"]


def _separate(rule: Rule) -> list[str]:
    """Return the lines that name the gradient of each of several outputs."""
    names = [f"grad_{name}" for name in rule.differentiable_outputs]
    if not rule.outputs:
        return []
    return [f"{', '.join(names)} = {'separate(node, grad)' if len(names) > 1 else 'grad'}"]


def _unpack_data(needs: Needs) -> list[str]:
    lines = []
    for saved in needs.tensors:
        lines += [
            f"{saved} = node.s_{saved}",
            f"if {saved} is None:",
            "    raise freed()",
            f"if {saved}._counter is not None:",
            f"    check_saved(node, {saved!r}, {saved})",
            f"{saved} = {saved}._data",
        ]
    for name in needs.results:
        lines += [
            f"{name} = node.s_{name}",
            f"if {name} is None:",
            "    raise freed()",
            f"if node.c_{name}.value:",
            f"    {name} = result_data(node, {name!r})",
        ]
    lines += _unpack_arguments(needs)
    lines += [f"{item} = node.m_{item}" for item in needs.metadata]
    return lines


def _unpack_arguments(needs: Needs) -> list[str]:
    lines = [f"{arg} = node.a_{arg}" for arg in needs.args]
    for arg in needs.releases:
        lines += [f"if {arg} is None:", "    raise freed()"]
    return lines


def _evaluate(rule: Rule, chosen: list[str], plain: bool, graph: bool, wanted: tuple[bool, ...]) -> list[str]:
    values = []
    for name, needed in zip(chosen, wanted, strict=True):
        if not needed:
            values.append("None")
            continue
        formula = rule.formula(name)
        if formula is None:
            stated = rule.derivatives[name]
            entry = stated.entry if isinstance(stated, Missing) else None
            return [f"raise not_implemented({rule.name!r}, {entry!r})"]
        text = rewrite(formula, plain, graph)
        values.append(text if plain else f"fit({text}, {name}_shape, {name}_dtype)")
    return [f"grads = {values[0] if len(values) == 1 else '(' + ', '.join(values) + ')'}"]


def _release(needs: Needs) -> list[str]:
    saved = [f"node.s_{name}" for name in (*needs.tensors, *needs.results)]
    saved += [f"node.a_{name}" for name in needs.releases]
    return ["if not keep:", f"    {' = '.join(saved)} = None"] if saved else []


class _Rewrite(ast.NodeTransformer):
    """Drops conjugation where everything is real, and names the version of a function for refgrad tensors."""

    def __init__(self, plain: bool, graph: bool) -> None:
        self.plain = plain
        self.graph = graph

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name):
            if self.plain and node.func.id == "conj":
                return node.args[0]
            if self.graph and node.func.id in FUNCTIONS:
                node.func.id += "_graph"
        return node


def rewrite(formula: str, plain: bool, graph: bool) -> str:
    """Return the text of a formula over plain data, or over refgrad tensors for a recorded backward."""
    return ast.unparse(_Rewrite(plain, graph).visit(ast.parse(formula, mode="eval")))
