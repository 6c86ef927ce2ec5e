"""docs/engines.md: written from the runs that are kept, and nothing is said to be known that no run shows."""

from __future__ import annotations

import gzip
import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import yaml

DOCS = Path(__file__).parents[2] / "docs"
RUNS = sorted((DOCS / "engines").glob("*.jsonl.gz"))
ONE = DOCS / "engines" / "tfjs.jsonl.gz"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """docs/engines.py, which reads and writes below tmp_path, where nothing is known."""
    spec = spec_from_file_location("engines_page", DOCS / "engines.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    for name, place in (("PAGE", "engines.md"), ("RUNS", "runs"), ("KNOWN", "known")):
        monkeypatch.setattr(module, name, tmp_path / place)
    (tmp_path / "runs").mkdir()
    (tmp_path / "known").write_text("{}\n", "utf-8")
    return module


def test_the_pages_are_those_of_the_kept_runs(script: ModuleType) -> None:
    for path in RUNS:
        shutil.copy(path, script.RUNS)
    shutil.copy(DOCS / "engines.yaml", script.KNOWN)
    assert script.main([]) == 0
    pages = {page.name: page.read_text("utf-8") for page in (DOCS / "engines").glob("*.md")}
    assert pages == {page.name: page.read_text("utf-8") for page in script.RUNS.glob("*.md")}, (
        "docs/engines.py"
    )
    assert script.PAGE.read_text("utf-8") == (DOCS / "engines.md").read_text("utf-8")


def test_a_run_is_kept_as_it_was(script: ModuleType, tmp_path: Path) -> None:
    lines = gzip.decompress(ONE.read_bytes())
    (tmp_path / "run.jsonl").write_bytes(lines)
    assert script.main([str(tmp_path / "run.jsonl")]) == 0
    assert gzip.decompress((script.RUNS / ONE.name).read_bytes()) == lines
    page = (script.RUNS / "tfjs.md").read_text("utf-8")
    assert "gradconform run 'worker:node tfjs.mjs' --dtype float32 --examples 0" in page
    assert "x.grad: value: expected [1.0, 1.0], got [nan, 1.0]" in page


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"says": "it flies", "shown": ["points/relu-at-nan-and-infinity"]}, ""),
        ({"says": "it flies", "shown": ["declared abs-at-zero: *"]}, ""),
        (
            {"says": "it flies", "shown": ["points/sinc*"]},
            "tfjs: it flies: the run does not show points/sinc*",
        ),
        ({"says": "it flies", "because": "it has wings"}, ""),
        ({"says": "it flies"}, "tfjs: it flies: neither `shown` nor `because`"),
    ],
    ids=["a scenario", "a convention", "nothing", "a reason", "no reason"],
)
def test_what_was_known_is_held_against_the_run(
    script: ModuleType, capsys: pytest.CaptureFixture[str], item: dict[str, object], said: str
) -> None:
    shutil.copy(ONE, script.RUNS)
    script.KNOWN.write_text(yaml.safe_dump({"tfjs": [item]}), "utf-8")
    assert script.main([]) == (1 if said else 0)
    assert said in capsys.readouterr().err
    assert script.PAGE.exists() is not bool(said)


def test_an_engine_without_a_run_is_refused(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    script.KNOWN.write_text("other: []\n", "utf-8")
    assert script.main([]) == 1
    assert "other: no run of it is kept" in capsys.readouterr().err


def test_a_run_that_is_not_over_is_refused(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = gzip.decompress(ONE.read_bytes()).splitlines(keepends=True)
    (tmp_path / "run.jsonl").write_bytes(b"".join(lines[:-1]))
    assert script.main([str(tmp_path / "run.jsonl")]) == 1
    assert "the run is not over" in capsys.readouterr().err
    assert not [*script.RUNS.iterdir()]
