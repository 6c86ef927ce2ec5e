"""The distributions, built once, and a fresh environment outside the checkout to install them into."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Distributions:
    """What `python -m build` makes: the sdist from the checkout, the wheel from that sdist."""

    sdist: Path
    wheel: Path


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment and a working directory, both outside the checkout."""

    scripts: Path
    home: Path
    editable: bool

    def run(self, program: str, *arguments: str | Path) -> str:
        """A program's standard output; one that fails, fails the test with all that it said."""
        done = subprocess.run(
            [self.scripts / program, *arguments],
            cwd=self.home,
            env=bare(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def bare() -> dict[str, str]:
    """This process's environment without what would show a program the checkout by another way."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}


@pytest.fixture(scope="session")
def checkout() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", out, ROOT],
        env=bare(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"the build failed\n{done.stdout}\n{done.stderr}"
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return Distributions(sdist, wheel)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a new environment's programs; nothing but pip is in it."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=True)
    return folder / ("Scripts" if os.name == "nt" else "bin")


@pytest.fixture(scope="module", params=["wheel", "editable"])
def installed(
    request: pytest.FixtureRequest,
    distributions: Distributions,
    fresh: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Environment:
    """gradconform installed from its wheel, then, in the same environment, editable from the checkout.

    Both go into one environment, since its torch is most of the time this takes; pytest runs all tests of one
    installation before it makes the other.
    """
    editable = request.param == "editable"
    environment = Environment(fresh, tmp_path_factory.mktemp("elsewhere"), editable)
    what = ["--editable", ROOT] if editable else [distributions.wheel]
    environment.run("python", "-m", "pip", "install", "-c", ROOT / "constraints.txt", *what)
    return environment
