"""What becomes of the known failures after a run: which entries stay, change, go, or are new."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gradconform.cases import CaseResult
from gradconform.errors import Place
from gradconform.known_failures.entries import Entry, KnownFile, Manner, Pinned, manner_of
from gradconform.known_failures.write import Edits
from gradconform.program.exact_text import exact_text
from gradconform.program.json_form import to_json
from gradconform.program.steps import Program

NOWHERE = Place("<new>", 1, 1)

Failing = tuple[Manner, Pinned]
"""How a test fails, and the program that shows it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a run says of the entries. kept: the ids of those that stay. unwritten: the tests that fail and of
    which there is no program to keep."""

    edits: Edits
    kept: tuple[str, ...]
    unwritten: tuple[str, ...]


def compared(
    known: KnownFile | None, cases: Iterable[CaseResult], dtypes: Mapping[str, Sequence[str]]
) -> Found:
    """The entries against the cases of a whole run.

    dtypes: those of each scenario. A scenario all of whose tests fail alike gets one entry, if one text is
    the very program of each.
    """
    tests: dict[str, list[CaseResult]] = {}
    for case in cases:
        tests.setdefault(case.id, []).append(case)
    entries = {entry.id: entry for entry in (known.entries if known else ())}
    spoken: dict[str, dict[str, Failing | None]] = {}
    fresh: dict[str, list[list[CaseResult]]] = {}
    for test, told in tests.items():
        entry = next((entries[c.known.entry] for c in told if c.known and c.known.entry in entries), None)
        # Where the entry's program conforms, what else the test has run is as that of any other.
        others = [case for case in told if case.known is None] if entry else told
        if entry is not None:
            spoken.setdefault(entry.id, {})[test] = _failing(entry, told)
        if others:
            fresh.setdefault(told[0].scenario, []).append(others)
    dropped: list[str] = []
    kept: list[str] = []
    changed: dict[str, Entry] = {}
    added: list[Entry] = []
    unwritten: list[str] = []
    for name, now in spoken.items():
        entry = entries[name]
        (first, *rest) = now.values()
        if first is None or any(way != first for way in rest):  # no longer one thing, if anything
            dropped.append(name)
            ways = ((test, way) for test, way in now.items() if way is not None)
            added += (replace(entry, id=test, manner=way[0], pinned=way[1]) for test, way in ways)
        elif first == (entry.manner, entry.pinned):
            kept.append(name)
        else:
            changed[name] = replace(entry, manner=first[0], pinned=first[1])
    for scenario, groups in fresh.items():
        added += _new(scenario, groups, dtypes.get(scenario, ()), unwritten)
    return Found(Edits(tuple(dropped), changed, tuple(added)), tuple(kept), tuple(unwritten))


def _failing(entry: Entry, told: list[CaseResult]) -> Failing | None:
    """How the program of an entry fails in a test; None where it does not."""
    case = next(case for case in told if case.known is not None)
    manner = entry.manner if case.is_known else manner_of(case.verdict)
    return None if manner is None else (manner, entry.pinned)


def _new(
    scenario: str, groups: list[list[CaseResult]], dtypes: Sequence[str], unwritten: list[str]
) -> list[Entry]:
    """The entries of a scenario that none speaks of: one, or one for each test that fails. Tests without any
    are added to `unwritten`."""
    failing = [told for told in groups if any(manner_of(case.verdict) for case in told)]
    if not failing:
        return []
    if len(failing) == len(groups) and {told[0].dtype for told in groups} >= set(dtypes):
        alike = [_ways(told, told[0].dtype) for told in groups]
        common = [way for way in alike[0] if all(way in other for other in alike[1:])]
        if common:
            return [_entry(scenario, common[0])]
    entries = []
    for told in failing:
        ways = _ways(told, None)
        if ways:
            entries.append(_entry(told[0].id, ways[0]))
        else:
            unwritten.append(told[0].id)
    return entries


def _entry(name: str, way: Failing) -> Entry:
    return Entry(name, *way, NOWHERE)


def _ways(cases: Iterable[CaseResult], dtype: str | None) -> list[Failing]:
    """How cases fail, those with the smallest programs first. dtype: what the texts say `dtype` for; those
    that cannot are left out."""
    found = []
    for case in sorted(cases, key=_size):
        manner = manner_of(case.verdict)
        if manner is not None and case.example is not None:
            pinned = _pinned(case.example.program, dtype)
            found += [(manner, pinned)] if pinned is not None else []
    return found


def _size(case: CaseResult) -> tuple[int, int, int]:
    if case.example is None:
        return 0, 0, case.draw
    program = case.example.program
    return len(tuple(program.walk())), sum(item.data.numel() for item in program.inputs), case.draw


def _pinned(program: Program, dtype: str | None) -> Pinned | None:
    text = exact_text(program, dtype)
    if text is not None:
        return Pinned(text)
    return None if dtype is not None else Pinned(document=json.dumps(to_json(program)))
