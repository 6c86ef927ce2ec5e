"""Known failures in the pytest plugin: `xfail(strict=True)`."""

from __future__ import annotations

import sys
from xml.etree.ElementTree import parse

import pytest
import torch  # noqa: F401 - pytester forgets what its runs import, and torch cannot be imported twice

import gradconform.pytest_plugin.collection  # noqa: F401

pytest_plugins = ["pytester"]

ENGINES = """
from gradconform.engines.torch import TorchEngine


class Mended(TorchEngine):
    def __init__(self):
        super().__init__()
        self.name = "forgets"


class Forgets(Mended):
    def backward(self, *arguments, **options):
        super().backward(*arguments, **options)
        for node, _ in arguments[0].grad_fn.next_functions:
            if hasattr(node, "variable"):
                node.variable.grad = None
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
- id: own/plain
  says: A product is a product.
  let:
    x: {tensor: any, values: dyadic, example: [1.0]}
  program: |
    y = x * x
"""

KNOWN = """\
known: 1
engine: forgets
failures:
- id: own/doubling
  fails: diverges
  what: grad is None
  where: x.grad
  reason: waits for the tape
  inputs:
    x: tensor([1.0], dtype=dtype, requires_grad=True)
  program: |
    y = x * 2
    y.backward(ones_like(y))
"""


@pytest.fixture
def project(
    torch_is_whole: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """A folder with engines.py, a spec file and its known failures; the corpus is left out."""
    pytester.makepyfile(engines=ENGINES)
    pytester.syspathinsert()
    (pytester.path / "own.gradconform.yaml").write_text(SPEC)
    (pytester.path / "known.yaml").write_text(KNOWN)
    pytester.makepyprojecttoml("[tool.gradconform]\ncorpus = false\nexamples = 2\n")
    monkeypatch.delitem(sys.modules, "engines", raising=False)
    return pytester


def run(project: pytest.Pytester, engine: str, *arguments: str) -> pytest.RunResult:
    return project.runpytest_inprocess(
        "--gradconform-engine",
        engine,
        "--gradconform-known",
        "known.yaml",
        "-p",
        "no:cacheprovider",
        *arguments,
    )


def test_a_known_failure_is_an_expected_one(project: pytest.Pytester) -> None:
    result = run(project, "engines:Forgets", "-rx", "--junit-xml", "junit.xml")
    assert result.ret == 0
    result.assert_outcomes(passed=2, xfailed=2)
    result.stdout.fnmatch_lines(["XFAIL *own/doubling*x.grad: grad is None (waits for the tape)"])
    skipped = parse(project.path / "junit.xml").getroot().iter("skipped")  # noqa: S314 - pytest's own
    assert [one.get("type") for one in skipped] == ["pytest.xfail"] * 2
    assert run(project, "engines:Forgets", "--runxfail").parseoutcomes()["failed"] == 2


def test_one_that_conforms_is_a_failure(project: pytest.Pytester) -> None:
    result = run(project, "engines:Mended")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*its program conforms now: remove the entry from known.yaml"])


def test_one_that_fails_otherwise_is_a_failure(project: pytest.Pytester) -> None:
    (project.path / "known.yaml").write_text(KNOWN.replace("what: grad is None", "what: value"))
    result = run(project, "engines:Forgets")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        ["FAILS OTHERWISE own/doubling*", "*known failure own/doubling: x.grad: value*"]
    )


def test_one_that_has_expired_is_a_failure(project: pytest.Pytester) -> None:
    (project.path / "known.yaml").write_text(KNOWN.replace("  inputs", "  expires: 2020-01-01\n  inputs"))
    result = run(project, "engines:Forgets")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*the known failure own/doubling has expired; mend it, or give *"])


def test_a_file_of_another_engine_is_told_of(project: pytest.Pytester) -> None:
    result = run(project, "torch")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        ["gradconform: no known failures of torch are read: known.yaml is of forgets"]
    )


def test_entries_of_no_scenario_where_everything_is_collected(project: pytest.Pytester) -> None:
    (project.path / "known.yaml").write_text(KNOWN.replace("own/doubling", "own/doublin"))
    result = run(project, "engines:Forgets")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*known.yaml:4:3: *there is no scenario 'own/doublin'*", "*'own/doubling'*"])
    project.makepyfile(test_ordinary="def test_ordinary(): pass")
    run(project, "engines:Forgets", "test_ordinary.py").assert_outcomes(passed=1)


def test_a_file_that_cannot_be_used(project: pytest.Pytester) -> None:
    (project.path / "known.yaml").write_text(KNOWN.replace("y = x * 2", "y = z * 2"))
    result = run(project, "engines:Forgets")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*known.yaml:4:3: *unknown name 'z'*"])
    (project.path / "known.yaml").unlink()
    result = run(project, "engines:Forgets")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*there are no known failures at *"])
