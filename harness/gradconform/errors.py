"""What can go wrong outside the engine's arithmetic, each kind with its message and its exit code.

`GradconformError` and its children end a command with one clear message and exit code 2. `Unsupported` is
no error of the harness: an engine raises it to say "I do not have that", and it becomes a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

MAX_TOLD = 50
"""Problems of one file that a message tells; who reads so many mends those first."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file: `line` and `column` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a spec: where it stands, what is wrong, the offending text and what to do about it."""

    place: Place
    message: str
    scenario: str = ""
    text: str = ""
    hint: str = ""

    def __str__(self) -> str:
        scenario = f"[{self.scenario}] " if self.scenario else ""
        lines = [f"{self.place}: {scenario}{self.message}"]
        if self.text:
            lines.append(f"    {self.text}")
        if self.hint:
            lines.append(f"    {self.hint}")
        return "\n".join(map(visible, lines))


def visible(text: str) -> str:
    """One line of text; what a terminal would not show as it stands is escaped, as `repr` does."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


class GradconformError(Exception):
    """A mistake in what the harness was given; the message is all a person needs. Exit code 2."""


class UsageError(GradconformError):
    """An option, name or setting that cannot be used as given."""


class EngineError(GradconformError):
    """An engine that cannot be found, imported or spoken to."""


class AdapterError(EngineError):
    """An adapter that broke its own contract (as opposed to an engine that differs from torch)."""


class SpecError(GradconformError):
    """One or more problems in spec files, all of them at once, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        super().__init__("\n".join([*self._told(), f"{count} {noun} in the specs"]))

    def _told(self) -> Iterator[str]:
        """What a person reads: the problems of each file, as far as they are not too many to read."""
        for file, group in groupby(self.problems, key=lambda problem: problem.place.file):
            problems = list(group)
            yield from map(str, problems[:MAX_TOLD])
            if len(problems) > MAX_TOLD:
                yield visible(f"{file}: and {len(problems) - MAX_TOLD} more")


class Unsupported(Exception):  # noqa: N818 - a statement about an engine, not an error
    """The engine does not have an operation, dtype, device or feature. Never a pass, never a failure.

    `feature` is a short stable name ("operator sqrt", "dtype complex64"), used to group reports. shim:
    whether gradconform itself would have to do it in the engine's stead (accumulating into `.grad` for an
    engine that differentiates functions): nothing that the engine could gain.
    """

    def __init__(self, feature: str, *, shim: bool = False) -> None:
        self.feature = feature
        self.shim = shim
        super().__init__(feature)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the known words nearest to `word`, or an empty string where none is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, sorted(set(known)), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
