"""Messages: lines there and back, hellos and answers that are read or refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.interpreter import Detail
from gradconform.program.json_form import from_json
from gradconform.protocol.messages import (
    ANY,
    PROTOCOL,
    Capabilities,
    Hello,
    ProtocolError,
    error_message,
    line_of,
    message_of,
    read_answer,
    read_hello,
    run_message,
    trace_message,
    unsupported_message,
    worker_hello,
)
from gradconform.trace import StateSeen, Trace

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

HELLO = {"type": "hello", "protocol": PROTOCOL, "engine": "mine"}


def answered(document: Mapping[str, Any]) -> Trace:
    return read_answer(document, 7, engine="mine", device="cpu", last=4)


def test_a_message_is_one_line_of_ascii() -> None:
    line = line_of({"type": "x", "text": "a\nb \u2028 \ud800"})
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert message_of(line) == {"type": "x", "text": "a\nb \u2028 \ud800"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"loading ...\n", "this is no JSON"),
        (b"\xff\xfe\n", "this is no JSON"),
        (b"[" * 100_000, "this is no JSON"),
        (b"[1]\n", "a message is a JSON object"),
        (b'{"x": NaN}\n', 'NaN is not in JSON; it is written as the text "nan"'),
        (b'{"x": -Infinity}\n', '-Infinity is not in JSON; it is written as the text "-inf"'),
    ],
)
def test_what_is_no_message_is_refused(line: bytes, message: str) -> None:
    with pytest.raises(ProtocolError) as raised:
        message_of(line)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "hello",
    [
        Hello("mine"),
        Hello("mine", "1.0", "Rust", torch_errors=True),
        Hello("mine", policies={"relu-at-zero": "half"}, composed={"relu": "maximum(input, 0)"}),
        Hello("mine", capabilities=Capabilities(frozenset({"sin"}), frozenset(), frozenset(), (Detail.END,))),
        Hello("mine", capabilities=Capabilities(devices=frozenset({ANY}))),
    ],
)
def test_a_hello_comes_back(hello: Hello) -> None:
    assert read_hello(message_of(line_of(worker_hello(hello)))) == hello


def test_a_hello_needs_a_version_and_a_name_alone() -> None:
    assert read_hello({**HELLO, "mood": "good"}) == Hello("mine")
    assert read_hello(HELLO).capabilities.details == tuple(Detail)
    assert read_hello(HELLO).capabilities.devices == {"cpu"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"type": "trace"}, 'a worker says "type": "hello" first, not \'trace\''),
        ({"protocol": 2}, "version 2 of the protocol, and this gradconform version 1"),
        ({"protocol": True}, "version True of the protocol"),
        ({"engine": None}, "the worker's hello: engine: expected a string, not null"),
        ({"engine": "a\nb"}, "the worker's hello: engine: an engine has a name of printable characters"),
        ({"engine": " "}, "an engine has a name of printable characters"),
        ({"version": 1}, "the worker's hello: version: expected a string, not a number"),
        ({"policies": {"relu-at-zero": 1}}, "the worker's hello: policies.relu-at-zero: "),
        ({"torch_errors": "no"}, "the worker's hello: torch_errors: expected true or false, not a string"),
        ({"capabilities": []}, "the worker's hello: capabilities: expected an object, not a list"),
        ({"capabilities": {"operators": "sin"}}, "capabilities.operators: expected a list, not a string"),
        ({"capabilities": {"dtypes": [1]}}, "capabilities.dtypes[0]: expected a string, not a number"),
        (
            {"capabilities": {"dtypes": ["f32"]}},
            "capabilities.dtypes: 'f32' is no dtype; did you mean 'float32'?",
        ),
        (
            {"capabilities": {"dtypes": ["float8", "flaot64"]}},
            "capabilities.dtypes: 'flaot64' is no dtype; did",
        ),
        (
            {"capabilities": {"details": ["never"]}},
            "capabilities.details[0]: unknown detail 'never'; it is one of end, changes, steps",
        ),
        ({"capabilities": {"details": ["steps"]}}, "details: every worker looks at the end"),
    ],
)
def test_a_hello_that_is_none_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ProtocolError) as raised:
        read_hello({**HELLO, **changed})
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_run_holds_the_program(program: MakeProgram) -> None:
    made = program("y = x * 2")
    message = message_of(line_of(run_message(3, made, "cpu", Detail.END)))
    assert (message["type"], message["id"], message["device"], message["detail"]) == ("run", 3, "cpu", "end")
    assert repr(from_json(message["program"])) == repr(made)


def test_answers_are_read() -> None:
    state: dict[str, Any] = {"live": {}}
    assert answered(trace_message(7, {"states": [state]})).states[0].step == 4
    assert answered({**trace_message(7, {"states": [state]}), "took": 3}).engine == "mine"
    with pytest.raises(Unsupported) as lack:
        answered(unsupported_message(7, Unsupported("operator sin", shim=True)))
    assert (lack.value.feature, lack.value.shim) == ("operator sin", True)
    with pytest.raises(AdapterError, match="engine mine: no table"):
        answered(error_message(7, "no table"))


def test_a_state_is_what_it_says() -> None:
    trace = {"states": [{"step": 2, "live": {"n": 1}, "grad_enabled": True}]}
    assert answered(trace_message(7, trace)).states == (StateSeen(2, {"n": 1}, True),)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "None is no type of answer; it is one of trace, unsupported, error"),
        ({"type": "traec"}, "'traec' is no type of answer; did you mean 'trace'?"),
        ({"type": "trace", "id": 6, "trace": {}}, "the answer has the id 6; the program that was asked for"),
        ({"type": "trace", "id": "7", "trace": {}}, "the worker's answer: id: expected an integer"),
        ({"type": "trace", "id": 7}, "the worker's answer: trace: expected an object, not null"),
        ({"type": "trace", "id": 7, "trace": {"states": 1}}, "the worker's answer: trace.states: expected a"),
        ({"type": "unsupported", "id": 7}, "the worker's answer: feature: expected a string, not null"),
        ({"type": "error", "id": 7}, "the worker's answer: message: expected a string, not null"),
    ],
)
def test_what_is_no_answer_is_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ProtocolError) as raised:
        answered(document)
    assert message in str(raised.value)


def test_json_of_an_answer_has_no_surprises() -> None:
    assert json.loads(line_of(error_message(1, "x"))) == {"type": "error", "id": 1, "message": "x"}
