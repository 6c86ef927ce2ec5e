"""Scenarios from a row of an operator table: one for each form of the call and each thing to be held of it.

    gradients       value, flags and gradients, for a random cotangent, in every dtype
    second-order    the gradients of those gradients, by the inputs and by the cotangent
    forward-mode    the Jacobian-vector product, for random tangents
    in-place        the in-place form, on a tensor that has a history
    same-tensor     one tensor in the place of two
    numbers         a Python number in the place of a tensor
    promotion       an input of another dtype
    point-N         what is stated of a point

A derived scenario is text as any other, which `gradconform list` and `show` tell; its lines are those of the
row in the file. Shapes, memory layouts, numbers and arguments vary as the row's `let` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gradconform.errors import Place
from gradconform.spec.dtypes import COMPLEX, FLOATING
from gradconform.spec.model import LikeEntry, TensorEntry
from gradconform.spec.operator_model import OperatorFile, PointEntry, RowEntry
from gradconform.spec.source import Report
from gradconform.spec.tree import Field, Node, Scalar, Sequence, Table, Value

DERIVED = "derived"
"""The style of text that stands in no file as it is."""

ROOT = "operators"
"""What the ids of all derived scenarios start with."""

SEED = "k"
"""The variable that the cotangents of a derived scenario start from."""

TAKEN = ("y", "v", "a", "h", "number", SEED)
"""Names that derived programs use for themselves."""

_NUMBERS = (2, 0.5, -1, 3)


@dataclass(frozen=True, slots=True)
class _Form:
    """A form of a row's call. name: "" where the row has one form alone. let: its variables, as nodes."""

    name: str
    call: str
    let: Mapping[str, Field]
    entries: Mapping[str, object]

    @property
    def tensors(self) -> tuple[str, ...]:
        """The tensors that require grad."""
        return tuple(
            name
            for name, entry in self.entries.items()
            if isinstance(entry, TensorEntry | LikeEntry) and entry.requires_grad
        )


def derive(file: OperatorFile, root: Table, report: Report) -> Iterator[Table]:
    """The derived scenarios of a well-formed table, as nodes of a spec file; each stands at its row.

    What contradicts itself in a row is reported, and nothing is derived from that row.
    """
    rows = root.get("rows")
    nodes = rows.items if isinstance(rows, Sequence) else ()
    for row, node in zip(file.rows, nodes, strict=True):
        if isinstance(node, Table):
            found = _Row(row, node, file, report)
            if found.sound():
                yield from found.scenarios()


