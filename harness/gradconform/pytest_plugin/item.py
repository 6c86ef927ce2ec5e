"""One test: a scenario on one device in one dtype, with its documented example and its random draws."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from gradconform.cases import CaseResult
from gradconform.errors import GradconformError
from gradconform.plan import Task
from gradconform.program.parse import Template
from gradconform.report.failure import failures, report
from gradconform.report.lines import plain
from gradconform.results import Head, note_of
from gradconform.session import Session
from gradconform.verdict import Inconclusive, Unsupporting


class ScenarioFailed(Exception):  # noqa: N818 - carries a finding, and is no error of the test
    """The engine differs from torch; the text is the whole report."""


class ScenarioItem(pytest.Item):
    """Passes where every case conforms; fails with the report of the first that does not; is skipped, with
    the reason, where the engine lacks something or nothing could be decided: neither is a pass."""

    task: Task
    checks: Session
    head: Head

    @classmethod
    def make(cls, parent: pytest.Collector, task: Task, checks: Session, head: Head) -> ScenarioItem:
        """The item of a task."""
        # Given in full: pytest 9 makes ids of names with brackets that --lf does not find again.
        item: ScenarioItem = cls.from_parent(parent, name=task.id, nodeid=f"{parent.nodeid}::{task.id}")
        item.task, item.checks, item.head = task, checks, head
        return item

    def runtest(self) -> None:
        """Runs the draws. Raises ScenarioFailed, or pytest's exception for a skip."""
        cases = tuple(self.checks.check(self.task))
        found = failures(cases)
        if found:
            note = note_of(self.task.subject)
            raise ScenarioFailed(plain(report(found[0], self.head, {note.id: note})))
        reason = _undecided(cases)
        if reason:
            pytest.skip(reason)

    def repr_failure(  # type: ignore[override]
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> object:
        """The report alone; where an adapter breaks its contract, its one message."""
        if isinstance(excinfo.value, ScenarioFailed | GradconformError):
            return str(excinfo.value).rstrip()
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the scenario stands."""
        origin = self.task.origin
        assert isinstance(origin, Template)  # noqa: S101 - what is collected comes from spec files
        place = origin.scenario.place
        return Path(place.file), place.line - 1, self.name


def _undecided(cases: tuple[CaseResult, ...]) -> str:
    """Why the cases are no pass, or "" where all of them conform."""
    lacks = Counter(case.verdict.feature for case in cases if isinstance(case.verdict, Unsupporting))
    if lacks:
        names = ", ".join(name for name, _ in lacks.most_common())
        count = lacks.total()
        return f"unsupported: {names}" + (f" ({count} of {len(cases)} cases)" if count < len(cases) else "")
    open_cases = [case.verdict for case in cases if isinstance(case.verdict, Inconclusive)]
    return (
        f"inconclusive in {len(open_cases)} of {len(cases)} cases: {open_cases[0].reason}"
        if open_cases
        else ""
    )
