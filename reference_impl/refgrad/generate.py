"""The text that rows are compiled to: node classes, and the functions that run and record an operation.

Nothing here knows any operation: all that is particular comes from the row.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from .rules.formulas import FUNCTIONS
from .rules.registry import Missing, Rule


def source(rule: Rule) -> str:
    """Return the Python text that `rule` is compiled to: node classes, `apply` and `record`."""
    lines: list[str] = []
    masks = range(1, 1 << len(rule.differentiable))
    for mask in masks:
        for plain in (True, False):
            lines += [*_node_class(rule, mask, plain), ""]
    if rule.view:
        lines += [*_view_functions(rule), ""]
    lines += [*_apply(rule), "", *_record_function(rule)]
    return "\n".join(lines) + "\n"


def pull_source(rule: Rule, name: str) -> str:
    """Return the text of `pull`: the formula of `rule` for the tensor `name` as a function on refgrad
    tensors, of the cotangent, the result, the tensors and the arguments.
    """
    formula = _rewrite(rule.formula(name) or "None", plain=False, graph=True)
    used = rule.names_in(name) | {f"{name}_shape", f"{name}_dtype"}
    lines = [f"def pull({', '.join(['grad', 'result', *rule.tensors, *rule.args])}):"]
    for tensor in rule.tensors:
        metadata = [what for what in ("shape", "dtype") if f"{tensor}_{what}" in used]
        lines += [f"    {tensor}_{what} = {tensor}._{what}" for what in metadata]
    lines.append(f"    return fit({formula}, {name}_shape, {name}_dtype)")
    return "\n".join(lines) + "\n"


def _chosen(rule: Rule, mask: int) -> list[str]:
    """Return the tensors that require grad in the variant `mask`."""
    return [name for bit, name in enumerate(rule.differentiable) if mask >> bit & 1]


def _last(name: str) -> str:
    """Return the name of a node without the C++ namespace that some of torch's names have."""
    return name.rpartition("::")[2]


def _class_name(rule: Rule, mask: int, plain: bool) -> str:
    return f"{_last(rule.grad_fn)}_{'_'.join(_chosen(rule, mask))}{'' if plain else '_general'}"


@dataclass(frozen=True, slots=True)
class _Needs:
    """What the formulas of one variant use: saved tensors, arguments, shapes and dtypes, in a fixed order."""

    tensors: list[str]
    result: bool
    args: list[str]
    metadata: list[str]
    releases: tuple[str, ...]

    @classmethod
    def of(cls, rule: Rule, mask: int, plain: bool) -> _Needs:
        chosen = _chosen(rule, mask)
        used: set[str] = set().union(*(rule.names_in(name) for name in chosen))
        # Formula by formula, as torch saves: hooks for saved tensors see the order.
        in_order = [saved for name in chosen for saved in rule.tensors if saved in rule.names_in(name)]
        metadata = {f"{tensor}_{what}" for tensor in rule.tensors for what in ("shape", "dtype")} & used
        if not plain:
            metadata |= {f"{name}_{what}" for name in chosen for what in ("shape", "dtype")}
        return cls(
            list(dict.fromkeys(in_order)),
            "result" in used,
            [name for name in rule.args if name in used],
            sorted(metadata),
            tuple(name for name in rule.releases if name in used),
        )

    @property
    def slots(self) -> list[str]:
        saved = [f"s_{name}" for name in self.tensors]
        if self.result:
            saved += ["s_result", "c_result"]
        return [*saved, *(f"a_{name}" for name in self.args), *(f"m_{name}" for name in self.metadata)]


