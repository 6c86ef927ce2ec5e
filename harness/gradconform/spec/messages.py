"""What pydantic found, said plainly: each error type in words that name the key, the value and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradconform.errors import Place, did_you_mean
from gradconform.spec.model import ENTRIES, VALUES, Entry, ScenarioEntry, SourceEntry, SpecFile
from gradconform.spec.names import variable_name_error
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
    path = tuple(part for part in location if not _is_tag(part))
    kind = error["type"]
    if location[-1:] == ("[key]",):
        name = str(path[-2])
        message, hint = variable_name_error(name) or (f"'{name}' cannot be a key", "")
        return Finding(path[:-1], _place(root, path[:-1], of_key=True), message, hint)
    if kind == "missing":
        key, model = str(path[-1]), _model(location[:-1])
        return Finding(path[:-1], _place(root, path[:-1]), f"'{key}' is missing", _describe(model, key))
    if kind == "extra_forbidden":
        key, known = str(path[-1]), _keys(_model(location[:-1]))
        hint = did_you_mean(key, known) or f"known here: {', '.join(known)}"
        return Finding(path, _place(root, path, of_key=True), f"unknown key '{key}'", hint)
    message, hint = _value(error, path, _find(root, path))
    return Finding(path, _place(root, path), message, hint)


def describe(value: object) -> str:
    """A value as a message names it: `the list [1, 2]`, `the text 'x'`, `nothing`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {_cut(str(value))}"
        case str():
            return f"the text {_cut(repr(value))}"
        case tuple():
            return "a list"
        case _:
            return "a mapping"


def _value(error: ErrorDetails, path: Path, node: Node | None) -> tuple[str, str]:
    """Message and hint for a value that is there and is wrong."""
    name = _name(path)
    got = describe(error["input"])
    context: Mapping[str, Any] = error.get("ctx", {})
    match error["type"]:
        case kind if kind in _EXPECTED:
            return f"{name} must be {_EXPECTED[kind]}, not {got}", _type_hint(kind, path, node)
        case "union_tag_not_found" | "union_tag_invalid":
            return _no_domain(name, node)
        case "literal_error":
            words = re.findall(r"'([^']*)'", str(context.get("expected", "")))
            if path == ("schema",):
                return f"schema {error['input']!r} is not known", "this gradconform reads schema: 1"
            near = did_you_mean(error["input"], words) if isinstance(error["input"], str) else ""
            return (
                f"{name} cannot be {got}",
                near or f"it can be {', '.join(words) or context.get('expected')}",
            )
        case "string_pattern_mismatch":
            return _pattern(name, str(error["input"]), path)
        case "string_too_short" | "too_short":
            return f"{name} is empty", ""
        case "greater_than_equal" | "less_than_equal":
            return f"{name} is {error['input']}", "it is a number from 1 to 6" if path[-1:] == (
                "level",
            ) else ""
        case _:
            return f"{name}: {error['msg']}", ""


def _pattern(name: str, value: str, path: Path) -> tuple[str, str]:
    shown = _cut(repr(value))
    match path[-1]:
        case "values":
            hint = (
                did_you_mean(value, VALUES)
                or f"it can be {', '.join(VALUES)} or domain(f) of an operator variable f"
            )
        case "id" | "feature":
            hint = "write it in kebab-case: " + (
                "retain-graph/frees-buffers" if path[-1] == "id" else "retain-graph"
            )
        case "integer":
            hint = "write a range with both its ends: 1..5"
        case "like":
            hint = "write the name of a tensor variable, or f(x) with an operator variable: like: x"
        case _ if "aliases" in path:
            hint = "write ids in kebab-case: retain-graph/frees-buffers"
        case _:
            hint = "write a name: letters, digits and underscores"
    return f"{name} cannot be {shown}", hint


def _no_domain(name: str, node: Node | None) -> tuple[str, str]:
    if not isinstance(node, Table):
        return (
            f"{name} must be a mapping such as {{tensor: any, example: [1.0]}}",
            f"kinds: {', '.join(ENTRIES)}",
        )
    near = next((hint for key in node.fields if (hint := did_you_mean(key, ENTRIES))), "")
    return f"{name} has no domain", near or f"give it one of {', '.join(ENTRIES)}"


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys and values",
    "model_type": "a mapping of keys and values",
}


def _type_hint(kind: str, path: Path, node: Node | None) -> str:
    if kind == "tuple_type":
        return f"write {path[-1]}: [...]"
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
        case (*_, str(key), int(index)):
            return f"item {index + 1} of '{key}'"
        case _:
            return f"'{path[-1]}'"


def _model(location: Path) -> type[Entry]:
    """The model that a location is checked against."""
    match location:
        case (*_, str(tag)) if _is_tag(tag):
            return ENTRIES[tag[1:-1]]
        case (*_, "source"):
            return SourceEntry
        case ("scenarios", int()):
            return ScenarioEntry
        case _:
            return SpecFile


def _keys(model: type[Entry]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _describe(model: type[Entry], key: str) -> str:
    """What the schema says about a key: `program: The program, ...`."""
    for name, field in model.model_fields.items():
        if (field.alias or name) == key and field.description:
            return f"{key}: {field.description}"
    return ""


def _is_tag(part: str | int) -> bool:
    return isinstance(part, str) and part.startswith("<")


def _find(root: Node, path: Path) -> Node | None:
    node: Node | None = root
    for part in path:
        match node, part:
            case Table(), str():
                node = node.get(part)
            case Sequence(items=items), int() if part < len(items):
                node = items[part]
            case _:
                return node
    return node


def _place(root: Node, path: Path, *, of_key: bool = False) -> Place:
    """Where a value stands, or its key; the nearest thing around it where there is none."""
    if of_key:
        parent = _find(root, path[:-1])
        if isinstance(parent, Table) and (field := parent.fields.get(str(path[-1]))):
            return field.key.place
    node = _find(root, path)
    return node.place if node is not None else root.place


def _cut(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[:length] + "..."
