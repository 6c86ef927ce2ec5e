"""The plugin inside a pytest of its own: what it collects, how tests end, what it costs where it is not
used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import hypothesis  # noqa: F401 - see below
import numpy as np  # noqa: F401
import pytest
import torch  # noqa: F401

import gradconform.pytest_plugin.collection  # noqa: F401

# pytester forgets what its runs import, and torch cannot be imported twice into one process: what a run
# needs is imported here.

pytest_plugins = ["pytester"]

ENGINES = """
from gradconform.engines.torch import TorchEngine
from gradconform.errors import AdapterError, Unsupported


class Forgets(TorchEngine):
    def backward(self, *arguments, **options):
        super().backward(*arguments, **options)
        for node, _ in arguments[0].grad_fn.next_functions:
            if hasattr(node, "variable"):
                node.variable.grad = None


class Lacks(TorchEngine):
    def operation(self, name):
        if name == "mul":
            raise Unsupported("operator mul")
        return super().operation(name)


class Breaks(TorchEngine):
    def to_torch(self, handle):
        raise AdapterError("engine Breaks: to_torch gave up")
"""

SPEC = """\
schema: 1
feature: own
about: A spec file of a user's own.
scenarios:
- id: own/doubling
  says: Doubling has the gradient two.
  let:
    x: {tensor: any, values: dyadic, example: [1.0], requires_grad: true}
  program: |
    y = x * 2
    y.backward(ones_like(y))
    assert x.grad == 2 * ones_like(x)
