"""Known failures on the command line: strict both ways, listed, and updated from whole runs alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from gradconform.program.steps import Program
from gradconform.protocol.pipes import Limits
from gradconform.session import Session
from gradconform.verdict import Verdict

Invoke = Callable[..., Result]

SPEC = """\
schema: 1
feature: own
about: Rules of one's own.
scenarios:
- id: own/doubling
  aliases: [own/twice]
  says: Doubling has the gradient two.
  let:
    x: {tensor: any, values: dyadic, example: [1.0], requires_grad: true}
  program: |
    y = x * 2
    y.backward(ones_like(y))
    assert x.grad == 2 * ones_like(x)
- id: own/adding
  says: A sum passes its cotangent on.
  let:
    x: {tensor: any, values: dyadic, example: [1.0], requires_grad: true}
  program: |
    y = x + 1
    y.backward(ones_like(y))
- id: own/plain
  says: A product is a product.
  let:
    x: {tensor: any, values: dyadic, example: [1.0]}
  program: |
    y = x * x
"""

KNOWN = "gradconform-known.yaml"
SPECS = ("--no-corpus", "--specs", "own.yaml", "--examples", "3", "--jobs", "1")
ENGINE = "engines:Changing"
Run = Callable[..., Result]


@pytest.fixture
def run(gradconform: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on Changing, which goes `way` about it."""
    (tmp_path / "own.yaml").write_text(SPEC)

    def invoke(command: str, *arguments: str, way: str = "forgets", engine: str = ENGINE) -> Result:
        monkeypatch.setenv("WAY", way)
        known = ("--known", KNOWN) if command == "run" and (tmp_path / KNOWN).exists() else ()
        return gradconform(command, engine, *SPECS, *known, *arguments)

    return invoke


@pytest.fixture
def known(run: Run, tmp_path: Path) -> Path:
    """The file of known failures, as the command writes it."""
    result = run("known", "--update")
    assert result.exit_code == 0, result.output
    assert f"{KNOWN}: 2 added, 0 dropped, 0 kept, 0 changed" in result.output
    assert '2 entries have no reason yet: fill in reason: ""' in result.output
    return tmp_path / KNOWN


def last(result: Result) -> str:
    return str(result.output.splitlines()[-1])


def test_a_known_failure_is_no_failure_and_no_pass(run: Run, known: Path, tmp_path: Path) -> None:
    known.write_text(
        known.read_text().replace('reason: ""', "reason: the tape\n  link: https://example.org", 1)
    )
    result = run("run", "--results", "r.jsonl")
    assert result.exit_code == 0, result.output
    assert last(result) == "nothing diverges that is not known: 14 of 18 cases conform, 4 known to fail"
    assert f"known failures in {KNOWN}: 4 fail as known" in result.output
    head, *lines = map(json.loads, (tmp_path / "r.jsonl").read_text().splitlines())
    assert head["known"] == [KNOWN]
    first = next(line for line in lines if line["type"] == "case")
    assert first["known"] == {
        "entry": "own/doubling",
        "standing": "fails as known",
        "expected": "x.grad: grad is None",
        "reason": "the tape",
        "link": "https://example.org",
    }
    assert (lines[-1]["known"], lines[-1]["cases"], lines[-1]["counts"]["diverges"]) == (4, 18, 0)


def test_a_known_failure_that_conforms_fails_the_run(run: Run, known: Path) -> None:
    result = run("run", way="fine")
    assert result.exit_code == 1
    assert "CONFORMS NOW own/doubling[cpu-float32], the program of a known failure" in result.output
    assert f"its program conforms now: remove the entry from {KNOWN}" in result.output
    assert f"--known {KNOWN}" in result.output
    assert last(result).startswith("2 scenarios fail: own/doubling, own/adding; ")


