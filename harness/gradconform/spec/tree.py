"""YAML to a tree in which every key and value knows its place, from the parser's events alone.

Nothing is constructed that YAML could make dangerous: tags, anchors, aliases and further documents are
refused where they stand, and depth is bounded before anything is built. Plain scalars are read as YAML 1.2's
core schema (and JSON) has them, as editors do: `true`, `null`, numbers with or without exponent; `yes`, `on`,
dates and `1:30` are text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from gradconform.errors import Place
from gradconform.spec.source import Report

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # a PyYAML that was built without libyaml reads the same, only slower
    from yaml import SafeLoader  # type: ignore[assignment]

MAX_DEPTH = 32
MAX_REFUSALS = 20
"""A file of tags is one mistake, not a hundred thousand."""

Plain = str | int | float | bool | None
Value = Plain | tuple["Value", ...] | dict[str, "Value"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value without parts. style: "" if plain, else the quote, `|` or `>`; last_line: where it ends."""

    value: Plain
    place: Place
    style: str
    last_line: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    place: Place
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A key and its value."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with text for keys, in the order of the file."""

    place: Place
    fields: Mapping[str, Field]

    def get(self, key: str) -> Node | None:
        """The value of a key, or None where the key is not there."""
        found = self.fields.get(key)
        return found.value if found else None


Node = Scalar | Sequence | Table


def plain(node: Node) -> Value:
    """The values alone: dicts, tuples and scalars."""
    match node:
        case Scalar(value=value):
            return value
        case Sequence(items=items):
            return tuple(map(plain, items))
        case Table(fields=fields):
            return {key: plain(entry.value) for key, entry in fields.items()}


DERIVED = "derived"
"""The style of a scalar that stands in no file as it is."""


def scalar_at(value: Plain, place: Place) -> Scalar:
    """A scalar that was derived from what stands at a place."""
    return Scalar(value, place, DERIVED, place.line)


def field_at(key: str, value: object, place: Place) -> Field:
    """A key with a value, made of dicts, sequences and scalars, that were derived from what stands there."""
    return Field(scalar_at(key, place), _node_at(value, place))


def _node_at(value: object, place: Place) -> Node:
    match value:
        case dict():
            return Table(place, {str(key): field_at(str(key), one, place) for key, one in value.items()})
        case tuple() | list():
            return Sequence(place, tuple(_node_at(one, place) for one in value))
        case str() | int() | float() | None:
            return scalar_at(value, place)
        case _:
            raise TypeError(f"a {type(value).__name__} is no value of YAML")


