"""The messages between the harness and a worker, version 1: one JSON object a line, told apart by `type`.

The harness says `hello`, `run` and `shutdown`; a worker answers `hello` with its own, and each `run` with one
`trace`, `unsupported` or `error` of the same `id`. Fields that a reader does not know are left out, so that
later versions may add some.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from gradconform import __version__
from gradconform.errors import AdapterError, EngineError, GradconformError, Unsupported, did_you_mean
from gradconform.execution.interpreter import Detail
from gradconform.program.json_form import to_json
from gradconform.program.json_values import At, fields, integer, items, text, truth
from gradconform.program.steps import Program
from gradconform.protocol.traces import decode_trace
from gradconform.spec.dtypes import DTYPES
from gradconform.trace import Trace

PROTOCOL = 1
"""The version of the protocol."""

Document = Mapping[str, Any]


class ProtocolError(GradconformError):
    """What was said is no message, or not one that fits here."""


ANY = "any"
"""Among the devices of a worker: it is asked for programs on all of them."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a worker says that its engine has; None: it does not say. devices: of one that does not say, the
    CPU: what it computed there must not count for another. details: how often it can look."""

    operators: frozenset[str] | None = None
    dtypes: frozenset[str] | None = None
    devices: frozenset[str] = frozenset({"cpu"})
    details: tuple[Detail, ...] = tuple(Detail)


@dataclass(frozen=True, slots=True)
class Hello:
    """How a worker introduces itself. engine, version, language: names for reports. torch_errors: whether the
    engine means to raise torch's exception classes. policies, composed: as `Engine` has them."""

    engine: str
    version: str | None = None
    language: str = ""
    torch_errors: bool = False
    capabilities: Capabilities = field(default_factory=Capabilities)
    policies: Mapping[str, str] = field(default_factory=dict)
    composed: Mapping[str, str] = field(default_factory=dict)


# lines


def line_of(message: Document) -> bytes:
    """A message as it is sent: one line, ASCII."""
    return _ENCODER.encode(message).encode("ascii") + b"\n"


def message_of(line: bytes) -> Document:
    """The message of a line. Raises ProtocolError where it is none."""
    try:
        document = _DECODER.decode(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"this is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise ProtocolError("a message is a JSON object")
    return document


def _no_constant(name: str) -> None:
    known = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
    raise ValueError(f'{name} is not in JSON; it is written as the text "{known[name]}"')


# Made once: `json.dumps` and `json.loads` would make one a line.
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_no_constant)


# what the harness says

SHUTDOWN: Document = {"type": "shutdown"}


def hello_message() -> Document:
    """The first message of all."""
    return {"type": "hello", "protocol": PROTOCOL, "harness": f"gradconform {__version__}"}


def run_message(number: int, program: Program, device: str, detail: Detail) -> Document:
    """Asks for the trace of a program. number: what the answer has to repeat."""
    return {
        "type": "run",
        "id": number,
        "device": device,
        "detail": detail.value,
        "program": to_json(program),
    }


def dialogue(program: Program, device: str) -> str:
    """All that the harness says of one program, as text for a worker's standard input."""
    said = (hello_message(), run_message(1, program, device, Detail.END), SHUTDOWN)
    return b"".join(map(line_of, said)).decode("ascii")


# what a worker says


def worker_hello(hello: Hello) -> Document:
    """The document of a worker's hello."""
    known = hello.capabilities
    told = {"policies": dict(hello.policies), "composed": dict(hello.composed)}
    sets = {"operators": known.operators, "dtypes": known.dtypes, "devices": known.devices}
    return {
        "type": "hello",
        "protocol": PROTOCOL,
        "engine": hello.engine,
        "version": hello.version,
        "language": hello.language,
        "torch_errors": hello.torch_errors,
        "capabilities": {
            **{name: sorted(words) for name, words in sets.items() if words is not None},
            "details": [detail.value for detail in known.details],
        },
        **{name: words for name, words in told.items() if words},
    }


