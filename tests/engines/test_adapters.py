"""The adapters that ship are short: what several engines share stands in tables beside them."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

SHIPPED = [
    point
    for point in entry_points(group="gradconform.engines")
    if point.dist is not None and point.dist.name == "gradconform"
]


def test_there_are_adapters() -> None:
    assert {"autograd", "jax", "micrograd", "mlx", "mygrad", "tinygrad"} <= {point.name for point in SHIPPED}


@pytest.mark.parametrize("point", SHIPPED, ids=lambda point: point.name)
def test_an_adapter_has_fewer_than_a_hundred_lines(point: EntryPoint) -> None:
    spec = find_spec(point.module)
    assert spec is not None
    assert spec.origin is not None
    assert len(Path(spec.origin).read_text("utf-8").splitlines()) < 100
