"""A spec file's text, read with care, and the report that its problems are collected in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from gradconform.errors import Place, Problem

MAX_BYTES = 1 << 20
"""A spec file is a page of text; one of more than this is not read."""
SHOWN = 100
"""Characters of an offending line that a problem quotes."""


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file that could be read: its name as problems show it, its text and its lines."""

    name: str
    text: str
    lines: tuple[str, ...]

    def line(self, number: int) -> str:
        """The line with this number (from 1), or an empty string past the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""


@dataclass(frozen=True, slots=True)
class Report:
    """Collects the problems of one file; those of a scenario carry its id."""

    source: SourceText
    problems: list[Problem]
    scenario: str = ""

    def add(self, place: Place, message: str, hint: str = "") -> None:
        """Adds a problem; the offending text is the line that the place names."""
        text = self.source.line(place.line).strip()
        shown = text if len(text) <= SHOWN else text[:SHOWN] + " ..."
        self.problems.append(Problem(place, message, self.scenario, shown, hint))

    def of(self, scenario: str) -> Report:
        """A report into the same list for one scenario."""
        return replace(self, scenario=scenario)


def read_source(path: Path) -> SourceText | Problem:
    """Reads a file as UTF-8, with or without a byte order mark; or says why that cannot be done."""
    name = str(path)
    start = Place(name, 1, 1)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return Problem(start, f"the file cannot be read: {reason}", hint="check its path and its permissions")
    if len(data) > MAX_BYTES:
        return Problem(
            start, f"the file is larger than {MAX_BYTES >> 20} MiB", hint="split it into one file a feature"
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem(start, "the file is UTF-16 text", hint="save it as UTF-8")
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        return _not_utf8(name, data, error.start)
    return SourceText(name, text, tuple(text.splitlines()))


def _not_utf8(name: str, data: bytes, at: int) -> Problem:
    before = data[:at]
    line_start = before.rfind(b"\n") + 1
    column = len(before[line_start:].decode().removeprefix("\ufeff")) + 1
    place = Place(name, before.count(b"\n") + 1, column)
    return Problem(place, f"byte 0x{data[at]:02x} is not UTF-8 text", hint="save the file as UTF-8")
