"""An installation does what the README promises, from a directory that is not the checkout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packaging.conftest import Environment

pytestmark = pytest.mark.packaging


def test_packages_come_from_where_they_were_installed(installed: Environment, checkout: Path) -> None:
    where = "import gradconform, json, refgrad; print(json.dumps([gradconform.__file__, refgrad.__file__]))"
    files = json.loads(installed.run("python", "-c", where))
    from_checkout = [file.startswith(f"{checkout}/") for file in files]
    assert from_checkout == [installed.editable] * 2


def test_editable_installation_holds_no_copy_of_the_specs_that_could_go_stale(installed: Environment) -> None:
    where = "import pathlib, sysconfig as s; print(*pathlib.Path(s.get_path('purelib')).rglob('schema.json'))"
    copies = [file for file in installed.run("python", "-c", where).split() if "gradconform" in file]
    assert len(copies) == (0 if installed.editable else 1)


def test_requirements_are_consistent(installed: Environment) -> None:
    installed.run("python", "-m", "pip", "check")


def test_list_names_the_scenarios_of_the_corpus(installed: Environment) -> None:
    assert "accumulation/" in installed.run("gradconform", "list")


def test_run_holds_refgrad_against_torch(installed: Environment) -> None:
    installed.run("gradconform", "run", "refgrad", "--select", "accumulation/*", "--examples", "2")


def test_corpus_is_found_where_the_installation_keeps_it(installed: Environment, checkout: Path) -> None:
    where = "from gradconform.spec.corpus import specs_root; print(specs_root())"
    folder = installed.run("python", "-c", where).strip()
    assert (folder == str(checkout / "specs")) == installed.editable


def test_plugin_loads_in_every_pytest_run_and_costs_nothing_there(installed: Environment) -> None:
    (installed.home / "test_users_own.py").write_text(
        "import sys\n"
        "def test_start_up_is_light(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.has_plugin('gradconform')\n"
        "    assert not {'torch', 'hypothesis', 'numpy', 'pydantic', 'yaml'} & set(sys.modules)\n",
        encoding="utf-8",
    )
    assert "1 passed" in installed.run("python", "-m", "pytest", "-p", "no:cacheprovider")
