"""Where the output goes: pipes, closed and full outputs, terminals, colours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console

from gradconform.cli.progress import TerminalOutput
from gradconform.errors import Place
from gradconform.plan import Task
from gradconform.program.parse import Template, parse
from gradconform.report.lines import Line
from gradconform.spec.scenario import ProgramText, Scenario

TWO = "accumulation/two-branches"
QUICK = ("--dtype", "float32", "--examples", "0")
Invoke = Callable[..., Result]
Start = Callable[..., subprocess.Popen[str]]
SPEC = (Path(__file__).parent / "own.yaml.in").read_text()


@pytest.mark.skipif(os.name == "nt", reason="pipes break in another way there")
def test_a_reader_that_goes_away_is_no_error(gradconform: Invoke, process: Start) -> None:
    gradconform("list")
    running = process("list", "--json")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert (running.wait(), running.stderr.read()) == (141, "")
    running.stderr.close()


@pytest.mark.skipif(os.name == "nt", reason="terminals are of another kind there")
@pytest.mark.parametrize(("environment", "styled"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_without_colour_there_is_no_bold_either(environment: dict[str, str], *, styled: bool) -> None:
    import pty

    usual = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", CLI, "show", TWO],
        env={**usual, "TERM": "xterm-256color", **environment},
        stdout=theirs,
    )
    os.close(theirs)
    written = b""
    try:
        while part := os.read(ours, 4096):
            written += part
    except OSError:  # how Linux says that a terminal was closed
        pass
    os.close(ours)
    assert running.wait() == 0
    assert b"torch keeps all of it" in written
    assert (b"\x1b[1m" in written) is styled
    assert styled or not re.search(rb"\x1b\[[\d;]*m", written)


CLI = "import sys; from gradconform.cli import main; main(sys.argv[1:], prog_name='gradconform')"
POSIX = pytest.mark.skipif(os.name == "nt", reason="a shell of another kind there")


def shell(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a shell script, in which `$0 -c "$1"` is gradconform."""
    return subprocess.run(
        ["/bin/sh", "-c", script, sys.executable, CLI],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@POSIX
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("command", ["list", "schema", "--help"])
def test_an_output_that_is_full_is_one_message(gradconform: Invoke, command: str) -> None:
    gradconform("list")
    done = shell(f'"$0" -c "$1" {command} > /dev/full')
    assert (done.returncode, done.stderr) == (
        2,
        "gradconform: standard output cannot be written: No space left on device\n",
    )


@POSIX
def test_an_output_that_is_closed_is_one_message(gradconform: Invoke, tmp_path: Path) -> None:
    done = shell('"$0" -c "$1" run torch --results r.jsonl >&-')
    assert (done.returncode, done.stderr) == (2, "gradconform: standard output is closed\n")
    assert not (tmp_path / "r.jsonl").exists()
    assert shell('"$0" -c "$1" rnu >&- 2>&-').returncode == 2


@POSIX
@pytest.mark.parametrize("command", ["run torch", "explore torch", "list", "show a/b", "validate"])
def test_a_working_directory_that_is_gone_is_one_message(gradconform: Invoke, command: str) -> None:
    done = shell(f'mkdir gone && cd gone && rmdir ../gone && "$0" -c "$1" {command}')
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        "gradconform: the working directory cannot be used: No such file or directory; go to another\n",
    )


def test_a_terminal_gets_a_bar_that_goes_away() -> None:
    written = StringIO()
    console = Console(file=written, force_terminal=True, width=100)
    out = TerminalOutput(console)
    scenario = Scenario(
        "a/b", "a", "Says.", 1, ProgramText("y = ones(1)\n", "f.yaml", 1, 1), Place("f.yaml", 1, 1)
    )
    template: Template = parse(scenario)
    with out:
        out.start(2)
        out.task(Task(template, "cpu", "float32"))
        out.failed("a/b[cpu-float32] x: value")
        out.finished()
    out.lines([Line("done", "good")])
    text = written.getvalue()
    assert "\x1b[1;31ma/b" in text
    assert "0/2" in text or "1/2" in text
    assert text.endswith("\x1b[32mdone\x1b[0m\n")
