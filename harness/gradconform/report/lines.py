"""Lines of text with a role each: written plainly to a file or a pipe, and in colour to a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console

Role = Literal["text", "title", "bad", "good", "faint"]

STYLES: dict[Role, str] = {"text": "", "title": "bold", "bad": "bold red", "good": "green", "faint": "dim"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its newline. The role decides the colour on a terminal and nothing else."""

    text: str
    role: Role = "text"


def plain(lines: Iterable[Line]) -> str:
    """The text alone, each line with a newline and without trailing blanks."""
    return "".join(line.text.rstrip() + "\n" for line in lines)


def print_rich(lines: Iterable[Line], console: Console) -> None:
    """Writes the same lines in colour; they are not wrapped, so that a script can be copied."""
    from rich.text import Text

    for line in lines:
        console.print(Text(line.text.rstrip(), style=STYLES[line.role]), soft_wrap=True)