class _Row:
    """One row. Rows are independent of each other."""

    def __init__(self, row: RowEntry, node: Table, file: OperatorFile, report: Report) -> None:
        self.row, self.node, self.file = row, node, file
        self.name = f"{ROOT}/{row.name}"
        self.report = report.of(self.name)
        self.forms = tuple(self._forms())

    def sound(self) -> bool:
        """Whether the row does not contradict itself; reports where it does."""
        before = len(self.report.problems)
        row = self.row
        if (row.call is None) == (not row.forms):
            self._refuse("call", "a row has either 'call' or 'forms'", "give one of them")
        known = {name for form in self.forms for name in form.let}
        for key in ("linear", "numbers", "promotes"):
            for name in getattr(row, key):
                if name not in known:
                    self._refuse(key, f"'{name}' is no variable of the row", f"it has {', '.join(known)}")
        for name in row.constant:
            if name not in (row.results or ("y",)):
                self._refuse("constant", f"'{name}' is no result of the row", "name one of 'results', or y")
        for name in sorted((known | set(row.results)) & {*TAKEN}):
            self._refuse("let", f"derived programs call something else '{name}'", "take another name")
        for form in self.forms:
            for name in form.tensors:
                if not re.search(rf"\b{name}\b", form.call):
                    self._refuse("call", f"'{form.call}' does not use the tensor '{name}'", "add it")
        if row.second_order and not self.differentiable():
            self._refuse(
                "constant", "no result is differentiable, and 'second_order' is true", "set it false"
            )
        return len(self.report.problems) == before

    def differentiable(self) -> tuple[str, ...]:
        """The results that gradients flow into."""
        return tuple(name for name in self.row.results or ("y",) if name not in self.row.constant)

    def scenarios(self) -> Iterator[Table]:
        """The derived scenarios, form by form."""
        for form in self.forms:
            yield self._gradients(form)
            if self.row.second_order and form.tensors:
                yield self._second_order(form)
            if self.row.forward_mode and form.tensors and self.differentiable():
                yield self._forward_mode(form)
            if len(form.tensors) > 1 and _alike(form, *form.tensors[:2]):
                yield self._same_tensor(form)
            yield from (self._number(form, name) for name in self.row.numbers if name in form.let)
            yield from (self._promotion(form, name) for name in self.row.promotes if name in form.let)
        if self.row.in_place is not None:
            yield self._in_place(self.forms[0])
        for number, point in enumerate(self.row.points, 1):
            yield self._point(number, point)

    # the things that are held of a form

    def _gradients(self, form: _Form) -> Table:
        says = f"{self.row.name}: the value, and the gradients for any cotangent."
        return self._scenario(form, "gradients", says, self._backward(form.call), self.row.dtypes)

    def _backward(self, call: str) -> list[str]:
        lines = [f"{self._results()} = {call}"]
        seeds = enumerate(self.differentiable())
        lines += [f"v{number or ''} = cotangent({name}, {_seed(number)})" for number, name in seeds]
        results = self.differentiable()
        if len(results) == 1:
            lines.append(f"{results[0]}.backward(v)")
        elif results:
            cotangents = ", ".join(f"v{number or ''}" for number in range(len(results)))
            lines.append(f"autograd.backward([{', '.join(results)}], [{cotangents}])")
        return lines

    def _results(self) -> str:
        return ", ".join(self.row.results) or "y"

    def _second_order(self, form: _Form) -> Table:
        results = self.differentiable()
        cotangents = [f"v{number or ''}" for number in range(len(results))]
        lines = [f"{self._results()} = {form.call}"]
        lines += [
            f"{cotangent} = cotangent({name}, {_seed(number)}).requires_grad_()"
            for number, (cotangent, name) in enumerate(zip(cotangents, results, strict=True))
        ]
        first = [f"g{number or ''}" for number in range(len(form.tensors))]
        inputs = ", ".join(form.tensors)
        lines += [
            f"{_unpacked(first)} = autograd.grad({_listed(results)}, [{inputs}], {_listed(cotangents)}, "
            "create_graph=True)"
        ]
        directions = [f"cotangent({name}, {_seed(10 + number)})" for number, name in enumerate(first)]
        lines += [
            f"h = autograd.grad([{', '.join(first)}], [{inputs}, {', '.join(cotangents)}], "
            f"[{', '.join(directions)}], allow_unused=True)"
        ]
        says = f"{self.row.name}: the gradients of its gradients, by the inputs and by the cotangent."
        return self._scenario(form, "second-order", says, lines, self._wide())

    def _wide(self) -> tuple[str, ...]:
        """The widest real and complex dtype of the row: what derivatives of derivatives are told in."""
        found = (
            next((name for name in ("float64", "float32") if name in self.row.dtypes), None),
            next((name for name in ("complex128", "complex64") if name in self.row.dtypes), None),
        )
        return tuple(name for name in found if name is not None) or self.row.dtypes[:1]

    def _forward_mode(self, form: _Form) -> Table:
        lines = ["with autograd.forward_ad.dual_level():"]
        call = form.call
        for number, name in enumerate(form.tensors):
            lines.append(
                f"    {name}_dual = autograd.forward_ad.make_dual(clone({name}), cotangent({name}, {_seed(number)}))"
            )
            call = _renamed(call, name, f"{name}_dual")
        lines.append(f"    {self._results()} = {call}")
        lines += [
            f"    t{number or ''} = autograd.forward_ad.unpack_dual({name}).tangent"
            for number, name in enumerate(self.differentiable())
        ]
        says = f"{self.row.name}: the Jacobian-vector product for any tangents."
        return self._scenario(form, "forward-mode", says, lines, self._wide())

    def _same_tensor(self, form: _Form) -> Table:
        first, second = form.tensors[:2]
        lines = self._backward(_renamed(form.call, second, first))
        without = {name: field for name, field in form.let.items() if name != second}
        says = f"{self.row.name}: one tensor in both places gets the sum of both gradients."
        return self._scenario(replace(form, let=without), "same-tensor", says, lines, self._wide())

    def _number(self, form: _Form, name: str) -> Table:
        place = self.node.place
        number = {"choice": _NUMBERS, "example": _NUMBERS[0]}
        let = {key: field for key, field in form.let.items() if key != name}
        let["number"] = _field("number", number, place)
        lines = self._backward(_renamed(form.call, name, "number"))
        says = f"{self.row.name}: a Python number may stand for '{name}'."
        return self._scenario(replace(form, let=let), f"number-{_kebab(name)}", says, lines, self._wide())

    def _promotion(self, form: _Form, name: str) -> Table:
        node = form.let[name].value
        place = node.place
        fields = dict(node.fields) if isinstance(node, Table) else {}
        fields["dtype"] = _field("dtype", "float32", place)
        let = {**form.let, name: Field(form.let[name].key, Table(place, fields))}
        dtypes = tuple(one for one in self.row.dtypes if one in {*FLOATING, *COMPLEX} and one != "float32")
        says = f"{self.row.name}: the result has the common dtype, and each gradient that of its input."
        return self._scenario(
            replace(form, let=let), f"promotion-{_kebab(name)}", says, self._backward(form.call), dtypes
        )

    def _in_place(self, form: _Form) -> Table:
        first = form.tensors[0]
        lines = [
            f"a = {first} * 1",
            str(self.row.in_place),
            f"v = cotangent(a, {SEED})",
            "a.backward(v)",
        ]
        says = f"{self.row.name}: the in-place form writes the same value, with the same gradients."
        return self._scenario(form, "in-place", says, lines, self._wide())

    # points

    def _point(self, number: int, point: PointEntry) -> Table:
        place = self._point_place(number - 1)
        call = point.call or self.forms[0].call
        result = self.differentiable()[:1] or ("y",)
        names = [name for name in point.at if name not in point.given]
        lines = [f"{name} = tensor({_literal(point.at[name])})" for name in point.given]
        lines += [f"{self._results()} = {call}"]
        if names and self.differentiable():
            lines += [f"{result[0]}.backward(ones_like({result[0]}))"]
        if point.value is not None:
            lines += _shown(result[0], point.value, point.signs)
        for name, gradient in point.gradient.items():
            lines += _shown(f"{name}.grad", gradient, point.signs)
        if self.row.forward_mode and names and self.differentiable():
            lines.append("with autograd.forward_ad.dual_level():")
            dual = call
            for name in names:
                lines.append(
                    f"    {name}_dual = autograd.forward_ad.make_dual(clone({name}.detach()), ones_like({name}))"
                )
                dual = _renamed(dual, name, f"{name}_dual")
            lines += [f"    h = {dual}"] if not self.row.results else [f"    {self._results()} = {dual}"]
            made = "h" if not self.row.results else result[0]
            lines.append(f"    t = autograd.forward_ad.unpack_dual({made}).tangent")
            if point.tangent is not None:
                lines += _shown("t", point.tangent, point.signs)
        let = {}
        for name in names:
            example = point.at[name]
            domain = {
                "tensor": _shape(example),
                "values": "special",
                "example": example,
                "requires_grad": True,
            }
            let[name] = _field(name, domain, place)
        says = point.says or f"{self.row.name}: what it is where {_where(point)}."
        dtypes = point.dtypes or self.row.dtypes[:2]
        form = _Form("", call, let, {})
        return self._scenario(form, f"point-{number}", says, lines, dtypes, seeded=False, note=point.quirk)

    def _point_place(self, index: int) -> Place:
        points = self.node.get("points")
        return points.items[index].place if isinstance(points, Sequence) else self.node.place

    # nodes

    def _forms(self) -> Iterator[_Form]:
        row, own = self.row, _fields(self.node.get("let"))
        if row.call is not None:
            yield self._form("", row.call, own, row.let)
        node = self.node.get("forms")
        for name, form in row.forms.items():
            inner = node.get(name) if isinstance(node, Table) else None
            theirs = _fields(inner.get("let")) if isinstance(inner, Table) else {}
            yield self._form(name, form.call, {**own, **theirs}, {**row.let, **form.let})

    def _form(self, name: str, call: str, let: Mapping[str, Field], entries: Mapping[str, object]) -> _Form:
        """A form with the variables that its call uses, or that others of them refer to."""
        used = {one for one in let if re.search(rf"\b{one}\b", call)}
        while True:
            more = {
                other
                for one in used
                for other in let
                if other not in used and re.search(rf"\b{other}\b", _refers(entries[one]))
            }
            if not more:
                break
            used |= more
        return _Form(
            name,
            call,
            {one: field for one, field in let.items() if one in used},
            {one: entry for one, entry in entries.items() if one in used},
        )

    def _scenario(  # noqa: PLR0917 - what a scenario is made of
        self,
        form: _Form,
        what: str,
        says: str,
        lines: list[str],
        dtypes: tuple[str, ...],
        seeded: bool = True,
        note: str | None = None,
    ) -> Table:
        place = self.node.place
        text = "\n".join(lines) + "\n"
        let = dict(form.let)
        if seeded and re.search(rf"\b{SEED}\b", text):
            let[SEED] = _field(SEED, {"integer": "0..999", "example": 0}, place)
        source: dict[str, Value] = {"docs": self.row.docs or self.file.docs}
        if note is not None:
            source["note"] = note
        suffix = "-".join(filter(None, (form.name, what)))
        fields = {
            "id": _field("id", f"{self.name}/{suffix}", place),
            "says": _field("says", says, place),
            "source": _field("source", source, place),
            "dtypes": _field("dtypes", dtypes, place),
            "program": Field(_scalar("program", place), Scalar(text, place, DERIVED, place.line)),
        }
        if let:
            fields["let"] = Field(_scalar("let", place), Table(place, let))
        if self.row.torch is not None:
            fields["torch"] = _field("torch", self.row.torch, place)
        return Table(place, fields)

    def _refuse(self, key: str, message: str, hint: str) -> None:
        node = self.node.get(key)
        self.report.add(node.place if node is not None else self.node.place, message, hint)


