"""The little engine beside these tests, found as a user's own is, and runs of the corpus on real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gradconform.engines import Engine
from gradconform.engines.registry import find_engine
from gradconform.hosts import find_host
from gradconform.plan import plan
from gradconform.prepare import settings_of, templates_of
from gradconform.session import Session
from gradconform.settings import Options
from gradconform.verdict import Verdict

Examples = Callable[..., dict[str, Verdict]]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The little numpy engine."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return find_engine("small:engine")


@pytest.fixture
def examples() -> Examples:
    """Verdicts on the documented examples of some scenarios, by their ids."""

    def examples(target: str, *select: str, dtype: str = "float64") -> dict[str, Verdict]:
        options = Options(dtype=(dtype,), select=select, examples=0)
        settings = settings_of(options)
        with find_host(target) as host:
            session = Session(host, settings)
            tasks = plan(templates_of(options), settings).tasks
            return {case.scenario: case.verdict for task in tasks for case in session.check(task)}

    return examples
