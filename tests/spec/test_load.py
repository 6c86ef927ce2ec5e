from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gradconform.errors import Place, SpecError
from gradconform.spec.corpus import all_files
from gradconform.spec.dtypes import DTYPES
from gradconform.spec.load import load_files
from gradconform.spec.model import ENTRIES
from gradconform.spec.scenario import ProgramText, Scenario, Source, TensorDomain
from gradconform.spec.shapes import AnyShape

if TYPE_CHECKING:
    import pytest

GOOD = """\
# yaml-language-server: $schema=schema.json
schema: 1
feature: accumulation
about: backward adds into .grad.
scenarios:

- id: accumulation/two-branches
  says: >
    Two backward calls
    add up.
  source: {document: some.txt, cell: 7, docs: notes/autograd, note: It says otherwise.}
  level: 2
  aliases: [accumulation/former]
  dtypes: [float32, complex64]
  let:
    x: {tensor: any, example: [1.0], requires_grad: true}
  program: |
    y = x * 2

- id: accumulation/plain
  says: A scenario needs no more than this.
  source: {document: some.txt, cells: [1, "2", 3.5]}
  program: y = 1
"""


def test_a_file_becomes_scenarios(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD, encoding="utf-8")
    file = str(path)
    assert load_files([path]).scenarios == (
        Scenario(
            id="accumulation/two-branches",
            feature="accumulation",
            says="Two backward calls add up.",
            level=2,
            text=ProgramText("y = x * 2\n", file, 18, 5),
            place=Place(file, 7, 7),
            aliases=("accumulation/former",),
            source=Source("some.txt", ("7",), "notes/autograd", "It says otherwise."),
            dtypes=("float32", "complex64"),
            let={
                "x": TensorDomain(AnyShape(), "any", "real", "contiguous", True, (1.0,), Place(file, 16, 5))
            },
        ),
        Scenario(
            id="accumulation/plain",
            feature="accumulation",
            says="A scenario needs no more than this.",
            level=1,
            text=ProgramText("y = 1", file, 23, 12),
            place=Place(file, 20, 7),
            aliases=(),
            source=Source("some.txt", ("1", "2", "3.5")),
            dtypes=("float32", "float64"),
            let={},
        ),
    )


def test_a_broken_scenario_does_not_hide_its_neighbours(tmp_path: Path) -> None:
    first, second, missing = tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "c.yaml"
    first.write_text(GOOD.replace("level: 2", "level: 20"), encoding="utf-8")
    second.write_text(GOOD.replace("accumulation", "other").replace("docs:", "dox:"), encoding="utf-8")
    loaded = load_files([first, missing, second])
    assert [scenario.id for scenario in loaded.scenarios] == ["accumulation/plain", "other/plain"]
    assert [(problem.place.file, problem.place.line, problem.scenario) for problem in loaded.problems] == [
        (str(first), 12, "accumulation/two-branches"),
        (str(missing), 1, ""),
        (str(second), 11, "other/two-branches"),
    ]
    assert [draft.id for draft in loaded.drafts] == ["accumulation/two-branches", "other/two-branches"]
    assert list(loaded.drafts[0].let) == ["x"]


def test_an_id_may_stand_once_in_all_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(GOOD, encoding="utf-8")
    second.write_text(
        GOOD.replace("accumulation/two-branches", "accumulation/one").replace(
            "accumulation/plain", "accumulation/former"
        ),
        encoding="utf-8",
    )
    problems = load_files([first, second]).problems
    # The alias of the first file, and the same word as an alias and as an id in the second.
    assert [(problem.place.line, problem.hint) for problem in problems] == [
        (13, f"it stands at {first}:13:13 already"),
        (20, f"it stands at {first}:13:13 already"),
    ]


