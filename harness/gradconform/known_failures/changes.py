"""What becomes of the known failures after a run: which entries stay, change, go, or are new."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

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


@dataclass(slots=True)
class Found:
    """What a run says of the entries. unknown: tests that fail and of which no program can be kept."""

    edits: Edits
    kept: tuple[str, ...] = ()
    unwritten: list[str] = field(default_factory=list)


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
    now: dict[str, dict[str, Failing]] = {}
    found = Found(Edits())
    fresh: dict[str, list[list[CaseResult]]] = {}
    for test, told in tests.items():
        entry = next((entries[c.known.entry] for c in told if c.known and c.known.entry in entries), None)
        if entry is None:
            fresh.setdefault(told[0].scenario, []).append(told)
            continue
        failing = _failing(entry, told)
        now.setdefault(entry.id, {})
        if failing is not None:
            now[entry.id][test] = failing
    dropped: list[str] = []
    changed: dict[str, Entry] = {}
    added: list[Entry] = []
    kept: list[str] = []
    covered = _covered(tests.values())
    for name, failing in now.items():
        entry = entries[name]
        ways = set(map(_key, failing.values()))
        if len(ways) == 1 and set(failing) == covered[name]:
            ((manner, pinned), *_) = failing.values()
            if (manner, pinned) == (entry.manner, entry.pinned):
                kept.append(name)
            else:
                changed[name] = replace(entry, manner=manner, pinned=pinned)
            continue
        dropped.append(name)
        added += (
            replace(entry, id=test, manner=manner, pinned=pinned)
            for test, (manner, pinned) in failing.items()
        )
    for scenario, groups in fresh.items():
        added += _new(scenario, groups, dtypes.get(scenario, ()), found)
    found.edits = Edits(tuple(dropped), changed, tuple(added))
    found.kept = tuple(kept)
    return found


def _covered(tests: Iterable[list[CaseResult]]) -> dict[str, set[str]]:
    """The tests of each entry."""
    found: dict[str, set[str]] = {}
    for told in tests:
        for case in told:
            if case.known is not None:
                found.setdefault(case.known.entry, set()).add(case.id)
    return found


def _key(failing: Failing) -> str:
    return repr(failing)


def _failing(entry: Entry, told: list[CaseResult]) -> Failing | None:
    """How a test that an entry speaks of fails now; None where it does not."""
    (first, *others) = told
    if first.is_known:
        return entry.manner, entry.pinned
    manner = manner_of(first.verdict)
    if manner is not None:
        return manner, entry.pinned
    return next(iter(_ways(others, None)), None)


def _new(scenario: str, groups: list[list[CaseResult]], dtypes: Sequence[str], found: Found) -> list[Entry]:
    """The entries of a scenario that none speaks of: one, or one for each test that fails."""
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
            found.unwritten.append(told[0].id)
    return entries


def _entry(name: str, way: Failing) -> Entry:
    return Entry(name, *way, NOWHERE)


def _ways(cases: Iterable[CaseResult], dtype: str | None) -> list[Failing]:
    """How cases fail, those with the smallest programs first. dtype: what the texts say `dtype` for; those
    that cannot are left out."""
    found = []
    for case in sorted(cases, key=_size):
        manner = manner_of(case.verdict)
        pinned = _pinned(case.example.program, dtype) if case.example else None
        if manner is not None and pinned is not None:
            found.append((manner, pinned))
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
