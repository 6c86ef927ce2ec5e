"""Going on with a run that was killed: what its results file holds, and whether it is this very run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path

from gradconform.cases import CaseResult
from gradconform.errors import UsageError
from gradconform.report.failure import fails
from gradconform.results import Head, Results, ResultsError, read_results

RUN, CASE, SCENARIO = b'{"type": "run"', b'{"type": "case"', b'{"type": "scenario"'


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that was begun.

    cases: those of the tests that are over, which are the first `tests` of the run. size: the bytes of the
    file that hold them; what follows is of the test that was running, and is dropped. whole: the run itself,
    where it came to its end.
    """

    cases: tuple[CaseResult, ...] = ()
    tests: int = 0
    size: int = 0
    whole: Results | None = None


def begun(path: Path, head: Head, tests: Sequence[str], *, fail_fast: bool) -> Begun:
    """What a results file holds of the run that `head` describes.

    tests: the ids of all tests of that run, in their order. The last test that the file tells of may have had
    further cases, and is not counted among those that are over. fail_fast: whether the run ends at its first
    failure. Raises UsageError where there is no such file or it is of another run, and ResultsError where it
    is no results file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"--resume: {path} cannot be read: {reason}; without --resume it is begun") from None
    if b"\n" not in data:  # killed before its first line was whole
        return Begun()
    found = read_results(path)
    _same_run(path, found.head, head)
    end = found.end
    stopped = end is not None and not end.interrupted and end.tasks < found.head.tasks
    if end is not None and not end.interrupted and (fail_fast or not stopped):
        return Begun(whole=found)
    ids = [name for name, _ in groupby(case.id for case in found.cases)]
    if ids != list(tests[: len(ids)]):
        raise UsageError(f"--resume: {path} holds tests that this run has not, or in another order")
    over = ids[:-1]
    cases = tuple(found.cases[: sum(case.id != ids[-1] for case in found.cases)])
    if fail_fast and any(fails(case) for case in cases):
        raise UsageError(f"--resume: {path} is of a run without --fail-fast, and holds failures")
    return Begun(cases, len(over), _size(path, data, len(cases), len(found.cases)))


def refuse_other_file(path: Path) -> None:
    """Raises UsageError for a file that holds something else than results, which would be lost."""
    try:
        if not path.is_file():
            return
        with path.open("rb") as file:
            start = file.read(len(RUN))
    except OSError:  # whoever writes it says so
        return
    if not RUN.startswith(start):
        raise UsageError(f"{path} is there and no results file; give --results another, or remove it")


def _same_run(path: Path, theirs: Head, mine: Head) -> None:
    """Raises UsageError with all that differs between two runs."""
    different = [
        f"{each.name.replace('_', ' ')} {_shown(getattr(theirs, each.name))} there, "
        f"{_shown(getattr(mine, each.name))} here"
        for each in fields(Head)
        if each.name != "expired"  # known failures may have expired since
        and getattr(theirs, each.name) != getattr(mine, each.name)
    ]
    if different:
        raise UsageError(f"--resume: {path} is of another run: {'; '.join(different)}")


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _size(path: Path, data: bytes, kept: int, cases: int) -> int:
    """How many bytes hold the head and the first `kept` cases, up to what belongs to the case behind them."""
    size = 0
    count = 0
    before = b""
    for line in data.splitlines(keepends=True):
        if line.startswith(CASE):
            if count == kept:
                return size - len(before) if before.startswith(SCENARIO) else size
            count += 1
        elif not cases and size:  # nothing but the head is kept
            return size
        size += len(line)
        before = line
    if not cases:
        return size
    raise ResultsError(f"{path}: its lines are not as gradconform writes them; it cannot be resumed")
