"""The results of a run as JSON lines: written as they come, and read back as values. `docs/results.md` has
the format.

A file holds a head, one line for each scenario that was reached, one for each case, and an end that is
missing where the run was killed. Nothing in it depends on the time or on the speed of the machine: the same
seed gives the same bytes.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO, TypeVar

from gradconform.cases import CaseResult, Example, Known
from gradconform.errors import GradconformError, UsageError, did_you_mean
from gradconform.program.json_form import from_json, to_json
from gradconform.program.library import learn_shipped
from gradconform.sources import Subject
from gradconform.spec.scenario import Source
from gradconform.verdict import (
    KINDS,
    Conforms,
    Crashed,
    Declared,
    Divergence,
    Diverges,
    Inconclusive,
    Numbers,
    OracleDisputed,
    TimedOut,
    Unsupporting,
    Verdict,
)

FORMAT = 1
"""The version of the format. A reader takes files of this version and no other."""

_VERDICTS: dict[str, type[Verdict]] = dict(
    zip(
        KINDS,
        (Conforms, Diverges, Declared, Unsupporting, Crashed, TimedOut, Inconclusive, OracleDisputed),
        strict=True,
    )
)
_PLAIN: dict[str, type] = {"bool": bool, "float": float, "int": int, "str": str}
"""Annotations that are checked when a value is read."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Head:
    """What was run. engine: its own name; target: the name it was found by (`refgrad`,
    `package.module:attribute`, `worker:COMMAND`). declares: the conventions that the engine declares, as
    `relu-at-zero: half`. composed: operators that its adapter makes of others, as `relu = maximum(input, 0)`.
    isolate: whether an engine of Python had a process of its own. timeout, memory: the seconds and GiB
    that a program might take; None: there was no limit. tasks: how many (scenario, device, dtype) the run
    set out to do. absent: devices asked for and not there. unfit: scenarios that were not run on a device
    because they need another one. corpus: the name of what was run, or "none".
    specs: spec files or folders beside it, as they were given. digest: of the spec files that the tests
    come from, and of the known failures. kernels: what is pinned about kernels of a GPU, in words. known: the
    files of these that are of this engine. unreached:
    entries of which no test was selected. expired: the ids of the others whose day was over when the run
    began."""

    gradconform: str
    torch: str
    engine: str
    target: str
    engine_version: str | None = None
    seed: int = 0
    examples: int = 0
    devices: tuple[str, ...] = ("cpu",)
    absent: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    specs: tuple[str, ...] = ()
    corpus: str = "shipped"
    isolate: bool = False
    timeout: float | None = None
    memory: float | None = None
    tasks: int = 0
    digest: str = ""
    declares: tuple[str, ...] = ()
    composed: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    unreached: int = 0
    expired: tuple[str, ...] = ()

    @property
    def compared(self) -> str:
        """What was held against what, in one line."""
        version = f" {self.engine_version}" if self.engine_version else ""
        cases = f"{self.examples} random draws beside each documented example"
        if self.corpus == "opinfo":
            cases = "PyTorch's own operator samples"
        alone = f"; in a process of its own, {self.timeout:g} s" if self.timeout is not None else ""
        alone += f" and {self.memory:g} GiB" if self.memory is not None else ""
        return (
            f"{self.engine}{version} against torch {self.torch} on {', '.join(self.devices)}; "
            f"seed {self.seed}, {cases}{alone}"
        )


