"""Exploration, round by round.

All programs of a round are written with the coverage of the rounds before it, so that what is rare so far is
chosen more often; what the engine turned out to lack is not asked of it again. What comes out depends on the
seed and the number of programs alone, and not on how many processes share a round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gradconform.errors import UsageError
from gradconform.execution.observe import in_words
from gradconform.exploration.batches import Batch, Failing
from gradconform.randomize.explore.writer import Feature, Profile

VERSION = 1
"""Of the document that says how far an exploration is."""

FIRST, LARGEST, PART = 64, 1024, 32
"""Programs of the first round, of the largest one (each is twice the one before it), and of a batch."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to explore. programs: how many, or None for as many as there is time for. minutes: of wall-clock
    time after which no further round begins. dtypes: of the leaves."""

    seed: int = 0
    programs: int | None = None
    minutes: float | None = None
    dtypes: tuple[str, ...] = ("float32", "float64", "complex128")
    device: str = "cpu"


@dataclass(slots=True)
class Progress:
    """How far an exploration is: what can be saved, and gone on with."""

    programs: int = 0
    steps: int = 0
    rounds: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    features: Counter[Feature] = field(default_factory=Counter)
    lacking: Counter[str] = field(default_factory=Counter)
    banned: set[str] = field(default_factory=set)
    causes: Counter[tuple[str, str]] = field(default_factory=Counter)
    undecided: list[str] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        """Counts a batch."""
        self.programs += batch.programs
        self.steps += batch.steps
        self.kinds += batch.kinds
        self.features += batch.features
        self.lacking += batch.lacking
        self.banned |= batch.banned
        self.undecided += batch.undecided

    def round(self, wanted: Wanted, most: float = LARGEST) -> Iterator[range]:
        """The numbers of the next round's programs, batch by batch. most: so many there is time for."""
        size = min(FIRST << self.rounds, LARGEST, max(int(most), PART))
        if wanted.programs is not None:
            size = min(size, wanted.programs - self.programs)
        start = self.programs
        for first in range(start, start + size, PART):
            yield range(first, min(first + PART, start + size))

    def profile(self, wanted: Wanted) -> Profile:
        """What the programs of the next round are made of."""
        dtypes = tuple(name for name in wanted.dtypes if f"dtype {name}" not in self.banned)
        if not dtypes:
            raise UsageError(f"the engine has none of the dtypes {', '.join(wanted.dtypes)}")
        return Profile(dtypes=dtypes, banned=frozenset(self.banned), seen=dict(self.features))

    def is_new(self, failing: Failing) -> bool:
        """Whether a failure is worth being made small: the first of its cause, and ever fewer of the later
        ones, since one cause may hide another."""
        cause = (failing.cause.what, failing.cause.verb)
        self.causes[cause] += 1
        count = self.causes[cause]
        return count & (count - 1) == 0


def to_form(progress: Progress, wanted: Wanted) -> dict[str, Any]:
    """Progress as a JSON document."""
    return {
        "explored": VERSION,
        "seed": wanted.seed,
        "dtypes": list(wanted.dtypes),
        "device": wanted.device,
        "programs": progress.programs,
        "steps": progress.steps,
        "rounds": progress.rounds,
        "kinds": dict(progress.kinds),
        "features": [[*feature, count] for feature, count in sorted(progress.features.items())],
        "lacking": dict(progress.lacking),
        "banned": sorted(progress.banned),
        "causes": [[*cause, count] for cause, count in progress.causes.items()],
        "undecided": list(progress.undecided),
    }


def from_form(document: Mapping[str, Any], wanted: Wanted) -> Progress:
    """Progress from its document. Raises UsageError where it is that of another exploration, or damaged."""
    for name, mine in (("seed", wanted.seed), ("dtypes", list(wanted.dtypes)), ("device", wanted.device)):
        if document.get(name) != mine:
            raise UsageError(
                f"--resume: the exploration that was begun has {name} {document.get(name)}, and this one "
                f"{mine}; give the same, or drop --resume"
            )
    try:
        if document["explored"] != VERSION:
            raise ValueError(f"version {document['explored']}; this gradconform reads {VERSION}")
        return Progress(
            int(document["programs"]),
            int(document["steps"]),
            int(document["rounds"]),
            _counter((name, count) for name, count in document["kinds"].items()),
            _counter((tuple(feature), count) for *feature, count in document["features"]),
            _counter((name, count) for name, count in document["lacking"].items()),
            set(map(str, document["banned"])),
            _counter(((str(what), str(verb)), count) for what, verb, count in document["causes"]),
            list(map(str, document["undecided"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"--resume: explored.json cannot be read ({in_words(error)}); remove it, or drop --resume"
        ) from None


def _counter(counts: Iterable[tuple[Any, Any]]) -> Counter[Any]:
    return Counter({name: int(count) for name, count in counts})
