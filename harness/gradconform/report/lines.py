"""Lines of text with a role each: written plainly to a file or a pipe, and in colour to a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Literal

from gradconform.errors import visible

if TYPE_CHECKING:
    from rich.console import Console

Role = Literal["text", "title", "bad", "good", "faint"]

STYLES: dict[Role, str] = {"text": "", "title": "bold", "bad": "bold red", "good": "green", "faint": "dim"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its newline. The role decides the colour on a terminal and nothing else. `whole` is
    what may be copied to be run: it is not wrapped."""

    text: str
    role: Role = "text"
    whole: bool = False


def plain(lines: Iterable[Line]) -> str:
    """The text alone, each line with a newline and without trailing blanks. What an engine says may hold
    anything; it is shown escaped, as in all that is written."""
    return "".join(visible(line.text.rstrip()) + "\n" for line in lines)


def print_rich(lines: Iterable[Line], console: Console) -> None:
    """Writes the same lines in colour, those that are wider than the terminal on several lines."""
    from rich.text import Text

    for line in lines:
        for text in _wrapped(line, console.width):
            console.print(Text(text, style=STYLES[line.role]), soft_wrap=True)


def _wrapped(line: Line, width: int) -> Iterable[str]:
    """The parts of a line, the later ones indented further. Ids and paths stay in one piece."""
    text = visible(line.text.rstrip())
    if line.whole or len(text) <= width:
        return (text,)
    indent = len(text) - len(text.lstrip()) + 2
    return wrap(
        text,
        width,
        subsequent_indent=" " * indent,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )


def some(names: Sequence[str], most: int = 3) -> str:
    """The first of some names, and how many there are beside them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
