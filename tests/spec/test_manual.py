"""specs/README.md is the manual of the language: its examples run, and its tables are those of the code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from gradconform.engines.torch import TorchEngine
from gradconform.execution.host import InProcess
from gradconform.plan import Settings, Task
from gradconform.program.bind import MAX_STEPS
from gradconform.program.library import load_library
from gradconform.program.parse import MAX_DEPTH as MAX_PROGRAM_DEPTH
from gradconform.program.parse import MAX_TEXT, Template
from gradconform.session import Session
from gradconform.spec.dtypes import DTYPES, RELATIVE
from gradconform.spec.let import MAX_INTEGER
from gradconform.spec.model import ENTRIES, VALUES, ScenarioEntry, SourceEntry, SpecFile
from gradconform.spec.shapes import MAX_ELEMENTS, MAX_RANK, MAX_SIZE
from gradconform.spec.source import MAX_BYTES
from gradconform.spec.tree import MAX_DEPTH

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "specs" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def templates(example: str, folder: Path) -> tuple[Template, ...]:
    """The scenarios of an example, which is a whole file, a table or an entry."""
    path = folder / "example.yaml"
    head = "" if "schema: 1" in example else "schema: 1\nfeature: examples\nscenarios:\n"
    path.write_text(head + example, encoding="utf-8")
    return load_library([path])


def test_the_examples_are_found() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_example_holds_on_torch(example: str, dtype: str, tmp_path: Path) -> None:
    session = Session(InProcess(TorchEngine()), Settings(examples=20))
    found = [one for one in templates(example, tmp_path) if dtype in one.scenario.dtypes]
    verdicts = [case.verdict for one in found for case in session.check(Task(one, "cpu", dtype))]
    assert {verdict.kind for verdict in verdicts} == {"conforms"}, verdicts


def test_the_tables_are_those_of_the_vocabulary() -> None:
    spec = importlib.util.spec_from_file_location("language_tables", ROOT / "docs" / "language_tables.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert generator.page(TEXT) == TEXT, "run: python docs/language_tables.py"


@pytest.mark.parametrize("model", [SpecFile, ScenarioEntry, SourceEntry, *ENTRIES.values()])
def test_every_key_is_explained(model: type[SpecFile]) -> None:
    for name, field in model.model_fields.items():
        key = field.alias or name
        assert re.search(rf"`{key}`|\{{{key}: |\b{key}: ", TEXT), key


def test_every_word_of_a_domain_is_explained() -> None:
    layouts = ("contiguous", "transposed", "strided", "expanded", "any")
    for word in (*VALUES, *layouts, *DTYPES, *RELATIVE):
        assert f"`{word}`" in TEXT, word


def test_the_limits_are_those_of_the_code() -> None:
    assert f"{MAX_BYTES >> 20} MiB, nested {MAX_DEPTH} levels deep" in TEXT
    assert f"{MAX_RANK} dimensions of {MAX_SIZE}" in TEXT
    assert f"{MAX_ELEMENTS} elements" in TEXT
    assert f"from -{MAX_INTEGER} to {MAX_INTEGER}" in TEXT
    assert f"{MAX_TEXT} characters, nested {MAX_PROGRAM_DEPTH} deep, {MAX_STEPS} steps" in TEXT
