"""Tests in several processes: the same results, failures and errors as in one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from gradconform.plan import plan
from gradconform.prepare import settings_of, templates_of
from gradconform.settings import Options
from gradconform.workers import FEW, Workers, jobs_of

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


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot be held back here")
def test_an_interrupt_while_workers_start_ends_them() -> None:
    options = Options(jobs=2, select=("zeroing",), examples=0)
    planned = plan(templates_of(options), settings_of(options))
    submit = ProcessPoolExecutor.submit
    pools: list[ProcessPoolExecutor] = []

    def interrupted(pool: ProcessPoolExecutor, *arguments: Any) -> Any:
        if not pools:
            pools.append(pool)
            os.kill(os.getpid(), signal.SIGINT)
        return submit(pool, *arguments)

    # A test run in the background of a shell has Ctrl-C switched off.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ProcessPoolExecutor, "submit", interrupted)
            with pytest.raises(KeyboardInterrupt):
                Workers("torch", options, planned, 2)
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(RuntimeError, match="after shutdown"):
        submit(pools[0], print)


def test_few_tests_run_in_one_process() -> None:
    assert jobs_of(Options(), FEW - 1) == 1
    assert jobs_of(Options(jobs=3), 2) == 2
    assert jobs_of(Options(jobs=3), FEW) == 3
    assert jobs_of(Options(), FEW) >= 1
