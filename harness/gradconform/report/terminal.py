"""A whole run for a person: its failures, the table by feature, and one closing line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gradconform.cases import CaseResult
from gradconform.report.failure import Failure, fails, failures, manner, outcome, report, size
from gradconform.report.lines import Line, Role, some
from gradconform.report.parts import part_lines
from gradconform.report.score import Score, by_feature, score_lines, scores
from gradconform.results import Head, Results
from gradconform.verdict import (
    NO_NUMBERS,
    Conforms,
    Declared,
    Diverges,
    Inconclusive,
    Numbers,
    Unsupporting,
)

OTHER = ("crashed", "timed out", "inconclusive", "oracle-disputed")
"""The kinds of verdict that the table has in one column."""

TOLD = 10
"""So many failures are told in full; an engine that is young fails in many places for one reason."""

NAMED = 12
"""So many of the features that an engine lacks are named; the results file has all of them."""

COLUMNS = ("cases", "conform", "diverge", "known", "declared", "unsupported", "other", "scenarios")
"""The columns of the table; `known` and `declared` are there where any case is. `scenarios` is the score of
the feature (`gradconform.report.score`), the others are cases."""


@dataclass(frozen=True, slots=True)
class Row:
    """The cases of one feature, or of all, counted by verdict."""

    feature: str
    cases: int
    conform: int
    diverge: int
    known: int
    declared: int
    unsupported: int
    other: int
    scenarios: Score


def rows(cases: Sequence[CaseResult]) -> tuple[Row, ...]:
    """A row for each feature, in the order of the run."""
    found: dict[str, Counter[str]] = {}
    for case in cases:
        found.setdefault(case.feature, Counter())[_kind(case)] += 1
    scenarios = {feature: found.scenarios for feature, found in by_feature(cases).items()}
    return tuple(_row(feature, counts, scenarios[feature]) for feature, counts in found.items())


def _kind(case: CaseResult) -> str:
    """What a case is counted as."""
    return "known" if case.is_known else case.verdict.kind


def _row(feature: str, counts: Counter[str], scenarios: Score) -> Row:
    return Row(
        feature,
        counts.total(),
        counts["conforms"],
        counts["diverges"],
        counts["known"],
        counts["declared"],
        counts["unsupported"],
        sum(counts[kind] for kind in OTHER),
        scenarios,
    )


def run_report(results: Results) -> Iterator[Line]:
    """All that is printed after a run: the failures, the table, what was not run, the closing line."""
    found = _simplest_first(failures(results.cases))
    for failure in found[:TOLD]:
        yield Line("")
        yield from report(failure, results.head, results.scenarios)
    if len(found) > TOLD:
        yield Line("")
        yield Line(
            f"{len(found) - TOLD} more scenarios fail; --select one of them to see its report:", "title"
        )
    for failure in found[TOLD:]:
        yield Line(f"  {failure.shown.id} {outcome(failure.shown)}")
    yield Line("")
    yield from table(results.cases, "operator" if results.head.corpus == "opinfo" else "feature")
    if results.head.corpus != "opinfo":  # PyTorch's samples have no levels
        yield from score_lines(results.cases)
    yield Line("")
    yield from _notes(results)
    yield closing_line(results)


def _simplest_first(failures: Iterable[Failure]) -> list[Failure]:
    """Those of the lowest level come first, and of these the smallest programs; but each manner of failing is
    told once before any is told again."""
    ordered = sorted(failures, key=lambda failure: (failure.shown.level, *size(failure.shown)))
    manners: set[tuple[str, ...]] = set()
    first: list[Failure] = []
    again: list[Failure] = []
    for failure in ordered:
        way = manner(failure.shown.verdict)
        (again if way in manners else first).append(failure)
        manners.add(way)
    return [*first, *again]


def table(cases: Sequence[CaseResult], first: str = "feature") -> Iterator[Line]:
    """The table by feature with its totals. first: what stands above the features."""
    found = rows(cases)
    total = _row("total", Counter(map(_kind, cases)), scores(cases).scenarios)
    columns = tuple(name for name in COLUMNS if name not in {"known", "declared"} or getattr(total, name))
    cells = [
        tuple(map(str, (row.feature, *(getattr(row, name) for name in columns)))) for row in (*found, total)
    ]
    columns = (first, *columns[:-1], "pass/applicable/all")
    widths = [max(len(line[index]) for line in (columns, *cells)) for index in range(len(columns))]

    def line(parts: tuple[str, ...]) -> str:
        first, *rest = (f"{part:>{width}}" for part, width in zip(parts, widths, strict=True))
        return "  ".join((f"{parts[0]:<{len(first)}}", *rest))

    yield Line(line(columns), "title")
    for row, parts in zip(found, cells, strict=False):
        yield Line(line(parts), "bad" if row.diverge or row.other else "text")
    yield Line(line(cells[-1]), "title")


def _notes(results: Results) -> Iterator[Line]:
    head = results.head
    yield from part_lines(results.cases)
    counts = Counter(map(_kind, results.cases))
    named = [f"{counts[kind]} {kind}" for kind in OTHER if counts[kind]]
    if named:
        yield Line(f"other: {', '.join(named)}")
    verdicts = [case.verdict for case in results.cases]
    lacks = [verdict for verdict in verdicts if isinstance(verdict, Unsupporting)]
    declared = [verdict for verdict in verdicts if isinstance(verdict, Declared)]
    if head.declares:
        yield Line(f"declares: {', '.join(head.declares)}")
    if head.composed:
        yield Line(f"made by the adapter: {', '.join(head.composed)}")
    yield from _counted("as declared", (policy for verdict in declared for policy in verdict.policies))
    yield from _counted("unsupported", (verdict.feature for verdict in lacks if not verdict.shim))
    yield from _counted("provided by the shim", (verdict.feature for verdict in lacks if verdict.shim))
    reasons: dict[str, str] = {}
    for case in results.cases:
        if isinstance(case.verdict, Inconclusive):
            reasons.setdefault(case.id, case.verdict.reason)
    yield from (Line(f"inconclusive: {name} {reason}") for name, reason in reasons.items())
    yield from _devices(results.cases)
    yield from _numbers(results.cases)
    yield from _known(results)
    yield Line(head.compared)
    if head.kernels:
        yield Line(f"kernels: {', '.join(head.kernels)}")
    yield from not_run(head)


def not_run(head: Head) -> Iterator[Line]:
    """What was asked for and was not run, with the reasons."""
    yield from (Line(f"not run: device {reason}", "bad") for reason in head.absent)
    yield from (Line(f"not run: {reason}") for reason in head.unfit)


def _counted(title: str, names: Iterable[str]) -> Iterator[Line]:
    """What was met, each with the number of its cases, the most frequent first; nothing where nothing was."""
    counts = Counter(names).most_common()
    named = [f"{name} ({count} {'case' if count == 1 else 'cases'})" for name, count in counts[:NAMED]]
    rest = counts[NAMED:]
    if rest:
        named.append(f"{len(rest)} more ({sum(count for _, count in rest)} cases)")
    if named:
        yield Line(f"{title}: {', '.join(named)}")


def _devices(cases: Iterable[CaseResult]) -> Iterator[Line]:
    """Where torch itself is not on a device as it is on the CPU, whatever the engine does."""
    apart: dict[str, list[CaseResult]] = {}
    for case in cases:
        if isinstance(case.verdict, Conforms | Diverges) and case.verdict.device is not None:
            apart.setdefault(case.device, []).append(case)
    for device, found in apart.items():
        names = [*dict.fromkeys(case.scenario for case in found)]
        counted = f"{len(found)} {'case' if len(found) == 1 else 'cases'}"
        told = f"torch itself is not on {device} as it is on the CPU in {counted}"
        yield Line(f"device differs: {told}: {some(names, NAMED)}")


def _known(results: Results) -> Iterator[Line]:
    """How the known failures stand; nothing where there is no file of them."""
    head = results.head
    if not head.known:
        return
    found = Counter(case.known.standing for case in results.cases if case.known is not None)
    parts = [f"{found['fails as known']} fail as known"]
    parts += [f"{found['conforms']} conform now"] if found["conforms"] else []
    parts += [f"{found['fails otherwise']} fail otherwise"] if found["fails otherwise"] else []
    if head.unreached:
        parts.append(f"{head.unreached} not selected")
    yield Line(f"known failures in {', '.join(head.known)}: {', '.join(parts)}")
    for entry in head.expired:
        yield Line(f"expired: the known failure {entry}; mend it, or give its entry another day", "bad")


def _numbers(cases: Iterable[CaseResult]) -> Iterator[Line]:
    """How often each stage of the numerical comparison decided; nothing where no numbers were compared."""
    compared = (Conforms, Diverges, Declared, Inconclusive)
    total = Numbers.total(case.verdict.numbers for case in cases if isinstance(case.verdict, compared))
    if total == NO_NUMBERS:
        return
    parts = [f"{total.shapes} by shape and dtype alone, on meta"] if total.shapes else []
    parts += [
        f"{total.bits} equal in bits",
        f"{total.tolerance} within tolerance",
        f"{total.anchor} by the float64 anchor",
        f"{total.spread} by spread",
        f"{total.inconclusive} inconclusive",
    ]
    if total.refused:
        parts.append(f"{total.refused} refused")
    yield Line(f"numbers: {', '.join(parts)}")


REST = ("known to fail", "as declared", "unsupported", "provided by the shim", "inconclusive")
"""What the closing line counts beside what conforms."""


def _told_as(case: CaseResult) -> str:
    if case.is_known:
        return "known to fail"
    match case.verdict:
        case Declared():
            return "as declared"
        case Unsupporting(shim=True):
            return "provided by the shim"
        case verdict:
            return verdict.kind


def closing_line(results: Results) -> Line:
    """The outcome in one line."""
    cases = results.cases
    total = len(cases)
    failing = [case for case in cases if fails(case)]
    expired = results.head.expired
    role: Role = "bad" if failing or expired else "good"
    conform = sum(case.verdict.kind == "conforms" for case in cases)
    counts = Counter(_told_as(case) for case in cases)
    rest = [f"{counts[word]} {word}" for word in REST if counts[word]]
    kept = f"{conform} of {total} cases conform" + "".join(f", {part}" for part in rest)
    if failing:
        ids = tuple(dict.fromkeys(case.scenario for case in failing))
        alone = len(ids) == 1
        diverging = all(case.verdict.kind == "diverges" for case in failing)
        word = ("diverge" if diverging else "fail") + ("s" if alone else "")
        text = f"{len(ids)} {'scenario' if alone else 'scenarios'} {word}: {some(ids)}; {kept}"
    elif expired:
        text = f"known failures have expired: {', '.join(expired)}; {kept}"
    else:
        text = f"nothing diverges{' that is not known' if counts['known to fail'] else ''}: {kept}"
    end = results.end
    if end is not None and end.interrupted:
        text, role = f"interrupted after {end.tasks} of {results.head.tasks} tests; {text}", "bad"
    elif end is not None and end.tasks < results.head.tasks:
        text = f"stopped in test {end.tasks + 1} of {results.head.tasks}; {text}"
    return Line(text, role)
