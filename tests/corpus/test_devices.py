"""The scenarios about devices on devices: on a backend that is registered for the test, and on `meta`."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gradconform.program.library import load_library
from gradconform.results import read_results
from gradconform.spec.corpus import corpus_files

TOY = Path(__file__).parents[1] / "engines" / "toy_device.py"


@pytest.mark.parametrize("engine", ["torch", "refgrad"])
def test_torch_and_refgrad_keep_the_scenarios_about_devices(engine: str, tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    command = [sys.executable, "-W", "error", str(TOY), "run", engine, "--device", "toy,meta", "-j", "1"]
    options = ["--select", "devices", "--dtype", "float32", "--examples", "3", "--results", str(file)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = read_results(file)
    assert found.head.unfit == found.head.absent == ()
    kinds = {
        device: {case.verdict.kind for case in found.cases if case.device == device}
        for device in ("toy", "meta")
    }
    # Nothing comes back from `meta`.
    assert kinds == {"toy": {"conforms"}, "meta": {"conforms", "unsupported"}}
    ids = {
        template.id
        for template in load_library(corpus_files("documented"))
        if template.id.startswith("devices/")
    }
    assert {case.scenario for case in found.cases if case.device == "toy"} == ids


@pytest.mark.parametrize(
    ("selected", "unsupported"),
    [(("--corpus", "documented"), 1 / 7), (("--select", "points/*"), 2 / 5)],
    ids=["documented", "points"],
)
def test_refgrad_is_without_numbers_what_torch_is(
    selected: tuple[str, str], unsupported: float, tmp_path: Path
) -> None:
    """On a GPU it makes its tensors where torch makes them, and waits for no number. What torch lacks there:
    numbers that programs ask for, and forward mode; at most that part of the scenarios."""
    file = tmp_path / "results.jsonl"
    command = [sys.executable, "-c", "from gradconform.cli import main; main()", "run", "refgrad"]
    options = ["--device", "meta", "--dtype", "float32", "--examples", "0", "--jobs", "1"]
    done = subprocess.run(
        [*command, *selected, *options, "--results", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = read_results(file)
    kinds = Counter(case.verdict.kind for case in found.cases)
    assert {*kinds} == {"conforms", "unsupported"}
    assert kinds["unsupported"] < unsupported * len(found.cases)