def read_hello(document: Document) -> Hello:
    """A worker's hello.

    Raises ProtocolError where it is none, or that of another version, and EngineError where the worker says
    in its stead that it cannot work.
    """
    at = At((), "the worker's hello")
    kind = document.get("type")
    if kind == "error" and isinstance(document.get("message"), str):
        raise EngineError(_in_one_line(document["message"]))
    if kind != "hello":
        raise ProtocolError(f'a worker says "type": "hello" first, not {kind!r}')
    version = document.get("protocol")
    if version != PROTOCOL or isinstance(version, bool):
        raise ProtocolError(
            f"the worker speaks version {version!r} of the protocol, and this gradconform version {PROTOCOL}"
        )
    try:
        engine = text(document.get("engine"), at / "engine")
        if not (engine.strip() and engine.isprintable()):
            raise (at / "engine").error("an engine has a name of printable characters")
        told = document.get("version")
        return Hello(
            engine,
            None if told is None else text(told, at / "version"),
            text(document.get("language", ""), at / "language"),
            truth(document.get("torch_errors", False), at / "torch_errors"),
            _read_capabilities(document.get("capabilities", {}), at / "capabilities"),
            _texts(document.get("policies", {}), at / "policies"),
            _texts(document.get("composed", {}), at / "composed"),
        )
    except ProtocolError:
        raise
    except GradconformError as error:
        raise ProtocolError(str(error)) from None


def _read_capabilities(value: object, at: At) -> Capabilities:
    given = fields(value, at, None)
    details = []
    for name, place in items(given.get("details", [each.value for each in Detail]), at / "details"):
        known = [each.value for each in Detail]
        if name not in known:
            raise place.error(f"unknown detail {name!r}", f"it is one of {', '.join(known)}")
        details.append(Detail(name))
    if Detail.END not in details:
        raise (at / "details").error("every worker looks at the end; 'end' is missing")
    operators, dtypes, devices = (
        _words(given.get(name), at / name) for name in ("operators", "dtypes", "devices")
    )
    for name in sorted(dtypes or ()):
        if not isinstance(getattr(torch, name, None), torch.dtype):
            hint = did_you_mean(name, DTYPES) or f"torch's names are meant: {', '.join(DTYPES)}"
            raise (at / "dtypes").error(f"{name!r} is no dtype", hint)
    devices = Capabilities().devices if devices is None else devices
    return Capabilities(operators, dtypes, devices, tuple(dict.fromkeys(details)))


def _words(value: object, at: At) -> frozenset[str] | None:
    return None if value is None else frozenset(text(item, place) for item, place in items(value, at))


def _texts(value: object, at: At) -> Mapping[str, str]:
    return {name: text(item, at / name) for name, item in fields(value, at, None).items()}


def _in_one_line(message: str) -> str:
    """What a worker says of itself, which may be all of an exception."""
    return " / ".join(line.strip() for line in message.splitlines() if line.strip())


ANSWERS = ("trace", "unsupported", "error")


def read_answer(document: Document, number: int, *, engine: str, device: str, last: int) -> Trace:
    """The trace that a worker answers with. number: that of the `run`. last: the number of the program's last
    step.

    Raises Unsupported and AdapterError where the worker says so, and ProtocolError for what is no answer.
    """
    at = At((), "the worker's answer")
    kind = document.get("type")
    if kind not in ANSWERS:
        hint = did_you_mean(str(kind), ANSWERS) or f"it is one of {', '.join(ANSWERS)}"
        raise ProtocolError(f"{kind!r} is no type of answer; {hint}")
    try:
        given = integer(document.get("id"), at / "id")
        if given != number:
            raise ProtocolError(f"the answer has the id {given}; the program that was asked for has {number}")
        match kind:
            case "trace":
                where = at / "trace"
                return decode_trace(
                    fields(document.get("trace"), where, None),
                    where,
                    engine=engine,
                    device=device,
                    last=last,
                )
            case "unsupported":
                feature = text(document.get("feature"), at / "feature")
                raise Unsupported(feature, shim=truth(document.get("shim", False), at / "shim"))
            case _:
                message = _in_one_line(text(document.get("message"), at / "message"))
                raise AdapterError(f"engine {engine}: {message}")
    except (ProtocolError, AdapterError):
        raise
    except GradconformError as error:
        raise ProtocolError(str(error)) from None


def trace_message(number: int, trace: Document) -> Document:
    """A worker's answer. trace: as `encode_trace` gives it."""
    return {"type": "trace", "id": number, "trace": trace}


def unsupported_message(number: int, lack: Unsupported) -> Document:
    """A worker's answer where the engine lacks a feature."""
    return {"type": "unsupported", "id": number, "feature": str(lack.feature), "shim": lack.shim}


def error_message(number: int, message: str) -> Document:
    """A worker's answer where the adapter itself failed."""
    return {**refusal(message), "id": number}


def refusal(message: str) -> Document:
    """A worker's answer to the harness's hello where it cannot work at all."""
    return {"type": "error", "message": message}
