"""The corpus tested: refgrad with one mechanism broken is caught, by the scenario that is meant for it."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from gradconform.cli import main

HERE = Path(__file__).parent
SPECS = HERE.parents[1] / "specs"


def _load() -> ModuleType:
    """The package beside this file, under the name by which `gradconform run mutants:...` finds it."""
    place = HERE / "mutants"
    spec = spec_from_file_location("mutants", place / "__init__.py", submodule_search_locations=[str(place)])
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["mutants"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


mutants = _load()
MEANT: dict[str, str] = mutants.MEANT
FEATURES = sorted({scenario.partition("/")[0] for scenario in MEANT.values()})


def run(engine: str, feature: str, *arguments: str) -> Result:
    return CliRunner().invoke(
        main, ["run", engine, "--no-corpus", "--specs", str(SPECS / f"{feature}.yaml"), *arguments]
    )


def failing(output: str) -> set[str]:
    """The scenarios that the run named as it came to them."""
    return set(re.findall(r"^  ([a-z-]+/[a-z0-9-]+)\[", output, re.MULTILINE))


@pytest.mark.parametrize(("name", "scenario"), MEANT.items())
def test_a_mutant_is_caught_by_the_scenario_meant_for_it(
    name: str, scenario: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    feature = scenario.partition("/")[0]
    result = run(f"mutants:{name}", feature, "--select", scenario, "--examples", "8", "--fail-fast")
    assert result.exit_code == 1, result.output
    assert scenario in failing(result.output)


@pytest.mark.parametrize("feature", FEATURES)
def test_a_copy_without_a_change_is_not_caught(feature: str) -> None:
    chosen = [
        argument
        for scenario in sorted(set(MEANT.values()))
        if scenario.startswith(f"{feature}/")
        for argument in ("--select", scenario)
    ]
    result = run("mutants:unchanged", feature, *chosen, "--examples", "0")
    assert result.exit_code == 0, result.output


def test_mutants_leave_refgrad_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import refgrad

    monkeypatch.chdir(tmp_path)
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "refgrad"}
    code = refgrad.Tensor.detach.__code__
    first = run("refgrad", "detach", "--examples", "0")
    assert first.exit_code == 0, first.output
    caught = run(
        "mutants:detach_copies",
        "detach",
        "--select",
        MEANT["detach_copies"],
        "--examples",
        "0",
        "--fail-fast",
    )
    assert caught.exit_code == 1, caught.output
    again = run("refgrad", "detach", "--examples", "0")
    assert again.exit_code == 0, again.output
    assert refgrad.Tensor.detach.__code__ is code
    assert before == {name: module for name, module in sys.modules.items() if name.split(".")[0] == "refgrad"}


def test_two_copies_are_two_engines() -> None:
    one, other = mutants.MUTANTS["detach_copies"](), mutants.unchanged()
    x, y = (engine.module.ones(2) for engine in (one, other))
    assert x.detach().untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
    assert y.detach().untyped_storage().data_ptr() == y.untyped_storage().data_ptr()
    assert one.module.Tensor is not other.module.Tensor
    assert one.module.func.vmap is not other.module.func.vmap


def test_a_copy_goes_with_its_engine() -> None:
    name = mutants.unchanged().module.__name__
    assert name not in sys.modules


def test_an_edit_of_what_is_not_there_is_refused() -> None:
    # Another test may have imported the package anew, which then lacks the attribute.
    copies = import_module("mutants.copies")
    with pytest.raises(
        ValueError, match=r"refgrad/tensor\.py has this 0 times, expected once:\nnothing like it"
    ):
        copies.copy_of_refgrad((copies.Edit("tensor.py", "nothing like it", ""),))


def test_every_feature_has_a_mutant() -> None:
    count = len(mutants.ALL)
    assert count >= 60
    assert count == len(MEANT)
    assert sorted(path.stem for path in SPECS.glob("*.yaml")) == FEATURES
