"""Devices on the command line: one that is not there, alone and in a list, and the one without numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
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
