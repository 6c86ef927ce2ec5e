"""A file of known failures, read with all its problems told at once, each at its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from gradconform.errors import Place, Problem, SpecError, UsageError, did_you_mean
from gradconform.known_failures.entries import FAILING, Entry, KnownFile, Manner, Pinned
from gradconform.program.exact_text import ExactText
from gradconform.spec.names import ID_PATTERN
from gradconform.spec.source import Report, read_source
from gradconform.spec.tree import Node, Scalar, Sequence, Table, parse_yaml

VERSION = 1
TOP = ("known", "engine", "failures")
KEYS = (
    "id",
    "fails",
    "what",
    "where",
    "reason",
    "link",
    "expires",
    "inputs",
    "program",
    "document",
)
ID = re.compile(ID_PATTERN.strip("^$") + r"(\[[^\[\]]+-[a-z0-9]+\])?")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def read_known(path: Path) -> KnownFile:
    """The known failures in a file.

    Raises UsageError where there is no such file, and SpecError with every problem in it. The programs are
    read when they are wanted: `Entry.program`.
    """
    if not path.exists():
        raise UsageError(
            f"there are no known failures at {path}; `gradconform known ENGINE --update --known {path}` "
            "writes the file"
        )
    source = read_source(path)
    if isinstance(source, Problem):
        raise SpecError([source])
    report = Report(source, [])
    root = parse_yaml(report)
    found = None
    if isinstance(root, Table):
        found = _Reader(report, str(path)).file(root)
    elif root is not None:
        report.add(root.place, "a file of known failures is a mapping of keys", "it starts with `known: 1`")
    if report.problems or found is None:
        raise SpecError(report.problems)
    return found


class _Reader:
    def __init__(self, report: Report, path: str) -> None:
        self.report, self.path = report, path

    def file(self, root: Table) -> KnownFile | None:
        self.keys(root, TOP)
        version = root.get("known")
        if not isinstance(version, Scalar) or version.value != VERSION or version.value is True:
            place = version.place if version is not None else root.place
            self.report.add(place, "these are no known failures of version 1", "write `known: 1`")
            return None
        engine = self.text(root, "engine", needed=True)
        failures = root.get("failures")
        if not isinstance(failures, Sequence):
            self.report.add(root.place, "'failures' is a list of entries", "an empty one is `failures: []`")
            return None
        entries = [entry for node in failures.items if (entry := self.entry(node)) is not None]
        first: dict[str, Entry] = {}
        for entry in entries:
            other = first.setdefault(entry.id, entry)
            if other is not entry:
                hint = f"the first stands at {other.place}; remove one"
                self.report.of(entry.id).add(entry.place, "this id has two entries", hint)
        return KnownFile(self.path, engine, tuple(entries))

    def entry(self, node: Node) -> Entry | None:
        if not isinstance(node, Table):
            self.report.add(node.place, "an entry is a mapping of keys", "it starts with `- id: ...`")
            return None
        name = self.text(node, "id", needed=True)
        reader = _Reader(self.report.of(name), self.path)
        reader.keys(node, KEYS)
        if name and not ID.fullmatch(name):
            hint = "write accumulation/two-branches, or accumulation/two-branches[cpu-float32] for one test"
            reader.report.add(node.place, f"'{name}' is the id of no scenario and no test", hint)
        return Entry(
            name,
            reader.manner(node),
            reader.pinned(node),
            node.place,
            reader.text(node, "reason", needed=True),
            reader.text(node, "link"),
            reader.expires(node),
        )

    def manner(self, node: Table) -> Manner:
        kind = self.text(node, "fails", needed=True)
        what, where = self.text(node, "what"), self.text(node, "where")
        if kind and kind not in FAILING:
            hint = did_you_mean(kind, FAILING) or f"the kinds are {', '.join(FAILING)}"
            self.report.add(self.at(node, "fails"), f"'{kind}' is no kind of failure", hint)
        told = (bool(what), bool(where))
        if kind in FAILING and told != (kind == "diverges", kind == "diverges"):
            message = "'what' differs and 'where' are told of a divergence, and of nothing else"
            self.report.add(self.at(node, "fails"), message)
        return Manner(kind, what, where)

    def pinned(self, node: Table) -> Pinned:
        program, document = self.text(node, "program"), self.text(node, "document")
        inputs = node.get("inputs")
        if bool(program) is bool(document) or (document and inputs is not None):
            message = "an entry has a 'program' with its 'inputs', or a 'document'"
            self.report.add(node.place, message, "`gradconform known ENGINE --update` writes them")
        if document:
            return Pinned(document=document)
        found: dict[str, str] = {}
        if isinstance(inputs, Table):
            found = {name: self.text(inputs, name) for name in inputs.fields}
        elif inputs is not None:
            self.report.add(inputs.place, "'inputs' is a mapping from names to tensors")
        return Pinned(ExactText(found, program.rstrip("\n")))

    def expires(self, node: Table) -> date | None:
        text = self.text(node, "expires")
        if not text:
            return None
        try:
            if DATE.fullmatch(text):
                return date.fromisoformat(text)
        except ValueError:
            pass
        self.report.add(self.at(node, "expires"), f"'{text}' is no day", "write 2027-01-31")
        return None

    def keys(self, node: Table, known: Iterable[str]) -> None:
        for key, field in node.fields.items():
            if key not in known:
                hint = did_you_mean(key, known) or f"the keys are {', '.join(known)}"
                self.report.add(field.key.place, f"unknown key '{key}'", hint)

    def text(self, node: Table, key: str, *, needed: bool = False) -> str:
        value = node.get(key)
        if value is None:
            if needed:
                self.report.add(node.place, f"'{key}' is missing")
            return ""
        if not isinstance(value, Scalar) or not isinstance(value.value, str):
            self.report.add(value.place, f"'{key}' is text", "put it in quotes")
            return ""
        return value.value

    @staticmethod
    def at(node: Table, key: str) -> Place:
        value = node.get(key)
        return value.place if value is not None else node.place
