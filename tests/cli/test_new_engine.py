"""`gradconform new-engine`: every variant is written and run for real."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.cli.conftest import Invoke

VARIANTS = {
    "imperative": (),
    "functional": ("--functional",),
    "worker-js": ("--worker", "js"),
    "worker-python": ("--worker", "python"),
}
FILES = {
    "imperative": {"mine_adapter.py", "mine_tape.py", "test_mine_adapter.py"},
    "functional": {"mine_adapter.py", "mine_tape.py", "test_mine_adapter.py"},
    "worker-js": {"mine_worker.mjs", "mine_tape.mjs", "test_mine_worker.py"},
    "worker-python": {"mine_worker.py", "mine_tape.py", "test_mine_worker.py"},
}
LIBRARY = Path(__file__).parents[2] / "examples" / "javascript" / "worker"
RIGHT, WRONG = "exp = _elementwise(np.exp, lambda x, y: y)", "exp = _elementwise(np.exp, lambda x, y: x)"


@pytest.fixture(
    params=[
        pytest.param(
            name,
            marks=(
                pytest.mark.javascript,
                pytest.mark.skipif(not shutil.which("node"), reason="node is not installed"),
            )
            if name == "worker-js"
            else (),
        )
        for name in VARIANTS
    ]
)
def variant(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def written(gradconform: Invoke, variant: str) -> Path:
    """A repository with the engine `mine` in it: the current folder."""
    result = gradconform("new-engine", "mine", *VARIANTS[variant])
    assert (result.exit_code, result.stderr) == (0, "")
    return Path.cwd()


def started(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """What a person starts in a folder, with the commands of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # No settings of the run that this test is part of.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {**clean, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    settings = tomllib.loads((folder / "pyproject.toml").read_text())
    _, engine = settings["tool"]["pytest"]["ini_options"]["addopts"]
    return started(folder, "gradconform", "run", engine, "-j", "1", *options)


def test_what_is_written_is_told_with_what_to_do_next(gradconform: Invoke, variant: str) -> None:
    result = gradconform("new-engine", "mine", *VARIANTS[variant])
    told = set(re.findall(r"^wrote (.*)$", result.stdout, re.MULTILINE))
    there = {file.relative_to(Path.cwd()).as_posix() for file in Path.cwd().rglob("*") if file.is_file()}
    assert told == there - {"engines.py"}
    expected = {f"conformance/{name}" for name in ("README.md", "known.yaml", "pyproject.toml")}
    expected |= {f"conformance/{name}" for name in FILES[variant]}
    expected |= {".github/workflows/mine-conformance.yml"}
    if variant == "worker-js":
        expected |= {f"conformance/worker/{file.name}" for file in LIBRARY.iterdir()}
    assert told == expected
    assert "  cd conformance\n  gradconform run '" in result.stdout
    for file in told:
        assert not re.search(r"@[A-Z]+@", Path(file).read_text()), file


