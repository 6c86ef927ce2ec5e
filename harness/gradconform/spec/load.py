"""Spec files to scenarios: all problems of all files at once, each at its place, and nothing half loaded."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gradconform.errors import Place, Problem, visible
from gradconform.spec.dtypes import DEFAULT_DTYPES
from gradconform.spec.let import read_let
from gradconform.spec.messages import Finding, findings
from gradconform.spec.model import Entry, ScenarioEntry, SourceEntry, SpecFile, VariableEntry, variable_tag
from gradconform.spec.names import FEATURE_PATTERN
from gradconform.spec.scenario import Domain, Draft, Operator, ProgramText, Scenario, Source
from gradconform.spec.source import Report, read_source
from gradconform.spec.tables import Kind, kind_of
from gradconform.spec.tree import DERIVED, Node, Scalar, Sequence, Table, parse_yaml, plain

_VARIABLE: TypeAdapter[Entry] = TypeAdapter(VariableEntry)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The scenarios without problems in file order, all problems, and the drafts of the other scenarios.

    operators: the rows of the operator tables among the files.
    """

    scenarios: tuple[Scenario, ...]
    problems: tuple[Problem, ...]
    drafts: tuple[Draft, ...] = ()
    operators: tuple[Operator, ...] = ()


@dataclass(slots=True)
class _Found:
    """What the files read so far have given. ids: where each id or alias stands."""

    scenarios: list[Scenario] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ids: dict[str, Place] = field(default_factory=dict)
    operators: list[Operator] = field(default_factory=list)


def load_files(paths: Iterable[Path]) -> Loaded:
    """Reads spec files. Never raises for what stands in a file: that is in `problems`, in file order."""
    found = _Found()
    for path in paths:
        source = read_source(path)
        if isinstance(source, Problem):
            found.problems.append(source)
            continue
        report = Report(source, [])
        root = parse_yaml(report)
        if root is not None:
            kind = kind_of(root)
            if kind is not None and isinstance(root, Table):
                _Derived(kind, root, report, found).read()
            else:
                _File(root, report, found).read()
        found.problems.extend(sorted(set(report.problems)))
    return Loaded(tuple(found.scenarios), tuple(found.problems), tuple(found.drafts), tuple(found.operators))


def load_operators(paths: Iterable[Path]) -> tuple[Operator, ...]:
    """The rows of operator tables alone, of which nothing is derived. What is wrong in a table is for
    `load_files` to tell."""
    found: list[Operator] = []
    for path in paths:
        source = read_source(path)
        if isinstance(source, Problem):
            continue
        root = parse_yaml(Report(source, []))
        kind = kind_of(root) if root is not None else None
        if kind is not None and isinstance(root, Table):
            with suppress(ValidationError):
                found.extend(kind.words(kind.model.model_validate(plain(root)), root))
    return tuple(found)


