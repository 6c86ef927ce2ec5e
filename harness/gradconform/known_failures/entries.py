"""A known failure as a value: which tests it is of, how its program fails, and what people say about it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime

from gradconform.errors import GradconformError, Place, Problem, SpecError
from gradconform.program.exact_text import ExactText, read_exact
from gradconform.program.json_form import from_json
from gradconform.program.steps import Program
from gradconform.verdict import Crashed, Diverges, TimedOut, Verdict

FAILING = ("diverges", "crashed", "timed out")
"""The kinds of verdict that an engine can be known for."""

FATAL = ("crashed", "timed out")
"""Those of them that an engine's process does not survive."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a program fails, without the numbers: the kind of verdict and, of a divergence, the property that
    differs and its place in the program."""

    kind: str
    what: str = ""
    where: str = ""

    @property
    def is_fatal(self) -> bool:
        """Whether the program takes down, or holds up, the process that it runs in."""
        return self.kind in FATAL

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.kind == "diverges" else self.kind

    def is_of(self, verdict: Verdict) -> bool:
        """Whether a verdict on the program is this failure. Of several differences any may be the one that is
        known: how far a run was looked at decides which comes first."""
        if isinstance(verdict, Diverges):
            return any(self == Manner("diverges", one.what, one.where) for one in verdict.divergences)
        return self == manner_of(verdict)


def manner_of(verdict: Verdict) -> Manner | None:
    """How a verdict fails, or None where the engine is not to blame for it."""
    match verdict:
        case Diverges((first, *_)):
            return Manner("diverges", first.what, first.where)
        case Crashed() | TimedOut():
            return Manner(verdict.kind)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Pinned:
    """The smallest program of a failure: its text or, where no text gives it back, its JSON document."""

    text: ExactText | None = None
    document: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One known failure.

    id: that of a scenario, for all its tests, or of one test. expires: from the day after on the entry fails
    the run. place: where the entry stands.
    """

    id: str
    manner: Manner
    pinned: Pinned
    place: Place
    reason: str = ""
    link: str = ""
    expires: date | None = None

    @property
    def expired(self) -> bool:
        """Whether its day is over, everywhere on the same day."""
        return self.expires is not None and self.expires < datetime.now(UTC).date()

    @property
    def scenario(self) -> str:
        """The id of the scenario."""
        return self.id.partition("[")[0]

    def program(self, dtype: str) -> Program:
        """The pinned program for a test in a dtype. Raises SpecError where it stands for none."""
        try:
            if self.pinned.text is not None:
                return read_exact(self.pinned.text, self.scenario, dtype, self.place)
            return from_json(json.loads(self.pinned.document))
        except SpecError:
            raise
        except (GradconformError, ValueError, RecursionError) as error:
            raise SpecError([Problem(self.place, str(error), self.id)]) from None


@dataclass(frozen=True, slots=True)
class KnownFile:
    """The known failures of one engine, by the name that the engine gives itself."""

    path: str
    engine: str
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Pin:
    """What a test replays in place of its draws."""

    entry: Entry
    program: Program
