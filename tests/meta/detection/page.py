"""The page of the kill matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

# The folder above is on the path wherever this package can be imported.
from today import CHECKS  # type: ignore[import-not-found]

from .cells import Cell, Cells

if TYPE_CHECKING:
    from zoo.base import Bug  # type: ignore[import-not-found]

EXAMPLES = {
    "documented": "the examples of documented behaviours: `gradconform run --corpus documented --examples 0`",
    "operators": "the examples of operators and points: `gradconform run --corpus operators --examples 0`",
}
"""The columns that need no random draws, and what they are."""

DRAWS = "draws"
"""The column that meets the bugs which those do not catch."""

OURS = {
    **EXAMPLES,
    DRAWS: "what no example catches: `gradconform run --corpus documented`, with corners and random draws",
    "explore": "random whole programs: `gradconform explore`",
}
"""The columns that are gradconform's, and what they are."""

THEIRS = {check.name: check.says for check in CHECKS}
"""The columns that people have today."""

COLUMNS = (*OURS, *THEIRS)

_ABOUT = """\
Written by `python benchmarks/detection.py --write`: engines with one bug each that some autograd
engine really had (`tests/meta/zoo/`), against what gradconform has and against what people use today.
The checks of today (`tests/meta/today/`) go through the calls of our operator tables at their examples
and at random inputs, and through small networks: more functions than most such scripts have. A bug is
caught by what fails on it and passes on the engine without it."""

_NOT_CAUGHT = "not caught"


def page(bugs: Sequence[Bug], cells: Cells, torch: str, mutants: Sequence[str]) -> Iterator[str]:
    """The lines of the page. torch: its version. mutants: what is told of those of refgrad's text."""
    yield "# Which bugs are caught, and by what"
    yield ""
    yield _ABOUT
    yield ""
    yield f"torch {torch}, {len(bugs)} engines. Times are of CPU, without loading torch and the specs."
    yield "A test that runs none of the lines that a bug changes is counted as it went without the bug; its"
    yield "time is that of the run in which its lines were recorded, somewhat more than its own."
    yield ""
    yield from _totals(bugs, cells)
    yield ""
    yield from _gain(bugs, cells)
    yield ""
    yield from _small(cells)
    yield ""
    yield "## The matrix"
    yield ""
    yield "Programs run until the bug was caught, and CPU seconds."
    yield ""
    yield f"| bug | {' | '.join(COLUMNS)} |"
    yield f"|---|{'---|' * len(COLUMNS)}"
    for bug in bugs:
        row = [_short(cells.get((bug.id, column))) for column in COLUMNS]
        yield f"| [{bug.id}](#{bug.id.lower()}) | {' | '.join(row)} |"
    yield ""
    yield "## Not caught"
    yield ""
    for column in COLUMNS:
        missed = [bug.id for bug in bugs if _missed(cells.get((bug.id, column)))]
        yield f"- {column}: {', '.join(missed) or 'none'}"
    yield ""
    yield "## Mutants of refgrad"
    yield ""
    yield "Slips in refgrad's own text against the scenarios; all of them are in [mutation.md](mutation.md)."
    yield ""
    yield from mutants
    yield ""
    yield "## The bugs"
    for bug in bugs:
        yield ""
        yield f"### {bug.id}"
        yield ""
        yield f"{bug.says}{f' ({bug.found})' if bug.found else ''}"
        yield ""
        yield from (_long(column, cells.get((bug.id, column))) for column in COLUMNS)


def _totals(bugs: Sequence[Bug], cells: Cells) -> Iterator[str]:
    yield "| column | what it is | run as | caught | programs until caught, median | CPU seconds, median |"
    yield "|---|---|---|---|---|---|"
    for column, says in {**OURS, **THEIRS}.items():
        measured = [cell for bug in bugs if (cell := cells.get((bug.id, column))) is not None]
        if not measured:
            yield f"| {column} | {says} | not measured | | | |"
            continue
        caught = [cell for cell in measured if cell.by]
        programs = f"{median(cell.programs for cell in caught):.0f}" if caught else ""
        seconds = f"{median(cell.seconds for cell in caught):.1f}" if caught else ""
        count = f"**{len(caught)} of {len(measured)}**"
        yield f"| {column} | {says} | {measured[0].setting} | {count} | {programs} | {seconds} |"


def _gain(bugs: Sequence[Bug], cells: Cells) -> Iterator[str]:
    """What the columns of one side catch together."""
    caught = sum(any(is_caught(cells.get((bug.id, column))) for column in OURS) for bug in bugs)
    yield f"gradconform's columns together catch **{caught} of {len(bugs)}**."
    yield ""
    met = {bug.id for bug in bugs if all((bug.id, column) in cells for column in COLUMNS if column != DRAWS)}
    if not met:
        yield "No bug has met all columns yet, so what they catch together is not told."
        return
    ours, theirs = (
        {bug for bug in met if any(is_caught(cells.get((bug, column))) for column in side)}
        for side in (OURS, THEIRS)
    )
    yield f"Of {len(met)} bugs that met all columns gradconform catches {len(ours)}, the checks of today"
    yield f"together {len(theirs)}: {len(ours - theirs)} are caught by gradconform alone,"
    yield f"{len(theirs - ours)} by those alone."


def _small(cells: Cells) -> Iterator[str]:
    """How small random programs are made."""
    steps = sorted(cell.steps for cell in cells.values() if cell.steps is not None)
    if not steps:
        yield "No failing program was made small."
        return
    yield f"The first failing program of each of {len(steps)} bugs that explore catches, made small, has a"
    yield f"median of **{median(steps):g} steps**; the longest has {steps[-1]}."


def is_caught(cell: Cell | None) -> bool:
    """Whether a cell was measured, and something caught the bug."""
    return cell is not None and bool(cell.by)


def _missed(cell: Cell | None) -> bool:
    return cell is not None and not cell.by


def _short(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return f"{cell.programs} · {cell.seconds:.1f} s" if cell.by else _NOT_CAUGHT


def _long(column: str, cell: Cell | None) -> str:
    if cell is None:
        return f"- {column}: not measured"
    if not cell.by:
        return f"- {column}: not caught by {cell.programs} programs, {cell.seconds:.0f} s"
    how = cell.how.replace("|", "\\|").replace("<", "\\<").replace("*", "\\*")
    return f"- {column}: `{cell.by}` ({how})"