class _File:
    """One file: checks its form, then each scenario's meaning, whatever its neighbours are like."""

    def __init__(self, root: Node, report: Report, found: _Found) -> None:
        self.root, self.report, self.found = root, report, found

    def read(self) -> None:
        if not isinstance(self.root, Table):
            self.report.add(self.root.place, "a spec file is a mapping of keys", "it starts with `schema: 1`")
            return
        scenarios = self.root.get("scenarios")
        self.name_scenarios(scenarios)
        data = plain(self.root)
        wrong: list[Finding] = []
        try:
            SpecFile.model_validate(data)
        except ValidationError as error:
            wrong = findings(error.errors(include_url=False), self.root)
        feature = self.root.get("feature")
        for one in wrong:
            self.report_finding(one, scenarios)
        if not isinstance(scenarios, Sequence):
            return
        of: dict[str | int, list[Finding]] = {}
        for one in wrong:
            if one.path[:1] == ("scenarios",) and len(one.path) > 1:
                of.setdefault(one.path[1], []).append(one)
        for index, node in enumerate(scenarios.items):
            if isinstance(node, Table):
                mine = of.get(index, [])
                name = feature.value if isinstance(feature, Scalar) else ""
                _Entry(node, str(name), mine, self.report.of(_id(node)), self.found).read()

    def name_scenarios(self, scenarios: Node | None) -> None:
        """Gives problems of the YAML itself, which knows no scenarios, the id of the one they stand in."""
        entries = scenarios.items if isinstance(scenarios, Sequence) else ()
        for index, problem in enumerate(self.report.problems):
            # In the order of the file; an earlier one cannot hold a place behind the start of a later one.
            before = bisect_right(entries, problem.place, key=lambda entry: entry.place)
            if before and problem.place.column >= entries[before - 1].place.column:
                self.report.problems[index] = replace(problem, scenario=_id(entries[before - 1]))

    def report_finding(self, one: Finding, scenarios: Node | None) -> None:
        report = self.report
        match one.path:
            case ("scenarios", int(index), *_) if isinstance(scenarios, Sequence):
                report = report.of(_id(scenarios.items[index]))
        report.add(one.place, one.message, one.hint)


class _Derived:
    """A table that scenarios are derived from: checks its form, and reads what it gives as any scenario."""

    def __init__(self, kind: Kind, root: Table, report: Report, found: _Found) -> None:
        self.kind, self.root, self.report, self.found = kind, root, report, found

    def read(self) -> None:
        try:
            file = self.kind.model.model_validate(plain(self.root))
        except ValidationError as error:
            for one in findings(error.errors(include_url=False), self.root):
                self.report.add(one.place, one.message, one.hint)
            return
        self.found.operators.extend(self.kind.words(file, self.root))
        feature = f"{self.kind.key}/{plain(self.root.fields[self.kind.key].value)}"
        for node in self.kind.derive(file, self.root, self.report):
            _Entry(node, feature, [], self.report.of(_id(node)), self.found).read()


