"""What a bug of the zoo is: an engine with exactly one real bug, and the scenarios that have to notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# The folder above is on the path wherever this package can be imported.
from mutants import MUTANTS  # type: ignore[import-not-found]
from mutants.copies import mutant  # type: ignore[import-not-found]


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug that some engine really had.

    says: what the engine does wrong. found: the threads in which it was reported, or "" for a class of bugs
    that everybody knows. meant: the scenarios of the corpus that have to notice it, each by itself.
    make: makes an engine with this bug and no other.
    """

    id: str
    says: str
    found: str
    meant: tuple[str, ...]
    make: Callable[[], Any]

    @property
    def name(self) -> str:
        """What an engine of this kind is called."""
        return self.id

    def __call__(self) -> Any:
        """Makes the engine."""
        return self.make()


def broken(id: str, says: str, found: str, meant: str | tuple[str, ...], *edits: tuple[str, str, str]) -> Bug:
    """refgrad with the bug, by edits of its text: each a file, what stands there once, and what takes its
    place."""
    scenarios = (meant,) if isinstance(meant, str) else meant
    return Bug(id, says, found, scenarios, mutant(id, says, scenarios[0], *edits))


def as_mutant(id: str, says: str, found: str, meant: str | tuple[str, ...], name: str) -> Bug:
    """A bug that one of the mutants has already."""
    return Bug(id, says, found, (meant,) if isinstance(meant, str) else meant, MUTANTS[name])


def lying(id: str, says: str, found: str, meant: str | tuple[str, ...], engine: Callable[[], Any]) -> Bug:
    """torch with the bug, as an engine that lies: a subclass of TorchEngine."""
    return Bug(id, says, found, (meant,) if isinstance(meant, str) else meant, engine)
