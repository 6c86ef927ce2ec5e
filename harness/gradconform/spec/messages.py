"""What pydantic found, said plainly: each error type in words that name the key, the value and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradconform.errors import Place, did_you_mean
from gradconform.spec.describe import cut, describe
from gradconform.spec.model import ENTRIES, VALUES, Entry, ScenarioEntry, SourceEntry, SpecFile
from gradconform.spec.names import variable_name_error
from gradconform.spec.operator_model import FormEntry, PointEntry, PointFile, RowEntry
from gradconform.spec.tables import kind_of
from gradconform.spec.tree import Node, Scalar, Sequence, Table

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]
"""Keys and list positions that lead from the top of a file to a value."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake in the form of a file. path: that of the wrong value, or of the mapping that lacks a key."""

    path: Path
    place: Place
    message: str
    hint: str


def findings(errors: Iterable[ErrorDetails], root: Node) -> list[Finding]:
    """Pydantic's errors, for the tree that was checked."""
    # A list whose items are wrong is reported as too short as well, since it is counted without them.
    return [
        _finding(error, root) for error in errors if not (error["type"] == "too_short" and error["input"])
    ]


def _finding(error: ErrorDetails, root: Node) -> Finding:
    location = error["loc"]
    path = _path(location)
    table = kind_of(root)
    file = SpecFile if table is None else table.model
    kind = error["type"]
    if kind == "string_pattern_mismatch" and location[-1] == "[key]":
        name = str(location[-2])
        message, hint = variable_name_error(name) or (f"'{name}' cannot be a key", "")
        return Finding(location[:-1], _key_place(root, location[:-1]), message, hint)
    if kind == "missing":
        key = str(path[-1])
        hint = _description(_model(location[:-1], file), key)
        return Finding(path[:-1], _find(root, path[:-1]).place, f"'{key}' is missing", hint)
    if kind == "extra_forbidden":
        key, known = str(path[-1]), _keys(_model(location[:-1], file))
        hint = did_you_mean(key, known) or f"known here: {', '.join(known)}"
        return Finding(path, _key_place(root, path), f"unknown key '{key}'", hint)
    node = _find(root, path)
    message, hint = _value(error, path, node)
    return Finding(path, node.place, message, hint)


def _value(error: ErrorDetails, path: Path, node: Node) -> tuple[str, str]:
    """Message and hint for a value that is there and is wrong."""
    name, got = _name(path), describe(error["input"])
    match error["type"]:
        case kind if kind in _EXPECTED:
            return f"{name} must be {_EXPECTED[kind]}, not {got}", _type_hint(kind, path, node)
        case "union_tag_not_found" | "union_tag_invalid":
            return _no_domain(name, node)
        case "literal_error" if path == ("schema",):
            return f"schema {cut(repr(error['input']))} is not known", "this gradconform reads schema: 1"
        case "literal_error":
            words = re.findall(r"'([^']*)'", error.get("ctx", {}).get("expected", ""))
            near = did_you_mean(error["input"], words) if isinstance(error["input"], str) else ""
            return f"{name} cannot be {got}", near or f"write {path[-1]}: {' or '.join(words)}"
        case "string_pattern_mismatch":
            return f"{name} cannot be {got}", _pattern_hint(str(error["input"]), path)
        case "string_too_short" | "too_short":
            return f"{name} is empty", ""
        case "too_long":
            most = error.get("ctx", {}).get("max_length")
            return f"{name} has more than {most} entries", "split it"
        case "greater_than_equal" | "less_than_equal":
            return f"{name} cannot be {got}", "levels go from 1 to 6"
        case _:
            return f"{name}: {error['msg']}", ""


