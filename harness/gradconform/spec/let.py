"""The free variables of a scenario: from checked entries to domains, with every mistake at its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from gradconform.errors import Place
from gradconform.spec.describe import describe
from gradconform.spec.dtypes import differentiable, resolve_dtype
from gradconform.spec.examples import Example, check_numbers, equal_rows, read_example
from gradconform.spec.model import (
    BooleanEntry,
    ChoiceEntry,
    Entry,
    IntegerEntry,
    LikeEntry,
    OperatorEntry,
    TensorEntry,
)
from gradconform.spec.names import variable_name_error
from gradconform.spec.relations import at, check_references, check_shapes
from gradconform.spec.scenario import (
    BooleanDomain,
    ChoiceDomain,
    Domain,
    IntegerDomain,
    LikeDomain,
    OperatorDomain,
    TensorDomain,
    in_order,
)
from gradconform.spec.shapes import MAX_ELEMENTS, Shape, ShapeError, parse_shape
from gradconform.spec.source import Report
from gradconform.spec.tree import Scalar, Table

MAX_INTEGER = 4096
"""Integers count rounds and sizes; a larger one would make a program that nobody waits for."""


def read_let(
    entries: Mapping[str, Entry],
    table: Table,
    broken: frozenset[str],
    dtypes: tuple[str, ...],
    report: Report,
) -> dict[str, Domain]:
    """The domains of well-formed variables; those with mistakes are left out and reported.

    entries: the variables whose form is right, in the order of the file. table: the tree of `let`. broken:
    variables that were reported already, to which others may still refer. dtypes: those of the scenario.
    """
    domains: dict[str, Domain] = {}
    examples: dict[str, Example] = {}
    for name, entry in entries.items():
        node, place = table.get(name), table.fields[name].key.place
        error = variable_name_error(name)
        if error:
            report.add(place, *error)
        if isinstance(node, Table):
            variable = _Variable(name, node, place, report)
            domain = variable.read(entry)
            if domain is not None and error is None:
                domains[name] = domain
                if variable.example is not None:
                    examples[name] = variable.example
    sound = check_references(domains, broken | (entries.keys() - domains.keys()), table, report)
    ordered = {name: domains[name] for name in in_order(sound)}
    typed = _with_dtypes(ordered, entries)
    for name, example in examples.items():
        if name in typed:
            _check_dtype(typed[name], example, dtypes, at(table, name, "dtype"), report)
    shaped = check_shapes(typed, {name: example.sizes for name, example in examples.items()}, table, report)
    if sum(prod(example.sizes) for example in examples.values()) > MAX_ELEMENTS:
        report.add(table.place, f"the examples have more than {MAX_ELEMENTS} elements", "shrink them")
    return {name: shaped[name] for name in entries if name in shaped}


class _Variable:
    """Reads one variable, and keeps its literal tensor for the checks that need the other variables."""

    def __init__(self, name: str, node: Table, place: Place, report: Report) -> None:
        self.name, self.node, self.place, self.report = name, node, place, report
        self.example: Example | None = None

    def read(self, entry: Entry) -> Domain | None:
        match entry:
            case TensorEntry():
                return self.tensor(entry)
            case LikeEntry():
                return self.like(entry)
            case IntegerEntry():
                return self.integer(entry)
            case BooleanEntry():
                return BooleanDomain(entry.example, self.place)
            case ChoiceEntry():
                return self.choice(entry)
            case OperatorEntry():
                return OperatorDomain(entry.operator, entry.example, self.place)
            case _:
                raise TypeError(f"no kind of variable: {type(entry).__name__}")

    def tensor(self, entry: TensorEntry) -> TensorDomain | None:
        shape = self.shape(entry.tensor)
        example = self.literal()
        if shape is None or example is None:
            return None
        return TensorDomain(
            shape, entry.dtype, entry.values, entry.layout, entry.requires_grad, example.value, self.place
        )

    def like(self, entry: LikeEntry) -> LikeDomain | None:
        example = self.literal()
        if example is None:
            return None
        first, _, second = entry.like.rstrip(")").partition("(")
        of, operator = (second, first) if second else (first, None)
        # Without a dtype of its own it takes that of `of`, which _with_dtypes fills in: it may come later.
        return LikeDomain(
            of,
            operator,
            entry.dtype or "any",
            entry.values,
            entry.layout,
            entry.requires_grad,
            example.value,
            self.place,
        )

    def integer(self, entry: IntegerEntry) -> IntegerDomain | None:
        low, high = map(int, entry.integer.split(".."))
        at = self.at("integer")
        if low > high:
            self.report.add(
                at, f"the range {entry.integer} is empty", f"write the smaller end first: {high}..{low}"
            )
        elif max(-low, high) > MAX_INTEGER:
            self.report.add(
                at,
                f"the range {entry.integer} is too large",
                f"integers go from -{MAX_INTEGER} to {MAX_INTEGER}",
            )
        elif not low <= entry.example <= high:
            self.report.add(
                self.at("example"),
                f"the example {entry.example} is outside its domain {entry.integer}",
                "change one of the two",
            )
        else:
            return IntegerDomain(low, high, entry.example, self.place)
        return None

    def choice(self, entry: ChoiceEntry) -> ChoiceDomain | None:
        # 1, 1.0 and true are equal in Python and different options of a program.
        options = [(type(option), option) for option in entry.choice]
        if len(set(options)) < len(options):
            self.report.add(self.at("choice"), "an option stands here twice", "remove one")
        elif (type(entry.example), entry.example) not in options:
            shown = ", ".join(map(str, entry.choice))
            self.report.add(
                self.at("example"),
                f"{describe(entry.example)} is no option of this choice",
                f"options: {shown}",
            )
        else:
            return ChoiceDomain(entry.choice, entry.example, self.place)
        return None

    def shape(self, text: str) -> Shape | None:
        try:
            return parse_shape(text)
        except ShapeError as error:
            node = self.node.get("tensor")
            if isinstance(node, Scalar):
                place = inside(node, error.offset)
                self.report.add(place, f"the shape cannot be read: {error}", error.hint)
            return None

    def literal(self) -> Example | None:
        node = self.node.get("example")
        if node is not None:
            self.example = read_example(node, self.report)
        return self.example

    def at(self, key: str) -> Place:
        node = self.node.get(key)
        return node.place if node is not None else self.place


def inside(scalar: Scalar, offset: int) -> Place:
    """The place of a character of a one-line scalar."""
    return replace(scalar.place, column=scalar.place.column + bool(scalar.style) + offset)


def _with_dtypes(domains: Mapping[str, Domain], entries: Mapping[str, Entry]) -> dict[str, Domain]:
    """Fills in the dtypes of `like` variables that state none; `domains` are in order of reference."""
    typed: dict[str, Domain] = {}
    for name, domain in domains.items():
        entry, of = entries[name], typed.get(domain.of) if isinstance(domain, LikeDomain) else None
        if isinstance(domain, LikeDomain) and isinstance(entry, LikeEntry) and entry.dtype is None:
            typed[name] = (
                replace(domain, dtype=of.dtype) if isinstance(of, TensorDomain | LikeDomain) else domain
            )
        else:
            typed[name] = domain
    return typed


def _check_dtype(
    domain: Domain, example: Example, dtypes: tuple[str, ...], place: Place, report: Report
) -> None:
    """Checks a tensor's dtype, in each of the scenario's cases, against its example and its requires_grad."""
    if not isinstance(domain, TensorDomain | LikeDomain):
        return
    concrete: list[str] = []
    for case in dtypes:
        dtype = resolve_dtype(domain.dtype, case)
        if dtype is None:
            report.add(
                place, f"a case of dtype {case} has no {domain.dtype} counterpart", "change dtype, or dtypes"
            )
            return
        concrete.append(dtype)
    stiff = next((dtype for dtype in concrete if not differentiable(dtype)), None)
    if domain.requires_grad and stiff is not None:
        report.add(
            place,
            f"a tensor of dtype {stiff} cannot require grad",
            "only floating and complex tensors can; drop requires_grad, or change the dtype",
        )
    if domain.values == "distinct" and domain.layout == "expanded":
        report.add(
            domain.place,
            "distinct numbers cannot lie expanded, which repeats them",
            "change values or layout",
        )
    if domain.layout == "expanded" and not equal_rows(example):
        report.add(
            domain.place,
            "the rows of the example differ, and an expanded tensor has equal ones",
            "change the example or the layout",
        )
    check_numbers(example, tuple(dict.fromkeys(concrete)), domain.values, report)