def _fields(node: Node | None) -> Mapping[str, Field]:
    return node.fields if isinstance(node, Table) else {}


def _refers(entry: object) -> str:
    """The text in which a variable's domain may name other variables."""
    match entry:
        case TensorEntry(tensor=shape, values=values):
            return f"{shape} {values}"
        case LikeEntry(like=of, values=values):
            return f"{of} {values}"
        case _:
            return ""


def _alike(form: _Form, first: str, second: str) -> bool:
    """Whether one tensor can stand for two: the second has the shape of the first, or any that fits it."""
    one, other = form.entries[first], form.entries[second]
    match other:
        case LikeEntry(like=of):
            return of == first
        case TensorEntry(tensor=shape) if isinstance(one, TensorEntry):
            fits = shape in {one.tensor, f"broadcastable({first})"}
            return fits and other.values == one.values and other.dtype == one.dtype
        case _:
            return False


def _seed(number: int) -> str:
    return f"{SEED} + {number}" if number else SEED


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _unpacked(names: list[str]) -> str:
    return f"({names[0]},)" if len(names) == 1 else ", ".join(names)


def _renamed(call: str, name: str, other: str) -> str:
    """A call with a variable renamed; the keyword of the same name stays."""
    return re.sub(rf"(?<![\w.]){name}\b(?!\s*=(?!=))", other, call)


