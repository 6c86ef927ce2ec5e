"""The little engine beside these tests, found as a user's own is, and runs of the corpus on real ones."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from gradconform.engines import Engine
from gradconform.engines.registry import find_engine
from gradconform.hosts import find_host
from gradconform.plan import plan
from gradconform.prepare import settings_of, templates_of
from gradconform.session import Session
from gradconform.settings import Options
from gradconform.verdict import Diverges, Unsupporting, Verdict

Examples = Callable[..., dict[str, Verdict]]
Answer = tuple[str, str, str] | str
Installed = Callable[[str], Engine]
Answers = Callable[..., dict[str, Answer]]


def answer(verdict: Verdict) -> Answer:
    """The kind of a verdict; of a lack, what it is; of a divergence, what differs first: the property, the
    place, and what the engine has there."""
    match verdict:
        case Diverges():
            first = verdict.divergences[0]
            return first.what, first.where, first.got
        case Unsupporting(feature):
            return feature
        case _:
            return verdict.kind


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


@pytest.fixture
def installed() -> Installed:
    """An engine, where its extra is installed."""

    def installed(name: str) -> Engine:
        if find_spec(name) is None:
            pytest.skip(f"needs the extra {name}")
        return find_engine(name)

    return installed


@pytest.fixture
def answers(examples: Examples, installed: Installed) -> Answers:
    """What an engine answers to the documented examples of some scenarios, by their ids."""

    def answers(target: str, *select: str, dtype: str = "float64") -> dict[str, Answer]:
        installed(target)
        return {name: answer(verdict) for name, verdict in examples(target, *select, dtype=dtype).items()}

    return answers
