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
from gradconform.exploration.batches import Cause, Failing, Tally
from gradconform.randomize.explore.writer import Profile

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
class Progress(Tally):
    """How far an exploration is: what can be saved, and gone on with. causes: how many failures there were of
    each."""

    rounds: int = 0
    causes: Counter[Cause] = field(default_factory=Counter)

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
        self.causes[failing.cause] += 1
        count = self.causes[failing.cause]
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
        "causes": [[cause.what, cause.verb, count] for cause, count in progress.causes.items()],
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
        if min(int(document[name]) for name in ("programs", "steps", "rounds")) < 0:
            raise ValueError("it counts less than nothing")
        return Progress(
            programs=int(document["programs"]),
            steps=int(document["steps"]),
            kinds=_counter((name, count) for name, count in document["kinds"].items()),
            features=_counter((tuple(feature), count) for *feature, count in document["features"]),
            lacking=_counter((name, count) for name, count in document["lacking"].items()),
            banned=set(map(str, document["banned"])),
            undecided=list(map(str, document["undecided"])),
            rounds=int(document["rounds"]),
            causes=_counter((Cause(str(what), str(verb)), count) for what, verb, count in document["causes"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UsageError(
            f"--resume: explored.json cannot be read ({in_words(error)}); remove it, or drop --resume"
        ) from None


def _counter(counts: Iterable[tuple[Any, Any]]) -> Counter[Any]:
    return Counter({name: int(count) for name, count in counts})
