"""Python engines in a process of their own: what they answer, and what they are kept from."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from gradconform.errors import AdapterError, EngineError, Unsupported, UsageError
from gradconform.execution.host import Host, InProcess, Lost
from gradconform.execution.interpreter import Detail
from gradconform.hosts import find_host
from gradconform.oracle.compare import compare
from gradconform.program.library import learn_shipped
from gradconform.program.steps import Apply, Dtype, Input, Program, Ref
from gradconform.randomize.direct import DirectChooser
from gradconform.randomize.programs import random_program
from gradconform.settings import Isolation

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

ENGINES = """
import os
import sys

import torch

from gradconform.engines import TorchLikeEngine, Unsupported


class Odd(TorchLikeEngine):
    def __init__(self):
        super().__init__(torch, name="odd")
        print("made, and told on standard output")
        os.write(1, b"with the number of the file, too\\n")

    def operation(self, name):
        if name == "sin":
            print("sin", sys.stdin.read())
        if name == "cos":
            raise Unsupported("operator cos")
        if name == "tan":
            raise KeyError("tan")
        if name == "exp":
            os.abort()
        if name == "log":
            sys.exit(7)
        return super().operation(name)


engine = Odd()
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """An engine that is found in the working directory, in a process of its own."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "odd_engines.py").write_text(ENGINES)
    (folder / "random.py").write_text("raise RuntimeError('a stray file of the working directory')")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with find_host("odd_engines:engine", Isolation(isolate=True)) as host:
            yield host


def test_an_engine_introduces_itself(odd: Host) -> None:
    assert (odd.name, odd.torch_errors, odd.engine) == ("odd", True, None)
    assert odd.version == torch.__version__
    assert odd.details == tuple(Detail)
    assert (odd.seconds, odd.memory) == (60.0, 4.0)


@pytest.mark.parametrize("detail", list(Detail))
def test_traces_are_those_of_the_engine_in_this_process(odd: Host, detail: Detail) -> None:
    here = InProcess(find_host("torch").engine)  # type: ignore[arg-type]
    chooser = DirectChooser(3)
    for _ in range(10):
        made = random_program(chooser)
        if {"sin", "cos", "tan", "exp", "log"} & {getattr(step, "operator", "") for step in made.steps}:
            continue
        comparison = compare(here.run(made, "cpu", detail), odd.run(made, "cpu", detail))
        assert not comparison.divergences
        assert set(comparison.accepted) == {"bits"}


def test_what_an_engine_prints_is_no_message(odd: Host, program: MakeProgram) -> None:
    trace = odd.run(program("y = sin(x)"), "cpu", Detail.END)
    assert list(trace.states[-1].live) == ["x", "y"]


def test_what_an_engine_lacks_and_what_its_adapter_fails_at(odd: Host, program: MakeProgram) -> None:
    with pytest.raises(Unsupported, match="operator cos"):
        odd.run(program("y = cos(x)"), "cpu", Detail.END)
    with pytest.raises(AdapterError, match=r"^engine odd: the adapter failed .*KeyError: 'tan'"):
        odd.run(program("y = tan(x)"), "cpu", Detail.END)


@pytest.mark.parametrize(("operator", "reason"), [("exp", "SIGABRT"), ("log", "ended with exit code 7")])
def test_an_engine_that_ends_the_process_ends_its_own(
    odd: Host, program: MakeProgram, operator: str, reason: str
) -> None:
    with pytest.raises(Lost) as lost:
        odd.run(program(f"y = {operator}(x)"), "cpu", Detail.END)
    assert reason in lost.value.reason
    assert odd.run(program("y = neg(x)"), "cpu", Detail.END).error is None


def test_words_of_the_tables_are_known_when_a_program_needs_them(odd: Host) -> None:
    """A word, a way of calling one that only a table has, and what is no word at all."""
    learn_shipped()
    options = {"padding_idx": 0, "scale_grad_by_freq": True}
    steps = (
        Apply("i", "zeros_like", (Ref("x"),), {"dtype": Dtype("int64")}),
        Apply("y", "nn.functional.embedding", (Ref("i"), Ref("w")), options),
        Apply("z", "special.entr", (Ref("x"),)),
    )
    inputs = Input("x", torch.tensor([1.0, 2.0])), Input("w", torch.ones(3, 2))
    odd.close()  # a new worker, which has learned nothing yet
    assert odd.run(Program(inputs, steps), "cpu", Detail.END).error is None
    with pytest.raises(Unsupported, match="operator no_such_word"):
        odd.run(Program(inputs, (Apply("y", "no_such_word", (Ref("x"),)),)), "cpu", Detail.END)


def test_errors_of_the_engine_are_seen(odd: Host, program: MakeProgram) -> None:
    made: Program = program("y = x.reshape(7)")
    there, here = (host.run(made, "cpu", Detail.END).error for host in (odd, find_host("torch")))
    assert there is not None
    assert there == here


# beginnings


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no-such-engine", "no engine is registered as 'no-such-engine'"),
        ("no_such_module:engine", "there is no module 'no_such_module' to import"),
    ],
)
def test_an_engine_that_is_not_there_is_one_clear_line(target: str, message: str) -> None:
    with pytest.raises(EngineError) as raised:
        find_host(target, Isolation(isolate=True))
    assert str(raised.value).startswith(f"engine '{target}' in a process of its own: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_engine_that_ends_the_process_when_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "suicidal.py").write_text("import os\nos.abort()\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineError, match="did not say hello: it was ended by SIGABRT"):
        find_host("suicidal:engine", Isolation(isolate=True))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("worker:", "'worker:' names no command; for instance 'worker:node worker.mjs'"),
        ("worker:  ", "names no command"),
        ("worker:node 'worker.mjs", "is no command: No closing quotation"),
        ("worker:no-such-command", "`no-such-command` cannot be started: No such file or directory"),
    ],
)
def test_a_command_that_is_none_is_one_clear_line(target: str, message: str) -> None:
    with pytest.raises(EngineError) as raised:
        find_host(target)
    assert message in str(raised.value)


def test_a_worker_is_found_by_its_command() -> None:
    script = Path(__file__).parent / "workers" / "scalar.py"
    limits = Isolation(timeout=5.0, memory=1.0)
    with find_host(f"worker:{sys.executable} '{script}'", limits) as host:
        assert (host.name, host.seconds, host.memory) == ("scalar", 5.0, 1.0)


@pytest.mark.parametrize("given", [{"timeout": 5.0}, {"memory": 1.0}])
def test_limits_need_a_process(given: dict[str, float]) -> None:
    with pytest.raises(
        UsageError, match=f"--{next(iter(given))} limits an engine that has a process of its own"
    ):
        find_host("torch", Isolation(**given))  # type: ignore[arg-type]