class _Entry:
    """One scenario. findings: the mistakes of its form, reported already."""

    def __init__(
        self, node: Table, feature: str, findings: list[Finding], report: Report, found: _Found
    ) -> None:
        self.node, self.feature, self.findings, self.report, self.found = (
            node,
            feature,
            findings,
            report,
            found,
        )
        value = node.get("id")
        self.place = value.place if value is not None else node.place

    def read(self) -> None:
        before = len(self.report.problems)
        broken = frozenset(
            str(one.path[3]) for one in self.findings if one.path[2:3] == ("let",) and one.path[3:]
        )
        let = self.let(broken)
        text = self.program()
        self.claim_ids()
        if not self.findings:
            entry = ScenarioEntry.model_validate(plain(self.node))
            source = self.source(entry.source)
            self.check(entry)
            if text is not None and len(self.report.problems) == before:
                self.found.scenarios.append(
                    Scenario(
                        id=entry.id,
                        feature=self.feature,
                        says=visible(" ".join(entry.says.split())),
                        level=entry.level,
                        text=text,
                        place=self.place,
                        aliases=entry.aliases,
                        source=source,
                        dtypes=entry.dtypes,
                        let=let,
                        torch=entry.torch,
                        device=entry.device,
                        fixed=entry.fixed and visible(" ".join(entry.fixed.split())),
                    )
                )
                return
        if text is not None:
            self.found.drafts.append(Draft(self.report.scenario, text, let, self.kinds_but(let), self.place))

    def kinds_but(self, let: Mapping[str, Domain]) -> dict[str, str]:
        """The variables that are not in `let`, each with the key that says what it is."""
        table = self.node.get("let")
        fields = table.fields if isinstance(table, Table) else {}
        tags = {name: variable_tag(plain(one.value)) for name, one in fields.items() if name not in let}
        return {name: tag[1:-1] if tag else "" for name, tag in tags.items()}

    def let(self, broken: frozenset[str]) -> dict[str, Domain]:
        table = self.node.get("let")
        if not isinstance(table, Table) or any(one.path[2:] == ("let",) for one in self.findings):
            return {}
        entries = {
            name: _VARIABLE.validate_python(plain(one.value))
            for name, one in table.fields.items()
            if name not in broken
        }
        return read_let(entries, table, broken, self.dtypes(), self.report)

    def dtypes(self) -> tuple[str, ...]:
        """The scenario's dtypes, or the usual ones where its own are wrong."""
        wrong = any(one.path[2:3] == ("dtypes",) for one in self.findings)
        node = self.node.get("dtypes")
        if wrong or not isinstance(node, Sequence):
            return DEFAULT_DTYPES
        return tuple(str(item.value) for item in node.items if isinstance(item, Scalar))

    def program(self) -> ProgramText | None:
        """The program's text, if it stands there as it is: its lines are those of the file, indented."""
        node = self.node.get("program")
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
            return None
        place = node.place
        if node.style == DERIVED:
            return ProgramText(node.value, place.file, place.line, place.column, derived=True)
        lines = node.value.split("\n")
        if node.style == "|":
            first, skip = place.line + 1, 0
        elif node.style == ">" or node.last_line != place.line or len(lines) > 1:
            self.report.add(place, "a program of several lines must be a literal block", "write `program: |`")
            return None
        else:
            first, skip = place.line, place.column - 1 + bool(node.style)
        at = next((number for number, line in enumerate(lines) if line.strip()), 0)
        raw = self.report.source.line(first + at)
        column = len(raw) - len(lines[at]) if node.style == "|" else skip
        if not raw[column:].startswith(lines[at]):
            self.report.add(
                place, "a program is written without escapes", "write `program: |` and the program below it"
            )
            return None
        return ProgramText(node.value, place.file, first, column + 1)

    def claim_ids(self) -> None:
        """Reports ids and aliases that another scenario has; the places of the rest are kept."""
        aliases = self.node.get("aliases")
        nodes = [self.node.get("id"), *(aliases.items if isinstance(aliases, Sequence) else ())]
        for node in nodes:
            if isinstance(node, Scalar) and isinstance(node.value, str):
                other = self.found.ids.setdefault(node.value, node.place)
                if other != node.place:
                    self.report.add(
                        node.place, f"the id '{node.value}' is taken", f"it stands at {other} already"
                    )

    def check(self, entry: ScenarioEntry) -> None:
        if "/" in self.feature:  # derived
            return
        feature, _, name = entry.id.partition("/")
        if feature != self.feature and re.fullmatch(FEATURE_PATTERN.strip("^$"), self.feature):
            self.report.add(
                self.place,
                f"the id '{entry.id}' is not one of the feature '{self.feature}'",
                f"write {self.feature}/{name}",
            )
        if len(set(entry.dtypes)) < len(entry.dtypes):
            self.report.add(self.at("dtypes"), "a dtype stands here twice", "remove one")
        if entry.fixed is not None and entry.let:
            self.report.add(
                self.at("fixed"), "'fixed' says why nothing varies, and 'let' has variables", "remove one"
            )

    def source(self, entry: SourceEntry) -> Source:
        if entry.cell is not None and entry.cells:
            self.report.add(
                self.at("source"), "'source' has both 'cell' and 'cells'", "put all of them into 'cells'"
            )
        if (entry.cell is not None or entry.cells) and entry.document is None:
            self.report.add(
                self.at("source"), "'source' names a cell of no document", "add the key 'document'"
            )
        cells = entry.cells or (() if entry.cell is None else (entry.cell,))
        return Source(entry.document, tuple(map(str, cells)), entry.docs, entry.note)

    def at(self, key: str) -> Place:
        node = self.node.get(key)
        return node.place if node is not None else self.node.place


def _id(node: Node) -> str:
    value = node.get("id") if isinstance(node, Table) else None
    return value.value if isinstance(value, Scalar) and isinstance(value.value, str) else ""
