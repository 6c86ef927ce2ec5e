"""The mapping from the founding documents to scenarios holds together, and its page is up to date."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from gradconform.program.parse import Template

COUNTS = {
    "000_9ccfa5be19568b98.txt": 15,
    "001_2ec7f215111cf302.txt": 16,
    "002_283ea3a398cf1702.txt": 9,
    "003_ca4930580723c852.txt": 15,
    "004_984340beb26e7a36.txt": 16,
}


@pytest.fixture(scope="module")
def entries(generator: ModuleType) -> list[Any]:
    return [entry for document in generator.documents() for entry in document.entries]


def test_every_entry_of_every_document_is_there_once(generator: ModuleType, entries: list[Any]) -> None:
    assert {document.name: len(document.entries) for document in generator.documents()} == COUNTS
    assert len({(entry.document, entry.cell) for entry in entries}) == len(entries) == 71


def test_an_entry_has_scenarios_or_the_reason_why_not(entries: list[Any]) -> None:
    wrong = [(entry.document, entry.cell) for entry in entries if bool(entry.scenarios) is bool(entry.none)]
    assert not wrong
    assert all(entry.shows for entry in entries)


def test_an_entry_names_a_scenario_once(entries: list[Any]) -> None:
    assert not [entry.cell for entry in entries if len(set(entry.scenarios)) < len(entry.scenarios)]


def test_every_scenario_that_is_named_exists(entries: list[Any], corpus: tuple[Template, ...]) -> None:
    known = {template.id for template in corpus}
    assert not [(entry.cell, s) for entry in entries for s in entry.scenarios if s not in known]


def test_every_cell_that_a_scenario_cites_names_it(entries: list[Any], corpus: tuple[Template, ...]) -> None:
    named = {(entry.document, entry.cell): entry.scenarios for entry in entries}
    cited = [
        (template.scenario.source.document, cell, template.id)
        for template in corpus
        if template.scenario.source.document
        for cell in template.scenario.source.cells
    ]
    assert cited
    assert not [(d, cell, s) for d, cell, s in cited if s not in named.get((d, cell), ())]


def test_every_named_scenario_cites_a_founding_document(
    generator: ModuleType, corpus: tuple[Template, ...]
) -> None:
    documents = {template.id: template.scenario.source.document for template in corpus}
    ids = generator.scenario_ids(generator.documents())
    assert not [s for s in ids if documents[s] not in COUNTS]


def test_the_page_is_what_a_run_writes_today(generator: ModuleType, corpus: tuple[Template, ...]) -> None:
    documents = generator.documents()
    outcome = generator.verdicts(corpus, generator.scenario_ids(documents))
    written = generator.PAGE.read_text("utf-8")
    assert generator.page(documents, outcome) == written, "run python docs/founding_documents.py"
