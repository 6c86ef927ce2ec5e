"""The text that rows are compiled to: node classes, and the functions that run and record an operation.

Nothing here knows any operation: all that is particular comes from the row.
"""

from __future__ import annotations

import ast

from .generate_nodes import Needs, chosen_tensors, class_name, node_class, rewrite
from .rules.registry import METADATA, Rule, names_of


def source(rule: Rule) -> str:
    """Return the Python text that `rule` is compiled to: node classes, `apply` and `record`."""
    lines: list[str] = []
    masks = range(1, 1 << len(rule.differentiable))
    for mask in masks:
        for plain in _kinds(rule):
            lines += [*node_class(rule, mask, plain), ""]
    if len(masks) > 1:
        lines += [*node_class(rule, 0, plain=False), ""]
    if rule.view:
        lines += [*_view_functions(rule), ""]
    if rule.outputs:
        lines += _apply_several(rule)
    else:
        lines += [*_apply(rule), "", *_record_function(rule)]
    return "\n".join(lines) + "\n"


def pull_source(rule: Rule, name: str, *, fitted: bool = True) -> str:
    """Return the text of `pull`: the formula of `rule` for the tensor `name` as a function on refgrad
    tensors, of the cotangents, the results, the tensors and the arguments.

    fitted: whether what it gives is made a gradient of that tensor, of its shape and dtype. The formula of
    "grad", which several have in common, never is.
    """
    stated = rule.pulled(name)
    fitted = fitted and name in rule.tensors
    formula = rewrite(stated or "None", plain=False, graph=True)
    used = names_of(stated) | ({f"{name}_shape", f"{name}_dtype"} if fitted else set())
    grads = [f"grad_{output}" for output in rule.differentiable_outputs] if rule.outputs else ["grad"]
    lines = [f"def pull({', '.join([*grads, *rule.results, *rule.tensors, *rule.args])}):"]
    for tensor in rule.tensors:
        metadata = [what for what in METADATA if f"{tensor}_{what}" in used]
        lines += [f"    {tensor}_{what} = {tensor}._{what}" for what in metadata]
    lines.append(
        f"    return fit({formula}, {name}_shape, {name}_dtype)" if fitted else f"    return {formula}"
    )
    return "\n".join(lines) + "\n"


def _kinds(rule: Rule) -> tuple[bool, ...]:
    """Return the variants of each class: plain or general, and for several outputs the general one alone."""
    return (False,) if rule.outputs else (True, False)


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
        tests += _in_one_place(tensors)
    return " and ".join(tests)


def _in_one_place(tensors: tuple[str, ...]) -> list[str]:
    """Return the test that no tensor without dimensions lies on another device than the rest."""
    first, others = tensors[0], tensors[1:]
    if not others:
        return []
    alike = " and ".join(f"{first}._data.device == {other}._data.device" for other in others)
    return [f"(shape or {alike})"]


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
    body += [f"data = {_on_data(rule)}"]
    body = _refusing(rule, body)
    body += ["out = new(Tensor)", "out._data = data", "out._counter = None"]
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
            test += "".join(f" and {one}" for one in _in_one_place(everything))
        body.append(f"plain = {test}")
    body += _record(rule, fresh=True)
    body += [*forward, "return out"]
    return lines + [f"    {line}" for line in body]


def _refusing(rule: Rule, lines: list[str]) -> list[str]:
    """Return `lines`, which read the operands, with the errors for one that is no tensor, or has a history
    that must not be told, around them.
    """
    operands = ", ".join(f"{name!r}: {name}" for name in rule.tensors)
    return [
        "try:",
        *(f"    {line}" for line in lines),
        "except AttributeError:",
        f"    refuse_operands({rule.name!r}, {{{operands}}})",
        "    raise",
        "except Exception:",
        f"    refuse_untold({', '.join(rule.differentiable)})",
        "    raise",
    ]


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
        f"        return {rewrite(rule.forward, plain=False, graph=True)}",
        f"    return {rule.forward}",
        "",
        f"def give_back({parameters}):",
        "    if isinstance(grad, Tensor):",
        f"        return {rewrite(formula, plain=False, graph=True)}",
        f"    return {formula}",
    ]


def _steps(rule: Rule) -> str:
    """Return what `track` is told of the step: the functions of the view with their arguments, and whether
    strides do not tell what it does.
    """
    (base,) = rule.tensors
    args = "".join(f", {arg}={arg}" for arg in rule.args)
    sizes = f"{base}_shape={base}._shape, {base}_dtype={base}._dtype"
    return f"partial(take{args}), partial(give_back, {sizes}{args}), {rule.reinterprets}"


def _record_function(rule: Rule) -> list[str]:
    """Return the function that records an operation whose result `out` is there already."""
    body = ["data = out._data", "shape = out._shape", "dtype = out._dtype"]
    tests = ["dtype in PLAIN"]
    for name in rule.differentiable:
        alike = f" and shape == {name}._shape and (shape or data.device == {name}._data.device)"
        tests.append(f"dtype is {name}._dtype" + (alike if rule.elementwise else ""))
        if name == rule.number:
            # What has no node gets no gradient, which alone would need its shape.
            body += [
                f"if isinstance({name}, Tensor):",
                f"    alike = dtype is {name}._dtype and ({name}._node is None or shape == {name}._shape",
                f"        and (shape or data.device == {name}._data.device))",
                "else:",
                f"    {name} = number(dtype, {name})",
                f"    alike = {name}.plain",
            ]
            tests[-1] = "alike"
    body += [f"e_{name} = {name}._node" for name in rule.differentiable]
    body += [f"plain = {' and '.join(tests)}", *_record(rule, fresh=False)]
    return [
        f"def record({', '.join(['out', *rule.tensors, *rule.args])}):",
        *(f"    {line}" for line in body),
    ]


