"""The JSON Schema of the messages of the protocol, committed as `specs/protocol.schema.json`.

    gradconform schema protocol

The steps of programs come from the table that writes and reads them. The other parts are written here; tests
hold what both sides say against them.
"""

from __future__ import annotations

import json
from typing import Any, get_args

from gradconform.execution.interpreter import Detail
from gradconform.program.json_form import VERSION, step_schemas
from gradconform.program.steps import Layout
from gradconform.program.vocabulary import CONSTANTS, DTYPES, FURTHER_DTYPES
from gradconform.protocol.messages import PROTOCOL
from gradconform.trace import Phase

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
TRUTH: Schema = {"type": "boolean"}
PLAIN: Schema = {"type": ["null", "boolean", "string", "integer"]}
FLOAT: Schema = {"anyOf": [{"type": "number"}, {"enum": ["nan", "inf", "-inf", "-0.0"]}]}
SIZES: Schema = {"type": "array", "items": {"type": "integer", "minimum": 0}}


def ref(name: str) -> Schema:
    """A definition."""
    return {"$ref": f"#/$defs/{name}"}


def several(schema: Schema, **bounds: object) -> Schema:
    """A list of such. bounds: further words of the schema, such as minItems."""
    return {"type": "array", "items": schema, **bounds}


def table(schema: Schema) -> Schema:
    """An object of such, by any names."""
    return {"type": "object", "additionalProperties": schema}