def _node_class(rule: Rule, mask: int, plain: bool) -> list[str]:
    needs = _Needs.of(rule, mask, plain)
    chosen = _chosen(rule, mask)
    name = _class_name(rule, mask, plain)
    lines = [
        f"class {name}(SavedNode):",
        f"    __slots__ = {tuple(needs.slots)!r}",
        f"    operands = {tuple(needs.tensors)!r}",
        f"    keeps_result = {needs.result}",
        f"    savable = {rule.saves!r}",
        f"    label = {rule.grad_fn!r}",
        f"    mask = {tuple(tensor in chosen for tensor in rule.differentiable)!r}",
        "",
        "    def vjp(node, grad, keep):",
    ]
    lines += [f"        {line}" for line in _unpack_data(needs)]
    lines += [f"        {line}" for line in _evaluate(rule, chosen, plain, graph=False)]
    lines += [*_release(needs), "        return grads", "", "    def vjp_graph(node, grad, keep):"]
    lines += [f"        {saved} = unpack(node, {saved!r})" for saved in needs.tensors]
    if needs.result:
        lines.append("        result = unpack_result(node)")
    lines += [f"        {line}" for line in _unpack_arguments(needs)]
    lines += [f"        {item} = node.m_{item}" for item in needs.metadata]
    lines += [f"        {line}" for line in _evaluate(rule, chosen, plain, graph=True)]
    lines += [*_release(needs), "        return grads", ""]
    lines += [f"{name}.__name__ = {name}.__qualname__ = {_last(rule.grad_fn)!r}"]
    return lines


def _unpack_data(needs: _Needs) -> list[str]:
    lines = []
    for saved in needs.tensors:
        lines += [
            f"{saved} = node.s_{saved}",
            f"if {saved} is None:",
            "    raise freed()",
            f"if {saved}._counter is not None:",
            f"    check_version(node, {saved!r}, {saved}._counter, {saved}._data, {saved}.grad_fn)",
            f"{saved} = {saved}._data",
        ]
    if needs.result:
        lines += [
            "result = node.s_result",
            "if result is None:",
            "    raise freed()",
            "if node.c_result.value:",
            "    result = result_data(node)",
        ]
    lines += _unpack_arguments(needs)
    lines += [f"{item} = node.m_{item}" for item in needs.metadata]
    return lines


def _unpack_arguments(needs: _Needs) -> list[str]:
    lines = [f"{arg} = node.a_{arg}" for arg in needs.args]
    for arg in needs.releases:
        lines += [f"if {arg} is None:", "    raise freed()"]
    return lines


def _evaluate(rule: Rule, chosen: list[str], plain: bool, graph: bool) -> list[str]:
    values = []
    for name in chosen:
        formula = rule.formula(name)
        if formula is None:
            stated = rule.derivatives[name]
            entry = stated.entry if isinstance(stated, Missing) else None
            return [f"raise not_implemented({rule.name!r}, {entry!r})"]
        text = _rewrite(formula, plain, graph)
        values.append(text if plain else f"fit({text}, {name}_shape, {name}_dtype)")
    return [f"grads = {values[0] if len(values) == 1 else '(' + ', '.join(values) + ')'}"]


def _release(needs: _Needs) -> list[str]:
    saved = [f"node.s_{name}" for name in needs.tensors] + (["node.s_result"] if needs.result else [])
    saved += [f"node.a_{name}" for name in needs.releases]
    return ["        if not keep:", f"            {' = '.join(saved)} = None"] if saved else []


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


def _rewrite(formula: str, plain: bool, graph: bool) -> str:
    return ast.unparse(_Rewrite(plain, graph).visit(ast.parse(formula, mode="eval")))


