"""`gradconform explore`: whole random programs, and a report of what they found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import click

from gradconform.cli.group import INTERRUPTED
from gradconform.engines.devices import require_numbers
from gradconform.errors import UsageError
from gradconform.exploration.explorer import Explorer, batches_here, batches_in
from gradconform.exploration.finds import Database, Find, kindred, suffix_for
from gradconform.exploration.rounds import Progress, Wanted, from_form
from gradconform.hosts import find_host
from gradconform.plan import Settings, known_dtypes, present_devices
from gradconform.processes import cores
from gradconform.report.coverage import coverage_lines
from gradconform.report.failure import story, summary
from gradconform.report.lines import Line, plain
from gradconform.session import Session
from gradconform.settings import Isolation
from gradconform.spec.dtypes import differentiable

SHOWN = 10
"""So many finds are told in full, and so many of each that may have the same cause in a line."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of the command."""

    programs: int | None
    minutes: float | None
    seed: int
    dtypes: tuple[str, ...]
    device: str
    jobs: int
    finds: Path | None
    resume: bool
    isolation: Isolation


def explore_command(target: str, asked: Asked) -> int:
    """Explores the engine that `target` names. Returns 1 where anything diverges, 130 where interrupted.

    Raises GradconformError for anything that cannot be used as given.
    """
    explorer = _explorer(target, asked)
    interrupted = False
    explorer.replay()
    for line in _replayed(explorer):
        tell(line)
    running = batches_here(explorer) if asked.jobs == 1 else batches_in(asked.jobs or cores(), explorer)
    try:
        with running as run:
            explorer.explore(run, tell)
    except KeyboardInterrupt:
        interrupted = True
    click.echo(plain(_lines(explorer)), nl=False)
    if interrupted:
        return INTERRUPTED
    return 1 if explorer.finds or explorer.unsteady else 0


def tell(text: str) -> None:
    """Writes a line while the exploration is under way."""
    click.echo(plain([Line(text)]), nl=False)


def _explorer(target: str, asked: Asked) -> Explorer:
    if asked.minutes is not None and isnan(asked.minutes):
        raise UsageError("--minutes nan: how many minutes is no number")
    known_dtypes(asked.dtypes)
    for dtype in asked.dtypes:
        if not differentiable(dtype):
            raise UsageError(f"--dtype {dtype}: leaves are real or complex, or they have no gradient")
    (device, *others), absent = present_devices((asked.device,))
    if others or absent:
        raise UsageError(f"--device {asked.device}: name one device")
    require_numbers(device)
    wanted = Wanted(asked.seed, asked.programs, asked.minutes, asked.dtypes, device)
    host = find_host(target, asked.isolation)
    folder = asked.finds or Path("gradconform-finds") / re.sub(r"[^\w.@+-]+", "-", target)
    database = Database(folder)
    progress = Progress()
    if asked.resume:
        state = database.state()
        if state is None:
            raise UsageError(f"--resume: {folder} holds no exploration that was begun")
        progress = from_form(state, wanted)
    database.open()
    session = Session(host, Settings(seed=asked.seed))
    return Explorer(target, session, wanted, database, progress, isolation=asked.isolation)


def _replayed(explorer: Explorer) -> Iterator[str]:
    known, gone = len(explorer.finds), len(explorer.gone)
    if known or gone:
        yield f"{known + gone} known finds replayed: {known} still diverge, {gone} no longer"
    for find in explorer.gone:
        told, files = summary(find.case.verdict), f"{explorer.database.folder / find.id}.*"
        yield f"  {find.id}: {told}; remove {files} to forget it"


def _lines(explorer: Explorer) -> Iterator[Line]:
    groups = kindred(explorer.finds.values())
    for number, (first, *others) in enumerate(groups.values()):
        yield Line("")
        if number < SHOWN:
            yield from _find(first, explorer)
        else:
            yield Line(f"find {first.id}: {summary(first.case.verdict)}")
        for find in others[:SHOWN]:
            yield Line(f"  perhaps of the same cause: {find.id}: {summary(find.case.verdict)}")
        if len(others) > SHOWN:
            yield Line(f"  and {len(others) - SHOWN} more")
    progress = explorer.progress
    yield Line("")
    if progress.features:
        yield from coverage_lines(progress.features, progress.programs - progress.kinds["unsupported"])
        yield Line("")
    if progress.lacking:
        told = ", ".join(f"{name} {count}" for name, count in progress.lacking.most_common(SHOWN))
        more = f", and {len(progress.lacking) - SHOWN} more" if len(progress.lacking) > SHOWN else ""
        yield Line(f"the engine does not support, and was not asked again: {told}{more}")
    for text in progress.undecided[:5]:
        yield Line(f"no verdict: {text}")
    kinds = ", ".join(f"{count} {kind}" for kind, count in progress.kinds.most_common())
    size = f"{progress.programs} programs of {progress.steps} steps, seed {explorer.wanted.seed}"
    yield Line(f"{size}: {kinds}" if kinds else size)
    if explorer.unsteady:
        yield Line(f"{explorer.unsteady} failures did not come back when their program was run again", "bad")
    if not groups:
        compared = progress.programs > progress.kinds["unsupported"]
        yield Line(*(("nothing found", "good") if compared else ("nothing could be compared", "bad")))
        return
    count = f"{len(explorer.finds)} {'find' if len(explorer.finds) == 1 else 'finds'}"
    causes = f"{len(groups)} {'cause' if len(groups) == 1 else 'causes'}"
    yield Line(f"{count} of perhaps {causes}, {len(explorer.new)} new, in {explorer.database.folder}", "bad")


def _find(find: Find, explorer: Explorer) -> Iterator[Line]:
    yield Line(f"find {find.id}, from program {find.number} of seed {find.seed}", "bad")
    yield Line("")
    yield from story(find.case, explorer.session.host.name)
    stem = explorer.database.folder / find.id
    yield Line(
        f"as a scenario: {stem}.gradconform.yaml; as scripts: {stem}.torch.py, "
        f"{stem}{suffix_for(explorer.target)}",
        whole=True,
    )
