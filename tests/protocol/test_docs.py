"""docs/protocol.md: its dialogue is what both sides say, word for word; its tables have all there is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from gradconform.execution.interpreter import Detail
from gradconform.program.json_form import from_json, step_schemas
from gradconform.protocol.messages import SHUTDOWN, hello_message, line_of, run_message
from gradconform.protocol.pipes import Limits
from gradconform.protocol.schema import schema
from gradconform.spec.shapes import MAX_ELEMENTS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
WORKERS = Path(__file__).parent / "workers"


def dialogue() -> list[tuple[str, str]]:
    """Who says what."""
    (block,) = re.findall(r"```dialogue\n(.*?)```", TEXT, re.DOTALL)
    return [(line[0], line[2:]) for line in block.splitlines()]


def test_the_harness_says_its_part_of_the_dialogue() -> None:
    said = [line for who, line in dialogue() if who == ">"]
    programs = [json.loads(line) for line in said[1:-1]]
    expected = [
        hello_message(),
        *(
            run_message(message["id"], from_json(message["program"]), "cpu", Detail.END)
            for message in programs
        ),
        SHUTDOWN,
    ]
    assert said == [line_of(message).decode().rstrip("\n") for message in expected]


def test_a_worker_says_its_part_of_the_dialogue() -> None:
    """One at a time: each answer comes before the next question."""
    command = [sys.executable, str(WORKERS / "scalar.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin
        assert worker.stdout
        for who, line in dialogue():
            if who == ">":
                worker.stdin.write(line + "\n")
                worker.stdin.flush()
            else:
                assert json.loads(worker.stdout.readline()) == json.loads(line)
        assert worker.wait(60) == 0
        assert worker.stdout.read() == ""


def test_every_verb_field_and_message_is_told() -> None:
    verbs = {*step_schemas()} - {"decorator"}
    assert {verb for verb in verbs if f"`{verb}`" not in TEXT} == set()
    definitions: dict[str, Any] = schema()["$defs"]
    for part in (
        "harness-hello",
        "run",
        "worker-hello",
        "unsupported-answer",
        "trace",
        "state",
        "error",
        "tensor",
    ):
        untold = {name for name in definitions[part]["properties"] if f"`{name}`" not in TEXT} - {"type"}
        assert untold == set(), part


def test_the_limits_are_those_that_are_told() -> None:
    limits = Limits()
    assert f"`--timeout SECONDS` for a program ({limits.seconds:g})" in TEXT
    assert f"with the processes that it started ({limits.memory:g})" in TEXT
    assert f"a line of more than {limits.line >> 20} MiB" in TEXT
    assert f"It has {limits.start:g} seconds for its hello" in TEXT
    assert MAX_ELEMENTS == 1_000_000
    assert "Inputs of more than a million numbers" in TEXT
