"""The little engine beside these tests, found as a user's own would be."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradconform.engines import Engine
from gradconform.engines.registry import find_engine


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The little numpy engine."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return find_engine("small:engine")
