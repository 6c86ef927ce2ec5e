"""The protocol's JSON Schema: committed as it is generated, and what both sides say is told by it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from gradconform.errors import GradconformError, Unsupported
from gradconform.execution.host import InProcess
from gradconform.execution.interpreter import Detail
from gradconform.hosts import find_host
from gradconform.plan import Settings, plan
from gradconform.prepare import templates_of
from gradconform.program.bind import bind
from gradconform.program.json_values import At
from gradconform.program.parse import Template
from gradconform.protocol.messages import (
    SHUTDOWN,
    Capabilities,
    Hello,
    error_message,
    hello_message,
    line_of,
    message_of,
    refusal,
    run_message,
    trace_message,
    unsupported_message,
    worker_hello,
)
from gradconform.protocol.schema import schema, schema_text
from gradconform.protocol.traces import decode_trace, encode_trace
from gradconform.randomize import draws
from gradconform.settings import Options

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

ROOT = Path(__file__).parents[2]
WORKERS = Path(__file__).parent / "workers"

Tells = Callable[..., list[str]]
END: list[dict[str, Any]] = [{"live": {}}]


@pytest.fixture(scope="module")
def problems() -> Tells:
    """What the schema says against a document: of a message, or of a part by its name."""
    whole = schema()
    Draft202012Validator.check_schema(whole)

    def told(document: Any, part: str = "") -> list[str]:
        wanted = {"$ref": f"#/$defs/{part}", "$defs": whole["$defs"]} if part else whole
        return [error.message[:300] for error in Draft202012Validator(wanted).iter_errors(document)]

    return told


def test_the_committed_schema_is_the_generated_one() -> None:
    committed = (ROOT / "specs" / "protocol.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), "run: gradconform schema protocol > specs/protocol.schema.json"


def test_what_both_sides_say_is_told_by_the_schema(problems: Tells, program: MakeProgram) -> None:
    made = program("y = x * 2")
    trace = encode_trace(find_host("torch").run(made, "cpu", Detail.STEPS))
    told = Capabilities(frozenset({"sin"}), frozenset({"float32"}), frozenset({"cpu"}), (Detail.END,))
    for message, part in (
        (hello_message(), "harness-hello"),
        (run_message(1, made, "cpu", Detail.STEPS), "run"),
        (SHUTDOWN, "shutdown"),
        (worker_hello(Hello("mine")), "worker-hello"),
        (worker_hello(Hello("mine", "1", "C", torch_errors=True, capabilities=told)), "worker-hello"),
        (refusal("no"), "refusal"),
        (trace_message(1, trace), "trace-answer"),
        (unsupported_message(1, Unsupported("operator sin")), "unsupported-answer"),
        (error_message(1, "no"), "error-answer"),
    ):
        document = message_of(line_of(message))
        assert problems(document) == []
        assert problems(document, part) == []


def test_programs_and_traces_of_the_corpus_are_told_by_the_schema(problems: Tells) -> None:
    """The documented example of every documented scenario: every verb and every kind of argument is there."""
    options = Options(corpus="documented", dtype=("float32",))
    tasks = plan(templates_of(options), Settings(dtypes=("float32",), examples=0)).tasks
    torch_host = find_host("torch")
    assert isinstance(torch_host, InProcess)
    verbs: set[str] = set()
    for task in tasks[::11]:
        assert isinstance(task.origin, Template)
        program = bind(task.origin, draws.example(task.origin.scenario, task.dtype))
        asked = message_of(line_of(run_message(1, program, "cpu", Detail.CHANGES)))
        assert problems(asked, "run") == [], task.id
        verbs |= {step["do"] for step in asked["program"]["steps"]}
        shown = encode_trace(torch_host.run(program, "cpu", Detail.CHANGES))
        assert problems(json.loads(json.dumps(shown)), "trace") == [], task.id
    assert len(verbs) > 12


@pytest.mark.parametrize(
    "trace",
    [
        {},
        {"states": []},
        {"states": 1},
        {"states": [{"step": 0}]},
        {"states": [{"live": {"x": 1.5}}]},
        {"states": [{"live": {"x": {"dtype": "float32", "shape": [1]}}}]},
        {"states": [{"live": {"x": {"dtype": "float32", "shape": [-1], "values": []}}}]},
        {"states": [{"live": {"x": {"dtype": "float32", "shape": [0], "values": [], "data": ""}}}]},
        {"states": [{"live": {"x": {"unseen": False}}}]},
        {"states": [{"live": {"x": {"float": "none"}}}]},
        {"states": [{"live": {}, "grad_enabled": 1}]},
        {"states": END, "facts": {"1": [2]}},
        {"states": END, "caught": {"1": {"phase": "middle", "step": 1, "classes": ["E"]}}},
        {"states": END, "error": {"phase": "forward", "step": 1, "classes": []}},
        {"states": END, "warned": {"1": [{}]}},
    ],
    ids=str,
)
def test_what_the_reader_refuses_the_schema_refuses(problems: Tells, trace: dict[str, Any]) -> None:
    with pytest.raises(GradconformError):
        decode_trace(trace, At((), "trace"), engine="mine", device="cpu")
    assert problems(trace, "trace")


def test_what_a_worker_says_by_itself_is_told_by_the_schema(problems: Tells, program: MakeProgram) -> None:
    made = program("y = (x * x).sum()\ny.backward()\nassert close(x.grad, 2 * x)")
    asked = (hello_message(), run_message(7, made, "cpu", Detail.END), SHUTDOWN)
    said = subprocess.run(
        [sys.executable, str(WORKERS / "scalar.py")],
        input=b"".join(map(line_of, asked)),
        capture_output=True,
        check=True,
    ).stdout
    answers = [json.loads(line) for line in said.splitlines()]
    assert [answer["type"] for answer in answers] == ["hello", "trace"]
    assert [problems(answer) for answer in answers] == [[], []]
    trace = decode_trace(answers[1]["trace"], At(()), engine="scalar", device="cpu")
    assert torch.equal(trace.facts[3][0][0].value, torch.tensor([2.0, 4.0]))  # type: ignore[union-attr]
