"""Tests in several processes: the same results, failures and errors as in one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from gradconform.settings import Options
from gradconform.workers import FEW, jobs_of

Invoke = Callable[..., Result]


def test_results_do_not_depend_on_the_number_of_processes(gradconform: Invoke, tmp_path: Path) -> None:
    written = []
    for jobs in ("1", "2"):
        path = tmp_path / f"{jobs}.jsonl"
        arguments = ("--select", "zeroing", "--examples", "2", "--results", str(path), "--jobs", jobs)
        result = gradconform("run", "engines:Forgets", *arguments)
        assert result.exit_code == 1, result.output
        written.append((result.output, path.read_text("utf-8")))
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("engine", "says"),
    [("Breaks", "engine Breaks: to_torch gave up"), ("Dies", "a worker process died at zeroing/")],
)
def test_what_ends_a_run_is_told_in_one_line(gradconform: Invoke, engine: str, says: str) -> None:
    result = gradconform("run", f"engines:{engine}", "--select", "zeroing", "--jobs", "2")
    assert result.exit_code == 2, result.output
    assert says in result.output
    assert "Traceback" not in result.output


def test_few_tests_run_in_one_process() -> None:
    assert jobs_of(Options(), FEW - 1) == 1
    assert jobs_of(Options(jobs=3), 2) == 2
    assert jobs_of(Options(jobs=3), FEW) == 3
    assert jobs_of(Options(), FEW) >= 1
