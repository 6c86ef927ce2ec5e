"""Which scenarios reach which rows, and which of them notice a wrong one."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

# The folder above is on the path wherever this package can be imported.
from first_failure import failure  # type: ignore[import-not-found]

from gradconform.plan import Settings, Task
from refgrad.rules import TABLE

from .faults import Fault, faults
from .planting import Call, Seen, differs, planted, watched, whole_arguments, wrong

DEFAULT = Settings()
LEARNT = {"float64": Settings(examples=3), "complex128": Settings(examples=3)}
"""How tests are run to learn which rows they reach: an argument that is drawn may lead to other rows."""

GLANCE = Settings(examples=1)
"""The same for the other dtypes, which lead to few rows of their own."""

LIMIT = 24
"""So many tests are tried for one fault, the likeliest first."""


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one fault.

    by: the test that caught it, "" where none did. how: the first difference. tried, reach: how many tests
    were run, and how many reach the row. unsound: how many of those tried fail without the fault too, and
    tell nothing. equal: whether the formulas give the same gradients for all numbers
    that were tried, so that there was nothing to catch.
    """

    fault: Fault
    by: str
    how: str
    tried: int
    reach: int
    unsound: int = 0
    equal: bool = False


@dataclass(slots=True)
class Reach:
    """The rows that each test takes derivatives of, and calls of each row."""

    rows: dict[str, frozenset[str]] = field(default_factory=dict)
    calls: dict[str, dict[object, Call]] = field(default_factory=dict)

    def learn(self, tasks: Iterable[Task]) -> None:
        """Runs tests, each with a few draws."""
        seen = Seen(calls=self.calls)
        with watched(seen):
            for task in tasks:
                seen.rows.clear()
                failure(task, LEARNT.get(task.dtype, GLANCE))
                self.rows[task.id] = frozenset(seen.rows)

    def add(self, other: Reach) -> None:
        """What another process has learnt."""
        self.rows |= other.rows
        for name, calls in other.calls.items():
            self.calls.setdefault(name, {}).update(calls)

    def tasks(self, row: str, tasks: Iterable[Task]) -> list[Task]:
        """Those of the tests that reach a row, the likeliest to notice it first: that of the row's own name,
        and those with few others, in the dtypes with the most digits."""
        reaching = [task for task in tasks if row in self.rows.get(task.id, ())]
        return sorted(
            reaching,
            key=lambda task: (
                f"/{row}/" not in f"{task.origin.id}/",
                len(self.rows[task.id]),
                "64" not in task.dtype,
                task.dtype,
            ),
        )


@dataclass(slots=True)
class Hunter:
    """Plants faults and runs tests.

    limit: so many tests are tried for one fault. every: of so many faults of a row one is planted. settings:
    how the tests are run. sound: by test, whether refgrad passes it as it is.
    """

    tasks: Sequence[Task]
    reach: Reach
    limit: int = LIMIT
    every: int = 1
    settings: Settings = DEFAULT
    sound: dict[str, bool] = field(default_factory=dict)

    def faults(self, row: str) -> list[Fault]:
        """The faults that apply to a row."""
        rule = TABLE[row]
        return [*faults(rule, whole_arguments(rule, self.calls(row)))]

    def calls(self, row: str) -> list[Call]:
        return [*self.reach.calls.get(row, {}).values()]

    def row(self, row: str, number: int = 0) -> list[Found]:
        """What becomes of the faults of a row. number: which of `every` comes first; a row that has any
        gets one at least."""
        tasks = self.reach.tasks(row, self.tasks)
        found = self.faults(row)
        first = number % max(min(self.every, len(found)), 1)
        return [self.fault(fault, tasks) for fault in found[first :: self.every]]

    def fault(self, fault: Fault, tasks: Sequence[Task]) -> Found:
        """Runs tests until one fails that refgrad passes without the fault."""
        rule = TABLE[fault.row]
        other = wrong(rule, fault.formulas, forward_mode=fault.forward_mode)
        if fault.kind == "conj dropped":
            tasks = sorted(tasks, key=lambda task: not task.dtype.startswith("complex"))
        if fault.forward_mode:
            tasks = sorted(tasks, key=lambda task: "forward-mode" not in task.origin.id)
        tried = unsound = 0
        for task in tasks[: self.limit]:
            tried += 1
            with planted(other):
                how = failure(task, self.settings)
            if how and self.is_sound(task):
                return Found(fault, task.id, how, tried, len(tasks), unsound)
            unsound += bool(how)
        equal = bool(tasks) and differs(rule, other, self.calls(fault.row)) is False
        return Found(fault, "", "", tried, len(tasks), unsound, equal)

    def is_sound(self, task: Task) -> bool:
        if task.id not in self.sound:
            self.sound[task.id] = not failure(task, self.settings)
        return self.sound[task.id]


def sendable(call: Call) -> bool:
    """Whether a call can be sent to another process."""
    try:
        pickle.dumps(call)
    except Exception:  # noqa: BLE001 - what cannot be pickled says so in ways of its own
        return False
    return True


def rows_of(reach: Reach) -> Mapping[str, int]:
    """How many tests reach each row of the table."""
    counts = dict.fromkeys(TABLE, 0)
    for rows in reach.rows.values():
        for row in rows & counts.keys():
            counts[row] += 1
    return counts
