"""The known failures of an engine in a run: which tests replay an entry, which entries are left alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from gradconform.errors import Problem, SpecError, did_you_mean
from gradconform.known_failures.entries import Entry, KnownFile, Pin
from gradconform.known_failures.read import read_known
from gradconform.plan import Plan, Task
from gradconform.prepare import listed, shown
from gradconform.program.parse import Template
from gradconform.settings import Options
from gradconform.spec.index import Row


@dataclass(frozen=True, slots=True)
class Knowns:
    """The files that name an engine, of those that the options name, and their entries by id. others: the
    files that name other engines."""

    files: tuple[KnownFile, ...]
    entries: dict[str, Entry]
    others: tuple[KnownFile, ...] = ()

    def foreign(self, engine: str) -> str:
        """What is to be said where none of the files is of this engine, or ""."""
        if self.files or not self.others:
            return ""
        told = ", ".join(f"{shown(Path(file.path))} is of {file.engine}" for file in self.others)
        return f"no known failures of {engine} are read: {told}"

    def entry(self, task: Task) -> Entry | None:
        """The entry of a test: its own, or its scenario's, also under a former id."""
        names = (task.origin.id, *task.subject.aliases)
        tests = (f"{name}[{task.device}-{task.dtype}]" for name in names)
        return next((self.entries[name] for name in (*tests, *names) if name in self.entries), None)

    def pinned(self, tasks: Iterable[Task]) -> tuple[Task, ...]:
        """The tests, those of which an entry speaks with its program in place of their draws.

        Raises SpecError with every program that is none.
        """
        problems: list[Problem] = []
        found = []
        for task in tasks:
            entry = self.entry(task) if isinstance(task.origin, Template) else None
            try:
                pin = Pin(entry, entry.program(task.dtype)) if entry else None
            except SpecError as error:
                problems.extend(error.problems)
            else:
                found.append(replace(task, pin=pin))
        if problems:
            raise SpecError(problems)
        return tuple(found)


def knowns_of(options: Options, engine: str) -> Knowns:
    """The known failures of an engine; none for operator samples, of which entries do not speak.

    engine: the name that it gives itself; files of other engines are left alone. Raises as `read_known` does,
    and SpecError for an id that two files have.
    """
    paths = options.known if options.corpus != "opinfo" else ()
    read = tuple(map(read_known, paths))
    files = tuple(file for file in read if file.engine == engine)
    entries: dict[str, Entry] = {}
    for entry in (entry for file in files for entry in file.entries):
        other = entries.setdefault(entry.id, entry)
        if other is not entry:
            hint = f"the first stands at {other.place}; remove one"
            raise SpecError([Problem(entry.place, "this id has two entries", entry.id, hint=hint)])
    return Knowns(files, entries, tuple(file for file in read if file.engine != engine))


def pinned(planned: Plan, knowns: Knowns) -> Plan:
    """The plan with the known failures in it. Raises SpecError as `Knowns.pinned` does."""
    tasks = knowns.pinned(planned.tasks)
    used = {task.pin.entry.id for task in tasks if task.pin is not None}
    return replace(
        planned,
        tasks=tasks,
        known=tuple(shown(Path(file.path)) for file in knowns.files),
        unreached=len(knowns.entries) - len(used),
        expired=tuple(name for name, entry in knowns.entries.items() if name in used and entry.expired),
    )


def refuse_unknown(knowns: Knowns, options: Options, also: Iterable[Row] = ()) -> None:
    """Raises SpecError for entries whose id no scenario has and no test, with the nearest one.

    The whole corpus is asked, whatever part of it runs. also: further scenarios that there are.
    """
    rows = list(also)
    whole = replace(options, corpus="shipped", specs=())
    for each in (options, whole):
        ids = {name for row in rows for name in (row.id, *row.aliases)}
        missing = any(entry.scenario not in ids for entry in knowns.entries.values())
        if missing and (each.corpus != "none" or each.specs):  # pytest may have collected all that there is
            rows += listed(each)
    unknown = _unknown(knowns, rows)
    if unknown:
        raise SpecError(unknown)


def _unknown(knowns: Knowns, rows: Iterable[Row]) -> list[Problem]:
    dtypes = {name: row.dtypes for row in rows for name in (row.id, *row.aliases)}
    problems = []
    for entry in knowns.entries.values():
        test = entry.id.removeprefix(entry.scenario).strip("[]")
        if entry.scenario not in dtypes:
            hint = did_you_mean(entry.scenario, dtypes) or "`gradconform list` shows ids"
            message = f"there is no scenario '{entry.scenario}', so nothing can be known of it"
            problems.append(Problem(entry.place, message, entry.id, hint=hint))
        elif test and test.rpartition("-")[2] not in dtypes[entry.scenario]:
            hint = f"the dtypes of {entry.scenario} are {', '.join(dtypes[entry.scenario])}"
            problems.append(Problem(entry.place, "there is no such test", entry.id, hint=hint))
    return problems
