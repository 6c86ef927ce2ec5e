"""Scenarios from a table of points: one each, with what is measured there as facts.

The documented example is the point; other draws have other special values in its place, where torch is the
oracle as ever, unless the row says why its numbers are fixed. Forward mode is a scenario of its own, and
at the point alone: what torch does there between and beyond its conventions differs from kernel to kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gradconform.spec.derived_text import Call, literal, point, point_forward
from gradconform.spec.examples import read_literal
from gradconform.spec.operator_model import PointEntry, PointFile
from gradconform.spec.source import Report
from gradconform.spec.texts import call_problem
from gradconform.spec.tree import Node, Sequence, Table, field_at, plain

ROOT = "points"
"""What the ids of all points start with."""

FORWARD_MODE = "forward-mode"
"""What the ids of tangents end with."""


def points(file: PointFile, root: Table, report: Report) -> Iterator[Table]:
    """The scenarios of a well-formed table, as nodes of a spec file; each stands at its row.

    A row that contradicts itself is reported, and nothing is derived from it.
    """
    rows = root.get("rows")
    for row, node in zip(file.rows, rows.items if isinstance(rows, Sequence) else (), strict=True):
        if _sound(row, node, report.of(f"{ROOT}/{row.id}")):
            call = _call(row)
            yield _scenario(file, row, node, call)
            if row.forward_mode and row.raises is None and call.tensors and call.differentiable:
                yield _forward(row, node, call)


def _sound(row: PointEntry, node: Node, report: Report) -> bool:
    """Whether a row contradicts neither itself nor its form; reports where it does."""
    before = len(report.problems)

    def refuse(key: str, message: str, hint: str) -> None:
        place = node.get(key) if isinstance(node, Table) else None
        report.add((place or node).place, message, hint)

    for key, names, known in (
        ("given", row.given, tuple(row.at)),
        ("gradient", tuple(row.gradient), tuple(name for name in row.at if name not in row.given)),
        ("constant", row.constant, row.results or ("y",)),
    ):
        for name in names:
            if name not in known:
                refuse(
                    key,
                    f"'{key}' names '{name}', which the point does not have",
                    f"it has {', '.join(known) or 'none'}",
                )
    for name in row.results or ("y",):
        if name in row.at:
            refuse("results" if row.results else "at", f"'{name}' is an input and a result", _RENAME)
    problem = call_problem(row.call)
    if problem:
        refuse("call", problem, "a point holds one call: relu(x)")
    for key, message, hint in _contradictions(row):
        refuse(key, message, hint)
    for literal_node in _literals(node):
        read_literal(literal_node, report)
    return len(report.problems) == before


_RENAME = "take another name for one of them"


def _contradictions(row: PointEntry) -> Iterator[tuple[str, str, str]]:
    """What is stated and never looked at, or not at all: the key, what is wrong and what to do."""
    told = [key for key in ("value", "gradient", "tangent") if key in row.model_fields_set]
    if row.raises is not None:
        for key in told:
            yield key, f"a point that raises has no '{key}'", "remove one of the two"
    elif not (told or row.constant):
        yield "id", "the point holds nothing", "state its value, gradient or tangent, or what it raises"
    elif "tangent" in told and not row.forward_mode:
        yield "tangent", "'tangent' is stated, and 'forward_mode' is false", "remove one of the two"
    elif "tangent" in told and not (_call(row).tensors and _call(row).differentiable):
        yield "tangent", "'tangent' is stated, and no tangent reaches the result", "remove it"


def _literals(node: Node) -> Iterator[Node]:
    """The numbers of a row."""
    fields = node.fields if isinstance(node, Table) else {}
    for key in ("at", "gradient", "value", "tangent"):
        found = fields[key].value if key in fields else None
        values = [one.value for one in found.fields.values()] if isinstance(found, Table) else [found]
        yield from (one for one in values if one is not None and plain(one) is not None)


def _call(row: PointEntry) -> Call:
    results = row.results or ("y",)
    reached = tuple(name for name in results if name not in row.constant)
    inputs = tuple(name for name in row.at if name not in row.given)
    return Call(row.call, inputs, results, ("y",) if "y" in reached else reached[:1])


def _scenario(file: PointFile, row: PointEntry, node: Node, call: Call) -> Table:
    drawn = call.tensors if row.fixed is None else ()
    values = {
        "id": f"{ROOT}/{row.id}",
        "says": row.says or f"{row.call}: what it is where {_where(row)}.",
        "source": {"docs": file.docs},
        "program": "\n".join(point(call, row)) + "\n",
        **({"let": {name: _domain(row.at[name]) for name in drawn}} if drawn else {}),
        **({} if row.fixed is None else {"fixed": row.fixed}),
    }
    return _table(row, node, values)


def _forward(row: PointEntry, node: Node, call: Call) -> Table:
    values = {
        "id": f"{ROOT}/{row.id}-{FORWARD_MODE}",
        "says": f"{row.call}: its tangent in forward mode where {_where(row)}.",
        "source": {"docs": "torch.autograd.forward_ad", **({} if row.quirk is None else {"note": row.quirk})},
        "program": "\n".join(point_forward(call, row)) + "\n",
        "fixed": row.fixed
        or "Torch's tangents were measured at this point; at others they may disagree with "
        "its gradients in another way.",
    }
    return _table(row, node, values)


def _where(row: PointEntry) -> str:
    return " and ".join(f"{name} is {literal(value)}" for name, value in row.at.items())


def _table(row: PointEntry, node: Node, values: Mapping[str, object]) -> Table:
    common = {"dtypes": row.dtypes, **({} if row.torch is None else {"torch": row.torch})}
    fields = {**values, **common}
    return Table(node.place, {key: field_at(key, value, node.place) for key, value in fields.items()})


def _domain(example: object) -> dict[str, object]:
    """The domain of an input: its numbers, and special ones in their place."""
    sizes: list[str] = []
    inner = example
    while isinstance(inner, tuple | list):
        sizes.append(str(len(inner)))
        inner = inner[0] if inner else None
    shape = f"[{', '.join(sizes)}]"
    return {"tensor": shape, "values": "special", "example": example, "requires_grad": True}
