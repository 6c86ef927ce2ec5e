"""An exploration from beginning to end: known finds first, then round after round, each find made small."""

from __future__ import annotations

import gc
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch

from gradconform.cases import CaseResult
from gradconform.engines.torch import TorchEngine
from gradconform.errors import EngineError
from gradconform.execution.host import InProcess
from gradconform.exploration.batches import FAILING, Batch, Failing, judged, run_batch
from gradconform.exploration.finds import Database, Find
from gradconform.exploration.rounds import LARGEST, Progress, Wanted, to_form
from gradconform.exploration.scenarios import scenario_text
from gradconform.exploration.smaller import Small, signature, smallest
from gradconform.hosts import find_host
from gradconform.plan import Settings
from gradconform.processes import Processes
from gradconform.randomize.explore.table import rows
from gradconform.randomize.explore.writer import Profile
from gradconform.report.example import make_example
from gradconform.report.failure import summary
from gradconform.session import Session
from gradconform.settings import Isolation
from gradconform.verdict import Conforms, Diverges, Verdict

Tell = Callable[[str], None]
RunBatches = Callable[[Profile, list[range]], Iterator[Batch]]

FEATURE = "explored"
"""The feature of the scenarios that finds are."""

LEVEL = 6


@dataclass(slots=True)
class Explorer:
    """Explores one engine. target: what names it. isolation: how it runs. finds: those of this exploration
    and of earlier ones, by signature. gone: the earlier ones that do not diverge any more."""

    target: str
    session: Session
    wanted: Wanted
    database: Database
    progress: Progress = field(default_factory=Progress)
    finds: dict[tuple[str, ...], Find] = field(default_factory=dict)
    new: list[Find] = field(default_factory=list)
    gone: list[Find] = field(default_factory=list)
    unsteady: int = 0
    isolation: Isolation = field(default_factory=Isolation)

    def replay(self) -> None:
        """Runs the finds of the database again."""
        for find in self.database:
            example = find.case.example
            if example is None:
                continue
            verdict = judged(self.session, example.program, find.case.device)
            if isinstance(verdict, Diverges):
                verdict = self.session.located(example.program, verdict, find.case.device)
            if isinstance(verdict, FAILING):
                self.finds[find.signature] = replace(find, case=replace(find.case, verdict=verdict))
            else:
                self.gone.append(replace(find, case=replace(find.case, verdict=verdict)))

    def explore(self, run: RunBatches, tell: Tell) -> None:
        """Round after round, until there are programs enough or the time is over."""
        start, before = time.monotonic(), self.progress.programs
        end = float("inf") if self.wanted.minutes is None else start + 60 * self.wanted.minutes
        while time.monotonic() < end:
            done = self.progress.programs - before
            rate = done / (time.monotonic() - start) if done else float("inf")
            batches = list(self.progress.round(self.wanted, min(rate * (end - time.monotonic()), LARGEST)))
            if not batches:
                return
            profile = self.progress.profile(self.wanted)
            settled = Counter(self.progress.causes)
            try:
                for batch in run(profile, batches):
                    for failing in batch.failing:
                        if self.progress.is_new(failing):
                            self.found(failing, profile, tell)
                    self.progress.add(batch)
                    settled = Counter(self.progress.causes)
                self.progress.rounds += 1
            finally:  # an interrupted round is kept up to the last batch whose failures were looked into
                self.progress.causes = settled
                self.database.save(to_form(self.progress, self.wanted))
            tell(self.told())

    def found(self, failing: Failing, profile: Profile, tell: Tell) -> None:
        """Makes a failure small, and keeps it where it is new."""
        small = smallest(self.session, profile, failing, self.wanted.device)
        if small is None:
            self.unsteady += 1
            return
        known = signature(small)
        if known in self.finds:
            return
        if isinstance(judged(self.session, small.program, self.wanted.device), Conforms):
            self.unsteady += 1  # an engine that answers now so and now so has no smallest program
            return
        find = self.find(small, known, failing)
        self.finds[known] = find
        self.new.append(find)
        program = find.case.example.program if find.case.example else small.program
        torch_session = Session(InProcess(TorchEngine()), Settings(seed=self.wanted.seed))
        text = scenario_text(f"{FEATURE}/{find.id}", _says(find.case.verdict)[:300], program, torch_session)
        path = self.database.add(find, self.target, text)
        tell(f"  find {find.id}: {summary(find.case.verdict)} ({path.with_suffix('')}.*)")

    def find(self, small: Small, known: tuple[str, ...], failing: Failing) -> Find:
        """A find of this exploration."""
        program, verdict = small.program, small.verdict
        example = make_example(program, verdict, self.wanted.device, self.session.host.name)
        dtype = str(program.inputs[0].data.dtype).removeprefix("torch.") if program.inputs else "float32"
        case = CaseResult("", FEATURE, LEVEL, self.wanted.device, dtype, failing.number, verdict, example)
        find = Find(known, case, self.wanted.seed, failing.number, torch.__version__)
        return replace(find, case=replace(case, scenario=f"{FEATURE}/{find.id}"))

    def told(self) -> str:
        """How far it is, in one line."""
        progress = self.progress
        return (
            f"{progress.programs} programs, {progress.kinds['conforms']} conform, "
            f"{len(self.finds)} {'find' if len(self.finds) == 1 else 'finds'}"
        )


def _says(verdict: Verdict) -> str:
    """What torch does, as a scenario says it."""
    if not isinstance(verdict, Diverges):
        return "The program runs to its end."
    first = verdict.divergences[0]
    return f"{first.where}, {first.what}: torch has {' '.join(first.expected.split())}."


def get_ready() -> None:
    """Loads what all programs need, and keeps the collector of garbage from looking through it."""
    rows()
    gc.collect()
    gc.freeze()


@contextmanager
def batches_here(explorer: Explorer) -> Iterator[RunBatches]:
    """Runs batches in this process."""
    session, wanted = explorer.session, explorer.wanted

    def run(profile: Profile, batches: list[range]) -> Iterator[Batch]:
        return (run_batch(session, profile, wanted.seed, batch, wanted.device) for batch in batches)

    get_ready()
    yield run


@contextmanager
def batches_in(jobs: int, explorer: Explorer) -> Iterator[RunBatches]:
    """Runs batches in so many processes, with results in the order of the batches."""
    wanted = explorer.wanted
    with Processes(jobs, _start, explorer.target, explorer.isolation) as processes:

        def run(profile: Profile, batches: list[range]) -> Iterator[Batch]:
            packed = pickle.dumps(profile)
            futures = [processes.submit(_run, packed, wanted.seed, batch, wanted.device) for batch in batches]
            for batch, future in zip(batches, futures, strict=True):
                try:
                    yield Processes.result(future)
                except BrokenProcessPool:
                    raise EngineError(
                        f"a worker process died at the programs {batch.start} to {batch.stop - 1} of seed "
                        f"{wanted.seed}, or at those that ran beside them; what was found before is kept"
                    ) from None

        yield run


_session: Session


def _start(target: str, isolation: Isolation) -> None:
    """What a worker makes first."""
    global _session  # noqa: PLW0603 - a worker process has one session
    _session = Session(find_host(target, isolation), Settings())
    get_ready()


def _run(packed: bytes, seed: int, numbers: range, device: str) -> Batch:
    return run_batch(_session, _unpacked(packed), seed, numbers, device)


@lru_cache(maxsize=1)
def _unpacked(packed: bytes) -> Profile:
    """The profile of a round: it tells of all that was met so far, and is packed and unpacked once."""
    profile: Profile = pickle.loads(packed)  # noqa: S301 - our own
    return profile
