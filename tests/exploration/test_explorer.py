"""Exploring engines with a known defect: found, made small, told apart, kept, replayed, gone on with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from gradconform.cases import CaseResult
from gradconform.cli import main
from gradconform.engines.registry import find_engine
from gradconform.engines.torch import TorchEngine
from gradconform.errors import UsageError
from gradconform.execution.host import InProcess
from gradconform.exploration.batches import Cause, Failing, cause_of, run_batch
from gradconform.exploration.explorer import Explorer
from gradconform.exploration.finds import Database, Find, kindred
from gradconform.exploration.rounds import Progress, Wanted, from_form, to_form
from gradconform.exploration.smaller import statements
from gradconform.plan import Settings
from gradconform.program.library import learn_shipped
from gradconform.program.steps import Apply, Input, Program, Ref
from gradconform.program.vocabulary import WORDS
from gradconform.randomize.explore.writer import Profile
from gradconform.report.example import make_example
from gradconform.session import Session
from gradconform.verdict import Crashed

ENGINES = '''
"""Engines with one defect each."""

from gradconform.engines.torch import TorchEngine
from gradconform.errors import Unsupported


class Honest(TorchEngine):
    name = "honest"


class FlippedTanh(TorchEngine):
    """tanh of a tensor that requires grad has the wrong sign."""

    name = "flipped_tanh"

    def operation(self, name):
        found = super().operation(name)
        return (lambda x: -found(x)) if name == "tanh" else found


class KeepsGraph(TorchEngine):
    """A second backward through a freed graph raises nothing."""

    name = "keeps_graph"

    def backward(self, *arguments, **options):
        super().backward(*arguments, **{"retain_graph": True, **options})


class Backwardless(TorchEngine):
    """Differentiates nothing."""

    name = "backwardless"

    def backward(self, *arguments, **options):
        raise Unsupported("backward")

    backward_function = grad = backward


class Small(TorchEngine):
    """Has few words."""

    name = "small"

    def operation(self, name):
        if name not in {"add", "mul", "sum", "neg", "ones_like"}:
            raise Unsupported(f"operator {name}")
        return super().operation(name)

    def mode(self, name):
        raise Unsupported(name)

    def dtype(self, name):
        if name != "float32":
            raise Unsupported(f"dtype {name}")
        return super().dtype(name)


class Dies(TorchEngine):
    """Ends its process at the first cosine."""

    name = "dies"

    def operation(self, name):
        if name == "cos":
            import os

            os._exit(9)
        return super().operation(name)


class Exits(TorchEngine):
    """Wants to end its process at the first cosine."""

    name = "exits"

    def operation(self, name):
        if name == "cos":
            raise SystemExit(3)
        return super().operation(name)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the engines, and with the finds about two of them."""
    folder = tmp_path_factory.mktemp("explored")
    (folder / "defects.py").write_text(ENGINES, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delitem(sys.modules, "defects", raising=False)
        for engine in ("KeepsGraph", "FlippedTanh"):
            result = explore(f"defects:{engine}", "--programs", "64", "-j", "1")
            assert result.exit_code == 1, result.output
    return folder


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engines are beside the working directory."""
    monkeypatch.chdir(folder)


def explore(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explore", *arguments])


def finds(folder: Path, engine: str) -> list[Find]:
    return list(Database(folder / "gradconform-finds" / f"defects-{engine}"))


def state(folder: Path) -> Any:
    return json.loads((folder / "explored.json").read_text(encoding="utf-8"))


def test_an_honest_engine_has_no_finds() -> None:
    result = explore("defects:Honest", "--programs", "96", "-j", "1")
    assert result.exit_code == 0, result.output
    assert "nothing found" in result.output
    assert "96 programs of " in result.output


def test_finds_are_small_and_of_the_defect(folder: Path) -> None:
    sizes = []
    for engine, what in (("KeepsGraph", "missing error"), ("FlippedTanh", "value")):
        found = finds(folder, engine)
        assert what in {find.signature[0] for find in found}
        assert len(kindred(found)) <= 4
        sizes += [statements(find.case.example.program) for find in found if find.case.example]
    assert median(sizes) <= 6
    assert any({"tanh", "tanh_"} & set(find.signature) for find in finds(folder, "FlippedTanh"))


@pytest.mark.parametrize("engine", ["KeepsGraph", "FlippedTanh"])
def test_a_find_is_written_in_three_forms(folder: Path, engine: str, tmp_path: Path) -> None:
    find = finds(folder, engine)[0]
    stem = folder / "gradconform-finds" / f"defects-{engine}" / find.id
    for script in (stem.with_suffix(".torch.py"), stem.with_suffix(".engine.py")):
        command = [sys.executable, str(script)]
        ended = subprocess.run(command, check=False, capture_output=True, timeout=300, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
    scenario = str(stem.with_suffix(".gradconform.yaml"))
    validated = CliRunner().invoke(main, ["validate", scenario, "-j", "1"])
    assert validated.exit_code == 0, validated.output
    run = ["run", f"defects:{engine}", "--specs", scenario, "--no-corpus", "-j", "1"]
    again = CliRunner().invoke(main, run)
    assert again.exit_code == 1, again.output
    assert f"explored/{find.id}" in again.output


def test_known_finds_are_replayed_first_and_not_told_as_new(folder: Path) -> None:
    known = len(finds(folder, "KeepsGraph"))
    shutil.copytree("gradconform-finds/defects-KeepsGraph", "known")
    result = explore("defects:KeepsGraph", "--programs", "1", "-j", "1", "--finds", "known")
    assert result.exit_code == 1
    assert f"{known} known finds replayed: {known} still diverge, 0 no longer" in result.output
    assert ", 0 new, in " in result.output
    mended = explore("defects:Honest", "--programs", "1", "-j", "1", "--finds", "known")
    assert mended.exit_code == 0, mended.output
    assert f"0 still diverge, {known} no longer" in mended.output
    assert ": conforms; remove " in mended.output
    lacking = explore("defects:Backwardless", "--programs", "1", "-j", "1", "--finds", "known")
    assert ": unsupported: " in lacking.output


def test_a_find_with_a_word_of_the_tables_is_read_and_run_in_a_process_of_its_own(folder: Path) -> None:
    learn_shipped()
    x = Input("x0", torch.ones(1, 1, 3), requires_grad=True)
    word = "nn.functional.conv_transpose1d"
    assert word not in WORDS
    program = Program((x,), (Apply("v0", word, (Ref("x0"), Ref("x0"))),))
    verdict = Crashed("SystemExit: 3")
    example = make_example(program, verdict, "cpu", "honest")
    case = CaseResult("explored/0", "explored", 6, "cpu", "float32", 0, verdict, example)
    find = Find(("crashed", word), case, 0, 0, torch.__version__)
    Database(folder / "tables").add(find, "defects:Honest", "")
    script = str(folder / "tables" / f"{find.id}.engine.py")
    reading = "from gradconform.exploration.finds import Database, Path; assert [*Database(Path('tables'))]"
    for command in ([sys.executable, script], [sys.executable, "-c", reading]):
        ended = subprocess.run(command, check=False, capture_output=True, timeout=300, cwd=folder)
        assert ended.returncode == 0, ended.stderr


def test_it_goes_on_where_it_ended(folder: Path) -> None:
    shutil.copytree("gradconform-finds/defects-KeepsGraph", "parts")
    rest = explore("defects:KeepsGraph", "--programs", "80", "-j", "1", "--finds", "parts", "--resume")
    whole = explore("defects:KeepsGraph", "--programs", "80", "-j", "1", "--finds", "whole")
    assert whole.exit_code == rest.exit_code == 1
    assert state(folder / "whole") == state(folder / "parts")
    ids = [[find.id for find in Database(folder / name)] for name in ("whole", "parts")]
    assert ids[0] == ids[1]


def test_an_interrupted_find_is_looked_for_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Explorer, "found", interrupted)
        broken = explore("defects:KeepsGraph", "--programs", "64", "-j", "1", "--finds", "broken")
    assert broken.exit_code == 130
    assert state(folder / "broken")["causes"] == []
    rest = explore("defects:KeepsGraph", "--programs", "64", "-j", "1", "--finds", "broken", "--resume")
    assert rest.exit_code == 1
    ids = [find.id for find in Database(folder / "broken")]
    assert ids == [find.id for find in finds(folder, "KeepsGraph")]


def test_processes_share_a_round_and_change_nothing(folder: Path) -> None:
    two = explore("defects:KeepsGraph", "--programs", "64", "-j", "2", "--finds", "two")
    assert two.exit_code == 1, two.output
    assert state(folder / "two") == state(folder / "gradconform-finds" / "defects-KeepsGraph")
    ids = [find.id for find in Database(folder / "two")]
    assert ids == [find.id for find in finds(folder, "KeepsGraph")]


def test_what_an_engine_lacks_is_not_asked_again(folder: Path) -> None:
    result = explore("defects:Small", "--programs", "448", "-j", "1", "--dtype", "float32")
    assert result.exit_code == 0, result.output
    found = state(folder / "gradconform-finds" / "defects-Small")
    assert {"tanh", "no_grad"} <= set(found["banned"])
    first = explore("defects:Small", "--programs", "64", "-j", "1", "--dtype", "float32", "--finds", "first")
    assert "64 unsupported" in first.output
    assert found["kinds"]["conforms"] > 100


def test_a_worker_that_dies_is_told_of() -> None:
    result = explore("defects:Dies", "--programs", "64", "-j", "2")
    assert result.exit_code == 2
    assert "a worker process died at the programs " in result.output


def test_an_engine_that_wants_to_end_the_process_has_crashed() -> None:
    session = Session(InProcess(find_engine("defects:Exits")), Settings())
    batch = run_batch(session, Profile(), 0, range(16), "cpu")
    assert batch.kinds["crashed"] == len(batch.failing) > 0
    assert batch.kinds.total() == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("torch", "--minutes", "nan"), "how many minutes is no number"),
        (("torch", "--minutes", "0"), "0.0 is not in the range x>0"),
        (("nobody",), "no engine is registered as 'nobody'"),
        (("torch", "--dtype", "int64"), "--dtype int64: leaves are real or complex"),
        (("torch", "--dtype", "float23"), "'float23' is not a dtype"),
        (("torch", "--device", "nowhere"), "'nowhere' is not a device"),
        (("torch", "--resume"), "holds no exploration that was begun"),
        (("torch", "--programs", "0"), "0 is not in the range"),
        (("torch", "--finds", "defects.py"), "is a file"),
        (("torch", "--finds", "defects.py/finds"), "defects.py/finds cannot be written: Not a directory"),
    ],
)
def test_what_cannot_be_used_is_one_message(arguments: tuple[str, ...], message: str) -> None:
    result = explore(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_document_that_is_no_find_is_one_message(folder: Path) -> None:
    place = folder / "wrong"
    place.mkdir()
    (place / "0123abcd.json").write_text("[]", encoding="utf-8")
    result = explore("torch", "--programs", "1", "-j", "1", "--finds", "wrong")
    assert result.exit_code == 2
    assert "0123abcd.json: this is no JSON object" in result.output


def test_an_exploration_of_another_seed_is_not_gone_on_with() -> None:
    explore("torch", "--programs", "1", "-j", "1", "--finds", "seeds")
    again = ("--programs", "1", "-j", "1", "--seed", "1", "--finds", "seeds", "--resume")
    result = explore("torch", *again)
    assert result.exit_code == 2
    assert "has seed 0, and this one 1" in result.output


@pytest.mark.parametrize(
    "damage",
    [
        {"programs": "many"},
        {"rounds": None},
        {"rounds": -1},
        {"programs": float("inf")},
        {"kinds": {"conforms": "all"}},
        {"features": [[]]},
        {"banned": 5},
        {"causes": [["value"]]},
        {"explored": 2},
    ],
)
def test_a_damaged_state_is_one_message(damage: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"explored\.json cannot be read"):
        from_form({**to_form(Progress(), Wanted()), **damage}, Wanted())


def test_progress_survives_its_document() -> None:
    progress = Progress()
    progress.add(run_batch(Session(InProcess(TorchEngine()), Settings()), Profile(), 0, range(8), "cpu"))
    progress.banned.add("exp")
    document = json.loads(json.dumps(to_form(progress, Wanted())))
    assert from_form(document, Wanted()) == progress


def test_causes_are_taken_up_ever_more_seldom() -> None:
    progress = Progress()
    taken = [number for number in range(1, 20) if progress.is_new(Failing(number, (), Cause("value", "mul")))]
    assert taken == [1, 2, 4, 8, 16]


def _find(*words: str, what: str = "value") -> Find:
    case: Any = None
    return Find((what, *words), case, 0, 0, torch.__version__)


def test_finds_that_do_what_a_smaller_one_does_are_put_with_it() -> None:
    twice, longer, other = _find("backward", "backward"), _find("backward", "backward", "exp"), _find("exp")
    identity = _find("backward", "backward", what="identity")
    groups = kindred([longer, other, twice, identity])
    assert {tuple(find.signature[1:] for find in group) for group in groups.values()} == {
        (("exp",), ("backward", "backward", "exp")),
        (("backward", "backward"),),
        (("backward", "backward"),),
    }
    assert len(groups) == 3


def test_crashes_are_told_apart_by_what_is_raised() -> None:
    program = Program((), ())
    first, second = (
        cause_of(program, Crashed(f"the adapter failed with {kind}: 3"))
        for kind in ("KeyError", "SystemExit")
    )
    assert first == Cause("crashed KeyError", "")
    assert second == Cause("crashed SystemExit", "")
