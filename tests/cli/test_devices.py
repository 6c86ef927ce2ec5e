"""Devices on the command line: one that is not there, alone and in a list, and the one without numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gradconform.results import read_results

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Invoke

ONE = ("--select", "accumulation/two-branches", "--dtype", "float32", "--examples", "0")


def test_an_absent_device_alone_is_one_line_and_exit_code_2(gradconform: Invoke) -> None:
    result = gradconform("run", "torch", "--device", "cuda:99", *ONE)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("gradconform: device cuda:99: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [("run", "torch"), ("validate",)])
def test_an_absent_device_in_a_list_is_told_as_not_run(gradconform: Invoke, command: tuple[str, ...]) -> None:
    result = gradconform(*command, "--device", "cuda:99,cpu", *ONE)
    assert result.exit_code == 0
    assert "not run: device cuda:99: " in result.stdout


def test_no_numbers_are_counted_on_meta(gradconform: Invoke) -> None:
    result = gradconform("run", "refgrad", "--device", "meta", *ONE)
    assert result.exit_code == 0
    assert "by shape and dtype alone, on meta, 0 equal in bits" in result.stdout


def test_nothing_is_explored_without_numbers(gradconform: Invoke) -> None:
    result = gradconform("explore", "refgrad", "--device", "meta", "--programs", "1")
    assert result.exit_code == 2
    assert result.stderr == "gradconform: device meta has no numbers to compare\n"


SPECS = """\
schema: 1
feature: places
scenarios:
- id: places/anywhere
  says: Doubling has the gradient two.
  let:
    x: {tensor: any, example: [1.0], requires_grad: true}
  program: |
    (x * 2).sum().backward()
- id: places/elsewhere
  says: Two devices do not go together.
  device: other
  let:
    x: {tensor: any nonempty, example: [1.0], requires_grad: true}
  program: |
    y = ones_like(x, device="cpu").unsqueeze(0)
    with raises(RuntimeError, match="device"):
        z = x.unsqueeze(0) * y
"""
LEFT_OUT = "on cpu, what needs another device than the CPU: places/elsewhere"


@pytest.fixture
def places(tmp_path: Path) -> tuple[str, ...]:
    """The options for two scenarios, one of which needs another device than the CPU."""
    file = tmp_path / "places.yaml"
    file.write_text(SPECS)
    return ("--no-corpus", "--specs", str(file))


def test_what_needs_another_device_is_told_as_not_run(
    gradconform: Invoke, places: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "results.jsonl"
    options = (*places, "--dtype", "float32", "--examples", "0", "--results", str(file))
    result = gradconform("run", "refgrad", *options)
    assert result.exit_code == 0
    assert f"not run: {LEFT_OUT}\n" in result.stdout
    assert "nothing diverges: 1 of 1 cases conform\n" in result.stdout
    found = read_results(file)
    assert found.head.unfit == (LEFT_OUT,)
    assert [case.scenario for case in found.cases] == ["places/anywhere"]
    assert "is complete" in gradconform("run", "refgrad", *options, "--resume").stdout
    validated = gradconform("validate", places[-1], "--dtype", "float32", "--examples", "0")
    assert validated.exit_code == 0
    assert f"keeps the scenario (1 cases, seed 0)\nnot run: {LEFT_OUT}\n" in validated.stdout


def test_what_needs_another_device_runs_on_one(gradconform: Invoke, places: tuple[str, ...]) -> None:
    result = gradconform("run", "refgrad", "--device", "meta", *places, "--dtype", "float32")
    assert result.exit_code == 0
    assert "not run" not in result.stdout
    assert "2/2/2" in result.stdout


def test_nothing_that_the_device_will_do_for_is_one_line_and_exit_code_2(
    gradconform: Invoke, places: tuple[str, ...]
) -> None:
    for command in (("run", "torch", *places), ("validate", places[-1])):
        result = gradconform(*command, "--select", "places/elsewhere")
        assert result.exit_code == 2
        assert result.stderr == f"gradconform: nothing is run: {LEFT_OUT}; --device names another\n"


def test_list_and_show_tell_what_needs_another_device(gradconform: Invoke, places: tuple[str, ...]) -> None:
    for _ in range(2):  # the second time from the index
        anywhere, elsewhere, _ = gradconform("list", *places).stdout.splitlines()
        assert anywhere.endswith("two.")
        assert elsewhere.endswith("together. (device: other)")
    shown = gradconform("show", "places/elsewhere", *places)
    assert shown.exit_code == 0
    assert shown.stdout.endswith(f"not run: {LEFT_OUT}\n")
    there = gradconform("show", "places/elsewhere", *places, "--device", "meta")
    assert "torch keeps all of it" in there.stdout