"""

TWO = "accumulation/two-branches"
NODE = f"gradconform::{TWO}"
QUICK = ("--gradconform-examples", "0", "--gradconform-select", TWO)


@pytest.fixture
def project(
    torch_is_whole: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """A folder with engines.py and one ordinary test."""
    pytester.makepyfile(engines=ENGINES, test_ordinary="def test_ordinary(): pass")
    pytester.syspathinsert()
    monkeypatch.delitem(sys.modules, "engines", raising=False)
    return pytester


def run(project: pytest.Pytester, engine: str, *arguments: str | Path) -> pytest.RunResult:
    return project.runpytest_inprocess("--gradconform-engine", engine, "-p", "no:cacheprovider", *arguments)


def outcomes(result: pytest.RunResult) -> dict[str, int]:
    return {name: count for name, count in result.parseoutcomes().items() if name != "warnings"}


def test_scenarios_are_tests_beside_the_ordinary_ones(project: pytest.Pytester) -> None:
    result = run(project, "torch", *QUICK, "-v")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "gradconform: torch * against torch * on cpu; seed 0, 0 random draws *",
            "*test_ordinary.py::test_ordinary PASSED*",
            f"{NODE}[[]cpu-float32] PASSED*",
            f"{NODE}[[]cpu-float64] PASSED*",
        ]
    )
    assert outcomes(result) == {"passed": 3}


def test_a_failing_item_shows_the_report_and_nothing_of_the_plugin(project: pytest.Pytester) -> None:
    result = run(project, "engines:Forgets", *QUICK, "--gradconform-dtype", "float32")
    assert result.ret == 1
    assert outcomes(result) == {"passed": 1, "failed": 1}
    text = result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            f"*{TWO}[[]cpu-float32]*",
            f"DIVERGES {TWO}[[]cpu-float32], the documented example",
            "  first wrong step: *a.backward(ones_like(a))",
            "    expected (torch)*[[]2.0]*",
            "    got (engines:Forgets)*None",
            "the smallest program that shows it, with the number of each step:",
            "    import torch",
            f"run it again: gradconform run engines:Forgets --select {TWO} --dtype float32 --seed 0 *",
        ]
    )
    assert "ScenarioFailed" not in text
    assert "Traceback" not in text
    assert "item.py" not in text


def test_what_the_engine_lacks_is_skipped_with_the_reason(project: pytest.Pytester) -> None:
    result = run(project, "engines:Lacks", *QUICK, "-rs")
    assert result.ret == 0
    assert outcomes(result) == {"passed": 1, "skipped": 2}
    result.stdout.fnmatch_lines(["SKIPPED [[]2]*unsupported: operator mul"])


def test_a_broken_adapter_is_one_message(project: pytest.Pytester) -> None:
    result = run(project, "engines:Breaks", *QUICK, "--gradconform-dtype", "float32")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["engine Breaks: to_torch gave up (in accumulation/two-branches*)"])
    assert "Traceback" not in result.stdout.str()


def test_one_item_is_run_by_its_id(project: pytest.Pytester) -> None:
    result = run(project, "torch", f"{NODE}[cpu-float64]", "--gradconform-examples", "0")
    assert outcomes(result) == {"passed": 1}
    both = run(project, "torch", NODE, "test_ordinary.py", "--gradconform-examples", "0")
    assert outcomes(both) == {"passed": 3}


def test_an_unknown_id_is_an_error_with_a_suggestion(project: pytest.Pytester) -> None:
    result = run(project, "torch", "gradconform::accumulation/two-branch")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["there is no test gradconform::accumulation/two-branch; did you mean *two-branches*"]
    )


def test_an_id_that_the_settings_leave_out_is_told_so(project: pytest.Pytester) -> None:
    result = run(project, "torch", NODE, "--gradconform-select", "level:1")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"there is no test {NODE}; the scenario exists; *leaves this test out"])


def test_collect_only_k_and_x_work_as_ever(project: pytest.Pytester) -> None:
    listed = run(project, "torch", "--gradconform-select", "accumulation", "--collect-only", "-q")
    assert f"{NODE}[cpu-float32]" in listed.outlines
    assert "gradconform::accumulation/same-object[cpu-float64]" in listed.outlines
    chosen = run(project, "torch", "--gradconform-select", "accumulation", "-k", "two-branches and float64")
    assert chosen.parseoutcomes()["passed"] == 1
    assert chosen.parseoutcomes()["deselected"] > 10
    stopped = run(project, "engines:Forgets", *QUICK, "-x")
    assert stopped.parseoutcomes()["failed"] == 1


def test_last_failed_runs_the_failing_items_alone(project: pytest.Pytester) -> None:
    arguments = ("--gradconform-select", f"{TWO},graph/sum-of-two-leaves", "--gradconform-examples", "0")
    first = project.runpytest_inprocess("--gradconform-engine", "engines:Forgets", *arguments)
    assert outcomes(first) == {"failed": 2, "passed": 3}
    again = project.runpytest_inprocess("--gradconform-engine", "engines:Forgets", *arguments, "--lf", "-v")
    assert again.parseoutcomes()["failed"] == 2
    assert f"{NODE}[cpu-float32] FAILED" in again.stdout.str()
    assert "sum-of-two-leaves" not in again.stdout.str()


def test_own_spec_files_are_collected_by_their_name(project: pytest.Pytester) -> None:
    project.path.joinpath("own.gradconform.yaml").write_text(SPEC)
    project.path.joinpath("other.yaml").write_text(SPEC)
    result = run(project, "torch", *QUICK[:2], "--gradconform-select", f"own,{TWO}", "-v")
    assert outcomes(result) == {"passed": 5}
    result.stdout.fnmatch_lines(["own.gradconform.yaml::own/doubling[[]cpu-float32] PASSED*"])


def test_a_dtype_may_be_that_of_one_file_alone(project: pytest.Pytester) -> None:
    for name, dtype in (("half", "float16"), ("single", "float32")):
        text = SPEC.replace("own/doubling", f"own/{name}").replace("  let:", f"  dtypes: [{dtype}]\n  let:")
        project.path.joinpath(f"{name}.yaml").write_text(text)
    result = run(project, "torch", "half.yaml", "single.yaml", "--gradconform-dtype", "float16,float32")
    assert outcomes(result) == {"passed": 2}


def test_what_needs_another_device_is_told_as_not_run(project: pytest.Pytester) -> None:
    other = SPEC.replace("own/doubling", "own/elsewhere").replace("  let:", "  device: other\n  let:")
    for name, text in (("here", SPEC), ("there", other)):
        project.path.joinpath(f"{name}.yaml").write_text(text)
    result = run(project, "torch", "here.yaml", "there.yaml", "--gradconform-dtype", "float32")
    assert outcomes(result) == {"passed": 1}
    result.stdout.fnmatch_lines(
        ["gradconform: not run: on cpu, what needs another device than the CPU: own/elsewhere"]
    )
    there = run(project, "torch", "there.yaml", "--gradconform-device", "meta", *QUICK[:2])
    assert outcomes(there) == {"passed": 2}


def test_a_spec_file_that_is_named_is_collected_without_the_corpus(project: pytest.Pytester) -> None:
    project.path.joinpath("other.yaml").write_text(SPEC)
    assert outcomes(run(project, "torch", "other.yaml")) == {"passed": 2}
    one = run(project, "torch", "other.yaml::own/doubling[cpu-float64]")
    assert outcomes(one) == {"passed": 1}


def test_the_command_to_run_it_again_names_the_file(project: pytest.Pytester) -> None:
    project.path.joinpath("other.yaml").write_text(SPEC)
    result = run(project, "engines:Forgets", "other.yaml", "--gradconform-dtype", "float64")
    result.stdout.fnmatch_lines(
        [
            (
                "run it again: gradconform run engines:Forgets --select own/doubling --dtype float64 "
                "--seed 0 *--specs other.yaml*"
            )
        ]
    )


def set_up(project: pytest.Pytester, name: str) -> None:
    """Settings with a folder of specs, and a spec file of this name in it."""
    folder = project.path / "specs"
    folder.mkdir()
    folder.joinpath(name).write_text(SPEC)
    project.path.joinpath("pyproject.toml").write_text(
        '[tool.gradconform]\nspecs = "specs"\ncorpus = false\ndtype = ["float32"]\nexamples = 1\n'
    )


def test_settings_stand_in_pyproject(project: pytest.Pytester) -> None:
    set_up(project, "own.yaml")
    result = run(project, "torch", "-v")
    assert outcomes(result) == {"passed": 2}
    result.stdout.fnmatch_lines(["*1 random draws*", "gradconform::own/doubling[[]cpu-float32] PASSED*"])


def test_a_file_of_the_specs_is_not_collected_a_second_time(project: pytest.Pytester) -> None:
    set_up(project, "own.gradconform.yaml")
    assert outcomes(run(project, "torch")) == {"passed": 2}  # with the ordinary test
    assert outcomes(run(project, "torch", "specs")) == {"passed": 1}
    assert outcomes(run(project, "torch", "specs/own.gradconform.yaml")) == {"passed": 1}


def test_a_pyproject_of_another_form_is_one_located_message(project: pytest.Pytester) -> None:
    path = project.path / "pyproject.toml"
    path.write_text(f"x = {'[' * 3000}{']' * 3000} # gradconform\n")
    # With a file of its own pytest leaves that one alone.
    result = run(
        project, "torch", "-c", project.makefile(".ini", pytest="[pytest]"), "--rootdir", project.path
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{path}:1:1: this TOML is nested too deeply" in result.stderr.str() + result.stdout.str()


def test_an_id_of_two_files_is_a_collection_error(project: pytest.Pytester) -> None:
    for name in ("first", "second"):
        project.path.joinpath(f"{name}.gradconform.yaml").write_text(SPEC)
    result = run(project, "torch", *QUICK[:2], "--gradconform-select", "own")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    first, second = (project.path / f"{name}.gradconform.yaml" for name in ("first", "second"))
    result.stdout.fnmatch_lines(
        [
            "*ERROR collecting second.gradconform.yaml*",
            f"{second}:5:7: [[]own/doubling] the id 'own/doubling' is taken",
            f"*it stands at {first}:5:7 already",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_an_id_of_the_corpus_is_taken(project: pytest.Pytester) -> None:
    own = project.path / "own.gradconform.yaml"
    own.write_text(SPEC.replace("feature: own", "feature: accumulation").replace("own/doubling", TWO))
    result = run(project, "torch", *QUICK)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [f"*accumulation.yaml:*the id '{TWO}' is taken*", f"*stands at {own}:5:7 already"]
    )


def test_spec_errors_are_located_collection_errors(project: pytest.Pytester) -> None:
    path = project.path / "bad.gradconform.yaml"
    path.write_text(SPEC.replace("says:", "sais:").replace("y = x * 2", "y = x * unknown"))
    result = run(project, "torch", *QUICK[:2])
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["*ERROR collecting bad.gradconform.yaml*", f"{path}:6:*unknown key 'sais'*", "*did you mean 'says'?"]
    )
    assert f"{path}:10:" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gradconform-engine", "torhc"], "no engine is registered as 'torhc'; did you mean 'torch'?"),
        (["--gradconform-engine", "torch", "--gradconform-device", "cuba"], "'cuba' is not a device"),
        (
            ["--gradconform-engine", "torch", "--gradconform-select", "acumulation"],
            "'acumulation' selects no scenario",
        ),
        (
            ["--gradconform-engine", "torch", "--gradconform-examples", "-1"],
            "--gradconform-examples is 0 or more, got -1",
        ),
        (
            ["--gradconform-engine", "torch", "--gradconform-dtype", "garbage"],
            "'garbage' is not a dtype; the dtypes are float16,",
        ),
        (
            ["--gradconform-engine", "torch", *QUICK, "--gradconform-dtype", "float32,complex64"],
            "no selected scenario runs in dtype complex64; they have float32, float64",
        ),
        (["--gradconform-seed", "3"], "--gradconform-seed needs --gradconform-engine NAME"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(
    project: pytest.Pytester, arguments: list[str], message: str
) -> None:
    result = project.runpytest_inprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str() + result.stdout.str()
    assert message in text
    assert "Traceback" not in text


def test_without_the_option_nothing_is_collected_or_imported(project: pytest.Pytester) -> None:
    project.path.joinpath("own.gradconform.yaml").write_text(SPEC)
    project.path.joinpath("conftest.py").write_text(
        "import sys\n"
        "def pytest_sessionfinish():\n"
        "    print('imported:', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
        "    print('ours:', *sorted(name for name in sys.modules if name.startswith('gradconform')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:hypothesispytest", "-p", "no:cacheprovider", "-s"],
        cwd=project.path,
        env={name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    imported = re.search(r"imported: (.*)$", done.stdout, re.MULTILINE)
    assert imported is not None
    assert not set(imported[1].split()) & {
        "torch",
        "hypothesis",
        "numpy",
        "pydantic",
        "yaml",
        "click",
        "refgrad",
    }
    assert "ours: gradconform gradconform.pytest_plugin\n" in done.stdout
