"""Editing a file of known failures line by line: what people have written in it stays as it is, to the byte.

A YAML library that keeps comments hangs those above an entry on the entry before it, and drops them with that
one; and it lays out anew what it did not change. Here an entry is its lines and the comments right above it.
What comes out is read again before it is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradconform.errors import Place, Problem, SpecError
from gradconform.known_failures.entries import Entry, KnownFile
from gradconform.known_failures.read import KEYS, read_known
from gradconform.spec.source import Report, SourceText, read_source
from gradconform.spec.tree import Field, Node, Scalar, Table, parse_yaml
from gradconform.spec.tree import Sequence as Items

WRITTEN = ("fails", "what", "where", "inputs", "program", "document")
"""The keys that are the harness's own; the others are people's."""

HEAD = """\
# What {engine} is known to do otherwise than PyTorch. `gradconform known ENGINE --update` adds and drops
# entries; the reasons, links and days are yours, and comments stay.
known: 1
engine: {name}
failures:
"""

HINT = "write each entry as `- id: ...`, a key a line"

_EMPTY = re.compile(r"failures:\s*(\[\s*\])?\s*(#.*)?")
_PLAIN = re.compile(r"[A-Za-z][\w./()\[\]-]*( [\w./()\[\]-]+)*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "inf", "nan"}


@dataclass(frozen=True, slots=True)
class Edits:
    """What becomes of a file. dropped: ids of entries. changed: entries by id, of which only what is the
    harness's own is new. added: entries that come behind the others."""

    dropped: tuple[str, ...] = ()
    changed: Mapping[str, Entry] = field(default_factory=dict)
    added: tuple[Entry, ...] = ()


def write_known(path: Path, engine: str, known: KnownFile | None, edits: Edits) -> None:
    """Writes a file of known failures anew, whole or not at all; one that nothing is new in is left alone.

    known: what stands in it, None for a new one. Raises SpecError where the file cannot be edited: its
    entries do not stand below each other, each behind a `- `.
    """
    if known is not None and not (edits.dropped or edits.changed or edits.added):
        return
    text = HEAD.format(engine=engine, name=_scalar(engine)) if known is None else _edited(path, edits)
    added = "".join(entry_text(entry) for entry in edits.added)
    draft = path.with_name(f"{path.name}.draft")
    whole = _with(text, added)
    draft.write_text(whole, encoding="utf-8", newline="")
    try:
        _require(read_known(draft), known, edits, path)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def entry_text(entry: Entry) -> str:
    """An entry as it is written at first."""
    lines = [*_manner(entry), f"reason: {_scalar(entry.reason)}"]
    lines += [f"link: {_scalar(entry.link)}"] if entry.link else []
    lines += [f"expires: {entry.expires.isoformat()}"] if entry.expires else []
    text = (f"- id: {_scalar(entry.id)}", *_indented((*lines, *_pinned(entry)), "  "))
    return "".join(f"{line}\n" for line in text)


def _indented(lines: Iterable[str], indent: str) -> list[str]:
    return [indent + line if line else "" for line in lines]


def _manner(entry: Entry) -> list[str]:
    manner = entry.manner
    lines = [f"fails: {manner.kind}"]
    if manner.kind == "diverges":
        lines += [f"what: {_scalar(manner.what)}", f"where: {_scalar(manner.where)}"]
    return lines


def _pinned(entry: Entry) -> list[str]:
    text = entry.pinned.text
    if text is None:
        return ["document: |", f"  {entry.pinned.document}"]
    inputs = [f"  {_scalar(name)}: {expression}" for name, expression in text.inputs.items()]
    lines = ["inputs:", *inputs] if inputs else []
    return [*lines, "program: |", *_indented(text.program.split("\n"), "  ")]


def _scalar(text: str) -> str:
    """Text as YAML, in quotes where it needs them."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def _with(text: str, added: str) -> str:
    """The file's text with further entries behind those that it has."""
    if added and not text.endswith("\n"):
        text += "\n"
    lines = text.split("\n")
    further = _ended(added.split("\n")[:-1], lines)
    entries = _entries_of(text)
    if entries:
        at = entries[-1].end
        return "\n".join((*lines[:at], *further, *lines[at:]))
    at = next(index for index, line in enumerate(lines) if _EMPTY.fullmatch(line.rstrip("\r")))
    comment = re.search(r"\s+#.*", lines[at].rstrip("\r"))
    opened = _ended([("failures:" if added else "failures: []") + (comment[0] if comment else "")], lines)
    return "\n".join((*lines[:at], *opened, *further, *lines[at + 1 :]))


def _ended(lines: Iterable[str], beside: Sequence[str]) -> list[str]:
    """New lines, ended as those that they come between."""
    end = "\r" if beside[0].endswith("\r") else ""
    return [line + end for line in lines]


@dataclass(frozen=True, slots=True)
class _Block:
    """The lines of one entry, from `start` (its `- `) to `end`, which is no longer its own; `above`: the
    first of the comments right above it. indent: the column of the dash."""

    id: str
    table: Table
    above: int
    start: int
    end: int
    indent: int


