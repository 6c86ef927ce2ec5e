"""The command line in a folder of its own, with engines that end a run in their own ways and a spec file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gradconform.cli import main

Invoke = Callable[..., Result]
Start = Callable[..., subprocess.Popen[str]]
HERE = Path(__file__).parent


@pytest.fixture
def gradconform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """Runs a command line in an empty folder that holds engines.py."""
    shutil.copy(HERE / "engines.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "engines", raising=False)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments), prog_name="gradconform")

    return invoke


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text((HERE / "own.yaml.in").read_text().replace("GRADIENT", "2.0"))
    return path


@pytest.fixture(scope="session")
def process() -> Start:
    """Starts a command line in a process of its own."""

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        script = "from gradconform.cli import main; main(prog_name='gradconform')"
        return subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
