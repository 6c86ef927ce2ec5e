"""A cell of the kill matrix: whether one way of testing catches one bug, and how soon."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cell:
    """What one column did with one bug.

    setting: how the column was run. by: what caught the bug, "" where nothing did. how: the first thing that
    was wrong. programs: so many were run up to there. seconds: of CPU time, the making of the engine included
    and the loading of torch and of the specs not. steps: of the smallest program that shows a random one's
    failure; None where none was looked for.
    """

    bug: str
    column: str
    setting: str
    by: str
    how: str
    programs: int
    seconds: float
    steps: int | None = None


Cells = Mapping[tuple[str, str], Cell]
"""Cells by bug and column."""


def read(path: Path) -> dict[tuple[str, str], Cell]:
    """The cells of a file, one a line; none where it is not there."""
    if not path.exists():
        return {}
    cells = [Cell(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    return {(cell.bug, cell.column): cell for cell in cells}


def write(path: Path, cells: Iterable[Cell]) -> None:
    """Writes cells, one a line."""
    path.write_text("".join(f"{json.dumps(asdict(cell))}\n" for cell in cells), "utf-8")


def merged(old: Cells, new: Cells) -> dict[tuple[str, str], Cell]:
    """The old cells, with new ones in their place; those of a column that was run in another setting since
    are left out, since they cannot be compared."""
    settings = {column: cell.setting for (_, column), cell in new.items()}
    kept = {at: cell for at, cell in old.items() if settings.get(cell.column, cell.setting) == cell.setting}
    return {**kept, **new}
