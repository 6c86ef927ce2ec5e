"""A run that is killed and gone on with leaves the bytes of one that was not killed."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from gradconform.cases import CaseResult
from gradconform.session import Session
from gradconform.spec.corpus import specs_root

Invoke = Callable[..., Result]
Start = Callable[..., subprocess.Popen[str]]

SPECS = ("--no-corpus", "--specs", str(specs_root() / "zeroing.yaml"))
"""One file, since each test makes the index of the corpus anew."""

RUN = ("run", "engines:Slow", *SPECS, "--select", "zeroing/*", "--examples", "1", "--dtype", "float32")


@pytest.fixture
def whole(gradconform: Invoke, tmp_path: Path) -> Result:
    """A run that nobody killed, with its results in whole.jsonl."""
    result = gradconform(*RUN, "--results", "whole.jsonl", "--jobs", "1")
    assert result.exit_code == 1, result.output
    return result


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bytes(
    gradconform: Invoke, process: Start, tmp_path: Path, whole: Result, jobs: str
) -> None:
    expected = (tmp_path / "whole.jsonl").read_bytes()
    path = tmp_path / "killed.jsonl"
    lines = expected.count(b"\n")
    for number, part in enumerate((0.2, 0.5, 0.8) if jobs == "1" else (0.5,)):
        resume = ("--resume",) if number else ()
        child = process(*RUN, "--results", str(path), "--jobs", jobs, *resume, PYTHONPATH=str(tmp_path))
        while child.poll() is None and (not path.exists() or path.read_bytes().count(b"\n") < part * lines):
            time.sleep(0.001)
        child.kill()
        child.communicate()
        assert child.returncode == -9
        found = path.read_bytes()
        assert expected.startswith(found), "what is there is what an unharmed run has at this point"
        assert found.count(b"\n") >= part * lines, "nothing but the last line is lost"
    result = gradconform(*RUN, "--results", str(path), "--jobs", jobs, "--resume")
    assert result.exit_code == 1, result.output
    assert path.read_bytes() == expected
    assert result.output.split("\n\n", 1)[1] == whole.output.split("\n\n", 1)[1], "one report of all tests"


def test_wherever_a_file_is_cut_the_rest_is_run_again(
    gradconform: Invoke, tmp_path: Path, whole: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = (tmp_path / "whole.jsonl").read_bytes()
    ends = [0, *(at + 1 for at, byte in enumerate(expected) if byte == ord("\n"))]
    tests = [json.loads(line)["id"] for line in expected.splitlines() if line.startswith(b'{"type": "case"')]
    path = tmp_path / "cut.jsonl"
    run_tests: list[str] = []
    run = Session.run

    def counted(session: Session, task: object, report: Callable[[CaseResult], None]) -> None:
        run_tests.append(task.id)  # type: ignore[attr-defined]
        run(session, task, report)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "run", counted)
    half = len(ends) // 2
    for index, more in (
        (0, 0),
        (0, 7),
        (1, 0),
        (2, 3),
        (3, 0),
        (half, 0),
        (half + 1, 5),
        (half + 2, 0),
        (-2, 9),
    ):
        cut = ends[index] + more
        path.write_bytes(expected[:cut])
        run_tests.clear()
        result = gradconform(*RUN, "--results", str(path), "--jobs", "1", "--resume")
        assert result.exit_code == 1, result.output
        assert path.read_bytes() == expected, f"cut at {cut} of {len(expected)}"
        told = sum(line.startswith(b'{"type": "case"') for line in expected[: ends[index]].splitlines())
        over = list(dict.fromkeys(tests[:told]))[:-1]
        assert not set(over) & set(run_tests), "no test that was over is run again"


def test_a_run_that_was_interrupted_goes_on(gradconform: Invoke, tmp_path: Path) -> None:
    run = ("run", "engines:Interrupts", *SPECS, "--examples", "0", "--results", "r.jsonl")
    assert gradconform(*run).exit_code == 130
    assert json.loads((tmp_path / "r.jsonl").read_text().splitlines()[-1])["interrupted"] is True
    # A third Ctrl-C does not come: the engine counts in this process.
    import engines  # type: ignore[import-not-found]

    engines.Interrupts.backwards = -(10**6)
    rest = gradconform(*run, "--resume")
    assert rest.exit_code == 0, rest.output
    resumed = (tmp_path / "r.jsonl").read_bytes()
    assert gradconform(*run).exit_code == 0
    assert (tmp_path / "r.jsonl").read_bytes() == resumed


def test_a_complete_file_says_so_and_has_its_exit_code(
    gradconform: Invoke, tmp_path: Path, whole: Result
) -> None:
    before = (tmp_path / "whole.jsonl").read_bytes()
    result = gradconform(*RUN, "--results", "whole.jsonl", "--resume")
    assert result.exit_code == 1
    first, closing = result.output.splitlines()
    assert first == "whole.jsonl is complete: there is nothing left to run"
    assert closing == whole.output.splitlines()[-1]
    assert (tmp_path / "whole.jsonl").read_bytes() == before


def test_a_run_that_ended_at_its_first_failure(gradconform: Invoke, tmp_path: Path, whole: Result) -> None:
    first = gradconform(*RUN, "--results", "first.jsonl", "--fail-fast", "--jobs", "1")
    assert first.exit_code == 1
    again = gradconform(*RUN, "--results", "first.jsonl", "--fail-fast", "--resume")
    assert (again.exit_code, "is complete" in again.output) == (1, True)
    assert gradconform(*RUN, "--results", "first.jsonl", "--jobs", "1", "--resume").exit_code == 1
    assert (tmp_path / "first.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    cut = (tmp_path / "whole.jsonl").read_bytes()
    (tmp_path / "cut.jsonl").write_bytes(cut[: len(cut) - 5])
    result = gradconform(*RUN, "--results", "cut.jsonl", "--fail-fast", "--resume")
    assert result.exit_code == 2
    assert "cut.jsonl is of a run without --fail-fast, and holds failures" in result.output


def edited(path: Path, **changes: object) -> None:
    head, rest = path.read_text().split("\n", 1)
    path.write_text(json.dumps(json.loads(head) | changes) + "\n" + rest)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"torch": "2.0.0"}, "torch 2.0.0 there, "),
        ({"gradconform": "0.0.1"}, "gradconform 0.0.1 there, "),
        ({"engine_version": "7"}, "engine version 7 there, "),
        ({"seed": 5, "examples": 9}, "seed 5 there, 0 here; examples 9 there, 1 here"),
        ({"select": []}, "select none there, zeroing/* here"),
        ({"digest": "0"}, "digest 0 there, "),
    ],
)
def test_another_run_is_refused_in_one_line(
    gradconform: Invoke, tmp_path: Path, whole: Result, changes: dict[str, object], says: str
) -> None:
    path = tmp_path / "whole.jsonl"
    edited(path, **changes)
    before = path.read_bytes()
    result = gradconform(*RUN, "--results", "whole.jsonl", "--resume")
    assert result.exit_code == 2
    assert "--resume: whole.jsonl is of another run: " in result.output
    assert says in result.output
    assert result.output.count("\n") == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "text", "says"),
    [
        ((), None, "--resume needs --results FILE.jsonl"),
        (
            ("--results", "r.jsonl"),
            None,
            "r.jsonl cannot be read: No such file or directory",
        ),
        (("--results", "r.jsonl"), "no results\n", "r.jsonl:1: this line is not JSON"),
    ],
)
def test_what_cannot_be_gone_on_with(
    gradconform: Invoke, tmp_path: Path, arguments: tuple[str, ...], text: str | None, says: str
) -> None:
    if text is not None:
        (tmp_path / "r.jsonl").write_text(text)
    result = gradconform(*RUN, *arguments, "--resume")
    assert result.exit_code == 2
    assert says in result.output
    assert result.output.count("\n") == 1


def test_tests_that_the_run_has_not(gradconform: Invoke, tmp_path: Path, whole: Result) -> None:
    path = tmp_path / "whole.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    moved = [lines[0], *reversed(lines[1:-1])]
    path.write_text("".join(moved))
    result = gradconform(*RUN, "--results", "whole.jsonl", "--resume")
    assert result.exit_code == 2
    assert "holds tests that this run has not, or in another order" in result.output