def record(says: str, required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """An object with fields. Others than these are left out by whoever reads it."""
    return {
        "type": "object",
        "description": says,
        "properties": {**required, **(optional or {})},
        "required": list(required),
    }


def tagged(**tags: Schema) -> list[Schema]:
    """Objects with one field, one for each."""
    return [
        {"type": "object", "properties": {tag: schema}, "required": [tag], "maxProperties": 1}
        for tag, schema in tags.items()
    ]


def _programs() -> Schema:
    """What a program document is made of."""
    steps = step_schemas()
    decorator = steps.pop("decorator")
    argument = {
        "description": "null, booleans, strings and integers of 64 bits as themselves; all else has a field.",
        "anyOf": [
            PLAIN,
            *tagged(
                float=FLOAT,
                complex=several(FLOAT, minItems=2, maxItems=2),
                ref=STRING,
                dtype={"enum": [*DTYPES, *FURTHER_DTYPES]},
                named={"enum": list(CONSTANTS)},
                slice=several(ref("argument"), minItems=3, maxItems=3),
                list=several(ref("argument")),
                tuple=several(ref("argument")),
                ellipsis={"const": True},
            ),
        ],
    }
    expression = {
        "description": "What the harness evaluates on the places of a fact; a worker leaves it alone.",
        "anyOf": [
            *tagged(place=INTEGER, constant=ref("argument")),
            record(
                "",
                {
                    "operation": STRING,
                    "operands": several(ref("expression")),
                    "options": table(ref("argument")),
                },
            ),
        ],
    }
    given = {
        "name": STRING,
        "dtype": {"enum": [*DTYPES, *FURTHER_DTYPES]},
        "shape": SIZES,
        "data": {**STRING, "contentEncoding": "base64"},
        "requires_grad": TRUTH,
        "layout": {"enum": list(get_args(Layout))},
    }
    return {
        "program": record(
            "A program document: inputs and a straight list of steps.",
            {
                "program": {"const": VERSION},
                "scenario": STRING,
                "inputs": several(ref("input")),
                "steps": several(ref("step")),
            },
        ),
        "input": record("A tensor that a program starts with.", given),
        "step": {
            "description": "One step; `do` says which verb.",
            "oneOf": [ref(f"step-{verb}") for verb in steps],
        },
        **{f"step-{verb}": schema for verb, schema in steps.items()},
        "argument": argument,
        "decorator": decorator,
        "place": record(
            "Where a fact looks: a name and attributes; without a name, at is_grad_enabled or recorded.",
            {"name": STRING, "path": several(STRING)},
        ),
        "expression": expression,
    }


def _traces() -> Schema:
    """What a trace is made of."""
    classes = several(STRING, minItems=1)
    flag = {"anyOf": [TRUTH, ref("opaque"), ref("unseen")]}
    numbers = {"anyOf": [FLOAT, TRUTH, STRING, {"type": "array"}]}
    tensor = record(
        "One tensor. What is left out was not seen, and is not compared; `grad: null`: there is none.",
        {"dtype": STRING, "shape": SIZES},
        {
            "data": {**STRING, "contentEncoding": "base64"},
            "values": {**numbers, "description": "The numbers as lists nested like the shape."},
            "device": STRING,
            **dict.fromkeys(("requires_grad", "is_leaf", "has_grad_fn"), flag),
            "grad": {"anyOf": [{"type": "null"}, ref("tensor"), ref("opaque"), ref("unseen")]},
            "identity": INTEGER,
            "storage": INTEGER,
        },
    )
    tensor["oneOf"] = [{"required": ["data"]}, {"required": ["values"]}]
    parts = tagged(float=FLOAT, complex=several(FLOAT, minItems=2, maxItems=2))
    return {
        "trace": record(
            "All that can be seen of a run. Keys of facts, caught and warned are numbers of steps.",
            {"states": several(ref("state"), minItems=1)},
            {
                "facts": table(several(several(ref("seen")))),
                "caught": table({"anyOf": [{"type": "null"}, ref("error")]}),
                "warned": table(
                    several(record("A warning.", {"classes": classes}, {"message": STRING})),
                ),
                "error": {"anyOf": [{"type": "null"}, ref("error")]},
            },
        ),
        "state": record(
            "All live names after a step; without a step, after the last one.",
            {"live": table(ref("seen"))},
            {"step": INTEGER, "grad_enabled": TRUTH},
        ),
        "error": record(
            "What a step raised: its class and those above it, nearest first.",
            {"step": INTEGER, "phase": {"enum": list(get_args(Phase))}, "classes": classes},
            {"message": STRING},
        ),
        "seen": {"anyOf": [PLAIN, *parts, several(ref("seen")), *map(ref, ("tensor", "opaque", "unseen"))]},
        "tensor": tensor,
        "opaque": record("Something that is no tensor.", {"opaque": STRING}, {"identity": INTEGER}),
        "unseen": record("Something that the engine does not show.", {"unseen": {"const": True}}),
    }


def _messages() -> Schema:
    """What is said: first by the harness, then by a worker."""
    capabilities = record(
        "What the engine has; what is left out is not told.",
        {},
        {
            **dict.fromkeys(("operators", "dtypes", "devices"), several(STRING)),
            "details": several(
                {"enum": [detail.value for detail in Detail]}, contains={"const": Detail.END.value}
            ),
        },
    )
    return {
        "harness-hello": _message("hello", "The first line.", protocol={"const": PROTOCOL}, harness=STRING),
        "run": _message(
            "run",
            "Asks for the trace of a program.",
            id=INTEGER,
            device=STRING,
            detail={"enum": [detail.value for detail in Detail]},
            program=ref("program"),
        ),
        "shutdown": _message("shutdown", "The last line."),
        "worker-hello": {
            **_message("hello", "The answer to hello.", protocol={"const": PROTOCOL}, engine=STRING),
            "properties": {
                "type": {"const": "hello"},
                "protocol": {"const": PROTOCOL},
                "engine": STRING,
                "version": {"type": ["string", "null"]},
                "language": STRING,
                "torch_errors": TRUTH,
                "capabilities": capabilities,
                "policies": table(STRING),
                "composed": table(STRING),
            },
        },
        "refusal": _message("error", "In place of hello: the worker cannot work.", message=STRING),
        "trace-answer": _message("trace", "What the program showed.", id=INTEGER, trace=ref("trace")),
        "unsupported-answer": _unsupported(),
        "error-answer": _message("error", "The worker itself failed.", id=INTEGER, message=STRING),
    }


def _unsupported() -> Schema:
    says = "The engine lacks what the program needs. shim: the adapter would have to do it in its stead."
    kind = {"const": "unsupported"}
    return record(says, {"type": kind, "id": INTEGER, "feature": STRING}, {"shim": TRUTH})


def _message(kind: str, says: str, **fields: Schema) -> Schema:
    return record(says, {"type": {"const": kind}, **fields})


def schema() -> Schema:
    """The JSON Schema (draft 2020-12) of one line, in either direction."""
    messages = _messages()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Generated by `gradconform schema protocol`; do not edit.",
        "title": f"gradconform's worker protocol, version {PROTOCOL}",
        "anyOf": [ref(name) for name in messages],
        "$defs": {**messages, **_programs(), **_traces()},
    }


def schema_text() -> str:
    """The schema as it is committed: indented by two spaces, one newline at the end."""
    return json.dumps(schema(), indent=2) + "\n"
