"""The benchmark of seeds: what it measures, and what its page says of it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "seeds.py"


@pytest.fixture(scope="module")
def seeds() -> ModuleType:
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("benchmark_of_seeds", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    before = [*sys.path]
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before
    return module


def test_a_scenario_that_some_seeds_miss_is_told(seeds: ModuleType) -> None:
    runs = [
        seeds.Run("liars:one", "all", 0, ("a/b", "c/d"), 2.0),
        seeds.Run("liars:one", "all", 1, ("a/b",), 4.0),
        seeds.Run("torch", "all", 0, (), 1.0),
    ]
    lines = [*seeds.page(runs, "2.13.0")]
    assert "| `liars:one` | all | 2 | 1 | 1 | 3 |" in lines
    assert "| `torch` | all | 1 | 0 | 0 | 1 |" in lines
    assert [line for line in lines if line.startswith("- ")] == ["- `c/d`: 1 of 2 seeds (`liars:one`, all)"]


def test_the_page_is_that_of_the_runs_that_are_kept(seeds: ModuleType) -> None:
    runs = [run for group in seeds.read().values() for run in group]
    assert runs
    text = seeds.PAGE.read_text("utf-8")
    version = text.partition("\ntorch ")[2].partition(".\n")[0]
    assert text == "\n".join(seeds.page(runs, version)) + "\n"


def test_all_liars_are_run_where_none_is_named(seeds: ModuleType) -> None:
    assert len(seeds.LIARS) == 14
    assert "liars:overwrites_grad" in seeds.LIARS


def test_an_engine_is_run_once_for_each_seed() -> None:
    options = [
        "--seeds",
        "2",
        "--select",
        "accumulation/two-branches",
        "--dtype",
        "float32",
        "--examples",
        "3",
    ]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--engines", "liars:overwrites_grad", "torch", *options],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (
        "| `liars:overwrites_grad` | accumulation/two-branches, float32, 3 draws | 2 | 1 | 0 |" in done.stdout
    )
    assert "| `torch` | accumulation/two-branches, float32, 3 draws | 2 | 0 | 0 |" in done.stdout
    assert done.stdout.rstrip().splitlines()[-3] == "None."