def _apply_several(rule: Rule) -> list[str]:
    """Return the function that runs a kernel with several results and records it."""
    tensors, args = (f"({''.join(f'{name}, ' for name in names)})" for names in (rule.tensors, rule.args))
    nothing = " and ".join(f"e_{name} is None" for name in rule.differentiable)
    forward = ["if LEVELS:", f"    push(out, {tensors}, {args})"]
    body = [
        *_refusing(rule, [f"data = {_on_data(rule)}"]),
        f"out = {', '.join(f'fresh(data[{index}])' for index in range(len(rule.outputs)))}",
        *(f"e_{name} = {name}._node" for name in rule.differentiable),
        f"if ({nothing}) or not mode.enabled:",
        "    if mode.inference:",
        "        return out",
        *(f"    {line}" for line in forward),
        "    return out",
        *_record(rule, fresh=True),
        "attach(node, out)",
        "if OBSERVERS:",
        "    observe(node, out)",
        *forward,
        "return out",
    ]
    return [f"def apply({', '.join([*rule.tensors, *rule.args])}):", *(f"    {line}" for line in body)]


def _record(rule: Rule, fresh: bool) -> list[str]:
    """Return the lines that make the node for whichever inputs require grad; a single `out` is given it."""
    lines = []
    for name in rule.differentiable:
        lines += [
            f"if e_{name} is LEAF:",
            f"    e_{name} = accumulator({name})",
            f"    if e_{name} is None:",
            f"        e_{name} = beside({name}, ({', '.join(rule.tensors)},))",
            f"        if e_{name} is None:",
            *(["            out._node = None"] if fresh and not rule.outputs else []),
            f"            return{' out' if fresh else ''}",
        ]
        # No gradient passes there, so that what that formula alone needs is not saved. Of one tensor all is.
        if len(rule.differentiable) > 1:
            lines += [f"elif e_{name} is UNTRACKED:", f"    e_{name} = None"]
    masks = list(range(1, 1 << len(rule.differentiable)))
    for index, mask in enumerate(masks):
        chosen = chosen_tensors(rule, mask)
        test = " and ".join(
            f"e_{name} is {'not ' if name in chosen else ''}None" for name in rule.differentiable
        )
        if len(masks) == 1:
            lines += _variants(rule, mask, fresh)
            continue
        lines.append(f"{'el' if index else ''}if {test}:")
        lines += [f"    {line}" for line in _variants(rule, mask, fresh)]
    if len(masks) > 1:
        lines += ["else:", *(f"    {line}" for line in _make_node(rule, 0, False, fresh))]
    if rule.outputs:
        return lines
    lines += ["out._node = node", "if OBSERVERS:", f"    observe(node, {'out' if fresh else None})"]
    return lines


def _variants(rule: Rule, mask: int, fresh: bool) -> list[str]:
    if rule.outputs:
        return _make_node(rule, mask, False, fresh)
    lines = ["if plain:"]
    lines += [f"    {line}" for line in _make_node(rule, mask, True, fresh)]
    lines += ["else:"]
    lines += [f"    {line}" for line in _make_node(rule, mask, False, fresh)]
    return lines


def _place(rule: Rule, result: str) -> tuple[str, str]:
    """Return where the data of a result are, and the result itself."""
    place = f"[{rule.outputs.index(result)}]" if rule.outputs else ""
    return f"data{place}", f"out{place}"


def _place_edges(rule: Rule, mask: int) -> list[str]:
    """Return the lines that bring the gradients of tensors without dimensions back to their devices."""
    lines = []
    data = "data[0]" if rule.outputs else "data"
    for name in chosen_tensors(rule, mask):
        lines += [
            f"if not {name}._shape and {name}._data.device != {data}.device:",
            f"    e_{name} = placed(e_{name}, {name})",
        ]
    return lines


def _make_node(rule: Rule, mask: int, plain: bool, fresh: bool) -> list[str]:
    needs = Needs.of(rule, mask, plain)
    edges = [f"e_{name}" for name in chosen_tensors(rule, mask)]
    lines = [] if plain or len(rule.differentiable) == 1 else _place_edges(rule, mask)
    lines += [
        f"node = new({class_name(rule, mask, plain)})",
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
    for name in needs.results:
        data, out = _place(rule, name)
        if fresh:
            lines += [f"node.s_{name} = {data}", f"{out}._counter = node.c_{name} = VersionCounter()"]
        else:
            lines += [
                f"node.s_{name} = {data}",
                f"node.c_{name} = counter_of({out})",
                f"note_version(node, {name!r}, node.c_{name})",
            ]
    lines += [f"node.a_{arg} = {arg}" for arg in needs.args]
    for item in needs.metadata:
        tensor, what = item.rsplit("_", 1)
        lines.append(f"node.m_{item} = {tensor}._{what}")
    return lines
