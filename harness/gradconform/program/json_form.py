"""Programs as JSON documents, for engines in other languages and for files: version 1.

    {"program": 1, "scenario": "accumulation/two-branches",
     "inputs": [{"name": "x", "dtype": "float32", "shape": [1], "data": "AACAPw==", "requires_grad": true,
                 "layout": "contiguous"}],
     "steps": [{"do": "apply", "target": "a", "operator": "mul", "arguments": [{"ref": "x"}, {"float": 2.0}],
                "options": {}, "line": 1}, ...]}

`data` is base64 of the numbers in order of their indices, the last one fastest, little-endian, complex
numbers as real and imaginary part. In arguments, null, booleans, strings and integers (64 bits, signed) stand
for themselves; everything else is an object with one key: `{"float": 2.0}` (or "nan", "inf", "-inf", "-0.0"),
`{"complex": [1.0, "-0.0"]}`, `{"ref": name}`, `{"dtype": name}`, `{"named": name}` (a
memory format or layout), `{"slice": [start, stop, step]}`, `{"list": [...]}`, `{"tuple": [...]}`,
`{"ellipsis": true}`. An expression of a fact is `{"place": number}`, `{"constant": value}` or
`{"operation": name, "operands": [...], "options": {...}}`; its `text` is that of
`gradconform.program.fact_text`.

An operator is a word of the language, or torch's own name with its place: `torch.baddbmm` is a function of
the module and `Tensor.baddbmm_` a method of its first argument. Programs that were recorded have the latter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from gradconform.errors import GradconformError, did_you_mean
from gradconform.program.check import check
from gradconform.program.expressions import Place
from gradconform.program.fact_text import fact_text
from gradconform.program.json_values import (
    At,
    decode_argument,
    decode_expression,
    decode_tensor,
    encode_argument,
    encode_expression,
    encode_tensor,
    fields,
    integer,
    items,
    text,
    truth,
)
from gradconform.program.steps import (
    Apply,
    Backward,
    Call,
    Class,
    Decorator,
    Define,
    Delete,
    Expect,
    Fact,
    Fail,
    Get,
    Grad,
    Input,
    Invoke,
    Layout,
    Let,
    Mutate,
    Program,
    Record,
    Return,
    Set,
    Step,
    Unset,
    Warns,
    Watch,
    Within,
    Yield,
)

VERSION = 1
MAX_DEPTH = 64
"""How deep bodies may be nested."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How one field of a step is written and read. schema: its JSON Schema, where `argument`, `steps` and the
    like are definitions."""

    write: Callable[[Any], object]
    read: Callable[[object, At], Any]
    schema: Mapping[str, Any]


def to_json(program: Program) -> dict[str, Any]:
    """The document of a program: dicts, lists, strings, numbers, booleans and None, nothing else."""
    return {
        "program": VERSION,
        "scenario": program.scenario,
        "inputs": [_write_input(item) for item in program.inputs],
        "steps": _write_steps(program.steps),
    }


def from_json(document: object) -> Program:
    """The program of a document; exactly the one that `to_json` wrote.

    Raises GradconformError, which says where the document is wrong and what was expected, also for a document
    that is well formed but whose program makes no sense.
    """
    at = At()
    version = document.get("program") if isinstance(document, Mapping) else None
    if version != VERSION or isinstance(version, bool):
        raise at.error(f"this is no program document of version {VERSION}", '{"program": 1, ...}')
    given = fields(document, at, ("program", "scenario", "inputs", "steps"))
    inputs = [_read_input(item, place) for item, place in items(given["inputs"], at / "inputs")]
    steps = _read_steps(given["steps"], at / "steps")
    program = Program(tuple(inputs), steps, text(given["scenario"], at / "scenario"))
    problems = check(program)
    if problems:
        raise GradconformError("\n".join(("the program document makes no sense:", *problems)))
    for number, step in program.walk():
        if isinstance(step, Fact):
            expected = fact_text(step.expression, step.places, law=step.law)
            if step.text != expected:
                message = f"the program document makes no sense:\nstep {number}: its text is {expected!r}"
                raise GradconformError(message)
    return program


def _write_input(item: Input) -> dict[str, object]:
    return {
        "name": item.name,
        **encode_tensor(item.data),
        "requires_grad": item.requires_grad,
        "layout": item.layout,
    }


def _read_input(value: object, at: At) -> Input:
    given = fields(value, at, ("name", "dtype", "shape", "data", "requires_grad", "layout"))
    layout = text(given["layout"], at / "layout")
    if layout not in get_args(Layout):
        raise (at / "layout").error(f"unknown layout {layout!r}", did_you_mean(layout, get_args(Layout)))
    return Input(
        text(given["name"], at / "name"),
        decode_tensor(given["dtype"], given["shape"], given["data"], at),
        truth(given["requires_grad"], at / "requires_grad"),
        layout,  # type: ignore[arg-type]  # one of its literals, as was seen above
    )


def _write_steps(steps: tuple[Step, ...]) -> list[dict[str, object]]:
    written = []
    for step in steps:
        verb, forms = _VERBS[type(step)], _FORMS[type(step)]
        row = {name: form.write(getattr(step, name)) for name, form in forms.items()}
        written.append({"do": verb, **row, "line": step.line})
    return written


def _read_steps(value: object, at: At) -> tuple[Step, ...]:
    if at.path.count("body") + at.path.count("methods") > MAX_DEPTH:
        raise at.error(f"bodies are nested more than {MAX_DEPTH} deep")
    return tuple(_read_step(item, place) for item, place in items(value, at))


def _read_step(value: object, at: At) -> Step:
    verb = value.get("do") if isinstance(value, Mapping) else None
    kind = _TYPES.get(verb) if isinstance(verb, str) else None
    if kind is None:
        raise (at / "do").error(f"unknown verb {verb!r}", did_you_mean(str(verb), _TYPES))
    forms = _FORMS[kind]
    given = fields(value, at, ("do", *forms, "line"))
    row = {name: form.read(given[name], at / name) for name, form in forms.items()}
    return kind(**row, line=integer(given["line"], at / "line"))


def _read_target(value: object, at: At) -> str | tuple[str, ...]:
    return text(value, at) if isinstance(value, str) else _read_names(value, at)


def _read_names(value: object, at: At) -> tuple[str, ...]:
    return tuple(text(item, place) for item, place in items(value, at))


def _write_options(options: Mapping[str, Any]) -> dict[str, object]:
    return {name: encode_argument(value) for name, value in options.items()}


def _read_options(value: object, at: At) -> dict[str, Any]:
    given = fields(value, at, None)
    return {name: decode_argument(item, at / name) for name, item in given.items()}


def _read_phase(value: object, at: At) -> str | None:
    return None if value is None else text(value, at)


def _write_places(places: tuple[Place, ...]) -> list[dict[str, object]]:
    return [{"name": place.name, "path": list(place.path)} for place in places]


def _read_places(value: object, at: At) -> tuple[Place, ...]:
    places = []
    for item, place in items(value, at):
        given = fields(item, place, ("name", "path"))
        path = _read_names(given["path"], place / "path")
        name = text(given["name"], place / "name")
        if not (name or path):
            raise place.error("a place has a name or a path")
        places.append(Place(name, path))
    return tuple(places)


def _defined(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _several(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


_STRING = {"type": "string"}
_TEXT = _Form(str, text, _STRING)
_TRUTH = _Form(bool, truth, {"type": "boolean"})
_TARGET = _Form(
    lambda target: list(target) if isinstance(target, tuple) else target,
    _read_target,
    {"anyOf": [_STRING, _several(_STRING)]},
)
_NAMES = _Form(list, _read_names, _several(_STRING))
_ARGUMENT = _Form(encode_argument, decode_argument, _defined("argument"))
_ARGUMENTS = _Form(
    lambda arguments: [encode_argument(argument) for argument in arguments],
    lambda value, at: tuple(decode_argument(item, place) for item, place in items(value, at)),
    _several(_defined("argument")),
)
_OPTIONS = _Form(
    _write_options, _read_options, {"type": "object", "additionalProperties": _defined("argument")}
)
_BODY = _Form(_write_steps, _read_steps, _several(_defined("step")))


def _write_decorators(decorators: tuple[Decorator, ...]) -> list[dict[str, object]]:
    return [{name: form.write(getattr(one, name)) for name, form in _DECORATOR.items()} for one in decorators]


def _read_decorators(value: object, at: At) -> tuple[Decorator, ...]:
    decorators = []
    for item, place in items(value, at):
        given = fields(item, place, tuple(_DECORATOR))
        read = {name: form.read(given[name], place / name) for name, form in _DECORATOR.items()}
        decorators.append(Decorator(**read))
    return tuple(decorators)


def _read_methods(value: object, at: At) -> tuple[Step, ...]:
    methods = _read_steps(value, at)
    for index, method in enumerate(methods):
        if not isinstance(method, Define):
            raise (at / index).error("a class holds definitions")
    return methods


_DECORATOR = {"name": _TEXT, "called": _TRUTH, "arguments": _ARGUMENTS, "options": _OPTIONS}

_FORMS: dict[type[Step], dict[str, _Form]] = {
    Apply: {"target": _TARGET, "operator": _TEXT, "arguments": _ARGUMENTS, "options": _OPTIONS},
    Mutate: {"target": _TEXT, "operator": _TEXT, "arguments": _ARGUMENTS, "options": _OPTIONS},
    Invoke: {
        "target": _TARGET,
        "object": _TEXT,
        "method": _TEXT,
        "arguments": _ARGUMENTS,
        "options": _OPTIONS,
    },
    Call: {"target": _TARGET, "function": _TEXT, "arguments": _ARGUMENTS, "options": _OPTIONS},
    Backward: {"arguments": _ARGUMENTS, "options": _OPTIONS, "function": _TRUTH},
    Grad: {"target": _TARGET, "arguments": _ARGUMENTS, "options": _OPTIONS},
    Get: {"target": _TARGET, "object": _TEXT, "attribute": _TEXT},
    Unset: {"object": _TEXT, "attribute": _TEXT},
    Set: {"object": _TEXT, "attribute": _TEXT, "value": _ARGUMENT},
    Let: {"target": _TARGET, "value": _ARGUMENT},
    Delete: {"name": _TEXT},
    Within: {
        "mode": _TEXT,
        "arguments": _ARGUMENTS,
        "options": _OPTIONS,
        "target": _TEXT,
        "body": _BODY,
    },
    Expect: {
        "error": _TEXT,
        "phase": _Form(lambda phase: phase, _read_phase, {"type": ["string", "null"]}),
        "match": _TEXT,
        "body": _BODY,
    },
    Warns: {"category": _TEXT, "match": _TEXT, "body": _BODY},
    Define: {
        "target": _TEXT,
        "parameters": _NAMES,
        "variadic": _TEXT,
        "defaults": _OPTIONS,
        "decorators": _Form(_write_decorators, _read_decorators, _several(_defined("decorator"))),
        "body": _BODY,
    },
    Class: {
        "target": _TEXT,
        "base": _TEXT,
        "methods": _Form(_write_steps, _read_methods, _several(_defined("step"))),
    },
    Return: {"value": _ARGUMENT},
    Yield: {"target": _TEXT, "value": _ARGUMENT},
    Record: {"value": _ARGUMENT},
    Watch: {"target": _TEXT, "name": _TEXT},
    Fail: {"error": _TEXT},
    Fact: {
        "law": _TRUTH,
        "places": _Form(_write_places, _read_places, _several(_defined("place"))),
        "expression": _Form(encode_expression, decode_expression, _defined("expression")),
        "text": _TEXT,
    },
}
"""The fields of each type of step, in the order in which they are written."""

_VERBS = {kind: kind.__name__.lower() for kind in _FORMS}
_TYPES = {verb: kind for kind, verb in _VERBS.items()}


def step_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schemas of steps by verb, and that of a decorator under `decorator`. They refer to the
    definitions `argument`, `step`, `decorator`, `place` and `expression`."""
    found = {
        _VERBS[kind]: _closed(
            {"do": {"const": _VERBS[kind]}, **_schemas(forms), "line": {"type": "integer"}},
            " ".join((kind.__doc__ or "").split()),
        )
        for kind, forms in _FORMS.items()
    }
    return {**found, "decorator": _closed(_schemas(_DECORATOR), "What stands above a definition.")}


def _schemas(forms: Mapping[str, _Form]) -> dict[str, Any]:
    return {name: form.schema for name, form in forms.items()}


def _closed(properties: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
    }
