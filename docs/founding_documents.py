"""Writes docs/founding-documents.md: each entry of the founding documents, its scenarios, and their verdicts.

    python docs/founding_documents.py

runs the scenarios that tests/corpus/founding.yaml names on torch and on refgrad, on the CPU, from one seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from gradconform.engines.refgrad import RefgradEngine
from gradconform.engines.torch import TorchEngine
from gradconform.execution.host import InProcess
from gradconform.plan import Settings, Task, plan
from gradconform.program.library import load_library
from gradconform.program.parse import Template
from gradconform.session import Session
from gradconform.spec.corpus import corpus_files

ROOT = Path(__file__).parent.parent
MAPPING = ROOT / "tests" / "corpus" / "founding.yaml"
PAGE = ROOT / "docs" / "founding-documents.md"
ENGINES = {"torch": TorchEngine, "refgrad": RefgradEngine}
DRAWS = 2

HEAD = """\
# The founding documents

<!-- Written by docs/founding_documents.py from tests/corpus/founding.yaml and a run; do not edit. -->

The project started from five public documents that teach PyTorch's autograd. Each of their {entries} entries
(a code cell, or a text that states a behaviour) that shows autograd became one or more scenarios,
{scenarios} in all; the {silent} others stand here with the reason why they did not. Where a document is
outdated or wrong, the scenarios state what PyTorch does, and a second table says how the two differ.

The verdicts are those of the documented example, of its corners and of {draws} random draws of each
scenario, in each of its dtypes, on the CPU. PyTorch checked against itself shows that it keeps every fact
that they state.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a document. Either `scenarios` (ids) or `none` (why it shows no autograd) is not empty;
    `outdated` says what PyTorch does otherwise, and is empty where it does what is shown."""

    document: str
    cell: str
    shows: str
    scenarios: tuple[str, ...] = ()
    none: str = ""
    outdated: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A founding document, by its file name."""

    name: str
    about: str
    entries: tuple[Entry, ...]


def documents(path: Path = MAPPING) -> tuple[Document, ...]:
    """The documents of the mapping. Raises TypeError or KeyError for one with an unknown or a missing key."""
    found = yaml.safe_load(path.read_text("utf-8"))
    return tuple(
        Document(
            each["document"],
            each["about"],
            tuple(
                Entry(each["document"], **{**entry, "scenarios": tuple(entry.get("scenarios", ()))})
                for entry in each["entries"]
            ),
        )
        for each in found["documents"]
    )


def scenario_ids(found: Sequence[Document]) -> tuple[str, ...]:
    """The ids that any entry names, once each, in order."""
    return tuple(
        dict.fromkeys(s for document in found for entry in document.entries for s in entry.scenarios)
    )


def verdicts(
    templates: Sequence[Template], ids: Sequence[str], draws: int = DRAWS
) -> dict[str, dict[str, str]]:
    """For each engine, what became of each scenario: `conforms`, or the counts of its other verdicts."""
    settings = Settings(select=tuple(ids), examples=draws)
    tasks = plan(templates, settings).tasks
    return {name: _on_engine(Session(InProcess(make()), settings), tasks) for name, make in ENGINES.items()}


def _on_engine(session: Session, tasks: Sequence[Task]) -> dict[str, str]:
    kinds: dict[str, Counter[str]] = {}
    for task in tasks:
        kinds.setdefault(task.origin.id, Counter()).update(case.verdict.kind for case in session.check(task))
    return {scenario: _summary(counts) for scenario, counts in kinds.items()}


def _summary(counts: Counter[str]) -> str:
    others = {kind: count for kind, count in sorted(counts.items()) if kind != "conforms"}
    return ", ".join(f"{kind} ({count} of {counts.total()})" for kind, count in others.items()) or "conforms"


def page(found: Sequence[Document], outcome: Mapping[str, Mapping[str, str]], draws: int = DRAWS) -> str:
    """The page as Markdown."""
    entries = [entry for document in found for entry in document.entries]
    head = HEAD.format(
        entries=len(entries),
        scenarios=len(scenario_ids(found)),
        silent=sum(not entry.scenarios for entry in entries),
        draws=draws,
    )
    return "\n".join([head, *(line for document in found for line in _section(document, outcome))])


def _section(document: Document, outcome: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    yield f"## {document.name}\n"
    yield f"{document.about}\n"
    yield f"| cell | shows | scenario | {' | '.join(ENGINES)} |"
    yield "|---|---|---|" + "---|" * len(ENGINES)
    for entry in document.entries:
        where, shows = _cell(entry.cell), _cell(entry.shows)
        if entry.none:
            yield f"| {where} | {shows} | none: {_cell(entry.none)} |" + " |" * len(ENGINES)
        for scenario in entry.scenarios:
            feature = scenario.partition("/")[0]
            engines = " | ".join(outcome[engine][scenario] for engine in ENGINES)
            yield f"| {where} | {shows} | [{scenario}](../specs/{feature}.yaml) | {engines} |"
            where = shows = ""
    outdated = [entry for entry in document.entries if entry.outdated]
    if outdated:
        yield "\n| cell | what PyTorch does instead |"
        yield "|---|---|"
        yield from (f"| {_cell(entry.cell)} | {_cell(entry.outdated)} |" for entry in outdated)
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Writes the page."""
    found = documents()
    outcome = verdicts(load_library(corpus_files("documented")), scenario_ids(found))
    PAGE.write_text(page(found, outcome), "utf-8")


if __name__ == "__main__":
    main()
