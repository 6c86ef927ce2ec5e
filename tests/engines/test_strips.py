"""An adapter for a small engine, written from docs/adapters.md alone: its length, and what a run tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gradconform.cli import main
from gradconform.results import read_results

HERE = Path(__file__).parent


@pytest.fixture
def strips(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The engine's module."""
    monkeypatch.syspath_prepend(str(HERE))
    return pytest.importorskip("strips")


def run(*arguments: str) -> Result:
    chosen = ("--corpus", "documented", "--dtype", "float64", "--examples", "0", "--jobs", "1")
    return CliRunner().invoke(main, ["run", "strips_adapter:Strips", *chosen, *arguments])


def test_an_adapter_takes_under_sixty_lines() -> None:
    assert len((HERE / "strips_adapter.py").read_text("utf-8").splitlines()) < 60
    assert "gradconform" not in (HERE / "strips.py").read_text("utf-8"), "the engine knows nothing of it"


@pytest.mark.usefixtures("strips")
def test_an_honest_engine_conforms_as_far_as_it_goes(tmp_path: Path) -> None:
    result = run("--select", "level:1-2", "--results", str(tmp_path / "r.jsonl"))
    assert (result.exit_code, result.stderr) == (0, "")
    end = read_results(tmp_path / "r.jsonl").end
    assert end is not None
    assert end.counts["conforms"] > 25
    assert end.counts["conforms"] + end.counts["unsupported"] == end.cases
    assert "level 2 reached" in result.stdout


@pytest.mark.usefixtures("strips")
def test_a_tape_that_keeps_its_graphs_is_told_of() -> None:
    result = run("--select", "retain-graph/second-backward-raises")
    assert result.exit_code == 1
    assert "z.backward(v): missing error" in result.stdout


def test_a_wrong_slope_is_found(strips: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def times(self: Any, other: Any) -> Any:
        return self._beside(other, lambda a, b: a * b, lambda a, b: a, lambda a, b: a)

    monkeypatch.setattr(strips.Strip, "times", times)
    result = run("--select", "accumulation/two-branches,graph")
    assert result.exit_code == 1
    assert "x.grad: value" in result.stdout
