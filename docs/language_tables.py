"""Writes the tables of words in specs/README.md from the vocabulary of the step language.

python docs/language_tables.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gradconform.program.library import learn_shipped
from gradconform.program.vocabulary import (
    ATTRIBUTES,
    AUTOGRAD_BACKWARD,
    AUTOGRAD_GRAD,
    BACKWARD,
    BASES,
    DECORATORS,
    ERRORS,
    METHODS_OF_OBJECTS,
    MODES,
    OPERATORS,
    OWN_MODES,
    WARNINGS,
    WRITABLE,
    Operator,
    holes,
)
from gradconform.randomize.derivations import DERIVATIONS

PAGE = Path(__file__).parent.parent / "specs" / "README.md"
BEGIN, END = "<!-- tables: begin -->\n", "<!-- tables: end -->\n"

EFFECTS: Mapping[str, str] = {
    "pure": "New tensors",
    "view": "Tensors that share memory with their input",
    "factory": "Tensors from nothing",
    "write": "Changes of the first argument, in place",
    "object": "Things that are no tensors",
    "plain": "Python values",
}


def tables() -> str:
    """The text between the two marks."""
    return "\n".join(_lines())


def page(text: str) -> str:
    """The page with its tables written anew. Raises ValueError where it lacks the marks."""
    learn_shipped()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no {BEGIN.strip()} ... {END.strip()}")
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def _lines() -> Iterator[str]:
    for effect, title in EFFECTS.items():
        yield from (f"### {title}", "", "| operator | written |", "|---|---|")
        for row in OPERATORS.values():
            if row.effect == effect:
                yield f"| `{row.name}({row.signature})` | {_words(_ways(row))} |"
        yield ""
    calls = {
        "x.backward": BACKWARD.removeprefix("input, "),
        "autograd.backward": AUTOGRAD_BACKWARD,
        "autograd.grad": AUTOGRAD_GRAD,
        **{f"object.{name}": row.signature for name, row in METHODS_OF_OBJECTS.items()},
    }
    yield from ("### Backward calls, and methods of objects", "")
    yield from (f"- `{name}({signature})`" for name, signature in calls.items())
    yield from ("", "### What operator variables range over", "")
    for kind in ("unary", "binary"):
        names = (_words([name]) + _where(OPERATORS[name]) for name in holes(kind))
        yield f"- `{kind}`: {', '.join(names)}"
    yield from ("", "### Derivations", "", "| derivation | in the derived program |", "|---|---|")
    yield from (f"| `{one.name}` | {one.says} |" for one in DERIVATIONS.values())
    yield from ("", "### Attributes, modes, errors and warnings", "")
    yield f"- attributes: {_words(ATTRIBUTES)}; of these {_words(WRITABLE)} can be assigned"
    yield f"- modes: {_words(f'{name}({argument})' for name, argument in MODES.items())}"
    modes = _words(name for name in MODES if name not in OWN_MODES)
    yield f"- above definitions: {modes}, {_words(DECORATORS)}"
    yield f"- bases of classes: {_words(BASES)}"
    yield f"- errors: {_words(ERRORS)}"
    yield f"- warnings: {_words(WARNINGS)}"
    yield ""


def _ways(row: Operator) -> Iterator[str]:
    """How a program may write an operator: by its symbol, as a function, as a method."""
    match row.symbol:
        case "[]":
            yield "x[i]"
        case "[]=":
            yield "x[i] = v"
        case symbol if symbol:
            yield f"{symbol}x" if row.signature == "input" else f"x {symbol} y"
    if row.symbol.startswith("[]"):
        return
    if row.forms != "method" and row.effect != "write":
        yield f"{row.name}({'...' if row.signature else ''})"
    if row.forms != "function":
        yield f"x.{row.name}({'' if row.signature == 'input' else '...'})"


def _where(row: Operator) -> str:
    return "" if row.domain == "real" else f" (`domain`: {row.domain})"


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