def test_an_id_starts_with_its_feature(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(GOOD.replace("id: accumulation/plain", "id: other/plain"), encoding="utf-8")
    (problem,) = load_files([path]).problems
    assert problem.place == Place(str(path), 20, 7)
    assert problem.message == "the id 'other/plain' is not one of the feature 'accumulation'"
    assert problem.hint == "write accumulation/plain"


def test_the_version_of_the_form_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(GOOD.replace("schema: 1", "schema: true"), encoding="utf-8")
    (problem,) = load_files([path]).problems
    assert (problem.place.line, problem.message) == (2, "schema True is not known")


def test_so_many_problems_of_a_file_are_told_and_the_others_counted(tmp_path: Path) -> None:
    many, few = tmp_path / "a.yaml", tmp_path / "b.yaml"
    many.write_text("schema: 1\nfeature: a\nscenarios:\n" + "- 1\n" * 2000, encoding="utf-8")
    few.write_text("schema: 1\nfeature: a\nscenarios:\n" + "- 1\n" * 50, encoding="utf-8")
    error = SpecError(load_files([many, few]).problems)
    assert len(error.problems) == 2050
    lines = str(error).splitlines()
    assert len(lines) == 2 * 50 + 1 + 2 * 50 + 1
    assert lines[100] == f"{many}: and 1950 more"
    assert lines[101].startswith(f"{few}:4:3: scenario 1 must be a mapping")
    assert lines[-1] == "2050 problems in the specs"


def test_what_a_terminal_would_act_on_is_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        GOOD.replace("id: accumulation/plain", 'id: "accumulation/\\e[31m"  # \u202e').replace(
            "A scenario needs", "A \u202escenario needs"
        ),
        encoding="utf-8",
    )
    loaded = load_files([path])
    (problem,) = loaded.problems
    assert "\x1b" in problem.scenario
    shown = str(problem)
    assert shown.replace("\n", "").isprintable()
    assert "[accumulation/\\x1b[31m]" in shown
    assert "# \\u202e" in shown
    path.write_text(GOOD.replace("A scenario needs", "Caf\u00e9 \u202eneeds"), encoding="utf-8")
    assert load_files([path]).scenarios[1].says == "Caf\u00e9 \\u202eneeds no more than this."


def test_an_endless_number_is_described_by_its_length(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(GOOD.replace("level: 2", f"level: {'9' * 5000}"), encoding="utf-8")
    (problem,) = load_files([path]).problems
    assert problem.message == "'level' must be a whole number, not a number of 5000 digits"


def test_no_file_has_no_scenarios() -> None:
    loaded = load_files([])
    assert (loaded.scenarios, loaded.problems, loaded.drafts) == ((), (), ())


def test_the_corpus_loads() -> None:
    loaded = load_files(all_files())
    assert [str(problem) for problem in loaded.problems] == []
    assert len(loaded.scenarios) > 50


WORDS = [
    *(
        "any",
        "[N]",
        "[N, M] with N>=2",
        "broadcastable(x)",
        "domain(f)",
        "domain(x)",
        "f(x)",
        "x",
        "1..5",
        "5..1",
    ),
    *("nan", "1+2j", "special", "lambda", "dtype", "no_grad", "<tensor>", "[key]", "", "a\nb", "tests/one"),
    *DTYPES,
]
words = st.sampled_from(WORDS)
values: st.SearchStrategy[Any] = st.recursive(
    words | st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
VARIABLE_KEYS = [*ENTRIES, "example", "dtype", "values", "layout", "requires_grad", "unknown", "<like>"]
variable_keys = st.sampled_from(VARIABLE_KEYS)
variables = st.dictionaries(variable_keys, values, max_size=5) | values
scenario_keys = ["id", "says", "source", "level", "aliases", "dtypes", "device", "program", "unknown"]
entries = st.fixed_dictionaries(
    {"id": st.just("tests/one") | values, "says": st.just("A rule.") | values},
    optional={
        **dict.fromkeys(scenario_keys[2:], values),
        "let": st.dictionaries(st.sampled_from(["x", "y", "f", "n", "a b", "_z", "dtype"]), variables)
        | values,
    },
)
files = st.fixed_dictionaries(
    {"schema": st.just(1) | values, "feature": st.just("tests") | values},
    optional={
        "scenarios": st.lists(entries | values, max_size=3) | values,
        "about": values,
        "<tensor>": values,
    },
)


@settings(deadline=None, derandomize=True, database=None, max_examples=300)
@given(document=files | values)
def test_whatever_stands_in_a_file_is_a_located_problem_in_plain_words(
    document: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
    loaded = load_files([path])
    lines = text.splitlines()
    for problem in loaded.problems:
        assert problem.place.file == str(path)
        assert problem.place.line <= len(lines)
        assert problem.place.column <= len(lines[problem.place.line - 1]) + 1
        for raw in ("pydantic", "Input should", "Extra inputs", "Field required", "Unable to"):
            assert raw not in str(problem).replace(problem.text, "")


@settings(deadline=None, derandomize=True, database=None, max_examples=300)
@given(data=st.data())
def test_a_damaged_file_is_a_located_problem_or_still_good(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = GOOD
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        width = data.draw(st.sampled_from([0, 0, 1, 1, 5, 40]))
        piece = data.draw(
            st.sampled_from([*"[]{}:-#'\"|>!&*?%@`,\t\n\r \\\x00\x85\u2028\ufeff", "", "- ", "? ", "---\n"])
        )
        text = text[:at] + piece + text[at + width :]
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    loaded = load_files([path])
    assert loaded.scenarios or loaded.problems
    for problem in loaded.problems:
        # A syntax error may stand at the end, one line after the last.
        assert 1 <= problem.place.line <= len(text.splitlines()) + 1
