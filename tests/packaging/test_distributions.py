"""What the sdist and the wheel hold: all that is needed, and nothing else."""

from __future__ import annotations

import tarfile
import zipfile
from configparser import ConfigParser
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packaging.conftest import Distributions

pytestmark = pytest.mark.packaging


def files_under(folder: Path, name: str) -> set[str]:
    """The files of a folder as they are named in the wheel, where the folder is called `name`."""
    return {
        f"{name}/{file.relative_to(folder).as_posix()}"
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def metadata(wheel: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        (member,) = (each for each in archive.namelist() if each.endswith(f".dist-info/{name}"))
        return archive.read(member)


def test_wheel_holds_both_packages_the_specs_the_worker_library_and_nothing_else(
    distributions: Distributions, checkout: Path
) -> None:
    with zipfile.ZipFile(distributions.wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == (
        files_under(checkout / "harness" / "gradconform", "gradconform")
        | files_under(checkout / "reference_impl" / "refgrad", "refgrad")
        | files_under(checkout / "specs", "gradconform/specs")
        | files_under(checkout / "examples" / "javascript" / "worker", "gradconform/scaffold/javascript")
    )
    assert {"gradconform/py.typed", "refgrad/py.typed", "gradconform/specs/schema.json"} <= held


def test_sdist_holds_the_tests_and_what_runs_them(distributions: Distributions, checkout: Path) -> None:
    with tarfile.open(distributions.sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert files_under(checkout / "tests", "tests") <= held
    assert {"tox.ini", "constraints.txt", "pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md"} <= held


def test_wheel_declares_its_commands_plugin_and_engines(distributions: Distributions) -> None:
    declared = ConfigParser()
    declared.read_string(metadata(distributions.wheel, "entry_points.txt").decode())
    assert dict(declared["console_scripts"]) == {"gradconform": "gradconform.cli:main"}
    assert dict(declared["pytest11"]) == {"gradconform": "gradconform.pytest_plugin"}
    assert dict(declared["gradconform.engines"]) == {
        "torch": "gradconform.engines.torch:engine",
        "refgrad": "gradconform.engines.refgrad:engine",
        "autograd": "gradconform.engines.hips:engine",
        "jax": "gradconform.engines.jax:engine",
        "micrograd": "gradconform.engines.micrograd:engine",
        "mlx": "gradconform.engines.mlx:engine",
        "mygrad": "gradconform.engines.mygrad:engine",
        "paddle": "gradconform.engines.paddle:engine",
        "tensorflow": "gradconform.engines.tensorflow:engine",
        "tinygrad": "gradconform.engines.tinygrad:engine",
    }


def test_each_engine_of_others_has_an_extra_of_its_name(distributions: Distributions) -> None:
    declared = ConfigParser()
    declared.read_string(metadata(distributions.wheel, "entry_points.txt").decode())
    extras = message_from_bytes(metadata(distributions.wheel, "METADATA")).get_all("Provides-Extra", [])
    assert set(declared["gradconform.engines"]) - {"torch", "refgrad"} == set(extras) - {"opinfo"}


def test_wheel_names_its_licence_and_its_oldest_python(distributions: Distributions) -> None:
    headers = message_from_bytes(metadata(distributions.wheel, "METADATA"))
    assert headers["License-Expression"] == "BSD-3-Clause"
    assert headers["License-File"] == "LICENSE"
    assert headers["Requires-Python"] == ">=3.11"


def test_wheel_is_for_every_platform(distributions: Distributions) -> None:
    assert distributions.wheel.name.endswith("-py3-none-any.whl")