def test_a_known_failure_that_fails_otherwise_fails_the_run_and_shows_how(run: Run, known: Path) -> None:
    result = run("run", way="doubles")
    assert result.exit_code == 1
    assert "FAILS OTHERWISE own/doubling[cpu-float32]" in result.output
    assert "known failure own/doubling: x.grad: grad is None" in result.output
    assert re.search(r"expected \(torch\) +\[2\.0\]\n +got \(Changing\) +\[4\.0\]", result.output)
    result = run("run", way="exits")
    assert (result.exit_code, "Changing crashed:" in result.output) == (1, True)
    result = run("run", way="lacks")
    assert result.exit_code == 1
    assert "UNSUPPORTED NOW own/doubling[cpu-float32]" in result.output


def test_a_known_failure_runs_its_program_once(
    run: Run, known: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs: list[str] = []
    judge = Session.judge

    def counted(session: Session, program: Program, *arguments: object, **options: object) -> Verdict:
        programs.append(program.scenario)
        return judge(session, program, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "judge", counted)
    assert run("run").exit_code == 0
    assert (programs.count("own/doubling"), programs.count("own/adding")) == (2, 2), "once in each dtype"
    without = len(programs)
    programs.clear()
    known.rename(known.with_name("elsewhere"))
    assert run("run").exit_code == 1
    assert len(programs) > 2 * without


def test_a_crash_is_known_like_anything_else(run: Run, tmp_path: Path) -> None:
    assert run("known", "--update", way="exits").exit_code == 0
    assert "  fails: crashed\n  reason" in (tmp_path / KNOWN).read_text()
    assert run("run", way="exits").exit_code == 0
    assert "FAILS OTHERWISE" in run("run", way="forgets").output


def of_kind(known: Path, kind: str) -> None:
    """The entries are of another kind of failure, as if they had been written in a process of its own."""
    text = re.sub("  fails: .*\n  what: .*\n  where: .*\n", f"  fails: {kind}\n", known.read_text())
    known.write_text(text)


def test_a_crash_that_is_known_does_not_end_the_run(run: Run, known: Path) -> None:
    of_kind(known, "crashed")
    for way, says in (
        ("dies", "2 known to fail"),
        ("fine", "CONFORMS NOW own/doubling[cpu-float32]"),
        ("forgets", "FAILS OTHERWISE own/doubling[cpu-float32]"),
    ):
        result = run("run", "--dtype", "float32", way=way)  # in this process, which os.abort() would end
        assert (result.exit_code, says in result.output) == (int(way != "dies"), True), result.output


def test_a_crash_that_is_known_does_not_end_any_of_several_processes(run: Run, known: Path) -> None:
    of_kind(known, "crashed")
    result = run("run", "--dtype", "float32", "--jobs", "2", way="dies")
    assert (result.exit_code, "2 known to fail" in result.output) == (0, True), result.output


def test_a_timeout_that_is_known_does_not_hold_up_the_run(
    run: Run, known: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_kind(known, "timed out")
    monkeypatch.setattr("gradconform.hosts.limits_of", lambda asked: Limits(seconds=1))
    result = run("run", "--dtype", "float32", "--select", "own/doubling", way="hangs")
    assert (result.exit_code, "1 known to fail" in result.output) == (0, True), result.output


def test_the_same_with_several_processes(run: Run, known: Path, tmp_path: Path) -> None:
    assert run("run", "--results", "1.jsonl").exit_code == 0
    assert run("run", "--results", "2.jsonl", "--jobs", "2").exit_code == 0
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()


def test_a_run_with_known_failures_is_resumed(run: Run, known: Path, tmp_path: Path) -> None:
    assert run("run", "--results", "r.jsonl").exit_code == 0
    whole = (tmp_path / "r.jsonl").read_bytes()
    (tmp_path / "r.jsonl").write_bytes(whole[: len(whole) // 2])
    assert run("run", "--results", "r.jsonl", "--resume").exit_code == 0
    assert (tmp_path / "r.jsonl").read_bytes() == whole
    known.write_text(known.read_text() + "# more\n")
    (tmp_path / "r.jsonl").write_bytes(whole[: len(whole) // 2])
    result = run("run", "--results", "r.jsonl", "--resume")
    assert (result.exit_code, "r.jsonl is of another run: digest" in result.output) == (2, True)


def test_entries_that_are_not_selected_are_left_alone_and_counted(run: Run, known: Path) -> None:
    result = run("run", "--select", "own/doubling", "--dtype", "float32")
    assert result.exit_code == 0
    assert f"known failures in {KNOWN}: 1 fail as known, 1 not selected" in result.output


def test_a_former_id_is_an_id(run: Run, known: Path) -> None:
    known.write_text(known.read_text().replace("own/doubling", "own/twice"))
    assert run("run").exit_code == 0


@pytest.mark.parametrize(
    ("id", "says"),
    [
        ("own/doublin", "there is no scenario 'own/doublin', so nothing can be known of it"),
        ("own/doubling[cpu-float16]", "the dtypes of own/doubling are float32, float64"),
    ],
)
def test_an_entry_of_no_test_ends_the_run_before_it_begins(run: Run, known: Path, id: str, says: str) -> None:
    known.write_text(known.read_text().replace("own/doubling", id))
    result = run("run")
    assert result.exit_code == 2
    assert f"{KNOWN}:6:3: [{id}]" in result.output
    assert says in result.output
    if "float16" not in id:
        assert "did you mean 'own/doubling'" in result.output


def test_an_entry_that_has_expired_fails_the_run(run: Run, known: Path) -> None:
    text = known.read_text()
    known.write_text(text.replace('reason: ""', 'reason: ""\n  expires: 2020-01-01', 1))
    result = run("run")
    assert result.exit_code == 1
    told = "expired: the known failure own/doubling; mend it, or give its entry another day"
    assert told in result.output
    assert last(result).startswith("known failures have expired: own/doubling; ")
    assert run("run", "--select", "own/adding").exit_code == 0
    assert "expired on 2020-01-01" in run("known").output
    known.write_text(text.replace('reason: ""', 'reason: ""\n  expires: 2999-01-01', 1))
    assert run("run").exit_code == 0


def test_files_of_other_engines_are_left_alone(run: Run, known: Path, tmp_path: Path) -> None:
    assert run("run", engine="engines:Named").exit_code == 0
    (tmp_path / "pyproject.toml").write_text(f'[tool.gradconform]\nknown = ["{KNOWN}", "named.yaml"]\n')
    result = run("known", "--update", engine="engines:Named")
    assert (result.exit_code, last(result)) == (0, "named.yaml: 0 added, 0 dropped, 0 kept, 0 changed")
    assert run("known").exit_code == 0
    result = run("known", "--update", "--known", KNOWN, engine="engines:Forgets")
    assert (result.exit_code, "are of Changing; name one with --known" in result.output) == (2, True)


def test_the_list_says_how_each_entry_stands(run: Run, known: Path) -> None:
    result = run("known")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "own/doubling: x.grad: grad is None; fails as known in 2 tests",
        "  no reason yet",
        "own/adding: x.grad: grad is None; fails as known in 2 tests",
        "  no reason yet",
        "2 of 2 known failures of Changing stand as their entries say",
    ]
    result = run("known", way="fine")
    assert result.exit_code == 1
    assert "  own/doubling[cpu-float32]: conforms now: remove its entry" in result.output
    assert last(result) == "0 of 2 known failures of Changing stand as their entries say"


def test_an_update_keeps_what_is_the_authors(run: Run, known: Path) -> None:
    text = known.read_text()
    first, second = (text.index(f"- id: own/{name}") for name in ("doubling", "adding"))
    mine = text[:first] + "# Ada's\n" + text[first:second].replace('reason: ""', "reason: 'the  tape' # Ada")
    mine += "# Bob's\n" + text[second:]
    known.write_text(mine)
    result = run("known", "--update")
    assert (result.exit_code, known.read_text()) == (0, mine)
    result = run("known", "--update", way="doubles")
    assert "changed own/doubling: x.grad: value; see whether its reason is still right" in result.output
    assert known.read_text() == mine.replace("what: grad is None", "what: value")
    result = run("known", "--update", way="fine")
    assert last(result) == f"{KNOWN}: 0 added, 2 dropped, 0 kept, 0 changed"
    assert run("known", way="fine").output == "no failures of Changing are known\n"
    assert run("run", way="fine").exit_code == 0


def test_an_update_from_results(run: Run, known: Path, tmp_path: Path) -> None:
    text = known.read_text()
    assert run("run", "--results", "r.jsonl", way="fine").exit_code == 1
    assert run("known", "--update", "--from", "r.jsonl").exit_code == 0
    assert "failures: []" in known.read_text()
    known.unlink()
    assert run("run", "--results", "r.jsonl").exit_code == 1
    assert run("known", "--update", "--from", "r.jsonl").exit_code == 0
    assert known.read_text() == text


def test_an_update_refuses_a_part_of_a_run(run: Run, known: Path, tmp_path: Path) -> None:
    text = known.read_text()
    path = tmp_path / "r.jsonl"

    def refused(*arguments: str, says: str, edit: Callable[[str], str] = str) -> None:
        run("run", "--results", "r.jsonl", *arguments, way="fine")
        path.write_text(edit(path.read_text()))
        result = run("known", "--update", "--from", "r.jsonl")
        assert result.exit_code == 2, result.output
        assert says in result.output
        assert result.output.count("\n") == 1
        assert known.read_text() == text

    refused(
        "--select", "own/doubling", says="is of --select own/doubling, and this project runs --select nothing"
    )
    refused("--fail-fast", says="r.jsonl ended after 0 of 6 tests")
    refused(says="r.jsonl ended after a part of its tests", edit=lambda text: text[: len(text) // 2])
    refused(
        says="ended after 6 of 6",
        edit=lambda text: text.replace('"interrupted": false', '"interrupted": true'),
    )
    refused("--dtype", "float32", says="tells nothing of the known failure own/doubling in float64")
    known.rename(tmp_path / "elsewhere")
    run("run", "--results", "r.jsonl")
    (tmp_path / "elsewhere").rename(known)
    result = run("known", "--update", "--from", "r.jsonl")
    assert (result.exit_code, "tells nothing of the known failure own/doubling: run" in result.output) == (
        2,
        True,
    )
    run("run", "--results", "r.jsonl")
    known.write_text(text.replace("what: grad is None", "what: value", 1))
    result = run("known", "--update", "--from", "r.jsonl")
    assert (result.exit_code, "own/doubling was edited since" in result.output) == (2, True)


def test_what_the_command_cannot_use(run: Run, tmp_path: Path) -> None:
    assert "--from is for --update" in run("known", "--from", "r.jsonl").output
    (tmp_path / "no.jsonl").write_text("hello\n", encoding="utf-8")
    result = run("known", "--update", "--from", "no.jsonl")
    assert (result.exit_code, "no.jsonl:1: this line is not JSON" in result.output) == (2, True)
    assert "there are no known failures at gradconform-known.yaml" in run("known").output
    result = run("run", "--known", "none.yaml")
    assert (result.exit_code, "there are no known failures at none.yaml" in result.output) == (2, True)


def test_a_file_of_another_engine_is_told_of(run: Run, known: Path) -> None:
    told = f"no known failures of torch are read: {KNOWN} is of Changing"
    result = run("run", engine="torch")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0] == told
    listed = run("known", engine="torch")
    assert listed.exit_code == 0, listed.output
    assert listed.output == f"{told}\n"
    assert "no known failures" not in run("run").output