@dataclass(frozen=True, slots=True)
class ScenarioNote:
    """What reports say about a scenario. source: where the behaviour is documented, in a few words."""

    id: str
    feature: str
    level: int
    says: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended. tasks: those that were finished; fewer than the head's where it was interrupted or
    stopped at its first failure. counts: cases by kind of verdict, all kinds, but for the failures that are
    known; known: those."""

    tasks: int
    cases: int
    counts: Mapping[str, int]
    interrupted: bool = False
    known: int = 0


@dataclass(frozen=True, slots=True)
class Results:
    """A run. end: None where it was killed, or is not over. cut: whether the last line was not whole."""

    head: Head
    scenarios: Mapping[str, ScenarioNote] = field(default_factory=dict)
    cases: tuple[CaseResult, ...] = ()
    end: End | None = None
    cut: bool = False


class ResultsError(GradconformError):
    """A results file that does not hold what the format says."""


def note_of(scenario: Subject) -> ScenarioNote:
    """The note on a scenario or operator."""
    return ScenarioNote(
        scenario.id, scenario.feature, scenario.level, scenario.says, "; ".join(_source(scenario.source))
    )


def _source(source: Source) -> Iterator[str]:
    if source.docs:
        yield source.docs
    if source.document:
        word = "cell" if len(source.cells) == 1 else "cells"
        cells = f", {word} {', '.join(source.cells)}" if source.cells else ""
        yield source.document + cells
    if source.note:
        yield source.note


def end_of(cases: Iterable[CaseResult], *, tasks: int, interrupted: bool = False) -> End:
    """The end of a run with these cases."""
    told = tuple(cases)
    found = Counter(case.verdict.kind for case in told if not case.is_known)
    counts = {kind: found[kind] for kind in KINDS}  # type: ignore[index]
    return End(tasks, len(told), counts, interrupted, sum(case.is_known for case in told))


class ResultsWriter:
    """Writes a results file line by line, each one flushed. A context manager; it closes the file.

    keep: so many bytes of what the file holds stay in it, and lines are written behind them.
    Raises UsageError where the file cannot be written, at once or later (a full disk), or another run writes
    it.
    """

    def __init__(self, path: Path, keep: int = 0) -> None:
        self.path = path
        try:
            self._file: TextIO = path.open("a", encoding="ascii", newline="\n")
            if stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):  # else nothing of it can be kept
                self._lock()
                self._file.truncate(keep)
        except OSError as error:
            raise self._failed(error) from None

    def _lock(self) -> None:
        """Keeps the file for this process, up to its end. Raises UsageError where another one has it."""
        if sys.platform == "win32":
            return
        import fcntl

        try:
            # Of the process, unlike that of flock: workers that outlive a killed run do not hold it.
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self._file.close()
            raise UsageError(
                f"another run is writing {self.path}; give --results another file, or wait for it"
            ) from None
        except OSError:  # a file system without locks
            return

    def head(self, head: Head) -> None:
        """The first line."""
        self._line({"type": "run", "format": FORMAT, **asdict(head)})

    def scenario(self, note: ScenarioNote) -> None:
        """A scenario, before its first case."""
        self._line({"type": "scenario", **asdict(note)})

    def case(self, case: CaseResult) -> None:
        """One case."""
        self._line({"type": "case", **case_form(case)})

    def end(self, end: End) -> None:
        """The last line."""
        self._line({"type": "end", **asdict(end)})

    def _line(self, document: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(document, allow_nan=False) + "\n")
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> UsageError:
        reason = error.strerror or type(error).__name__
        return UsageError(f"results cannot be written to {self.path}: {reason}; give --results another file")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError as failure:  # what could not be written before cannot be written now
            if error is None:
                raise self._failed(failure) from None


def read_results(path: Path) -> Results:
    """A run from its file. A last line that is not whole is left out, and `cut` says so; lines of a type that
    this version does not know are skipped.

    Raises UsageError where the file cannot be read, and ResultsError, located, where it holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"results cannot be read from {path}: {reason}") from None
    *whole, rest = text.split("\n")
    reader = _Reader(path)
    for number, line in enumerate(whole, 1):
        reader.line(number, line)
    return reader.results(cut=bool(rest))


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.head: Head | None = None
        self.scenarios: dict[str, ScenarioNote] = {}
        self.cases: list[CaseResult] = []
        self.end: End | None = None

    def line(self, number: int, line: str) -> None:
        where = f"{self.path}:{number}"
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ResultsError(f"{where}: this line is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise ResultsError(f"{where}: expected an object with a 'type', got {type(document).__name__}")
        kind = document.pop("type", None)
        if self.head is None:
            if kind != "run":
                raise ResultsError(f'{where}: a results file starts with a line of type "run", got {kind!r}')
            if document.pop("format", None) != FORMAT:
                raise ResultsError(
                    f"{where}: not format {FORMAT}, the one that this gradconform reads and writes"
                )
        try:
            match kind:
                case "run":
                    self.head = _value(Head, document)
                case "scenario":
                    note = _value(ScenarioNote, document)
                    self.scenarios[note.id] = note
                case "case":
                    self.cases.append(read_case(document))
                case "end":
                    self.end = _value(End, document)
        except GradconformError as error:
            raise ResultsError(f"{where}: {error}") from None

    def results(self, *, cut: bool) -> Results:
        if self.head is None:
            raise ResultsError(
                f"{self.path}: there is no whole line in this file; expected the results of a run"
            )
        return Results(self.head, self.scenarios, tuple(self.cases), self.end, cut)


def case_form(case: CaseResult) -> dict[str, Any]:
    """A case as a JSON document."""
    document: dict[str, Any] = {
        "id": case.id,
        "scenario": case.scenario,
        "feature": case.feature,
        "level": case.level,
        "device": case.device,
        "dtype": case.dtype,
        "draw": case.draw,
        "verdict": _verdict_form(case.verdict),
    }
    document |= {name: value for name in ("part", "corner", "derivation") if (value := getattr(case, name))}
    if case.known is not None:
        document["known"] = asdict(case.known)
    if case.example is not None:
        example = case.example
        document["example"] = {
            "program": to_json(example.program),
            "text": example.text,
            "script": example.script,
        }
    return document


def read_case(document: Mapping[str, Any]) -> CaseResult:
    """A case from its JSON document. Raises GradconformError for one that is no case."""
    found = {name: value for name, value in document.items() if name != "id"}
    found["verdict"] = _read_verdict(found.get("verdict"))
    if "known" in found:
        found["known"] = _value(Known, found["known"])
    example = found.get("example")
    if example is not None:
        if not isinstance(example, Mapping) or not {"program", "text", "script"} <= example.keys():
            raise ResultsError("an 'example' has a 'program', a 'text' and a 'script'")
        learn_shipped()
        found["example"] = Example(from_json(example["program"]), example["text"], example["script"])
    return _value(CaseResult, found)


def _verdict_form(verdict: Verdict) -> dict[str, Any]:
    form = asdict(verdict)
    if "numbers" in form:
        form["numbers"] = {outcome: count for outcome, count in form["numbers"].items() if count}
    for name in ("shim", "differs", "device"):
        if not form.get(name, True):
            del form[name]
    return {"kind": form.pop("kind"), **form}


def _read_verdict(document: object) -> Verdict:
    if not isinstance(document, Mapping):
        raise ResultsError("a case has a 'verdict', an object")
    kind = document.get("kind")
    if kind not in _VERDICTS:
        raise ResultsError(f"unknown kind of verdict {kind!r}. {did_you_mean(str(kind), KINDS)}".rstrip(" ."))
    found = dict(document)
    if "divergences" in found:
        if not isinstance(found["divergences"], list):
            raise ResultsError(f"'divergences' is a list, got {found['divergences']!r}")
        found["divergences"] = tuple(_value(Divergence, each) for each in found["divergences"])
    if "device" in found:
        found["device"] = _value(Divergence, found["device"])
    if "numbers" in found:
        found["numbers"] = _value(Numbers, found["numbers"])
    return _value(_VERDICTS[kind], found)


def _value(kind: type[T], document: object) -> T:
    """A frozen value from a document with its fields, lists as tuples. Fields that it does not know are left
    out."""
    if not isinstance(document, Mapping):
        raise ResultsError(
            f"expected an object with the fields of {kind.__name__}, got {type(document).__name__}"
        )
    given: dict[str, Any] = {}
    for each in fields(kind):  # type: ignore[arg-type]
        if each.name in document:
            value = document[each.name]
            plain = _PLAIN.get(str(each.type))
            if plain is not None and type(value) is not plain:
                raise ResultsError(f"'{each.name}' is {each.type}, got {value!r}")
            given[each.name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**given)
    except TypeError as error:
        raise ResultsError(str(error).replace("__init__()", "")) from None
