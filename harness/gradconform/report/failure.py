"""One failure, told so that it needs nothing else: what differs, since which step, the program, how to repeat
it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gradconform.cases import CaseResult, Known
from gradconform.protocol.pipes import Limits
from gradconform.report.folding import fold
from gradconform.report.lines import Line
from gradconform.report.listing import listing, statement_of
from gradconform.results import Head, ScenarioNote
from gradconform.settings import Options
from gradconform.verdict import (
    Conforms,
    Crashed,
    Declared,
    Divergence,
    Diverges,
    Inconclusive,
    OracleDisputed,
    TimedOut,
    Unsupporting,
    Verdict,
)

USUAL = Options()
"""What need not be said in the command that runs a test again."""

FURTHER = 4
"""So many differences beside the first are told, one line each."""

TITLES = {
    "diverges": "DIVERGES",
    "crashed": "CRASHED",
    "timed out": "TIMED OUT",
    "oracle-disputed": "ORACLE DISPUTED",
    "inconclusive": "INCONCLUSIVE",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """The failing cases of one scenario. shown: the one that is told in full. alike: those of other devices
    and dtypes that fail in the same way. otherwise: those that fail in another way, one for each way, device
    and dtype."""

    shown: CaseResult
    alike: tuple[CaseResult, ...] = ()
    otherwise: tuple[CaseResult, ...] = ()


def is_failure(verdict: Verdict) -> bool:
    """Whether a verdict is told in full: everything but conforms, declared, unsupported and inconclusive."""
    return not isinstance(verdict, Conforms | Declared | Unsupporting | Inconclusive)


def fails(case: CaseResult) -> bool:
    """Whether a case is a failure of the run: of those that entries of known failures speak of, those that do
    not stand as their entries say."""
    return is_failure(case.verdict) if case.known is None else not case.is_known


def failures(cases: Iterable[CaseResult]) -> tuple[Failure, ...]:
    """The failures among these cases, one for each scenario, in their order."""
    by_scenario: dict[str, list[CaseResult]] = {}
    for case in cases:
        if fails(case):
            by_scenario.setdefault(case.scenario, []).append(case)
    return tuple(_group(found) for found in by_scenario.values())


def _group(cases: list[CaseResult]) -> Failure:
    shown = min(cases, key=size)
    ways: dict[tuple[str, tuple[str, ...]], CaseResult] = {}
    for case in cases:
        ways.setdefault((case.id, manner(case.verdict)), case)
    same: list[CaseResult] = []
    other: list[CaseResult] = []
    for (_, way), case in ways.items():
        if case is not shown:
            (same if way == manner(shown.verdict) else other).append(case)
    return Failure(shown, tuple(same), tuple(other))


def size(case: CaseResult) -> tuple[int, int]:
    """How much there is to read in a case's program: its steps, and the numbers that it starts with."""
    if case.example is None:
        return (0, 0) if not case.part else (sys.maxsize, 0)
    program = case.example.program
    return len(tuple(program.walk())), sum(item.data.numel() for item in program.inputs)


def manner(verdict: Verdict) -> tuple[str, ...]:
    """What two verdicts share that fail in the same way: the kind, and what differs where."""
    if isinstance(verdict, Diverges):
        return verdict.kind, verdict.divergences[0].what, verdict.divergences[0].where
    return (verdict.kind,)


def rerun(head: Head, scenario: str, device: str, dtype: str) -> str:
    """The command that runs one scenario again, with the same draws."""
    chosen = ["--select", scenario]
    if (device,) != USUAL.device:
        chosen += ["--device", device]
    return command(head, *chosen, "--dtype", dtype, "--seed", str(head.seed))


def command(head: Head, *chosen: str) -> str:
    """The command of a run, but for what it was restricted to: that is `chosen`."""
    parts = ["gradconform", "run", head.target, *chosen]
    if head.corpus not in {USUAL.corpus, "none"}:
        parts += ["--corpus", head.corpus]
    if head.examples != USUAL.examples and head.corpus != "opinfo":
        parts += ["--examples", str(head.examples)]
    for path in head.specs:
        parts += ["--specs", path]
    if head.corpus == "none":
        parts.append("--no-corpus")
    if head.isolate:
        parts.append("--isolate")
    limits = Limits()
    if head.timeout not in {None, limits.seconds}:
        parts += ["--timeout", f"{head.timeout:g}"]
    if head.memory not in {None, limits.memory}:
        parts += ["--memory", f"{head.memory:g}"]
    return shlex.join(parts)


def outcome(case: CaseResult) -> str:
    """How a case ended, in one line."""
    told = summary(case.verdict)
    match case.known:
        case Known(standing="conforms"):
            return "conforms now: remove its entry from the known failures"
        case Known(standing="fails otherwise", expected=expected):
            return f"{told}; it is known to fail otherwise: {expected}"
        case _:
            return told


def _title(case: CaseResult) -> str:
    if case.known is None:
        return TITLES[case.verdict.kind]
    return {"conforms": "CONFORMS NOW", "unsupported": "UNSUPPORTED NOW"}.get(
        case.verdict.kind, "FAILS OTHERWISE"
    )


