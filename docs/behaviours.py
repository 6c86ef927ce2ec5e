"""Writes docs/behaviours.md: which documented behaviours of PyTorch's autograd the scenarios cover.

    python docs/behaviours.py

reads tests/corpus/behaviours/*.yaml, one file an area: each behaviour with the ids of the scenarios that
cover it, or with the reason why none does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
MAPS = ROOT / "tests" / "corpus" / "behaviours"
PAGE = ROOT / "docs" / "behaviours.md"

HEAD = """\
# Documented behaviours

<!-- Written by docs/behaviours.py from tests/corpus/behaviours/*.yaml; do not edit. -->

What PyTorch documents about autograd was collected into {rows} behaviours in {areas} areas, each measured
on PyTorch itself. {covered} of them are covered: a scenario states the behaviour, so that an engine that
lacks it fails. The other {left} are listed below the table, each with the reason.

| area | behaviours | scenarios | covered | not covered |
|---|---:|---:|---:|---:|
"""


@dataclass(frozen=True, slots=True)
class Area:
    """One area. covered: the scenarios of each behaviour that has any. left: why the others have none."""

    name: str
    covered: Mapping[str, tuple[str, ...]]
    left: Mapping[str, str]

    @property
    def scenarios(self) -> set[str]:
        """The ids that cover any behaviour of the area."""
        return {one for ids in self.covered.values() for one in ids}


def areas(folder: Path = MAPS) -> tuple[Area, ...]:
    """The areas of the map, in the order of their names.

    Raises TypeError for a behaviour that has neither a list of ids nor a reason, KeyError for a file without
    `area` or `rows`.
    """
    found = []
    for path in sorted(folder.glob("*.yaml")):
        document = yaml.safe_load(path.read_text("utf-8"))
        covered: dict[str, tuple[str, ...]] = {}
        left: dict[str, str] = {}
        for row, value in document["rows"].items():
            if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
                covered[row] = tuple(value)
            elif isinstance(value, str) and value.strip():
                left[row] = value.strip()
            else:
                raise TypeError(f"{path.name}: {row} has neither scenarios nor a reason")
        found.append(Area(document["area"], covered, left))
    return tuple(sorted(found, key=lambda area: area.name.lower()))


def page(found: tuple[Area, ...]) -> str:
    """The text of docs/behaviours.md."""
    covered = sum(len(area.covered) for area in found)
    left = sum(len(area.left) for area in found)
    every = set().union(*(area.scenarios for area in found))
    lines = [HEAD.format(rows=covered + left, areas=len(found), covered=covered, left=left)]
    for area in found:
        rows = len(area.covered) + len(area.left)
        lines.append(
            f"| {area.name} | {rows} | {len(area.scenarios)} | {len(area.covered)} | {len(area.left)} |\n"
        )
    lines.append(f"| all | {covered + left} | {len(every)} | {covered} | {left} |\n")
    lines.append("\n## Not covered\n\n| behaviour | reason |\n|---|---|\n")
    lines += [f"| `{row}` | {why} |\n" for area in found for row, why in area.left.items()]
    return "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(areas()), "utf-8")
