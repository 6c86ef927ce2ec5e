"""Results written and read back: every kind of verdict, files that were cut, files of something else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gradconform.cases import CaseResult, Example
from gradconform.errors import Place, UsageError
from gradconform.program.steps import Apply, Backward, Input, Program, Ref
from gradconform.results import (
    End,
    Head,
    Results,
    ResultsError,
    ResultsWriter,
    ScenarioNote,
    end_of,
    note_of,
    read_results,
)
from gradconform.spec.scenario import ProgramText, Scenario, Source
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

ROOT = Path(__file__).parents[1]
HEAD = Head(
    "0.1.0", "2.13.0", "mine", "my_adapter:engine", "1.4", seed=3, examples=2, absent=("cuda: none",), tasks=9
)
NOTE = ScenarioNote("a/b", "a", 2, "It says so.", "notes/autograd")
VERDICTS: tuple[Verdict, ...] = (
    Conforms("anchor", Numbers(bits=5, anchor=1)),
    Diverges((Divergence("value", "x.grad", 1, "y.backward()", "[1.0]", "[\ud800nan]", "off by 1"),) * 2),
    Declared(("relu-at-zero: half", "complex: conjugate"), Numbers(bits=2)),
    Unsupporting("operator sqrt"),
    Unsupporting("accumulation", shim=True),
    Crashed("Segmentation fault"),
    TimedOut(2.5),
    Inconclusive("on a kink", Numbers(inconclusive=1)),
    OracleDisputed("torch breaks it"),
)


def example() -> Example:
    inputs = (Input("x", torch.tensor([0.1, float("nan"), -0.0]), requires_grad=True, layout="strided"),)
    steps = (Apply("y", "sum", (Ref("x"),)), Backward((Ref("y"),)))
    return Example(Program(inputs, steps, "a/b"), "x = ...\ny = x.sum()", "import torch\n")


def cases() -> tuple[CaseResult, ...]:
    return tuple(
        CaseResult(
            "a/b",
            "a",
            2,
            "cpu",
            "float32",
            draw,
            verdict,
            None if draw in {0, 2} else example(),
            derivation="hooked-value" if draw == 3 else "",
        )
        for draw, verdict in enumerate(VERDICTS)
    )


def write(path: Path, *, end: bool = True) -> None:
    with ResultsWriter(path) as writer:
        writer.head(HEAD)
        writer.scenario(NOTE)
        for case in cases():
            writer.case(case)
        if end:
            writer.end(end_of(cases(), tasks=1))


def without_programs(case: CaseResult) -> CaseResult:
    """Tensors do not compare as values do."""
    return replace(case, example=None)


def test_all_verdicts_come_back_as_they_were(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl")
    found = read_results(tmp_path / "r.jsonl")
    assert (found.head, found.scenarios, found.cut) == (HEAD, {"a/b": NOTE}, False)
    assert tuple(map(without_programs, found.cases)) == tuple(map(without_programs, cases()))
    assert {case.verdict.kind for case in found.cases} == set(KINDS)
    assert found.end == End(1, 9, {**dict.fromkeys(KINDS, 1), "unsupported": 2})


def test_programs_come_back_with_every_bit(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl")
    found = read_results(tmp_path / "r.jsonl").cases[1].example
    assert found is not None
    expected = example()
    assert (found.text, found.script, found.program.steps) == (
        expected.text,
        expected.script,
        expected.program.steps,
    )
    (mine,), (theirs,) = found.program.inputs, expected.program.inputs
    assert torch.equal(mine.data.view(torch.int32), theirs.data.view(torch.int32))
    assert (mine.name, mine.requires_grad, mine.layout) == ("x", True, "strided")


def test_each_line_is_in_the_file_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with ResultsWriter(path) as writer:
        writer.head(HEAD)
        assert path.read_text().count("\n") == 1
        writer.scenario(NOTE)
        assert path.read_text().count("\n") == 2


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_run_that_was_killed_has_no_end(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", end=False)
    assert read_results(tmp_path / "r.jsonl").end is None


@pytest.mark.parametrize("kept", [1, 20, -2])
def test_a_last_line_that_was_cut_is_left_out(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "r.jsonl"
    write(path, end=False)
    *whole, last = path.read_text().splitlines()
    path.write_text("\n".join([*whole, last[:kept]]))
    found = read_results(path)
    assert (len(found.cases), found.cut, found.end) == (len(VERDICTS) - 1, True, None)


def test_what_a_later_version_adds_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write(path)
    lines = path.read_text().splitlines()
    later = json.loads(lines[2])
    later["mood"] = "good"
    lines[2:3] = [json.dumps({"type": "weather", "is": "fine"}), json.dumps(later)]
    path.write_text("\n".join(lines) + "\n")
    assert read_results(path).cases[0] == cases()[0]


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, "", "there is no whole line in this file"),
        (1, "nonsense\n", ":1: this line is not JSON"),
        (1, "[1]\n", ":1: expected an object with a 'type', got list"),
        (1, '{"type": "case"}\n', ":1: a results file starts with a line of type \"run\", got 'case'"),
        (1, '{"type": "run", "format": 2}\n', ":1: not format 1"),
        (1, '{"type": "run", "format": 1}\n', ":1: Head"),
        (3, '{"type": "case"}', ":3: a case has a 'verdict'"),
        (
            3,
            '{"type": "case", "verdict": {"kind": "diverge"}}',
            ":3: unknown kind of verdict 'diverge'. did you mean 'div",
        ),
        (3, '{"type": "case", "verdict": {"kind": "crashed"}}', ":3: Crashed"),
        (3, '{"type": "case", "verdict": {"kind": "crashed", "reason": 3}}', ":3: 'reason' is str, got 3"),
        (
            3,
            '{"type": "case", "verdict": {"kind": "conforms"}, "example": 1}',
            ":3: an 'example' has a 'program'",
        ),
        (
            3,
            '{"type": "case", "verdict": {"kind": "diverges", "divergences": [1]}}',
            ":3: expected an object",
        ),
        (3, '{"type": "case", "verdict": {"kind": "diverges", "divergences": 1}}', ":3: 'divergences'"),
        (3, "{" * 100_000, ":3: this line is not JSON"),
        (9, '{"type": "end", "tasks": true}', ":9: 'tasks' is int, got True"),
    ],
)
def test_anything_else_is_one_located_error(tmp_path: Path, line: int, text: str, message: str) -> None:
    path = tmp_path / "r.jsonl"
    if line > 1:
        write(path)
        lines = path.read_text().splitlines()
        lines[line - 1] = text
        text = "\n".join(lines) + "\n"
    path.write_text(text)
    with pytest.raises(ResultsError) as caught:
        read_results(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_program_that_is_none_is_located_too(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write(path)
    text = path.read_text().replace('"sum"', '"no_such_operator"', 1)
    assert "no_such_operator" in text
    path.write_text(text)
    with pytest.raises(ResultsError, match=re.escape(f"{path}:4: ")):
        read_results(path)


def test_files_that_cannot_be_opened_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="results cannot be read from"):
        read_results(tmp_path / "gone.jsonl")
    with pytest.raises(UsageError, match=r"results cannot be written to .*; give --results another file"):
        ResultsWriter(tmp_path / "no" / "folder.jsonl")


HOLDS = """
import sys
from pathlib import Path
from gradconform.results import ResultsWriter
with ResultsWriter(Path(sys.argv[1])):
    print("open", flush=True)
    sys.stdin.readline()