def _on_data(rule: Rule) -> str:
    """Return the forward expression with each tensor replaced by its data."""

    class Data(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            if node.id not in rule.tensors:
                return node
            return ast.Attribute(ast.Name(node.id, ast.Load()), "_data", ast.Load())

    return ast.unparse(ast.fix_missing_locations(Data().visit(ast.parse(rule.forward, mode="eval"))))


def _same(rule: Rule, tensors: tuple[str, ...]) -> str:
    """Return the test that the operation is plain, given the dtype of the first of `tensors`."""
    others = tensors[1:]
    tests = [f"dtype is {other}._dtype" for other in others] + ["dtype in PLAIN"]
    if rule.elementwise:
        tests += [f"(shape is {other}._shape or shape == {other}._shape)" for other in others]
    return " and ".join(tests)


def _apply(rule: Rule) -> list[str]:
    """Return the function that runs the kernel and records."""
    parameters = [*rule.tensors, *rule.args]
    first = rule.tensors[0]
    lines = [f"def apply({', '.join(parameters)}):"]
    body: list[str] = []
    # An elementwise operation on plain tensors alone has a result whose shape and dtype are known beforehand.
    known = rule.elementwise and not rule.args and len(rule.differentiable) == len(rule.tensors)
    if known:
        body += [f"shape = {first}._shape", f"dtype = {first}._dtype"]
    if rule.number is not None:
        other = rule.number
        body += [
            f"if type({other}) is Tensor or isinstance({other}, Tensor):",
            f"    plain = {_same(rule, rule.tensors)}",
            f"    e_{other} = {other}._node",
            "else:",
            f"    {other} = number(dtype, {other})",
            f"    if {other} is None:",
            "        return NotImplemented",
            f"    plain = {other}.plain and dtype in PLAIN",
            f"    e_{other} = None",
        ]
    elif known:
        body.append(f"plain = {_same(rule, rule.tensors)}")
    body += [f"data = {_on_data(rule)}", "out = new(Tensor)", "out._data = data", "out._counter = None"]
    if rule.view:
        body.append("out._node = None")
    if known:
        body += [
            "if plain:",
            "    out._shape = shape",
            "    out._dtype = dtype",
            "else:",
            "    out._shape = data.shape",
            "    out._dtype = data.dtype",
        ]
    else:
        body += ["out._shape = shape = data.shape", "out._dtype = dtype = data.dtype"]
    if rule.view:
        body += [f"track(out, {first}, {_steps(rule)})"]
    body += [f"e_{name} = {name}._node" for name in rule.differentiable if name != rule.number]
    nothing = " and ".join(f"e_{name} is None" for name in rule.differentiable)
    given = (f"({''.join(f'{name}, ' for name in names)})" for names in (rule.tensors, rule.args))
    forward = ["if LEVELS:", f"    push(out, {', '.join(given)})"]
    body += [f"if ({nothing}) or not mode.enabled:"]
    body += [] if rule.view else ["    out._node = None"]
    # In inference mode nothing is recorded, and there is no forward mode either.
    body += ["    if mode.inference:"]
    body += [] if rule.view else ["        out._counter = UNCOUNTED"]
    body += ["        return out"]
    body += [*(f"    {line}" for line in forward), "    return out"]
    if not known:
        everything = tuple(name for name in rule.tensors if name in rule.differentiable)
        test = " and ".join([f"dtype is {name}._dtype" for name in everything] + ["dtype in PLAIN"])
        if rule.elementwise:
            test += "".join(f" and shape == {name}._shape" for name in everything)
        body.append(f"plain = {test}")
    body += _record(rule, fresh=True)
    body += [*forward, "return out"]
    return lines + [f"    {line}" for line in body]


def _view_functions(rule: Rule) -> list[str]:
    """Return functions that take a view again and that bring its gradient back, for data and for tensors
    alike.
    """
    (base,) = rule.tensors
    formula = rule.formula(base) or ""
    parameters = ", ".join(["grad", f"{base}_shape", f"{base}_dtype", *rule.args])
    return [
        f"def take({', '.join([base, *rule.args])}):",
        f"    if isinstance({base}, Tensor):",
        f"        return {_rewrite(rule.forward, plain=False, graph=True)}",
        f"    return {rule.forward}",
        "",
        f"def give_back({parameters}):",
        "    if isinstance(grad, Tensor):",
        f"        return {_rewrite(formula, plain=False, graph=True)}",
        f"    return {formula}",
    ]


def _steps(rule: Rule) -> str:
    """Return the arguments that turn the functions of a view into a step without arguments of its own."""
    (base,) = rule.tensors
    args = "".join(f", {arg}={arg}" for arg in rule.args)
    sizes = f"{base}_shape={base}._shape, {base}_dtype={base}._dtype"
    return f"partial(take{args}), partial(give_back, {sizes}{args})"


def _record_function(rule: Rule) -> list[str]:
    """Return the function that records an operation whose result `out` is there already."""
    body = ["data = out._data", "shape = out._shape", "dtype = out._dtype"]
    tests = ["dtype in PLAIN"]
    for name in rule.differentiable:
        same = f"dtype is {name}._dtype" + (f" and shape == {name}._shape" if rule.elementwise else "")
        if name == rule.number:
            body += [f"if not isinstance({name}, Tensor):", f"    {name} = number(dtype, {name})"]
            same = f"({name}._node is None or {same})"
        tests.append(same)
    body += [f"e_{name} = {name}._node" for name in rule.differentiable]
    body += [f"plain = {' and '.join(tests)}", *_record(rule, fresh=False)]
    return [
        f"def record({', '.join(['out', *rule.tensors, *rule.args])}):",
        *(f"    {line}" for line in body),
    ]


def _record(rule: Rule, fresh: bool) -> list[str]:
    """Return the lines that make the node for whichever inputs require grad and give it to `out`."""
    lines = []
    for name in rule.differentiable:
        lines += [
            f"if e_{name} is LEAF:",
            f"    e_{name} = accumulator({name})",
            f"    if e_{name} is None:",
            f"        e_{name} = beside({name}, ({', '.join(rule.tensors)},))",
            f"        if e_{name} is None:",
            *(["            out._node = None"] if fresh else []),
            f"            return{' out' if fresh else ''}",
        ]
    masks = list(range(1, 1 << len(rule.differentiable)))
    for index, mask in enumerate(masks):
        chosen = _chosen(rule, mask)
        test = " and ".join(
            f"e_{name} is {'not ' if name in chosen else ''}None" for name in rule.differentiable
        )
        if len(masks) == 1:
            lines += _variants(rule, mask, fresh)
            continue
        lines.append(f"{'el' if index else ''}if {test}:")
        lines += [f"    {line}" for line in _variants(rule, mask, fresh)]
    lines += ["out._node = node", "if OBSERVERS:", f"    observe(node, {'out' if fresh else None})"]
    return lines


def _variants(rule: Rule, mask: int, fresh: bool) -> list[str]:
    lines = ["if plain:"]
    lines += [f"    {line}" for line in _make_node(rule, mask, True, fresh)]
    lines += ["else:"]
    lines += [f"    {line}" for line in _make_node(rule, mask, False, fresh)]
    return lines


def _make_node(rule: Rule, mask: int, plain: bool, fresh: bool) -> list[str]:
    needs = _Needs.of(rule, mask, plain)
    edges = [f"e_{name}" for name in _chosen(rule, mask)]
    lines = [
        f"node = new({_class_name(rule, mask, plain)})",
        f"node.next = {edges[0] if len(edges) == 1 else '(' + ', '.join(edges) + ')'}",
        "node.seq = next(SEQUENCE)",
        "node.hooks = None",
    ]
    for saved in needs.tensors:
        lines += [
            f"node.s_{saved} = {saved}",
            f"if {saved}._counter is not None:",
            f"    note_version(node, {saved!r}, {saved}._counter)",
        ]
    if needs.result and fresh:
        lines += ["node.s_result = data", "out._counter = node.c_result = VersionCounter()"]
    elif needs.result:
        lines += [
            "node.s_result = data",
            "node.c_result = counter_of(out)",
            "note_version(node, 'result', node.c_result)",
        ]
    lines += [f"node.a_{arg} = {arg}" for arg in needs.args]
    for item in needs.metadata:
        tensor, what = item.rsplit("_", 1)
        lines.append(f"node.m_{item} = {tensor}._{what}")
    return lines