def parse_yaml(report: Report) -> Node | None:
    """The tree of the report's source, or None where it has none; what is wrong is in the report then."""
    source = report.source
    count = len(report.problems)
    builder = _Builder(report)
    try:
        for event in yaml.parse(source.text, Loader=SafeLoader):
            if not builder.take(event):
                return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source.name, mark.line + 1, mark.column + 1) if mark else Place(source.name, 1, 1)
        what = error.problem or str(error)
        begun = error.context_mark
        within = f" {error.context}" if error.context else ""
        since = f" that begins in line {begun.line + 1}" if begun and begun.line + 1 != place.line else ""
        report.add(place, f"this is not YAML: {what}{within}{since}", _hint(what, source.line(place.line)))
        return None
    except yaml.reader.ReaderError as error:
        place = _place_of_character(report, error.character)
        report.add(place, f"this is not YAML: {error.reason}", "remove the control character")
        return None
    if builder.root is None and len(report.problems) == count:
        report.add(
            Place(source.name, 1, 1),
            "the file is empty",
            "specs start with `schema: 1`, known failures with `known: 1`",
        )
    return builder.root


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet. `key` is the one that waits for its value."""

    place: Place
    mapping: bool
    items: list[Node] = field(default_factory=list)
    fields: dict[str, Field] = field(default_factory=dict)
    key: Scalar | None = None
    waiting: bool = False

    def closed(self) -> Node:
        return Table(self.place, self.fields) if self.mapping else Sequence(self.place, tuple(self.items))


class _Builder:
    """Takes one event at a time, without recursion: a hostile file cannot exhaust the stack."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.root: Node | None = None
        self.open: list[_Open] = []
        self.documents = 0
        self.refused = 0
        self.anchors: set[str] = set()

    def take(self, event: yaml.Event) -> bool:
        """Whether to go on."""
        mark = event.start_mark
        place = Place(self.report.source.name, mark.line + 1, mark.column + 1) if mark else None
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    assert place is not None  # noqa: S101 - events of a text have marks
                    self.report.add(
                        place, "the file holds more than one YAML document", "split it at the `---`"
                    )
                    self.root = None
                    return False
            case yaml.NodeEvent():
                assert place is not None  # noqa: S101
                return self.node(event, place)
            case yaml.CollectionEndEvent():
                self.add(self.open.pop().closed())
            case yaml.StreamEndEvent() if self.refused:
                self.root = None
        return True

    def node(self, event: yaml.NodeEvent, place: Place) -> bool:
        if event.anchor is not None and event.anchor not in self.anchors:
            # Said once an anchor, not once an alias of it: a bomb has few of the one and many of the other.
            self.anchors.add(event.anchor)
            self.refuse(
                place, f"YAML anchors and aliases are not allowed: {event.anchor}", "write the value out"
            )
        if getattr(event, "tag", None) is not None:
            self.refuse(place, f"YAML tags are not allowed: {event.tag}", "leave the tag out")  # type: ignore[attr-defined]
        if self.refused >= MAX_REFUSALS:
            return False
        match event:
            case yaml.AliasEvent():
                self.add(Scalar(None, place, "", place.line))
            case yaml.ScalarEvent():
                style = event.style or ""
                value = event.value if style else _resolve(event.value)
                end = event.end_mark.line + 1 if event.end_mark else place.line
                self.add(Scalar(value, place, style, end))
            case yaml.CollectionStartEvent():
                if len(self.open) == MAX_DEPTH:
                    self.report.add(place, f"the file nests more than {MAX_DEPTH} levels deep", "flatten it")
                    self.root = None
                    return False
                self.open.append(_Open(place, isinstance(event, yaml.MappingStartEvent)))
        return True

    def add(self, node: Node) -> None:
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        if not parent.mapping:
            parent.items.append(node)
        elif not parent.waiting:
            parent.waiting = True
            parent.key = self.key(node, parent)
        else:
            parent.waiting = False
            if parent.key is not None:
                parent.fields[str(parent.key.value)] = Field(parent.key, node)

    def key(self, node: Node, parent: _Open) -> Scalar | None:
        """The key, or None where it cannot be one: its value is read and left out."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            shown = repr(plain(node)) if isinstance(node, Scalar) else "a list or mapping"
            self.report.add(
                node.place, f"{shown} cannot be a key: keys are text", "put it in quotes, or rename it"
            )
            return None
        first = parent.fields.get(node.value)
        if first is not None:
            self.report.add(
                node.place,
                f"key '{node.value}' stands here twice",
                f"the first is at {first.key.place}; remove one",
            )
            return None
        return node

    def refuse(self, place: Place, message: str, hint: str) -> None:
        self.refused += 1
        self.report.add(place, message, hint)


_WORDS: Mapping[str, Plain] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MOST_DIGITS = 400
"""More than the largest float has; Python refuses to read integers of some thousand digits."""


def _resolve(text: str) -> Plain:
    """A plain scalar by YAML 1.2's core schema (octal and hexadecimal left out: they are text)."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _MOST_DIGITS:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def _hint(problem: str, line: str) -> str:
    """What most often lies behind a message of the YAML parser."""
    if "\t" in line:
        return "indent with spaces: YAML takes no tabs"
    if "mapping values are not allowed" in problem:
        return "text that holds ': ' needs quotes around it"
    if "expected ',' or" in problem:
        return "close the bracket, and put quotes around text that holds brackets, commas or braces"
    if "block end" in problem or "block mapping" in problem or "block sequence" in problem:
        return "check the indentation of this line and the one before it"
    if "cannot start any token" in problem:
        return "put quotes around text that starts with @, ` or %"
    return ""


def _place_of_character(report: Report, character: object) -> Place:
    """The first place of a character that YAML does not take: the parser's own position counts otherwise."""
    wanted = chr(character) if isinstance(character, int) else str(character)
    for number, line in enumerate(report.source.text.split("\n"), 1):
        at = line.find(wanted)
        if at >= 0:
            return Place(report.source.name, number, at + 1)
    return Place(report.source.name, 1, 1)
