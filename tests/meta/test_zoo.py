"""The harness tested: every bug of the zoo is caught, by each scenario that is meant for it."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from gradconform.cli import main

HERE = Path(__file__).parent


def _load() -> ModuleType:
    """The package beside this file, under the name by which `gradconform run zoo:...` finds it."""
    sys.path.insert(0, str(HERE))
    try:
        return import_module("zoo")
    finally:
        sys.path.remove(str(HERE))


zoo = _load()


@pytest.mark.parametrize(
    ("bug", "scenario"),
    [pytest.param(bug, scenario, id=f"{bug.id}-{scenario}") for bug in zoo.ALL for scenario in bug.meant],
)
def test_a_bug_is_caught_by_each_scenario_meant_for_it(
    bug: object, scenario: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    name = bug.id  # type: ignore[attr-defined]
    result = CliRunner().invoke(main, ["run", f"zoo:{name}", "--select", scenario, "--fail-fast", "-j", "1"])
    assert result.exit_code == 1, result.output
    assert re.search(rf"^  {re.escape(scenario)}\[", result.output, re.MULTILINE), result.output


def test_bugs_have_one_id_each() -> None:
    assert len(zoo.BUGS) == len(zoo.ALL)
    assert all(bug.says and bug.meant for bug in zoo.ALL)