def _known(known: Known, head: Head) -> Iterator[Line]:
    """What the entry of a known failure says, and what is to be done about it."""
    reason = f" ({known.reason})" if known.reason else ""
    files = " or ".join(head.known)
    yield Line(f"  known failure {known.entry}: {known.expected}{reason}")
    if known.link:
        yield Line(f"  {known.link}", whole=True)
    if known.standing == "conforms":
        yield Line(f"  its program conforms now: remove the entry from {files}", "title")
    else:
        yield Line(
            f"  its program does not fail so any more: see whether the entry in {files} is still right"
        )


def report(failure: Failure, head: Head, notes: Mapping[str, ScenarioNote]) -> Iterator[Line]:
    """The lines of one failure, without an empty line before or after."""
    case = failure.shown
    note = notes.get(case.scenario)
    draw = "the documented example" if case.draw == 0 else f"random draw {case.draw}"
    if case.part:
        draw = f"{case.part}, sample {case.draw}"
    if case.corner:
        draw = f"the documented example, changed: {case.corner}"
    if case.derivation:
        draw = f"the documented example under the derivation {case.derivation}"
    if case.known is not None:
        draw = "the program of a known failure"
    yield Line(f"{_title(case)} {case.id}, {draw}", "bad")
    if note is not None:
        yield Line(f"  {note.says}")
        if note.source:
            yield Line(f"  source: {note.source}", "faint")
    if case.known is not None:
        yield from _known(case.known, head)
    yield Line("")
    if not isinstance(case.verdict, Conforms):
        yield from story(case, head.target if head.engine == "torch" else head.engine)
    if failure.alike:
        yield Line(f"fails alike: {', '.join(each.id.removeprefix(case.scenario) for each in failure.alike)}")
    for each in failure.otherwise:
        yield Line(f"also fails: {each.id.removeprefix(case.scenario)} {outcome(each)}")
    again = rerun(head, case.scenario, case.device, case.dtype)
    if case.known is not None:
        again = shlex.join(
            (*shlex.split(again), *(word for path in head.known for word in ("--known", path)))
        )
    yield Line(f"run it again: {again}", whole=True)


def story(case: CaseResult, engine: str) -> Iterator[Line]:
    """What a case shows: the verdict, the program, and the same for plain torch."""
    yield from _verdict(case, engine)
    if case.part and case.example is None:
        yield Line("  (its inputs have more numbers than can be written out)")
    yield from _program(case)


def summary(verdict: Verdict) -> str:
    """A verdict in one line."""
    match verdict:
        case Diverges(divergences):
            return _told(divergences[0])
        case Unsupporting(feature, shim):
            return f"{'provided by the shim' if shim else 'unsupported'}: {feature}"
        case Declared(policies):
            return f"as declared: {', '.join(policies)}"
        case TimedOut(seconds):
            return f"no answer within {seconds:g} seconds"
        case Crashed(reason) | Inconclusive(reason) | OracleDisputed(reason):
            return f"{verdict.kind}: {_one_line(reason)}"
        case Conforms():
            return "conforms"


def _verdict(case: CaseResult, engine: str) -> Iterator[Line]:
    match case.verdict:
        case Diverges(divergences):
            yield from _divergence(divergences[0], case, engine)
            further = divergences[1:]
            for each in further[:FURTHER]:
                yield Line(f"  also {_told(each)}")
            if len(further) > FURTHER:
                yield Line(f"  and {len(further) - FURTHER} further differences")
        case OracleDisputed(reason):
            yield Line("  torch is not to be trusted here, and the engine is not to blame:")
            yield from _indented(reason)
        case Crashed(reason):
            yield Line(f"  {engine} crashed:")
            yield from _indented(reason)
        case other:
            yield Line(f"  {summary(other)}")
    yield Line("")


def _divergence(first: Divergence, case: CaseResult, engine: str) -> Iterator[Line]:
    yield Line(f"  {_headline(first)}", "title")
    if first.step >= 0:
        statement = statement_of(case.example.program, first.step) if case.example else None
        text = statement.text if statement else first.source
        yield Line(f"  first wrong step: {first.step}: {text}")
    labels = ("expected (torch)", f"got ({engine})")
    width = max(map(len, labels))
    for label, value, role in zip(labels, (first.expected, first.got), ("good", "bad"), strict=True):
        head, *rest = value.splitlines() or [""]
        yield Line(f"    {label:<{width}}  {head}", role)  # type: ignore[arg-type]
        yield from (Line(f"    {'':<{width}}  {line}", role) for line in rest)  # type: ignore[arg-type]
    yield from (Line(f"    {line}") for part in first.detail.split("; ") for line in part.splitlines())


def _program(case: CaseResult) -> Iterator[Line]:
    if case.example is None:
        return
    marked = case.verdict.divergences[0].step if isinstance(case.verdict, Diverges) else -1
    yield Line("the smallest program that shows it, with the number of each step:", "title")
    yield from (Line(f"  {line}", whole=True) for line in listing(case.example.program, marked))
    yield Line("")
    yield Line("the same for plain torch:", "title")
    yield from (Line(f"    {line}" if line else "", whole=True) for line in fold(case.example.script))
    yield Line("")


def _headline(difference: Divergence) -> str:
    """`x.grad: value`, `step 3: missing error`."""
    return f"{difference.where}: {difference.what}"


def _told(difference: Divergence) -> str:
    expected, got = _one_line(difference.expected), _one_line(difference.got)
    return f"{_headline(difference)}: expected {expected}, got {got}"


def _indented(text: str) -> Iterator[Line]:
    yield from (Line(f"    {line}") for line in text.splitlines())


def _one_line(text: str) -> str:
    return " ".join(text.split())