"""


def test_a_file_that_another_run_writes_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    command = [sys.executable, "-c", HOLDS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        path.write_text("what it wrote\n")
        with pytest.raises(UsageError, match=r"another run is writing .*results\.jsonl; give --results"):
            ResultsWriter(path)
        assert path.read_text() == "what it wrote\n"
        other.stdin.write("\n")
    with ResultsWriter(path):
        assert not path.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="No space left"), ResultsWriter(Path("/dev/full")) as writer:
        writer.head(HEAD)


def test_a_note_names_the_sources() -> None:
    place = Place("f.yaml", 1, 1)
    scenario = Scenario("a/b", "a", "Says.", 2, ProgramText("", "f.yaml", 1, 1), place)
    assert note_of(scenario) == ScenarioNote("a/b", "a", 2, "Says.", "")
    source = Source("000.txt", ("9",), "torch.Tensor.backward", "It is outdated.")
    assert note_of(replace(scenario, source=source)).source == (
        "torch.Tensor.backward; 000.txt, cell 9; It is outdated."
    )
    source = Source("000.txt", ("9", "11"))
    assert note_of(replace(scenario, source=source)).source == "000.txt, cells 9, 11"


def test_the_documented_example_is_read(tmp_path: Path) -> None:
    document = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    (tmp_path / "r.jsonl").write_text(document.partition("```json\n")[2].partition("```")[0])
    found = read_results(tmp_path / "r.jsonl")
    assert found == Results(
        Head(
            "0.1.0",
            "2.13.0",
            "mine",
            "my_adapter:engine",
            "1.4",
            examples=20,
            dtypes=("float32",),
            select=("accumulation/two-branches",),
            tasks=1,
            digest="5f0c1e7ab2d94836",
        ),
        found.scenarios,
        (
            CaseResult(
                "accumulation/two-branches",
                "accumulation",
                2,
                "cpu",
                "float32",
                0,
                Conforms(numbers=Numbers(bits=12)),
            ),
        ),
        End(1, 1, {kind: int(kind == "conforms") for kind in KINDS}),
    )


def test_every_key_that_is_written_is_documented(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl")
    document = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([a-z_]+)`", document))
    for line in (tmp_path / "r.jsonl").read_text().splitlines():
        found = json.loads(line)
        keys = {*found, *found.get("verdict", ()), *found.get("example", ())} - {"type"}
        keys |= {key for each in found.get("verdict", {}).get("divergences", ()) for key in each}
        assert keys <= documented, keys - documented
