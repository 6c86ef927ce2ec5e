"""Scenarios from a row of an operator table: one for each form of the call and each thing to be held of it.

    gradients       value, flags and gradients, for a random cotangent, in every dtype
    second-order    the gradients of those gradients, by the inputs and by the cotangent
    forward-mode    the Jacobian-vector product, for random tangents
    in-place        the in-place form, on a tensor that has a history
    in-place-view   the same on a view, with a gradient through the view
    in-place-promotion   the in-place form with an input of another dtype
    same-tensor     one tensor in the place of two
    numbers         a Python number in the place of a tensor
    promotion       an input of another dtype

A derived scenario is text as any other, which `gradconform list` and `show` tell; its lines are those of the
row in the file. Shapes, memory layouts, numbers and arguments vary as the row's `let` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import isfinite

from gradconform.spec.derived_text import (
    SEED,
    TAKEN,
    Call,
    backward,
    forward_mode,
    gradients,
    in_place,
    in_place_promotion,
    in_place_view,
    renamed,
    second_order,
)
from gradconform.spec.model import LikeEntry, TensorEntry
from gradconform.spec.operator_model import OperatorFile, RowEntry
from gradconform.spec.scenario import Operator
from gradconform.spec.source import Report
from gradconform.spec.texts import call_problem, signature_problem, statement_problem
from gradconform.spec.tree import Field, Node, Sequence, Table, field_at, scalar_at

ROOT = "operators"
"""What the ids of all derived scenarios start with."""

_NUMBERS = (2, 0.5, -1, 3)


@dataclass(frozen=True, slots=True)
class _Form:
    """A form of a row's call. name: "" where the row has one form alone. let: its variables, as nodes.
    entries: the same as values."""

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

    def without(self, name: str) -> _Form:
        """The form without a variable."""
        return replace(self, let={one: field for one, field in self.let.items() if one != name})

    def having(self, name: str, field: Field) -> _Form:
        """The form with a variable, in place of one of that name."""
        return replace(self, let={**self.let, name: field})


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


def words(file: OperatorFile, root: Table) -> Iterator[Operator]:
    """The operators of a well-formed table, as words of the step language."""
    rows = root.get("rows")
    for row, node in zip(file.rows, rows.items if isinstance(rows, Sequence) else (), strict=True):
        yield Operator(row.name, row.signature, row.view, row.method, row.in_place, node.place, row.torch)


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
        for name in sorted(known & set(row.results)):
            self._refuse("results", f"'{name}' is an argument and a result", "take another name for one")
        self._texts()
        if row.second_order and not self.differentiable():
            self._refuse(
                "constant", "no result is differentiable, and 'second_order' is true", "set it false"
            )
        return len(self.report.problems) == before

    def _texts(self) -> None:
        """Reports pieces of Python that are none, and kinks where there are no numbers."""
        row = self.row
        problem = signature_problem(row.signature)
        if problem:
            self._refuse("signature", problem, "as in input, dim=None, *, keepdim=False")
        for form in self.forms:
            problem = call_problem(form.call)
            if problem:
                key = "forms" if row.forms else "call"
                self._refuse(key, problem, "a form of the call is one call: exp(x)")
        problem = statement_problem(row.in_place) if row.in_place is not None else ""
        if problem:
            self._refuse("in_place", problem, "the in-place form is one call: a.exp_()")
        known = {name for form in self.forms for name in form.let}
        for name, kinks in row.kinks.items():
            if name not in known:
                self._refuse("kinks", f"'{name}' is no variable of the row", f"it has {', '.join(known)}")
            if not all(map(isfinite, kinks)):
                self._refuse("kinks", f"the kinks of '{name}' are numbers that are finite", "remove the rest")

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
            yield from self._in_place(self.forms[0])

    # the things that are held of a form

    def _call(self, form: _Form, text: str | None = None, tensors: tuple[str, ...] | None = None) -> Call:
        results = self.row.results or ("y",)
        return Call(
            text or form.call, form.tensors if tensors is None else tensors, results, self.differentiable()
        )

    def _gradients(self, form: _Form) -> Table:
        says = "the value, and the gradients for any cotangent."
        return self._scenario(form, "gradients", says, gradients(self._call(form)), self.row.dtypes)

    def _second_order(self, form: _Form) -> Table:
        says = "the gradients of its gradients, by the inputs and by the cotangent."
        return self._scenario(form, "second-order", says, second_order(self._call(form)), self._wide())

    def _forward_mode(self, form: _Form) -> Table:
        says = "the Jacobian-vector product for any tangents."
        return self._scenario(form, "forward-mode", says, forward_mode(self._call(form)), self._wide())

    def _same_tensor(self, form: _Form) -> Table:
        first, second = form.tensors[:2]
        lines = backward(self._call(form, renamed(form.call, second, first)))
        says = "one tensor in both places gets the sum of both gradients."
        return self._scenario(form.without(second), "same-tensor", says, lines, self._wide())

    def _number(self, form: _Form, name: str) -> Table:
        lines = backward(self._call(form, renamed(form.call, name, "number")))
        number = {"choice": _NUMBERS, "example": _NUMBERS[0]}
        form = form.without(name).having("number", field_at("number", number, self.node.place))
        says = f"a Python number may stand for '{name}'."
        return self._scenario(form, f"number-{_kebab(name)}", says, lines, self._wide())

    def _promotion(self, form: _Form, name: str) -> Table:
        says = "the result has the common dtype, and each gradient that of its input."
        return self._promoting(form, name, "promotion", says, backward(self._call(form)))

    def _promoting(self, form: _Form, name: str, what: str, says: str, lines: Iterable[str]) -> Table:
        """A scenario in which one tensor is float32 and the others are of any other dtype."""
        node = form.let[name].value
        fields = dict(node.fields) if isinstance(node, Table) else {}
        fields["dtype"] = field_at("dtype", "float32", node.place)
        changed = form.having(name, Field(form.let[name].key, Table(node.place, fields)))
        dtypes = tuple(one for one in self.row.dtypes if one != "float32")
        return self._scenario(changed, f"{what}-{_kebab(name)}", says, lines, dtypes)

    def _in_place(self, form: _Form) -> Iterator[Table]:
        first, text = form.tensors[0], str(self.row.in_place)
        for name, entry in form.entries.items():
            # What is written to keeps its shape, so nothing may broadcast it to a larger one.
            if isinstance(entry, TensorEntry) and entry.tensor == f"broadcastable({first})":
                form = form.having(name, self._like(form.let[name], first))
        says = "the in-place form writes the same value, with the same gradients."
        yield self._scenario(form, "in-place", says, in_place(first, text), self._wide())
        says = "gradients through a view, and through its base, include what was written to the view."
        yield self._scenario(form, "in-place-view", says, in_place_view(first, text), self._wide())
        says = "the in-place form keeps its dtype, and each gradient has that of its input."
        for name in self.row.promotes:
            if name in form.let and name != first:
                lines = in_place_promotion(first, text, form.tensors, name)
                yield self._promoting(form, name, "in-place-promotion", says, lines)

    def _like(self, field: Field, other: str) -> Field:
        """A tensor's domain, with the shape of another variable in place of its own."""
        node = field.value
        fields = dict(node.fields) if isinstance(node, Table) else {}
        fields.pop("tensor", None)
        fields["like"] = field_at("like", other, self.node.place)
        return Field(field.key, Table(self.node.place, fields))

    def _wide(self) -> tuple[str, ...]:
        """The widest real and complex dtype of the row: what derivatives of derivatives are told in."""
        pairs = (("float64", "float32"), ("complex128", "complex64"))
        found = [next((name for name in pair if name in self.row.dtypes), None) for pair in pairs]
        return tuple(name for name in found if name is not None) or self.row.dtypes[:1]

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

    def _scenario(
        self,
        form: _Form,
        what: str,
        says: str,
        lines: Iterable[str],
        dtypes: tuple[str, ...],
    ) -> Table:
        place = self.node.place
        text = "\n".join(lines) + "\n"
        if re.search(rf"\b{SEED}\b", text):
            form = form.having(SEED, field_at(SEED, {"integer": "0..999", "example": 0}, place))
        values = {
            "id": f"{self.name}/{'-'.join(filter(None, (form.name, what)))}",
            "says": f"{self.row.name}: {says}",
            "source": {"docs": self.row.docs or self.file.docs},
            "dtypes": dtypes,
            "program": text,
            **({} if self.row.torch is None else {"torch": self.row.torch}),
        }
        fields = {key: field_at(key, value, place) for key, value in values.items()}
        if form.let:
            fields["let"] = Field(scalar_at("let", place), Table(place, form.let))
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


def _kebab(name: str) -> str:
    return name.lower().replace("_", "-")
