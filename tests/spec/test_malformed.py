"""Broken spec files, each with the message it must give beside it: `malformed/NAME.yaml` and `NAME.txt`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gradconform.cli import main
from gradconform.errors import SpecError
from gradconform.program.library import load_library

FOLDER = Path(__file__).parent / "malformed"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def message(*names: str) -> str:
    with pytest.raises(SpecError) as raised:
        load_library(Path(f"{name}.yaml") for name in names)
    return f"{raised.value}\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_file_gives_its_message(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    assert message(name) == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_problem_has_a_place_in_its_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    with pytest.raises(SpecError) as raised:
        load_library([Path(f"{name}.yaml")])
    lines = (FOLDER / f"{name}.yaml").read_bytes().count(b"\n") + 1
    for problem in raised.value.problems:
        assert problem.place.file == f"{name}.yaml"
        assert 1 <= problem.place.line <= lines
        assert problem.place.column >= 1


def test_all_files_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    together = message(*NAMES)
    for name in NAMES:
        *problems, _ = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        # An id that several of the files have is taken in all but the first of them.
        assert all(line in together for line in problems), name


@pytest.mark.parametrize("name", NAMES)
def test_the_command_line_says_so_and_exits_2(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    result = CliRunner().invoke(main, ["validate", f"{name}.yaml"])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    expected = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert expected in result.output


def test_a_process_shows_no_traceback() -> None:
    command = [sys.executable, "-c", "from gradconform.cli import main; main()", "validate", "."]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
    named = {line.partition(".yaml:")[0] for line in done.stderr.splitlines()}
    assert named >= set(NAMES)


def test_the_files_and_their_messages_are_pairs() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == NAMES
    assert len(NAMES) >= 20