def _pattern_hint(value: str, path: Path) -> str:
    match path[-1]:
        case "values":
            near = did_you_mean(value, VALUES)
            return (
                near
                or f"write one of {', '.join(VALUES)}, domain(f) of an operator variable f, or within(-1, 1)"
            )
        case "id":
            return "write it in kebab-case: retain-graph/frees-buffers"
        case "feature":
            return "write it in kebab-case: retain-graph"
        case "integer":
            return _RANGE
        case "like":
            return "write the name of a tensor variable, or f(x) with an operator variable: like: x"
        case _ if "aliases" in path:
            return "write ids in kebab-case: retain-graph/frees-buffers"
        case _:
            return "write a name: letters, digits and underscores"


def _no_domain(name: str, node: Node) -> tuple[str, str]:
    kinds = ", ".join(ENTRIES)
    if not isinstance(node, Table):
        return f"{name} must be a mapping such as {{tensor: any, example: [1.0]}}", f"its kinds are {kinds}"
    near = next((hint for key in node.fields if (hint := did_you_mean(key, ENTRIES))), "")
    return f"{name} has no domain", near or f"give it one of {kinds}"


_RANGE = "write a range with both its ends: 1..5"
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "word_or_number": "text or a number",
    "dict_type": "a mapping of keys and values",
    "model_type": "a mapping of keys and values",
}


def _type_hint(kind: str, path: Path, node: Node) -> str:
    if kind == "tuple_type":
        return f"write {path[-1]}: [...]"
    if path[-1:] == ("integer",):
        return _RANGE
    if kind != "string_type":
        return ""
    match node:
        case Sequence() if path[-1] == "tensor":
            return 'put the shape in quotes: "[N, M]"'
        case Sequence() if path[-1] == "example":
            return "this variable takes one word"
        case Scalar(value=bool() | int() | float()):
            return "put it in quotes if it is meant as text"
        case _:
            return ""


def _name(path: Path) -> str:
    """`'level'`, `variable 'x'`, `item 2 of 'dtypes'`, `the file`."""
    match path:
        case ():
            return "the file"
        case (*_, "let", str(variable)):
            return f"variable '{variable}'"
        case ("scenarios", int(index)):
            return f"scenario {index + 1}"
        case ("rows", int(index)):
            return f"row {index + 1}"
        case (*_, str(key), int(index)):
            return f"item {index + 1} of '{key}'"
        case _:
            return f"'{path[-1]}'"


_TAGS = {f"<{kind}>": entry for kind, entry in ENTRIES.items()}


def _model(location: Path, file: type[Entry]) -> type[Entry]:
    """The model that a location of a file is checked against."""
    match location:
        case (*_, "let", str(), str(tag)) if tag in _TAGS:
            return _TAGS[tag]
        case ("scenarios", int(), "source"):
            return SourceEntry
        case ("scenarios", int()):
            return ScenarioEntry
        case ("rows", int()):
            return PointEntry if file is PointFile else RowEntry
        case ("rows", int(), "forms", str()):
            return FormEntry
        case _:
            return file


def _keys(model: type[Entry]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _description(model: type[Entry], key: str) -> str:
    """What the schema says about a key: `The program, in the subset ...`."""
    for name, field in model.model_fields.items():
        if (field.alias or name) == key and field.description:
            return field.description
    return ""


def _path(location: Path) -> Path:
    """A location without the tag that pydantic puts after a variable's name."""
    match location:
        case _ if "let" in location:
            tag = location.index("let") + 2
            return (
                location[:tag] + location[tag + 1 :]
                if location[tag : tag + 1] and location[tag] in _TAGS
                else location
            )
        case _:
            return location


def _find(root: Node, path: Path) -> Node:
    """The node at a path, or the last one on the way there."""
    node = root
    for part in path:
        match node, part:
            case Table(fields=fields), str() if part in fields:
                node = fields[part].value
            case Sequence(items=items), int() if part < len(items):
                node = items[part]
            case _:
                break
    return node


def _key_place(root: Node, path: Path) -> Place:
    """Where the last key of a path stands."""
    parent = _find(root, path[:-1])
    field = parent.fields.get(str(path[-1])) if isinstance(parent, Table) else None
    return field.key.place if field else parent.place
