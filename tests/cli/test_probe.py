"""`gradconform probe`, on PyTorch with an operator taken away, over the scenarios of level 1."""

from __future__ import annotations

import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gradconform.cli import main
from gradconform.engines.capabilities import read_capabilities
from gradconform.prepare import templates_of
from gradconform.settings import Options

ENGINE = """
from gradconform.engines import Unsupported
from gradconform.engines.torch import TorchEngine

class Partial(TorchEngine):
    name = "partial"

    def __init__(self):
        super().__init__()
        self.name = "partial"

    def operation(self, name):
        if name == "tanh":
            raise Unsupported("operator tanh")
        return super().operation(name)

class Dying(Partial):
    def operation(self, name):
        if name == "abs":
            import os

            os.abort()
        return super().operation(name)

class Failing(Partial):
    def operation(self, name):
        if name == "abs":
            from gradconform.errors import AdapterError

            raise AdapterError("engine partial: no row for abs")
        return super().operation(name)

class Declaring(Partial):
    features = {"operator": frozenset({"exp", "tanh"}), "mode": frozenset()}
"""


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command where the engines can be imported, on few scenarios."""
    (tmp_path / "partial_engines.py").write_text(ENGINE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    some = templates_of(Options(select=("level:1",)))
    few = tuple(one for one in some if one.scenario.level == 1)
    monkeypatch.setattr(import_module("gradconform.cli.probe"), "templates_of", lambda options: few)

    def probe(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["probe", *arguments])

    return probe


def test_what_is_found_is_told_and_written(probe: Any, tmp_path: Path) -> None:
    result = probe("partial_engines:Partial", "--write", "partial.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("operators: ")
    assert "  lacks: tanh" in lines
    assert "modes and decorators" not in result.stdout  # no program of these has one
    assert lines[-1] == "written to partial.yaml"
    assert lines[-2].startswith("partial ")
    written = read_capabilities(tmp_path / "partial.yaml")
    assert {"exp", "add", "relu"} <= written["operator"]
    assert "tanh" not in written["operator"]
    assert probe("partial_engines:Partial", "--declared", "partial.yaml").exit_code == 0


def test_an_engine_that_dies_of_a_feature_does_not_have_it(probe: Any) -> None:
    result = probe("partial_engines:Dying", "--isolate", "--timeout", "60")
    assert result.exit_code == 0, result.output
    assert "  lacks: abs, tanh" in result.stdout
    refused = probe("partial_engines:Dying", "--timeout", "60")
    assert refused.exit_code == 2
    assert "--timeout limits an engine that has a process of its own" in refused.stderr


def test_whether_an_engine_has_a_process_of_its_own_may_stand_in_pyproject(
    probe: Any, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.gradconform]\nisolate = true\n", encoding="utf-8")
    result = probe("partial_engines:Dying")
    assert result.exit_code == 0, result.output
    assert "  lacks: abs, tanh" in result.stdout
    (tmp_path / "pyproject.toml").write_text("[tool.gradconform]\ntimeout = 5\n", encoding="utf-8")
    for command in ("probe", "explore"):
        refused = CliRunner().invoke(main, [command, "torch"])
        assert refused.exit_code == 2
        assert "--timeout limits an engine that has a process of its own" in refused.stderr


def test_an_adapter_that_fails_is_told_of(probe: Any) -> None:
    result = probe("partial_engines:Failing")
    assert result.exit_code == 0, result.output
    assert "  lacks: abs, tanh" in result.stdout
    (told,) = (line for line in result.stdout.splitlines() if line.startswith("the adapter failed at "))
    assert "programs, which would end a run; the first: " in told
    assert "no row for abs" in told


def test_a_declaration_that_is_not_so(probe: Any) -> None:
    result = probe("partial_engines:Declaring")
    assert result.exit_code == 1
    (untrue,) = (line for line in result.stdout.splitlines() if line.startswith("declared, and not there"))
    (unsaid,) = (line for line in result.stdout.splitlines() if line.startswith("there, and not declared"))
    assert untrue == "declared, and not there: operator tanh"
    assert "operator add" in unsaid
    assert "operator exp," not in unsaid


WORKER = """
import sys
sys.path.insert(0, {folder!r})
import scalar
hello = scalar.hello()
hello["capabilities"] = {{"details": ["end"], "operators": ["add", "exp"], "dtypes": ["float64", "float16"]}}
scalar.hello = lambda: hello
scalar.main()
"""


def test_a_worker_is_asked_for_what_it_does_not_declare(probe: Any, tmp_path: Path) -> None:
    folder = Path(__file__).parents[1] / "protocol" / "workers"
    (tmp_path / "declaring.py").write_text(WORKER.format(folder=str(folder)), encoding="utf-8")
    result = probe(f"worker:{shlex.quote(sys.executable)} declaring.py")
    assert (result.exit_code, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    assert "declared, and not there: dtype float16, operator exp" in lines
    assert "there, and not declared: dtype float32, operator mul, operator neg" in lines


def test_what_is_declared_narrows_a_run(probe: Any) -> None:
    arguments = [
        "run",
        "partial_engines:Declaring",
        "--select",
        "level:1",
        "--dtype",
        "float32",
        "--examples",
        "0",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert "unsupported: operator " in result.stdout
    assert "diverges" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["torhc"], "no engine is registered as 'torhc'; did you mean 'torch'?"),
        (
            ["torch", "--declared", "none.yaml"],
            "none.yaml: the file cannot be read: No such file or directory",
        ),
        (
            ["torch", "--write", "none/at/all.yaml"],
            "none/at/all.yaml: the file cannot be written: there is no folder none/at",
        ),
    ],
)
def test_mistakes_are_one_line(probe: Any, arguments: list[str], message: str) -> None:
    result = probe(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"gradconform: {message}")
    assert result.stderr.count("\n") == 1
