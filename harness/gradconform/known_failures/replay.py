"""An entry's program, run once: whether it still fails as the entry says."""

from __future__ import annotations

from collections.abc import Callable

from gradconform.cases import Known, Standing
from gradconform.execution.interpreter import Detail
from gradconform.known_failures.entries import Entry, Pin
from gradconform.program.steps import Program
from gradconform.verdict import Conforms, Verdict


def replay(pin: Pin, judge: Callable[[Program, Detail], Verdict]) -> tuple[Verdict, Known]:
    """The verdict on a pinned program, and how it stands to its entry.

    Every step is traced, as it was when the failure was named. Where that does not show it, the program is
    run once more and looked at where something changes: some failures show only then.
    """
    verdict: Verdict = Conforms()
    for detail in (Detail.STEPS, Detail.CHANGES):
        found = judge(pin.program, detail)
        if pin.entry.manner.is_of(found):
            return found, standing(pin.entry, "fails as known")
        if isinstance(verdict, Conforms):
            verdict = found
    fine = isinstance(verdict, Conforms)
    return verdict, standing(pin.entry, "conforms" if fine else "fails otherwise")


def standing(entry: Entry, how: Standing) -> Known:
    """What results say of a case that an entry speaks of."""
    return Known(entry.id, how, str(entry.manner), " ".join(entry.reason.split()), entry.link)
