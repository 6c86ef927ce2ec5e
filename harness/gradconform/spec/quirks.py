"""The known quirks of torch: answers that its documentation or its own other mode contradicts.

`quirks.yaml` beside this module is the one registry of them. Whoever checks one of torch's modes against the
other, or torch against mathematics, leaves out what is registered for the torch that is installed.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from gradconform.errors import GradconformError, Problem
from gradconform.spec.model import Entry, Text, no_boolean
from gradconform.spec.names import FEATURE_PATTERN
from gradconform.spec.source import Report, read_source
from gradconform.spec.tree import parse_yaml, plain

REGISTRY = Path(__file__).with_name("quirks.yaml")

Version = Annotated[str, Field(pattern=r"^[1-9][0-9]?\.[0-9]{1,2}$")]


class QuirkEntry(Entry):
    """One quirk.

    id: its name, for ever. says: what torch does, and what it contradicts. scenarios: those that state it.
    script: where none can, a program for torch alone, which fails as long as torch has the quirk, in the way
    that `fails` names: an assertion about torch's answer does not hold, or torch takes the process down. Its
    scenarios are then those whose random draws may meet it.
    raises: a piece of the message of an error that is torch's own trouble and no answer to any program; where
    torch raises it, nobody is blamed for doing otherwise.
    since: the oldest supported torch that it was measured on. until: the first torch without it.
    docs: the page of torch's documentation, or the issue, that tells of it.
    """

    id: Annotated[str, Field(pattern=FEATURE_PATTERN)]
    says: Text
    scenarios: tuple[str, ...] = ()
    script: Text | None = None
    fails: Literal["assertion", "crash"] | None = None
    raises: Text | None = None
    since: Version
    until: Version | None = None
    docs: Text | None = None

    @model_validator(mode="after")
    def _is_shown(self) -> Self:
        if not (self.scenarios or self.script):
            raise ValueError("a quirk has scenarios or a script")
        if (self.script is None) != (self.fails is None):
            raise ValueError("a script fails in one way, 'assertion' or 'crash'")
        return self

    def holds_for(self, torch_version: str) -> bool:
        """Whether a torch of this version ("2.13.0+cpu") has the quirk."""
        number = _number(torch_version)
        return _number(self.since) <= number and (self.until is None or number < _number(self.until))


class QuirkFile(Entry):
    """The registry."""

    version: Annotated[Literal[1], BeforeValidator(no_boolean), Field(alias="schema")]
    quirks: Annotated[tuple[QuirkEntry, ...], Field(min_length=1)]


@cache
def quirks(path: Path = REGISTRY) -> tuple[QuirkEntry, ...]:
    """All registered quirks, in the order of the file.

    Raises GradconformError where the file cannot be read, pydantic.ValidationError where it has another form.
    """
    source = read_source(path)
    if isinstance(source, Problem):
        raise GradconformError(str(source))
    report = Report(source, [])
    root = parse_yaml(report)
    if root is None:
        raise GradconformError("\n".join(map(str, report.problems)))
    return QuirkFile.model_validate(plain(root)).quirks


def troubled(message: str, torch_version: str) -> QuirkEntry | None:
    """The quirk that an error of torch's with this message shows, or None."""
    for quirk in quirks():
        if quirk.raises is not None and quirk.raises in message and quirk.holds_for(torch_version):
            return quirk
    return None


def _number(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
