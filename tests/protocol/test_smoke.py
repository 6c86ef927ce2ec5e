"""`gradconform smoke`: a broken worker is told from an engine that differs, check by check."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gradconform.cli import main
from gradconform.protocol import checks

WORKERS = Path(__file__).parent / "workers"


FEW = 20_000
"""Numbers of a large tensor here: a worker in pure Python takes seconds for a million."""


@pytest.fixture(autouse=True)
def in_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LARGE", FEW)
    monkeypatch.setattr(checks, "END", 1.0)


def smoke(name: str, *arguments: str, options: tuple[str, ...] = ()) -> Result:
    command = shlex.join((sys.executable, str(WORKERS / f"{name}.py"), *arguments))
    return CliRunner().invoke(main, ["smoke", command, *options], prog_name="gradconform")


def outcomes(result: Result, outcome: str) -> list[str]:
    """The names of the checks that ended so."""
    lines = [line for line in result.output.splitlines() if line.startswith(outcome.ljust(14) + " ")]
    return [line[15:].partition(":")[0] for line in lines]


def test_a_worker_that_keeps_the_protocol_passes() -> None:
    result = smoke("scalar")
    assert result.exit_code == 0, result.output
    assert "passed         hello: scalar 0.1, in Python" in result.output
    assert outcomes(result, "failed") == []
    lacking = {"exact numbers, float16", "when it looks", "a program that raises"}
    assert lacking <= {*outcomes(result, "not applicable")}
    assert result.output.splitlines()[-1] == (
        "15 passed, 0 failed, 10 not applicable: the worker keeps the protocol"
    )


def test_an_engine_that_differs_is_no_broken_worker() -> None:
    result = smoke("sloppy", "differs")
    assert result.exit_code == 0, result.output
    assert (
        "a plain program: the engine differs from PyTorch, which is its own affair: y, value" in result.output
    )


@pytest.mark.parametrize(
    ("flaw", "failing", "says"),
    [
        ("rounds", ["a tensor of 20000 numbers"], "expected number 10001 to be 10001.0, got 10000.0"),
        ("temporaries", ["live names"], "without temporaries such as _1; got _1, x, y"),
        ("facts", ["facts"], 'expected "facts": {"3": [[x.grad, x]]}'),
        ("errors", ["an unknown operator", "a program that raises"], 'expected "type": "unsupported" with'),
        ("counts", ["the same program twice"], "again, got"),
        ("large", ["a tensor of 20000 numbers"], "expected an answer; the worker ended with exit code 1"),
        ("strict", ["an unknown field"], "the last it said: a field that I do not know"),
        ("declares", ["exact numbers, float64"], "dtype float64 is declared, and answered with unsupported"),
        ("prints", ["shutdown"], "expected nothing on standard output but answers, got 'bye'"),
        (
            "code",
            ["shutdown", "the end of standard input"],
            "expected exit code 0 after shutdown; the worker ended with exit code 5",
        ),
        (
            "stays",
            ["shutdown", "the end of standard input"],
            "expected the worker to end after shutdown; it runs on for 1 s",
        ),
    ],
)
def test_each_flaw_fails_its_check(flaw: str, failing: list[str], says: str) -> None:
    result = smoke("sloppy", flaw)
    assert result.exit_code == 1, result.output
    assert outcomes(result, "failed") == failing
    assert says in result.output
    assert result.output.splitlines()[-1].endswith("the worker does not keep the protocol")


def test_a_policy_that_there_is_not_is_told_as_a_run_tells_it() -> None:
    result = smoke("sloppy", "policy")
    assert result.exit_code == 1
    assert outcomes(result, "failed") == ["hello"]
    assert "engine scalar declares 'relu-at-zero: no'; the options are half, one" in result.output


def test_states_after_other_steps_fail_every_check_of_states() -> None:
    result = smoke("sloppy", "steps")
    assert result.exit_code == 1
    assert "live names: expected the last state after step 2, got one after 0" in result.output


def test_a_worker_that_hangs_fails_a_check_each() -> None:
    result = smoke("scalar", options=("--timeout", "0.000001"))
    assert result.exit_code == 1
    assert "expected an answer within 1e-06 s" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such-command"], "gradconform: `no-such-command` cannot be started: No such file or directory"),
        ([""], "names no command"),
        (["python 'x"], "is no command: No closing quotation"),
        (
            [shlex.join((sys.executable, str(WORKERS / "hellos.py"), "text"))],
            "its first line is 'Loading the",
        ),
        (
            [shlex.join((sys.executable, str(WORKERS / "hellos.py"), "dies"))],
            "did not say hello: it ended with",
        ),
    ],
)
def test_a_worker_that_does_not_start_is_one_clear_line(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(main, ["smoke", *arguments], prog_name="gradconform")
    assert result.exit_code == 2
    assert says in result.output
    assert len(result.output.splitlines()) == 1