def _kebab(name: str) -> str:
    return name.lower().replace("_", "-")


def _shape(example: object) -> str:
    sizes = []
    while isinstance(example, tuple | list):
        sizes.append(str(len(example)))
        if not example:
            break
        example = example[0]
    return f"[{', '.join(sizes)}]"


def _where(point: PointEntry) -> str:
    return " and ".join(f"{name} is {_literal(value)}" for name, value in point.at.items())


def _shown(place: str, value: object, signs: bool) -> list[str]:
    if value is None:
        return [f"assert {place} is None"]
    lines = [f"shows({place}, {_literal(value)})"]
    return [*lines, f"shows(signbit({place}), {_literal(_signs(value))})"] if signs else lines


def _signs(value: object) -> object:
    if isinstance(value, tuple | list):
        return tuple(map(_signs, value))
    return str(value).startswith("-")


def _literal(value: object) -> str:
    """A literal of an example in the step language; numbers that YAML has as text are calls there."""
    match value:
        case bool():
            return str(value)
        case int() | float():
            return f'float("{value}")' if str(value) in {"nan", "inf", "-inf"} else repr(value)
        case str():
            return f'float("{value}")' if value.lstrip("+-") in {"nan", "inf"} else f'complex("{value}")'
        case tuple() | list():
            return f"[{', '.join(map(_literal, value))}]"
        case _:
            return repr(value)


def _scalar(value: Value, place: Place) -> Scalar:
    return Scalar(value if not isinstance(value, dict | tuple) else None, place, DERIVED, place.line)


def _field(key: str, value: object, place: Place) -> Field:
    return Field(_scalar(key, place), _node(value, place))


def _node(value: object, place: Place) -> Node:
    match value:
        case dict():
            return Table(place, {str(key): _field(str(key), one, place) for key, one in value.items()})
        case tuple() | list():
            return Sequence(place, tuple(_node(one, place) for one in value))
        case _:
            return Scalar(value, place, DERIVED, place.line)  # type: ignore[arg-type]
