"""The command line: what is printed, what is written, and the exit code, for each way a command can end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import Result

from gradconform.spec.schema import schema_text

TWO = "accumulation/two-branches"
QUICK = ("--dtype", "float32", "--examples", "0")
Invoke = Callable[..., Result]
Start = Callable[..., subprocess.Popen[str]]
SPEC = (Path(__file__).parent / "own.yaml.in").read_text()


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_engine_that_conforms_exits_with_0(gradconform: Invoke) -> None:
    result = gradconform("run", "torch", "--select", TWO, *QUICK)
    assert (result.exit_code, result.stderr) == (0, "")
    version = re.escape(__import__("torch").__version__)
    assert re.fullmatch(
        rf"""1 test
running accumulation

feature       cases  conform  diverge  unsupported  other  pass/applicable/all
accumulation      1        1        0            0      0                1/1/1
total             1        1        0            0      0                1/1/1

numbers: 12 equal in bits, 0 within tolerance, 0 by the float64 anchor, 0 by spread, 0 inconclusive
torch {version} against torch {version} on cpu; seed 0, 0 random draws beside each documented example
nothing diverges: 1 of 1 cases conform
""",
        result.stdout,
    )


def test_an_engine_that_diverges_exits_with_1(gradconform: Invoke) -> None:
    result = gradconform("run", "engines:Forgets", "--select", TWO, *QUICK)
    assert result.exit_code == 1
    assert (
        f"  {TWO}[cpu-float32] x.grad: value is None" in result.stdout or f"DIVERGES {TWO}" in result.stdout
    )
    assert result.stdout.rstrip().endswith(f"1 scenario diverges: {TWO}; 0 of 1 cases conform")


def test_an_engine_that_ends_the_process_has_crashed(gradconform: Invoke) -> None:
    result = gradconform("run", "engines:Exits", "--select", TWO, *QUICK)
    assert result.exit_code == 1
    assert f"CRASHED {TWO}[cpu-float32]" in result.stdout
    assert "SystemExit: 3" in result.stdout
    assert "other: 1 crashed" in result.stdout


def test_what_an_engine_lacks_is_no_failure_and_no_pass(gradconform: Invoke) -> None:
    result = gradconform("run", "engines:Lacks", "--select", TWO, *QUICK)
    assert result.exit_code == 0
    assert "unsupported: operator mul (1 case)" in result.stdout
    assert result.stdout.endswith("nothing diverges: 0 of 1 cases conform, 1 unsupported\n")


def test_a_spec_that_torch_breaks_exits_with_2(gradconform: Invoke, own: Path) -> None:
    own.write_text(SPEC.replace("GRADIENT", "3.0"))
    result = gradconform("run", "torch", "--specs", str(own), "--no-corpus", *QUICK)
    assert result.exit_code == 2
    assert "ORACLE DISPUTED own/doubling[cpu-float32]" in result.stdout
    assert "the engine is not to blame" in result.stdout
    assert "--seed 0 --examples 0 --specs own.yaml --no-corpus\n" in result.stdout


def test_own_specs_come_beside_the_corpus_or_instead_of_it(gradconform: Invoke, own: Path) -> None:
    alone = gradconform("run", "torch", "--specs", str(own), "--no-corpus", *QUICK)
    assert alone.stdout.startswith("1 test\n")
    both = gradconform("run", "torch", "--specs", str(own), "--select", f"own/*,{TWO}", *QUICK)
    assert both.stdout.startswith("2 tests\n")
    few = gradconform("list", "--specs", str(own), "--select", f"own/*,{TWO}")
    assert few.stdout.endswith("\n2 scenarios in 2 features\n")
    assert {line.partition(" ")[0] for line in few.stdout.splitlines()[:-1]} == {"own/doubling", TWO}
    folder = gradconform("list", "--specs", str(own.parent), "--no-corpus")
    assert folder.stdout == (
        "own/doubling  level 1  Doubling has the gradient two.\n1 scenario in 1 feature\n"
    )


def test_the_same_seed_gives_the_same_bytes(gradconform: Invoke, process: Start, tmp_path: Path) -> None:
    arguments = ["--select", f"{TWO},backward/chain-rule", "--examples", "5", "--seed", "11"]
    written = []
    for name in ("first.jsonl", "second.jsonl"):
        gradconform("run", "engines:Forgets", *arguments, "--results", name)
        written.append((tmp_path / name).read_bytes())
    third = process("run", "engines:Forgets", *arguments, "--results", "third.jsonl", PYTHONHASHSEED="12345")
    third.communicate()
    written.append((tmp_path / "third.jsonl").read_bytes())
    assert written[0] == written[1] == written[2]
    assert json.loads(written[0].splitlines()[-1])["counts"]["diverges"] > 0
    gradconform("run", "engines:Forgets", *arguments, "--seed", "12", "--results", "other.jsonl")
    assert (tmp_path / "other.jsonl").read_bytes() != written[0]


def test_the_results_file_has_a_head_the_cases_and_an_end(gradconform: Invoke, tmp_path: Path) -> None:
    gradconform("run", "torch", "--select", TWO, "--examples", "2", "--results", "r.jsonl")
    kinds = [line["type"] for line in lines_of(tmp_path / "r.jsonl")]
    assert kinds == ["run", "scenario", *["case"] * 16, "end"]


def test_an_interrupted_run_keeps_what_it_has(gradconform: Invoke, tmp_path: Path) -> None:
    result = gradconform(
        "run", "engines:Interrupts", "--select", "accumulation", *QUICK, "--results", "r.jsonl"
    )
    assert result.exit_code == 130
    assert "\ntotal             1        1        0" in result.stdout
    assert re.search(
        r"^interrupted after 1 of \d+ tests; nothing diverges: 1 of 1 cases conform$",
        result.stdout,
        re.MULTILINE,
    )
    lines = lines_of(tmp_path / "r.jsonl")
    assert [line["type"] for line in lines] == ["run", "scenario", "case", "scenario", "end"]
    assert (lines[-1]["interrupted"], lines[-1]["tasks"], lines[-1]["cases"]) == (True, 1, 1)


def test_a_broken_adapter_is_one_message_after_the_results_so_far(gradconform: Invoke) -> None:
    result = gradconform("run", "engines:Breaks", "--select", "accumulation", *QUICK)
    assert result.exit_code == 2
    told = r"gradconform: engine Breaks: to_torch gave up \(in accumulation/[a-z-]+\[cpu-float\d+\]\)\n"
    assert re.fullmatch(told, result.stderr)
    assert re.search(r"^total +[1-9]", result.stdout, re.MULTILINE)


def test_fail_fast_stops_at_the_first_failure(gradconform: Invoke, tmp_path: Path) -> None:
    result = gradconform(
        "run", "engines:Forgets", "--select", "accumulation", *QUICK, "--fail-fast", "--results", "r.jsonl"
    )
    assert result.exit_code == 1
    assert re.search(r"^stopped in test 1 of \d+; 1 scenario diverges", result.stdout, re.MULTILINE)
    assert [line["type"] for line in lines_of(tmp_path / "r.jsonl")] == ["run", "scenario", "case", "end"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "Missing argument 'ENGINE'"),
        (["run", "torhc"], "no engine is registered as 'torhc'; did you mean 'torch'?"),
        (["run", "engines:Forget"], "module engines has no attribute 'Forget'; did you mean 'Forgets'?"),
        (["run", "engines:not_an_engine"], "is a int; expected an Engine"),
        (["run", "no_such_module:engine"], "there is no module 'no_such_module' to import"),
        (
            ["run", "jax"],
            "engine 'jax' needs the module 'jax', which is not installed; pip install 'gradconf",
        ),
        (["run", "engines:NoFeatures"], "engine NoFeatures declares 'add' for 'operator'; expected a set of"),
        (["run", "engines:NoPolicies"], "its policies are 5; expected a mapping of strings"),
        (
            ["run", "torch", "--select", "acumulation"],
            "'acumulation' selects no scenario; did you mean 'accumulation'",
        ),
        (["run", "torch", "--dtype", "flaot32"], "did you mean 'float32'"),
        (["run", "torch", "--dtype", "float32,garbage"], "'garbage' is not a dtype; the dtypes are float16,"),
        (
            ["run", "torch", "--dtype", "float32,complex64"],
            "no selected scenario runs in dtype complex64; they",
        ),
        (["run", "torch", "--device", "cuba"], "'cuba' is not a device"),
        (["run", "torch", "--device", "cpu:5,cpu"], "'cpu:5': torch has one CPU and gives it no number"),
        (["run", "torch", "--examples", "-1"], "-1 is not in the range"),
        (["run", "torch", "--seed", "x"], "'x' is not a valid integer"),
        (["run", "torch", "--devise", "cpu"], "No such option"),
        (["run", "torch", "--results", "no/such/folder.jsonl"], "results cannot be written to no"),
        (
            ["run", "torch", "--results", "engines.py"],
            "engines.py is there and no results file; give --results",
        ),
        (["run", "torch", "--no-corpus"], "there are no specs to work on"),
        (
            ["run", "torch", "--no-corpus", "--corpus", "documented"],
            "--no-corpus leaves the corpus out, and --corpus documented asks for it; drop one",
        ),
        (["list", "--corpus", "--no-corpus"], "--no-corpus leaves the corpus out, and --corpus shipped asks"),
        (
            ["list", "--select", "accumulatoin"],
            "'accumulatoin' selects no scenario; did you mean 'accumulation'",
        ),
        (["run", "torch", "--specs", "gone.yaml"], "there is no file or folder gone.yaml"),
        (["rnu", "torch"], "there is no command 'rnu'; did you mean 'run'?"),
        (["show", "accumulation/two-branch"], "did you mean 'accumulation/two-branches'"),
        (["show", "dtypes/zzz"], "the scenarios of dtypes are dtypes/gradient-has-the-dtype-of-its-leaf,"),
        (["show", TWO, "--dtype", "float33"], f"{TWO} has no dtype 'float33'; did you mean 'float32'"),
        (["run", "torch", "--results", "a\0b"], "'a\\x00b' is no path: it holds a null character"),
        (["run", "torch", "--specs", "a" * 300], "cannot be read: File name too long"),
        (["list", "--specs", "a\0b"], "'a\\x00b' is no path: it holds a null character"),
        (["validate", "gone.yaml"], "there is no file or folder gone.yaml"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(
    gradconform: Invoke, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "gradconform.engines.jax", raising=False)
    if "--select" not in arguments and arguments[0] == "run":
        arguments = [*arguments, "--select", TWO]
    result = gradconform(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("NoNumbers", "to_torch gave 'seven' for a Tensor; expected a dense torch tensor on cpu"),
        ("NoTensor", "from_torch gave None for input 'x', which is_tensor says is none; expected a tensor"),
    ],
)
def test_an_adapter_that_returns_nonsense_is_one_line(gradconform: Invoke, engine: str, message: str) -> None:
    result = gradconform("run", f"engines:{engine}", "--select", TWO, *QUICK)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"gradconform: engine {engine}: {message}")
    assert result.stderr.count("\n") == 1


def test_a_spec_error_is_located_and_no_traceback(gradconform: Invoke, own: Path) -> None:
    own.write_text(SPEC.replace("ones_like(y)", "one_like(y)").replace("[GRADIENT]", "[2.0]"))
    for command in (
        ["validate", str(own)],
        ["run", "torch", "--specs", str(own)],
        ["list", "--specs", str(own)],
    ):
        result = gradconform(*command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"{own}:11:")
        assert "did you mean 'ones_like'" in result.stderr
        assert "Traceback" not in result.stderr


def test_an_id_that_the_corpus_has_is_taken_whatever_is_selected(gradconform: Invoke, own: Path) -> None:
    text = SPEC.replace("own/doubling", TWO).replace("feature: own", "feature: accumulation")
    own.write_text(text.replace("GRADIENT", "2.0"))
    run = ["run", "torch", "--specs", str(own), "--select"]
    for command in ([*run, TWO], [*run, "dtypes"], ["list", "--specs", str(own)]):
        result = gradconform(*command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"{own}:5:")
        assert f"the id '{TWO}' is taken" in result.stderr
        assert "accumulation.yaml:" in result.stderr


def test_a_selector_that_takes_nothing_reads_no_file_once_the_index_is_there(
    gradconform: Invoke, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradconform("list", "--specs", str(own))
    monkeypatch.setattr("gradconform.program.library.load_files", lambda _: pytest.fail("a file is read"))
    for select, hint in (("own/doublin", "'own/doubling'"), ("acumulation", "'accumulation'")):
        result = gradconform("run", "torch", "--specs", str(own), "--select", f"{TWO},{select}")
        assert result.exit_code == 2
        assert f"'{select}' selects no scenario; did you mean {hint}" in result.stderr


def test_an_unexpected_exception_is_loud(gradconform: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError("oh")

    # By its module: `gradconform.cli.run` as an attribute is the command.
    monkeypatch.setattr(import_module("gradconform.cli.run"), "run_command", broken)
    result = gradconform("run", "torch")
    assert result.exit_code == 70
    assert "ZeroDivisionError: oh" in result.stderr
    assert "a bug in gradconform" in result.stderr


def test_settings_stand_in_pyproject_and_the_command_line_wins(gradconform: Invoke, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.gradconform]\nselect = "{TWO}"\ndtype = "float64"\nexamples = 1\nresults = "r.jsonl"\n'
    )
    gradconform("run", "torch", "--examples", "2")
    head, _, case, *_ = lines_of(tmp_path / "r.jsonl")
    assert (head["examples"], head["select"], case["dtype"]) == (2, [TWO], "float64")
    (tmp_path / "pyproject.toml").write_text("[tool.gradconform]\n\nexample = 1\n")
    result = gradconform("run", "torch")
    assert result.exit_code == 2
    assert (
        "pyproject.toml:3:1: [tool.gradconform] has no setting 'example'; did you mean 'examples'?"
        in result.stderr
    )


def test_list_gives_a_line_or_an_object_a_scenario(gradconform: Invoke) -> None:
    lines = gradconform("list").stdout.splitlines()
    rows = json.loads(gradconform("list", "--json").stdout)
    assert len(lines) == len(rows) + 1
    assert lines[-1] == f"{len(rows)} scenarios in {len({row['feature'] for row in rows})} features"
    row = next(row for row in rows if row["id"] == TWO)
    assert (row["feature"], row["level"], row["dtypes"]) == ("accumulation", 2, ["float32", "float64"])
    assert Path(row["file"]).name == "accumulation.yaml"
    assert next(line for line in lines if line.startswith(TWO)).endswith(row["says"])


def test_list_imports_next_to_nothing_once_its_index_is_warm(gradconform: Invoke) -> None:
    gradconform("list")
    command = (
        "from gradconform.cli import main\ntry: main(['list'])\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    script = f"import sys\n{command}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
    )
    assert TWO in done.stdout
    imported = set(done.stderr.split())
    heavy = {"torch", "numpy", "hypothesis", "pydantic", "yaml", "rich", "platformdirs", "tomllib", "pytest"}
    assert not {name.partition(".")[0] for name in imported} & (
        heavy | {"asyncio", "subprocess", "importlib.metadata"}
    )
    ours = {name for name in imported if name.startswith("gradconform.")}
    assert len(ours) <= 12, sorted(ours)


def test_show_prints_the_spec_and_torchs_trace(gradconform: Invoke) -> None:
    result = gradconform("show", TWO, "--dtype", "float64")
    assert result.exit_code == 0
    first, *spec = result.stdout.partition("\ntorch on the documented example")[0].splitlines()
    assert re.fullmatch(r".*accumulation\.yaml:\d+", first)
    assert spec[0] == f"- id: {TWO}"
    assert "    a.backward(ones_like(a))" in spec
    trace = result.stdout.partition("torch on the documented example, cpu, float64\n")[2]
    assert re.search(r"a\.backward\(ones_like\(a\)\)\n +x\.grad = \[2\.0\] \(float64\)\n", trace)
    assert re.search(r"b\.backward\(ones_like\(b\)\)\n +x\.grad = \[5\.0\] \(float64\)\n", trace)
    assert trace.endswith("\ntorch keeps all of it\n")


def test_show_says_where_torch_does_not_keep_a_spec(gradconform: Invoke, own: Path) -> None:
    own.write_text(SPEC.replace("GRADIENT", "3.0"))
    result = gradconform("show", "own/doubling", "--specs", str(own))
    assert result.stdout.splitlines()[-1].startswith("oracle-disputed: torch itself breaks")


def test_validate_holds_torch_against_the_specs(gradconform: Invoke, own: Path) -> None:
    good = gradconform("validate", str(own), "--examples", "3")
    assert good.exit_code == 0
    assert re.search(r"^torch \S+ keeps the scenario \(14 cases, seed 0\)$", good.stdout, re.MULTILINE)
    own.write_text(SPEC.replace("GRADIENT", "3.0"))
    bad = gradconform("validate", str(own), "--examples", "3")
    assert bad.exit_code == 1
    assert "ORACLE DISPUTED own/doubling[cpu-float32]" in bad.stdout


def test_validate_works_on_the_corpus_by_default(gradconform: Invoke) -> None:
    result = gradconform("validate", "--select", TWO, "--examples", "1")
    assert (result.exit_code, "keeps the scenario (12 cases" in result.stdout) == (0, True)


def test_schema_is_the_committed_one(gradconform: Invoke) -> None:
    result = gradconform("schema")
    assert (result.exit_code, result.stdout) == (0, schema_text())


@pytest.mark.parametrize("command", ["run", "known", "explore", "list", "show", "validate", "schema"])
def test_every_command_has_help(gradconform: Invoke, command: str) -> None:
    result = gradconform(command, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: gradconform {command}")


def test_version(gradconform: Invoke) -> None:
    assert gradconform("--version").stdout.startswith("gradconform, version 0.")
