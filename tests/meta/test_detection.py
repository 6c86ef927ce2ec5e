"""The kill matrix: its page is about the bugs of the zoo, and its driver tells what catches a bug."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "detection.md"


def _load(name: str) -> ModuleType:
    """A module beside this file."""
    sys.path.insert(0, str(HERE))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(HERE))


zoo = _load("zoo")
cells = _load("detection.cells")
page = _load("detection.page")
mutation_page = _load("mutation.page")
forks = _load("forks")


def test_the_page_has_the_bugs_of_the_zoo_and_the_cells_that_were_measured() -> None:
    kept = cells.read(ROOT / "docs" / "detection.jsonl")
    text = PAGE.read_text("utf-8")
    assert re.findall(r"^### (.+)$", text, re.MULTILINE) == [bug.id for bug in zoo.ALL]
    version = re.search(r"^torch (\S+),", text, re.MULTILINE)
    assert version
    mutants = mutation_page.summary((ROOT / "docs" / "mutation.md").read_text("utf-8"))
    assert text == "\n".join(page.page(zoo.ALL, kept, version[1], mutants)) + "\n"
    assert kept
    assert {bug for bug, _ in kept} <= {bug.id for bug in zoo.ALL}
    assert {column for _, column in kept} <= {*page.COLUMNS}


def test_the_driver_tells_what_catches_a_bug() -> None:
    script = ROOT / "benchmarks" / "detection.py"
    command = [sys.executable, str(script), "--bugs", "S01", "A06", "--every", "60", "--examples", "0"]
    command += ["--columns", "documented", "draws", "explore", "sums", "--programs", "64"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = {
        tuple(line.split(":")[0].split()): line for line in done.stdout.splitlines() if " programs, " in line
    }
    assert told.keys() >= {(bug, name) for bug in ("S01", "A06") for name in ("documented", "sums")}
    assert "MISSED" not in told["A06", "documented"]
    # What the examples catch, here or in the cells that are kept, is not drawn for.
    kept = cells.read(ROOT / "docs" / "detection.jsonl")
    drawn = {
        bug
        for bug in ("S01", "A06")
        if "MISSED" in told[bug, "documented"] and not page.is_caught(kept.get((bug, "operators")))
    }
    assert drawn == {"S01"}
    assert {bug for bug, name in told if name == "draws"} - {"-"} == drawn
    assert "identity" in told["A06", "documented"]
    assert "MISSED" in told["A06", "sums"]  # which tensor holds the gradient is nothing that it compares


def _cell(bug: str, column: str, setting: str = "a", by: str = "x") -> object:
    return cells.Cell(bug, column, setting, by, "why", 3, 1.5)


def test_cells_are_kept_unless_their_column_was_run_in_another_setting(tmp_path: Path) -> None:
    old = {("A", "c"): _cell("A", "c"), ("B", "c"): _cell("B", "c"), ("A", "d"): _cell("A", "d")}
    cells.write(tmp_path / "cells", old.values())
    assert cells.read(tmp_path / "cells") == old
    assert cells.read(tmp_path / "nothing") == {}
    new = {("A", "c"): _cell("A", "c", by="y")}
    assert cells.merged(old, new) == {**old, **new}
    other = {("A", "c"): _cell("A", "c", "b")}
    assert cells.merged(old, other) == {("A", "c"): _cell("A", "c", "b"), ("A", "d"): _cell("A", "d")}


def test_the_page_lists_what_is_missed() -> None:
    bugs = zoo.ALL[:2]
    first, second = (bug.id for bug in bugs)
    known = {(first, name): _cell(first, name, by="x" if name == "explore" else "") for name in page.COLUMNS}
    text = "\n".join(page.page(bugs, {**known, (second, "sums"): _cell(second, "sums")}, "2.13.0", []))
    assert f"- documented: {first}\n" in text
    assert "**1 of 2**" in text
    assert "gradconform's columns together catch **1 of 2**." in text
    assert "Of 1 bugs that met all columns gradconform catches 1" in text
    undrawn = {at: cell for at, cell in known.items() if at[1] != "draws"}
    assert "Of 1 bugs that met all columns" in "\n".join(page.page(bugs, undrawn, "2.13.0", []))
    assert "1 are caught by gradconform alone,\n0 by those alone." in text
    assert "No failing program was made small." in text
    small = {**known, (first, "explore"): cells.Cell(first, "explore", "a", "x", "why", 3, 1.5, 4)}
    assert "median of **4 steps**; the longest has 4." in "\n".join(page.page(bugs, small, "2.13.0", []))
    assert "No bug has met all columns" in "\n".join(page.page(bugs, {}, "2.13.0", []))


def _work(item: str, tell: object) -> str:
    tell(f"at {item}")  # type: ignore[operator]
    match item:
        case "dies":
            os.abort()
        case "spins":
            while True:
                pass
        case "waits":
            time.sleep(1000)
    return item.upper()


@pytest.mark.parametrize("jobs", [1, 3])
def test_work_in_forks_ends_each_in_its_own_way(jobs: int) -> None:
    found = dict(forks.several(["fine", "dies", "spins", "waits"], _work, jobs, cpu=1))
    assert found["fine"].result == "FINE"
    assert not found["fine"].death
    for item, death in (("dies", "the process died, exit -6"), ("spins", "it did not end")):
        assert found[item].result is None
        assert found[item].death == death
        assert found[item].last == f"at {item}"
    assert found["waits"].death == "it did not end"


def test_what_work_raises_is_raised() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)at at 0:\n.*ZeroDivisionError"):
        [*forks.several([0], lambda item, tell: (tell(f"at {item}"), 1 / item), 1)]