def test_the_engine_conforms_as_it_is_written(gradconform: Invoke, variant: str) -> None:
    """At the level that is selected; and what it has of the levels above."""
    more = ("--select", "level:1,accumulation/*")
    result = run(
        written(gradconform, variant) / "conformance", *more, "--examples", "1", "--dtype", "float32"
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (conforming,) = re.findall(r"^nothing diverges: (\d+) of ", result.stdout, re.MULTILINE)
    assert int(conforming) >= 10


def test_the_tests_pass_as_they_are_written(gradconform: Invoke, variant: str) -> None:
    folder = written(gradconform, variant) / "conformance"
    narrow = ("--gradconform-examples", "0", "--gradconform-dtype", "float32", "-p", "no:cacheprovider")
    result = started(folder, sys.executable, "-m", "pytest", "-q", "-rA", *narrow)
    assert result.returncode == 0, result.stdout + result.stderr
    own = {"imperative": 4, "functional": 4, "worker-js": 1, "worker-python": 1}[variant]
    assert len(re.findall(r"^PASSED test_mine_", result.stdout, re.MULTILINE)) == own
    assert "PASSED gradconform::backward/paths-are-summed[cpu-float32]" in result.stdout


def test_a_fault_is_found_and_can_be_known(gradconform: Invoke) -> None:
    folder = written(gradconform, "imperative") / "conformance"
    tape = folder / "mine_tape.py"
    assert RIGHT in tape.read_text()
    tape.write_text(tape.read_text().replace(RIGHT, WRONG))
    settings = folder / "pyproject.toml"
    settings.write_text(
        settings.read_text().replace(
            "[tool.gradconform]", "[tool.gradconform]\nexamples = 0\ndtype = ['float32']"
        )
    )
    assert run(folder).returncode == 1
    updated = started(folder, "gradconform", "known", "mine_adapter:engine", "--update", "-j", "1")
    known = (folder / "known.yaml").read_text()
    assert "id: backward/elementary-functions" in known, updated.stdout + updated.stderr
    assert run(folder).returncode == 0
    tape.write_text(tape.read_text().replace(WRONG, RIGHT))
    mended = run(folder)
    assert mended.returncode == 1
    assert "backward/elementary-functions" in mended.stdout


def test_no_file_is_overwritten(gradconform: Invoke) -> None:
    readme = Path("conformance") / "README.md"
    readme.parent.mkdir()
    readme.write_text("mine")
    before = {file for file in Path.cwd().rglob("*") if file.is_file()}
    result = gradconform("new-engine", "mine")
    assert result.exit_code == 2
    assert result.stderr == f"gradconform: {readme} is there already; no file was written\n"
    assert {file for file in Path.cwd().rglob("*") if file.is_file()} == before
    assert readme.read_text() == "mine"


def test_a_second_time_all_files_are_there(gradconform: Invoke) -> None:
    gradconform("new-engine", "mine")
    result = gradconform("new-engine", "mine")
    assert result.exit_code == 2
    assert re.fullmatch(
        r"gradconform: conformance/\S+ is there already \(and \d+ more\); no file was written\n",
        result.stderr,
    )


def test_a_folder_that_cannot_be_made_is_one_line(gradconform: Invoke) -> None:
    Path("conformance").write_text("a file")
    result = gradconform("new-engine", "mine")
    assert result.exit_code == 2
    assert result.stderr.startswith("gradconform: conformance/")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["", "Mine", "my-engine", "1st", "../mine", "a b", "m" * 41, "größe", "mine\n"]
)
def test_names_that_no_module_can_have_are_refused(gradconform: Invoke, name: str) -> None:
    result = gradconform("new-engine", name)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"gradconform: {name!r} cannot name an engine: ")
    assert result.stderr.count("\n") == 1
    assert not Path("conformance").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("torch",), "there is an engine 'torch' already"),
        (("mine", "--functional", "--worker", "js"), "drop one of the two"),
        (("mine", "--worker", "cobol"), "'cobol' is not one of 'js', 'python'"),
    ],
)
def test_what_cannot_be_written_is_refused(
    gradconform: Invoke, arguments: tuple[str, ...], says: str
) -> None:
    result = gradconform("new-engine", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert not Path("conformance").exists()


def test_words_of_languages_are_names(gradconform: Invoke) -> None:
    """No name meets a keyword, a module or a YAML constant in what is written."""
    for name in ("class", "null"):
        shutil.rmtree("conformance", ignore_errors=True)
        assert gradconform("new-engine", name).exit_code == 0
        for file in Path("conformance").glob("*.py"):
            compile(file.read_text(), file, "exec")
        assert yaml.safe_load((Path("conformance") / "known.yaml").read_text())["engine"] == name


def test_ci_runs_on_devices(gradconform: Invoke, variant: str) -> None:
    root = written(gradconform, variant)
    text = (root / ".github" / "workflows" / "mine-conformance.yml").read_text()
    (job,) = yaml.safe_load(text)["jobs"].values()
    assert job["strategy"]["matrix"]["device"] == "${{ fromJSON(vars.CONFORMANCE_DEVICES || '[\"cpu\"]') }}"
    assert job["defaults"]["run"]["working-directory"] == "conformance"
    used = [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]
    assert ("actions/setup-node" in used) == (variant == "worker-js")
    scripts = {step["name"]: step["run"] for step in job["steps"] if "name" in step}
    assert "--device '${{ matrix.device }}'" in scripts["Run"]
    assert "--gradconform-device '${{ matrix.device }}'" in scripts["Test"]


def test_ci_runs_what_is_written(gradconform: Invoke) -> None:
    """The very line of the workflow, on the CPU, over one scenario."""
    root = written(gradconform, "worker-python")
    workflow = yaml.safe_load((root / ".github" / "workflows" / "mine-conformance.yml").read_text())
    (line,) = (one["run"] for one in workflow["jobs"]["conformance"]["steps"] if one.get("name") == "Run")
    line = f"{line.replace('${{ matrix.device }}', 'cpu')} --examples 0 --select backward/paths-are-summed"
    result = started(root / "conformance", "bash", "-eo", "pipefail", "-c", line)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (root / "conformance" / "results.jsonl").is_file()
