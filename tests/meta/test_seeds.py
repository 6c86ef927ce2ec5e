"""The benchmark of seeds: what it measures, and what its page says of it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gradconform.engines.registry import find_engine
from gradconform.plan import Settings, plan
from gradconform.program.library import load_library
from gradconform.spec.corpus import corpus_files

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
    found = [
        seeds.Found("liars:one", "all", 9, (0, 1), ("a/b",), {"c/d": (0,), "e/f": (0, 1)}),
        seeds.Found("torch", "all", 9, (0,), (), {}),
    ]
    lines = [*seeds.page({(one.engine, one.run): one for one in found}, "2.13.0")]
    assert "| `liars:one` | all | 9 | 1 | 1 | 1 | 2 |" in lines
    assert "| `torch` | all | 9 | 0 | 0 | 0 | 1 |" in lines
    told = [line for line in lines if line.startswith("- ")]
    assert told == ["- `c/d`: 1 of 2 seeds (`liars:one`, all)", "- `e/f`"]


def test_seeds_are_added_to_those_of_the_same_engine_and_run(seeds: ModuleType) -> None:
    before = seeds.Found("torch", "all", 9, (0, 1), ("a/b",), {"c/d": (0,)})
    key = ("torch", "all")
    more = seeds.Found("torch", "all", 9, (1, 2), ("a/b",), {"c/d": (2,)})
    assert seeds.merged({key: before}, [more])[key].seeds == (0, 1, 2)
    assert seeds.merged({key: before}, [more])[key].drawn == {"c/d": (0, 2)}
    other = seeds.Found("torch", "all", 9, (2,), (), {})
    assert seeds.merged({key: before}, [other])[key] == other, "something else diverges by now"


def test_the_page_is_that_of_the_runs_that_are_kept(seeds: ModuleType) -> None:
    groups = seeds.read()
    assert groups
    text = seeds.PAGE.read_text("utf-8")
    version = text.partition("\ntorch ")[2].partition(".\n")[0]
    assert text == "\n".join(seeds.page(groups, version)) + "\n"


def test_draws_for_several_engines_are_those_of_each_alone(seeds: ModuleType) -> None:
    judges = sys.modules[seeds.Together.__module__]
    settings = Settings(dtypes=("float32",), select=("broadcasting",), examples=5, seed=3)
    names = ("torch", "refgrad", "liars:counts_reused_once", "liars:reduces_no_broadcast")
    engines = {name: find_engine(name) for name in names}
    tasks = plan(load_library(corpus_files("documented")), settings).tasks[:6]
    together, alone = judges.Together(engines, settings), {}
    for name, engine in engines.items():
        seedless = judges.Seedless(engine, settings)
        failing = {task.id for task in tasks if seedless.failure(task)}
        failing |= {task.id for task in tasks if name in together.failing(task, [name])}
        alone[name] = {task.id for task in tasks if judges.Judge(engine, settings).failure(task)}
        assert failing == alone[name], name
    assert alone["torch"] == alone["refgrad"] == set()
    assert alone["liars:reduces_no_broadcast"]
    drawn = {task.id: together.failing(task, names) for task in tasks}
    for name in names:
        assert {one for one, failing in drawn.items() if name in failing} <= alone[name]


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
    run = "accumulation/two-branches, float32, 3 draws"
    assert f"| `liars:overwrites_grad` | {run} | 1 | 1 | 0 | 0 | 2 |" in done.stdout
    assert f"| `torch` | {run} | 1 | 0 | 0 | 0 | 2 |" in done.stdout
    assert done.stdout.count("None.") == 2
