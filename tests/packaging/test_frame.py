"""The files around the packages agree with each other."""

from __future__ import annotations

import tomllib
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
INSTALL_AND_RUN = "python -m pip install -c constraints.txt . && gradconform run refgrad"
INSTALL_AND_TEST = "python -m pip install tox && tox run"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_readme_gives_both_commands_in_order() -> None:
    lines = read("README.md").splitlines()
    assert lines.index(INSTALL_AND_RUN) < lines.index(INSTALL_AND_TEST)


def test_ci_runs_the_readmes_test_command() -> None:
    assert INSTALL_AND_TEST in [line.strip() for line in read(".ci/run").splitlines()]


def test_building_needs_no_torch() -> None:
    needed = tomllib.loads(read("pyproject.toml"))["build-system"]["requires"]
    assert [requirement.partition(">")[0] for requirement in needed] == ["hatchling"]


def test_every_tox_environment_installs_under_the_constraints() -> None:
    tox = ConfigParser(interpolation=None)
    tox.read_string(read("tox.ini"))
    assert "-c {tox_root}{/}constraints.txt" in tox["testenv"]["install_command"]
    overriding = [name for name in tox.sections() if name != "testenv" and "install_command" in tox[name]]
    assert not overriding


def test_constraints_pin_the_torch_that_the_specs_are_validated_against() -> None:
    assert "torch==2.13.0" in read("constraints.txt").splitlines()
