"""Every measured gradient at a kink or a special value is stated by a scenario."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gradconform.program.parse import Template

MEASURED = 334


POINTS = yaml.safe_load((Path(__file__).parent / "points.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[str, ...]]:
    """The scenarios of each measured point."""
    return {
        row: (names,) if isinstance(names, str) else tuple(names) for row, names in POINTS["rows"].items()
    }


def test_every_measured_point_is_stated(rows: dict[str, tuple[str, ...]]) -> None:
    assert list(rows) == [f"ndp-{number:03d}" for number in range(1, MEASURED + 1)]
    assert all(rows.values())


def test_every_scenario_that_is_named_exists(
    rows: dict[str, tuple[str, ...]], corpus: tuple[Template, ...]
) -> None:
    known = {template.id for template in corpus}
    assert not [(row, name) for row, names in rows.items() for name in names if name not in known]


def test_every_point_was_measured_or_is_listed_beside(
    rows: dict[str, tuple[str, ...]], corpus: tuple[Template, ...]
) -> None:
    named = {name for names in rows.values() for name in names}
    assert named.isdisjoint(POINTS["further"])
    stated = {t.id.removesuffix("-forward-mode") for t in corpus if t.id.startswith("points/")}
    assert stated == named | set(POINTS["further"])
