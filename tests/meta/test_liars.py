"""The tester tested: engines that lie in one known way are caught, under the right scenario, and the output
says why."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gradconform.cli import main

HERE = Path(__file__).parent

CAUGHT_BY = {
    "overwrites_grad": "accumulation/two-branches",
    "reduces_no_broadcast": "broadcasting/row-and-column",
    "leaks_no_grad": "grad-modes/restored-after-a-failed-operation",
    "ignores_retain_graph": "retain-graph/retained-graph-can-be-used-again",
    "raises_on_second_backward": "retain-graph/addition-saves-nothing",
    "copies_on_detach": "detach/shares-storage",
    "zero_instead_of_none": "autograd-grad/unused-input",
    "wrong_dtype": "dtypes/gradient-has-the-dtype-of-its-leaf",
    "counts_reused_once": "backward/same-tensor-on-both-sides",
    "aliases_cotangent": "accumulation/gradient-is-not-the-cotangent",
    "keeps_grad_on_non_leaves": "backward/non-leaf-keeps-no-gradient",
    "wrong_mean": "backward/mean-divides-by-the-count",
    "ignores_versions": "detach/write-through-it-is-noticed",
    "new_grad_object": "accumulation/same-object",
}
"""The scenario that must be among the failing ones, by the liar's name in `liars.py`."""


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.chdir(tmp_path)


def run(engine: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", engine, "--examples", "2", *arguments])


def failing(output: str) -> set[str]:
    """The scenarios that the run named as it came to them."""
    return set(re.findall(r"^  ([a-z-]+/[a-z0-9-]+)\[", output, re.MULTILINE))


@pytest.mark.parametrize(("liar", "scenario"), CAUGHT_BY.items())
def test_a_liar_is_caught_under_the_right_scenario(liar: str, scenario: str) -> None:
    feature = scenario.partition("/")[0]
    # Without the program of twenty thousand steps, which takes half a minute to tell of.
    result = run(f"liars:{liar}", "--select", f"{feature}/[!t]*,{scenario}", "--dtype", "float32")
    assert result.exit_code == 1, result.output
    assert scenario in failing(result.output)


@pytest.mark.parametrize(
    "liar", ["overwrites_grad", "wrong_mean", "reduces_no_broadcast", "counts_reused_once"]
)
def test_finite_differences_side_with_torch_against_a_wrong_gradient(liar: str) -> None:
    output = run(f"liars:{liar}", "--select", CAUGHT_BY[liar], "--dtype", "float32").output
    assert "\n    finite differences agree with torch\n" in output


@pytest.mark.parametrize(("liar", "scenario"), CAUGHT_BY.items())
def test_the_output_alone_explains_the_bug(liar: str, scenario: str) -> None:
    result = run(f"liars:{liar}", "--select", scenario, "--dtype", "float32")
    output = result.output
    assert f"DIVERGES {scenario}[cpu-float32]" in output
    step = re.search(r"^  first wrong step: (\d+): (.+)$", output, re.MULTILINE)
    assert step is not None, output
    expected = re.search(r"^    expected \(torch\) +(\S.*)$", output, re.MULTILINE)
    got = re.search(rf"^    got \({liar}\) +(\S.*)$", output, re.MULTILINE)
    assert expected is not None
    assert got is not None
    assert expected[1] != got[1]
    marked = re.search(r"^  > +[\d-]+ +(.+)$", output, re.MULTILINE)
    assert marked is not None
    assert marked[1].strip() == step[2]
    assert (
        f"run it again: gradconform run liars:{liar} --select {scenario} --dtype float32 --seed 0" in output
    )


def test_the_torch_script_of_a_report_runs_as_it_stands() -> None:
    output = run(
        "liars:overwrites_grad", "--select", "accumulation/two-branches", "--dtype", "float32"
    ).output
    block = output.partition("the same for plain torch:\n")[2].partition("\nrun it again")[0]
    script = "\n".join(line.removeprefix("    ") for line in block.splitlines())
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    remark = re.search(r"print\(x\.grad\)  # torch: \[([\d.]+)\]; overwrites_grad: \[([\d.]+)\]", script)
    assert remark, script
    printed = re.fullmatch(r"tensor\(\[([\d.]+)\]\)\n", done.stdout)
    assert printed, done.stdout
    assert float(printed[1]) == float(remark[1]) != float(remark[2])


def test_the_excerpt_in_the_readme_is_real() -> None:
    readme = (HERE.parents[1] / "README.md").read_text(encoding="utf-8")
    excerpt = readme.partition("```text\n")[2].partition("```")[0].splitlines()
    output = iter(run("liars:overwrites_grad", "--select", "accumulation/two-branches").output.splitlines())
    assert len(excerpt) > 10
    for line in excerpt:
        assert line in output, line  # in this order: what was searched is gone from the iterator


@pytest.mark.parametrize("feature", sorted({scenario.partition("/")[0] for scenario in CAUGHT_BY.values()}))
def test_torch_itself_is_not_caught(feature: str) -> None:
    result = run("torch", "--select", feature, "--dtype", "float32")
    assert result.exit_code == 0, result.output
    assert not failing(result.output)


def test_a_liar_is_caught_in_a_process_of_its_own(tmp_path: Path) -> None:
    script = "from gradconform.cli import main; main(prog_name='gradconform')"
    arguments = [
        "run",
        "liars:wrong_mean",
        "--select",
        "backward/mean-divides-by-the-count",
        "--examples",
        "0",
    ]
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert re.search(r"expected \(torch\) +\[0.25, 0.25, 0.25, 0.25\]", done.stdout)
    assert re.search(r"got \(wrong_mean\) +\[1.0, 1.0, 1.0, 1.0\]", done.stdout)
