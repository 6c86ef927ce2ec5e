from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from gradconform.cli import run
from gradconform.errors import UsageError
from gradconform.settings import Options, from_file, options, words


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "pyproject.toml"


def table(text: str) -> str:
    return f"[project]\nname = 'mine'\n\n[tool.gradconform]\n{text}\n"


def test_without_a_file_the_usual_options_hold(tmp_path: Path) -> None:
    assert options(tmp_path, {"seed": None, "dtype": ()}) == Options()


def test_a_file_sets_every_option(project: Path) -> None:
    project.write_text(
        table(
            'device = "cpu, cuda"\ndtype = ["float32"]\nselect = ["level:1-2", "a/b,c"]\n'
            "examples = 0\nseed = -4\n"
            'specs = "own.yaml"\ncorpus = false\nresults = "out/r.jsonl"\nfail-fast = true'
        )
    )
    folder = project.parent
    assert options(folder, {}) == Options(
        device=("cpu", "cuda"),
        dtype=("float32",),
        select=("level:1-2", "a/b", "c"),
        examples=0,
        seed=-4,
        specs=(folder / "own.yaml",),
        corpus="none",
        results=folder / "out/r.jsonl",
        fail_fast=True,
    )


def test_the_command_line_wins(project: Path) -> None:
    project.write_text(table("examples = 3\nseed = 4\ncorpus = false"))
    chosen = options(project.parent, {"seed": 0, "corpus": "operators", "examples": None})
    assert (chosen.examples, chosen.seed, chosen.corpus) == (3, 0, "operators")


def test_the_nearest_file_above_counts(project: Path) -> None:
    project.write_text(table("seed = 1"))
    inner = project.parent / "a" / "b"
    inner.mkdir(parents=True)
    assert from_file(inner) == {"seed": 1}
    (inner.parent / "pyproject.toml").write_text("[project]\nname = 'inner'\n")
    assert from_file(inner) == {}


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("\nsead = 1", "6:1", "has no setting 'sead'; did you mean 'seed'?"),
        ("[tool.other]\nseed = 1\n[tool.gradconform]\n  zzz = 1", "", "not TOML"),
        ('seed = "one"', "5:1", "'seed' is an integer; got 'one'"),
        ("seed = true", "5:1", "'seed' is an integer; got True"),
        ("examples = -1", "5:1", "'examples' is a number of random draws, 0 or more; got -1"),
        ("device = [1]", "5:1", "'device' is a string or a list of strings; got [1]"),
        ("corpus = 0", "5:1", "'corpus' is true, false or the name of a corpus; got 0"),
        ("specs = [true]", "5:1", "'specs' is a path or a list of paths"),
        ("  'fail-fast' = 1", "5:4", "'fail-fast' is true or false"),
        ("engine = 'torch'", "5:1", "the settings are device, dtype,"),
        ("seed = ", "", "this is not TOML: "),
    ],
)
def test_a_mistake_is_shown_where_it_stands(project: Path, text: str, place: str, message: str) -> None:
    project.write_text(table(text))
    with pytest.raises(UsageError) as caught:
        from_file(project.parent)
    assert str(caught.value).startswith(f"{project}:{place}")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("[tool]\ngradconform = 3\n", "2:1", "[tool.gradconform] is a table of settings, got 3"),
        ('tool = "gradconform"\n', "1:1", "'tool' is a table, that of [tool.gradconform]; got 'gradconform'"),
        ("\n tool = [1] # gradconform\n", "2:2", "'tool' is a table, that of [tool.gradconform]; got [1]"),
        ("[tool.gradconform]\nseed = 1 2\n", "2:10", "this is not TOML: Expected newline or end of document"),
        (f"x = {'[' * 3000}{']' * 3000} # gradconform\n", "1:1", "this TOML is nested too deeply"),
        (f"[tool]\ngradconform = {'9' * 5000}\n", "2:", "Exceeds the limit"),
        (f"[tool.gradconform]\nseed{'.a' * 3000} = 1\n", "2:1", "'seed' is an integer; got "),
        (
            f"[tool.gradconform]\nselect = 0x{'f' * 5000}\n",
            "2:1",
            "'select' is a string or a list of strings",
        ),
        ('[tool.gradconform]\nspecs = "a\\u0000b"\n', "2:1", "'specs' is a path or a list of paths"),
    ],
)
def test_a_file_of_another_form_is_one_located_message(
    project: Path, text: str, place: str, message: str
) -> None:
    project.write_text(text)
    with pytest.raises(UsageError) as caught:
        from_file(project.parent)
    said = str(caught.value)
    assert said.startswith(f"{project}:{place}")
    assert message in said
    assert len(said) < 500


def test_a_file_that_is_no_text_is_refused(project: Path) -> None:
    project.write_bytes(b"\xff\xfegradconform")
    with pytest.raises(UsageError, match="the file cannot be read"):
        from_file(project.parent)


def test_words_are_split_at_commas() -> None:
    assert words("cpu, cuda:1 ,,") == ("cpu", "cuda:1")


def test_each_setting_is_an_option_of_run_and_the_other_way_round(project: Path) -> None:
    named = {parameter.name for parameter in run.params} - {"engine", "no_corpus", "resume"}
    assert named == {each.name for each in fields(Options)}
    project.write_text(table("nothing = 1"))
    with pytest.raises(UsageError) as caught:
        from_file(project.parent)
    listed = str(caught.value).partition("the settings are ")[2].split(", ")
    assert {name.replace("-", "_") for name in listed} == named


def test_the_settings_in_the_readme_are_read(project: Path) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    block = readme.partition("```toml\n[tool.gradconform]\n")[2].partition("```")[0]
    project.write_text(f"[tool.gradconform]\n{block}")
    found = from_file(project.parent)
    assert (found["select"], found["examples"]) == (("level:1-3",), 50)
    assert found["specs"] == (project.parent / "my_specs",)
