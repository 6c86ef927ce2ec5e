"""Writes docs/engines.md and docs/engines/NAME.md: how other engines stand to PyTorch, from kept runs.

    gradconform run autograd --examples 0 --results autograd.jsonl
    python docs/engines.py autograd.jsonl

keeps the run as docs/engines/autograd.jsonl.gz, in the place of the one before, and writes the pages; without
a file it writes them from the runs that are kept. docs/engines.yaml lists what was known of the engines
beforehand: where a run is to show it, that is held against the run, and what is not there ends the script.
"""

from __future__ import annotations

import gzip
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from gradconform.exploration.smaller import words
from gradconform.report.failure import Failure, command, failures, manner, summary
from gradconform.report.lines import plain
from gradconform.report.score import by_feature, by_level, level_reached, scores
from gradconform.report.terminal import table
from gradconform.results import Results, read_results
from gradconform.verdict import Declared, Diverges, Unsupporting

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "engines.md"
RUNS = ROOT / "docs" / "engines"
KNOWN = ROOT / "docs" / "engines.yaml"
AGREE = "finite differences agree with torch"
LONGEST = 160
"""So much of a number or a message is told."""
LONG = 40
"""So many lines of a program are told."""
NAMED = 12
"""So many scenarios of one difference are named."""
LISTED = 30
"""So much of what an engine lacks is listed."""
NOTE = "<!-- Written by docs/engines.py from docs/engines/*.jsonl.gz and docs/engines.yaml; do not edit. -->"
HEAD = f"""\
# Other engines

{NOTE}

How engines that others wrote stand to PyTorch, by `gradconform run ENGINE` on the real packages, through the
adapters of [adapters.md](adapters.md). Each name leads to the engine's own page: its score by feature, what
it declares, and each difference with the smallest program that shows it. A page is written from a run that is
kept beside it; its head says how to make it again.

A *pass* is a scenario of which every case that the engine could be judged by conforms: what it lacks, what
the adapter would have to do in its stead, and what it declares to do otherwise are none. A level is reached
where every applicable scenario up to it passes. *All* are the scenarios that a run took in: what the corpus
had on its day, in the dtypes that were asked for. *Confirmed* are differences in a gradient where finite
differences of the same program, in float64 and without any autograd, agree with torch
([architecture.md](architecture.md)): there the engine's gradient is wrong, and no convention. Each is seen in
at least one dtype; what a half rounds away is among them.
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """Failures with one cause, as far as can be told: the same differs, in programs of the same words."""

    found: tuple[Failure, ...]

    @property
    def confirmed(self) -> bool:
        """Whether finite differences agree with torch in some case of it."""
        return any(AGREE in _details(failure) for failure in self.found)


@dataclass(frozen=True, slots=True)
class Kept:
    """A run of an engine, and the differences that it shows."""

    name: str
    results: Results
    differences: tuple[Difference, ...]

    @property
    def version(self) -> str:
        return self.results.head.engine_version or ""


def main(files: Sequence[str]) -> int:
    """Keeps these runs, and writes all pages."""
    for file in files:
        results = read_results(Path(file))
        if results.end is None or results.end.interrupted:
            return _refused(f"{file}: the run is not over")
        path = RUNS / f"{results.head.engine}.jsonl.gz"
        path.write_bytes(gzip.compress(Path(file).read_bytes(), mtime=0))
    engines = [_read(path) for path in sorted(RUNS.glob("*.jsonl.gz"))]
    known = yaml.safe_load(KNOWN.read_text("utf-8"))
    wrong = [*_not_shown(known, engines)]
    if wrong:
        return _refused("\n".join(wrong))
    for engine in engines:
        (RUNS / f"{engine.name}.md").write_text("\n".join(_engine_page(engine)) + "\n", "utf-8")
    PAGE.write_text("\n".join(_page(engines, known)) + "\n", "utf-8")
    return 0


def _refused(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1


def _read(path: Path) -> Kept:
    with TemporaryDirectory(prefix="gradconform-") as folder:
        plain_file = Path(folder) / "run.jsonl"
        plain_file.write_bytes(gzip.decompress(path.read_bytes()))
        results = read_results(plain_file)
    groups: dict[tuple[Any, ...], list[Failure]] = {}
    for failure in failures(results.cases):
        shown = failure.shown
        said = words(shown.example.program) if shown.example else (shown.scenario,)
        groups.setdefault((manner(shown.verdict)[:2], said), []).append(failure)
    differences = tuple(Difference(tuple(found)) for found in groups.values())
    return Kept(path.name.removesuffix(".jsonl.gz"), results, differences)


def _details(failure: Failure) -> str:
    cases = (failure.shown, *failure.alike, *failure.otherwise)
    verdicts = [case.verdict for case in cases]
    return "; ".join(
        one.detail for verdict in verdicts if isinstance(verdict, Diverges) for one in verdict.divergences
    )


# --- what was known beforehand ---


def _not_shown(known: Mapping[str, Sequence[Mapping[str, Any]]], engines: Iterable[Kept]) -> Iterator[str]:
    """What docs/engines.yaml says that a run shows, and it does not."""
    by_name = {engine.name: engine for engine in engines}
    for name, items in known.items():
        if name not in by_name:
            yield f"docs/engines.yaml: {name}: no run of it is kept"
            continue
        shown = _shown_by(by_name[name].results)
        for item in items:
            for what in item.get("shown", ()):
                if not any(fnmatchcase(one, what) for one in shown):
                    yield f"docs/engines.yaml: {name}: {item['says']}: the run does not show {what}"
            if not (item.get("shown") or item.get("because")):
                yield f"docs/engines.yaml: {name}: {item['says']}: neither `shown` nor `because`"


def _shown_by(results: Results) -> set[str]:
    """What a run shows: scenarios that fail, conventions that cases differ by, and features that are
    missing."""
    shown = {failure.shown.scenario for failure in failures(results.cases)}
    for case in results.cases:
        match case.verdict:
            case Declared(policies=policies):
                shown.update(f"declared {policy}" for policy in policies)
            case Unsupporting(feature=feature, shim=shim):
                shown.add(f"{'shim' if shim else 'lacks'} {feature}")
    return shown


# --- the pages ---


def _page(engines: Sequence[Kept], known: Mapping[str, Any]) -> Iterator[str]:
    yield HEAD
    yield (
        "| engine | version | level | scenarios that pass, are applicable, of all | conventions declared "
        "| differences | confirmed |"
    )
    yield "|---|---|---:|---:|---:|---:|---:|"
    for engine in engines:
        head, cases = engine.results.head, engine.results.cases
        confirmed = sum(difference.confirmed for difference in engine.differences)
        level = level_reached(by_level(cases))
        yield (
            f"| [{engine.name}](engines/{engine.name}.md) | {engine.version} | {level} "
            f"| {scores(cases).scenarios} | {len(head.declares)} | {len(engine.differences)} | {confirmed} |"
        )
    torch = sorted({engine.results.head.torch for engine in engines})
    yield ""
    yield f"Held against PyTorch {', '.join(torch)} on the CPU."
    yield from _features(engines)
    yield from _foreknown(engines, known)
    yield from _new(engines, known)


def _features(engines: Sequence[Kept]) -> Iterator[str]:
    yield ""
    yield "## By feature"
    yield ""
    yield "Scenarios that pass, of those that are applicable; empty where none is."
    yield ""
    found = {engine.name: by_feature(engine.results.cases) for engine in engines}
    names = sorted({feature for scored in found.values() for feature in scored})
    yield f"| feature | {' | '.join(found)} |"
    yield f"|---|{'---:|' * len(found)}"
    for feature in names:
        cells = []
        for scored in found.values():
            score = scored[feature].scenarios if feature in scored else None
            cells.append(f"{score.passed}/{score.applicable}" if score and score.applicable else "")
        yield f"| {feature} | {' | '.join(cells)} |"


def _foreknown(engines: Iterable[Kept], known: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## What was known beforehand"
    yield ""
    yield "Each is held against the run when this page is written: the scenario fails, the convention is what"
    yield "a case differs by, or the engine lacks what would show it."
    yield ""
    yield "| engine | what | shown by, or why it is not |"
    yield "|---|---|---|"
    for engine in engines:
        for item in known.get(engine.name, ()):
            shown = ", ".join(f"`{what}`" for what in item.get("shown", ()))
            told = "; ".join(part for part in (shown, item.get("because", "")) if part)
            yield f"| {engine.name} | {_cell(item['says'])} | {_cell(told)} |"


def _new(engines: Iterable[Kept], known: Mapping[str, Any]) -> Iterator[str]:
    """Differences that finite differences confirm, and that are none of those that were known."""
    yield ""
    yield "## Wrong gradients that were found"
    yield ""
    yield "Differences in a gradient that finite differences confirm, and that are not among those above."
    yield ""
    yield "| engine | scenario | difference |"
    yield "|---|---|---|"
    for engine in engines:
        named = [what for item in known.get(engine.name, ()) for what in item.get("shown", ())]
        for difference in engine.differences:
            scenarios = [failure.shown.scenario for failure in difference.found]
            foreknown = any(fnmatchcase(one, what) for one in scenarios for what in named)
            if difference.confirmed and not foreknown:
                first = next(failure for failure in difference.found if AGREE in _details(failure))
                told = _cell(summary(first.shown.verdict))
                yield f"| {engine.name} | {_named(scenarios, 2)} | {told} |"


def _engine_page(engine: Kept) -> Iterator[str]:
    head, cases = engine.results.head, engine.results.cases
    yield f"# {engine.name} {engine.version}".rstrip()
    yield ""
    yield NOTE
    yield ""
    yield f"{head.compared}. The run again, and this page from it:"
    yield ""
    dtypes = [part for dtype in head.dtypes for part in ("--dtype", dtype)]
    yield f"    {command(head, *dtypes)} --results run.jsonl"
    yield "    python docs/engines.py run.jsonl"
    yield ""
    yield "```"
    yield plain(table(cases)).rstrip()
    yield "```"
    yield from _declarations(engine)
    yield ""
    yield "## Differences"
    if not engine.differences:
        yield ""
        yield "None."
    for number, difference in enumerate(engine.differences, 1):
        yield from _told(number, difference, engine.results)


def _declarations(engine: Kept) -> Iterator[str]:
    head, verdicts = engine.results.head, [case.verdict for case in engine.results.cases]
    declared = Counter(
        policy for verdict in verdicts if isinstance(verdict, Declared) for policy in verdict.policies
    )
    lacks = [verdict for verdict in verdicts if isinstance(verdict, Unsupporting)]
    if head.declares:
        yield ""
        yield "## Conventions that it declares"
        yield ""
        yield "| convention | cases that differ by it |"
        yield "|---|---:|"
        for policy in head.declares:
            yield f"| `{policy}` | {declared[policy]} |"
    by_shim = Counter(verdict.feature for verdict in lacks if verdict.shim)
    for title, names in (
        ("Made by the adapter of other operators", Counter(head.composed)),
        ("Missing", Counter(verdict.feature for verdict in lacks if not verdict.shim)),
        ("Not judged, since the harness would do it", by_shim),
    ):
        if names:
            yield ""
            most = names.most_common()
            told = [f"{_cell(name)} ({count})" for name, count in most[:LISTED]]
            if len(most) > LISTED:
                told.append(f"{len(most) - LISTED} more ({sum(count for _, count in most[LISTED:])})")
            yield f"{title}, with the cases: {', '.join(told)}."


def _told(number: int, difference: Difference, results: Results) -> Iterator[str]:
    shown = difference.found[0].shown
    scenarios = [failure.shown.scenario for failure in difference.found]
    every = {
        case.dtype
        for failure in difference.found
        for case in (failure.shown, *failure.alike, *failure.otherwise)
    }
    yield ""
    yield f"### {number}. {shown.scenario}"
    yield ""
    yield f"{_short(results.scenarios[shown.scenario].says)}"
    yield ""
    yield f"- {_short(summary(shown.verdict))}"
    if isinstance(shown.verdict, Diverges) and shown.verdict.divergences[0].detail:
        yield f"- {_short(shown.verdict.divergences[0].detail, 3 * LONGEST)}"
    if difference.confirmed and AGREE not in _details(difference.found[0]):
        yield f"- {AGREE} in another of these scenarios"
    yield f"- {_named(scenarios, NAMED)}; {', '.join(sorted(every))}"
    if shown.example is not None:
        yield ""
        yield "```"
        yield from _abridged(shown.example.text.rstrip().split("\n"))
        yield "```"


def _abridged(lines: Sequence[str]) -> Iterator[str]:
    """A program, without its middle where it is longer than anybody reads."""
    if len(lines) <= LONG:
        yield from lines
        return
    yield from lines[: LONG // 2]
    yield f"# ... {len(lines) - LONG} lines more ..."
    yield from lines[-LONG // 2 :]


def _named(scenarios: Sequence[str], most: int) -> str:
    first = ", ".join(f"`{name}`" for name in scenarios[:most])
    return f"{first} and {len(scenarios) - most} more" if len(scenarios) > most else first


def _short(text: str, longest: int = LONGEST) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def _cell(text: str) -> str:
    """A text that can stand in a table."""
    return _short(text).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
