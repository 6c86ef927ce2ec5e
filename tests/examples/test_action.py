"""action.yml: its scripts are run as GitHub would run them, and its inputs are those of its example."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "action.yml").read_text(encoding="utf-8")
ACTION = yaml.safe_load(TEXT)
EXAMPLE = ROOT / "examples" / "github" / "conformance.yml"

DIVERGING = """
from gradconform.engines.torch import TorchEngine

class Engine(TorchEngine):
    def backward(self, root, *arguments, **options):
        super().backward(root, *arguments, **options)
        super().backward(root, *arguments, **options)
"""


def step(name: str) -> dict[str, Any]:
    (found,) = (one for one in ACTION["runs"]["steps"] if one.get("name") == name)
    return dict(found)


def evaluated(text: str, inputs: dict[str, str]) -> str:
    """The expressions of this action: an input, or an input or else the folder of the action."""

    def meaning(match: re.Match[str]) -> str:
        name, otherwise = re.fullmatch(  # type: ignore[union-attr]
            r"inputs\.([a-z-]+)(?: \|\| (github\.action_path))?", match[1]
        ).groups()
        return inputs[name] or (str(ROOT) if otherwise else "")

    return re.sub(r"\$\{\{ (.*?) \}\}", meaning, text)


def started(name: str, folder: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """Runs a step as GitHub does: `bash --noprofile --norc -eo pipefail`, inputs as variables."""
    inputs = {key: one.get("default", "") for key, one in ACTION["inputs"].items()}
    inputs |= {key.replace("_", "-"): value for key, value in given.items()}
    this = step(name)
    script = folder / "script.sh"
    script.write_text(this["run"])
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "RUNNER_TEMP": str(folder),
        **{key: evaluated(value, inputs) for key, value in this["env"].items()},
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "diverging.py").write_text(DIVERGING)
    return tmp_path


NARROW = {"select": "backward/paths-are-summed", "examples": "0", "dtype": "float32"}


def test_a_run_that_conforms(folder: Path) -> None:
    done = started("Run", folder, engine="torch", results="own results.jsonl", **NARROW)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing diverges: 1 of 1 cases conform" in done.stdout
    assert (folder / "own results.jsonl").is_file()
    assert (folder / "output").read_text() == "results=./own results.jsonl\n"
    assert "nothing diverges" in (folder / "summary").read_text()


def test_a_run_that_diverges_fails_and_is_in_the_summary(folder: Path) -> None:
    done = started("Run", folder, engine="diverging:Engine", **NARROW)
    assert done.returncode == 1, done.stdout + done.stderr
    summary = (folder / "summary").read_text()
    assert summary.startswith("```text\n")
    assert summary.endswith("```\n")
    assert "DIVERGES backward/paths-are-summed" in summary


def test_known_failures_and_isolation_reach_the_run(folder: Path) -> None:
    (folder / "known.yaml").write_text("known: 1\nengine: torch\nfailures: []\n")
    done = started("Run", folder, engine="torch", known="known.yaml", isolate="true", **NARROW)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "known failures in known.yaml" in done.stdout
    assert "in a process of its own" in done.stdout


@pytest.mark.parametrize("engine", ["--help", "$(touch hacked)", "`touch hacked`", "torch; touch hacked"])
def test_an_input_is_never_a_part_of_the_script(folder: Path, engine: str) -> None:
    done = started("Run", folder, engine=engine, **NARROW)
    assert done.returncode == 2, done.stdout + done.stderr
    assert not (folder / "hacked").exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [str(ROOT)]),
        ({"package": "gradconform[jax]==1.0"}, ["gradconform[jax]==1.0"]),
        ({"requirements": ". -r more.txt"}, [str(ROOT), ".", "-r", "more.txt"]),
    ],
)
def test_what_is_installed(folder: Path, given: dict[str, str], expected: list[str]) -> None:
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho "index:$PIP_EXTRA_INDEX_URL"\nfor each; do echo "$each"; done\n')
    python.chmod(0o755)
    done = started("Install gradconform", folder, **given)
    index, *arguments = done.stdout.splitlines()
    assert arguments == ["-m", "pip", "install", *expected]
    assert index.endswith("https://download.pytorch.org/whl/cpu")
    on_cuda = started("Install gradconform", folder, device="cuda", **given)
    assert "whl/cpu" not in on_cuda.stdout


def test_each_input_is_told_and_used() -> None:
    used = set(re.findall(r"inputs\.([a-z-]+)", TEXT))
    assert used == set(ACTION["inputs"])
    for name, one in ACTION["inputs"].items():
        assert one["description"], name
        assert one.get("required") or isinstance(one["default"], str), name


def test_no_script_holds_an_expression() -> None:
    for one in ACTION["runs"]["steps"]:
        assert "${{" not in one.get("run", "")
        assert "uses" in one or one["shell"] == "bash"


def test_the_example_uses_inputs_that_are_there() -> None:
    (job,) = yaml.safe_load(EXAMPLE.read_text())["jobs"].values()
    (used,) = (one for one in job["steps"] if "gradconform@" in one["uses"])
    assert set(used["with"]) <= set(ACTION["inputs"])
    assert {name for name, one in ACTION["inputs"].items() if one.get("required")} <= set(used["with"])
    assert {row["device"] for row in job["strategy"]["matrix"]["include"]} == {"cpu", "cuda"}