def _edited(path: Path, edits: Edits) -> str:
    """The text without what is dropped, and with what is changed. Raises SpecError."""
    source = read_source(path)
    if isinstance(source, Problem):
        raise SpecError([source])
    lines = source.text.split("\n")
    for block in reversed(_entries_of(source.text, path)):
        if block.id in edits.dropped:
            del lines[block.above : block.end]
        elif block.id in edits.changed:
            lines[block.start : block.end] = _changed(lines, block, edits.changed[block.id])
    return "\n".join(lines)


def _changed(lines: list[str], block: _Block, entry: Entry) -> list[str]:
    """The lines of an entry with the harness's own keys written anew, each kind where it stood."""
    indent = " " * (block.indent + 2)
    manner = _ended(_indented(_manner(entry), indent), lines)
    pinned = _ended(_indented(_pinned(entry), indent), lines)
    fields = sorted(block.table.fields.values(), key=lambda one: one.key.place.line)
    starts = [one.key.place.line - 1 for one in fields]
    found: list[str] = []
    for one, start, end in zip(fields, starts, (*starts[1:], block.end), strict=True):
        part = lines[start:end]
        if one.key.value not in WRITTEN:
            found += part
            continue
        if one.key.value == "fails":
            found += manner
        elif one.key.value in {"program", "document"}:
            found += pinned
        found += _comments(part[1:], one)
    return found


def _comments(lines: list[str], one: Field) -> list[str]:
    """The comments between a key's value and the next key."""
    before = one.key.place.column - 1
    kept: list[str] = []
    for line in reversed(lines):
        bare = line.strip()
        if bare and (not bare.startswith("#") or len(line) - len(line.lstrip()) > before):
            break
        kept.insert(0, line)
    return kept


def _entries_of(text: str, path: Path | None = None) -> list[_Block]:
    """The entries' lines. Raises SpecError where they do not stand below each other."""
    lines = text.split("\n")
    report = Report(SourceText(str(path or ""), text, tuple(lines)), [])
    root = parse_yaml(report)
    failures = root.get("failures") if isinstance(root, Table) else None
    if not isinstance(root, Table) or not isinstance(failures, Items):
        return []
    after = [one.key.place.line - 1 for one in root.fields.values()]
    blocks: list[_Block] = []
    tables = [node for node in failures.items if isinstance(node, Table)]
    starts = [table.place.line - 1 for table in tables]
    for number, (table, start) in enumerate(zip(tables, starts, strict=True)):
        indent = len(lines[start]) - len(lines[start].lstrip())
        if lines[start][indent : table.place.column - 1].strip() != "-" or not _below(table):
            message = "this entry does not stand on lines of its own, and so it cannot be edited"
            raise SpecError(
                [Problem(table.place, message, hint="write each entry as `- id: ...`, a key a line")]
            )
        limit = min([at for at in (*starts[number + 1 :], *after) if at > start], default=len(lines))
        first = blocks[-1].end if blocks else 0
        blocks.append(
            _Block(
                _id(table),
                table,
                _above(lines, start, first, indent),
                start,
                _end(lines, limit, indent),
                indent,
            )
        )
    return blocks


def _below(table: Table) -> bool:
    """Whether each key has a line of its own, and the first is none of the harness's."""
    places = [one.key.place for one in table.fields.values()]
    first = next(iter(table.fields), "")
    return len({place.line for place in places}) == len(places) and first in set(KEYS) - set(WRITTEN)


def _is_aside(line: str, indent: int) -> bool:
    """Whether a line is a comment that stands outside of an entry."""
    bare = line.lstrip()
    return bare.startswith("#") and len(line) - len(bare) <= indent


def _above(lines: list[str], start: int, first: int, indent: int) -> int:
    while start > first and _is_aside(lines[start - 1], indent):
        start -= 1
    return start


def _end(lines: list[str], limit: int, indent: int) -> int:
    while not lines[limit - 1].strip() or _is_aside(lines[limit - 1], indent):
        limit -= 1
    return limit


def _id(node: Node) -> str:
    value = node.get("id") if isinstance(node, Table) else None
    return str(value.value) if isinstance(value, Scalar) else ""


def _require(found: KnownFile, before: KnownFile | None, edits: Edits, path: Path) -> None:
    """Raises SpecError unless the file holds what it is to hold."""
    kept = [entry for entry in (before.entries if before else ()) if entry.id not in edits.dropped]
    wanted = [*(edits.changed.get(entry.id, entry) for entry in kept), *edits.added]
    if list(map(_content, found.entries)) != list(map(_content, wanted)):
        place = found.entries[0].place if found.entries else None
        message = f"{path} cannot be edited without losing something of it"
        raise SpecError([Problem(place or Place(str(path), 1, 1), message, hint=HINT)])


def _content(entry: Entry) -> tuple[object, ...]:
    return entry.id, entry.manner, entry.pinned, entry.reason, entry.link, entry.expires
