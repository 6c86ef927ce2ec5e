"""One test: a scenario on one device in one dtype, with its documented example and its random draws."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NoReturn

import pytest

from gradconform.cases import CaseResult
from gradconform.errors import GradconformError
from gradconform.known_failures.entries import Pin
from gradconform.plan import Task
from gradconform.program.parse import Template
from gradconform.report.failure import failures, report, summary
from gradconform.report.lines import plain
from gradconform.results import Head, note_of
from gradconform.session import Session
from gradconform.verdict import Declared, Inconclusive, Unsupporting


class ScenarioFailed(Exception):  # noqa: N818 - carries a finding, and is no error of the test
    """The engine differs from torch; the text is the whole report."""


class ScenarioItem(pytest.Item):
    """Passes where every case conforms; fails with the report of the first that does not; is an expected
    failure where that is known, and fails where what is known does not fail so; is skipped, with
    the reason, where the engine lacks something, differs as it declares, or nothing could be decided: none of
    these is a pass."""

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
        """Runs the draws. Raises ScenarioFailed, or pytest's exception for a skip or an expected failure."""
        cases = tuple(self.checks.check(self.task))
        found = failures(cases)
        if found:
            note = note_of(self.task.subject)
            raise ScenarioFailed(plain(report(found[0], self.head, {note.id: note})))
        pin = self.task.pin
        if pin is not None:
            self.known(pin)
        reason = _undecided(cases)
        if reason:
            pytest.skip(reason)

    def known(self, pin: Pin) -> NoReturn:
        """Ends a test whose failure is known as `xfail(strict=True)` does; one that does not fail so any more
        has failed before. Raises pytest's exception for it; ScenarioFailed where the entry has expired."""
        entry = pin.entry
        if entry.expired:
            raise ScenarioFailed(
                f"the known failure {entry.id} has expired; mend it, or give its entry another day"
            )
        told = f"known failure: {entry.manner}" + (f" ({entry.reason})" if entry.reason else "")
        pytest.xfail(told)
        raise ScenarioFailed(told)  # under --runxfail

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
    verdicts = [case.verdict for case in cases]
    short = [verdict for verdict in verdicts if isinstance(verdict, Declared | Unsupporting)]
    if short:
        reasons = "; ".join(reason for reason, _ in Counter(map(summary, short)).most_common())
        return reasons + (f" ({len(short)} of {len(cases)} cases)" if len(short) < len(cases) else "")
    open_cases = [case.verdict for case in cases if isinstance(case.verdict, Inconclusive)]
    return (
        f"inconclusive in {len(open_cases)} of {len(cases)} cases: {open_cases[0].reason}"
        if open_cases
        else ""
    )
