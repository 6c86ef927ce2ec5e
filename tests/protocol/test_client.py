"""Workers that are real processes: each way of going wrong costs one program, and the next one finds a new
worker."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gradconform.errors import AdapterError, EngineError, Unsupported
from gradconform.execution.host import Lost, OutOfTime
from gradconform.execution.interpreter import Detail
from gradconform.plan import Settings
from gradconform.protocol.client import ATTEMPTS, WorkerHost, lacking
from gradconform.protocol.memory import GIB
from gradconform.protocol.messages import ANY, Capabilities
from gradconform.session import Session
from gradconform.trace import TensorSeen
from gradconform.verdict import Conforms, Crashed, Diverges, TimedOut

if TYPE_CHECKING:
    from tests.conftest import MakeProgram
    from tests.protocol.conftest import Named, Start

    from gradconform.program.steps import Program

Ends = Callable[[int], bool]


def process(host: WorkerHost) -> int:
    assert host._worker is not None
    return host._worker.pipes._process.pid


def value(host: WorkerHost, program: Program) -> list[float]:
    seen = host.run(program, "cpu", Detail.END).states[-1].live["y"]
    assert isinstance(seen, TensorSeen)
    return [seen.value.item()]


def test_a_worker_runs_programs(start: Start, named: Named) -> None:
    host = start("scalar")
    assert (host.name, host.version, host.torch_errors) == ("scalar", "0.1", False)
    assert host.details == (Detail.END,)
    verdict = Session(host, Settings()).judge(named("faults/none"), "cpu")
    assert isinstance(verdict, Conforms)
    assert verdict.numbers.bits == 3  # x, y and the gradient of x


def test_a_program_of_twenty_thousand_steps_is_sent_whole(start: Start, program: MakeProgram) -> None:
    text = "y = x * x\nfor i in range(20000):\n    y = y + x\nz = y.sum()"
    deep = program(text)
    assert len(deep.steps) == 20002
    assert isinstance(Session(start("scalar"), Settings()).judge(deep, "cpu"), Conforms)
    verdict = Session(start("scalar"), Settings()).judge(program(f"{text}\nz.backward()"), "cpu")
    assert isinstance(verdict, Crashed)  # the engine goes backward by recursion
    assert "RecursionError" in verdict.reason


def test_an_engine_that_differs_is_told_from_one_that_dies(start: Start, program: MakeProgram) -> None:
    verdict = Session(start("scalar"), Settings()).judge(program("y = neg(x)\nz = y.reshape(2)"), "cpu")
    assert verdict.kind == "unsupported"
    verdict = Session(start("scalar"), Settings()).judge(program("y = x.sum()\ny.backward(y)"), "cpu")
    assert verdict.kind == "unsupported"


DIES = [
    ("segfault", "the worker was ended by SIGSEGV .a segmentation fault or a stack overflow."),
    ("stack-overflow", "the worker was ended by SIG(SEGV|BUS) .a segmentation fault or a stack overflow."),
    ("exit-code", "the worker ended with exit code 3; the last it said: first / out of ideas"),
    ("flood", "the worker wrote more than 1 MiB in one line"),
    ("flood-lines", "the worker answered with 'the worker was here': this is no JSON: .*"),
    ("garbage", "the worker answered with 'step 3: ok': this is no JSON: .*"),
    (
        "no-trace",
        "the worker answered with .*: the worker's answer: trace.states.0..live.x: a number with .*",
    ),
    (
        "wrong-id",
        "the worker answered with .*: the answer has the id 2; the program that was asked for has 1",
    ),
    ("memory", "the worker held more than 0.2 GiB of memory"),
    ("closes-stdout", "the worker closed its standard output"),
    ("has-children", "the worker was ended by SIGABRT .it gave up by itself.; the last it said: child .*"),
]


@pytest.mark.parametrize(("fault", "reason"), DIES, ids=[fault for fault, _ in DIES])
def test_a_worker_that_is_lost_costs_one_program(
    start: Start, named: Named, ends: Ends, fault: str, reason: str
) -> None:
    host = start("faulty", line=1 << 20, memory=0.2)
    first = process(host)
    with pytest.raises(Lost) as lost:
        host.run(named(f"faults/{fault}"), "cpu", Detail.END)
    assert re.fullmatch(reason, lost.value.reason), lost.value.reason
    assert ends(first)
    assert value(host, named("faults/none")) == [5.0]
    assert process(host) != first
    assert value(host, named("faults/none")) == [5.0]


def test_a_worker_that_hangs_costs_one_program(start: Start, named: Named, ends: Ends) -> None:
    host = start("faulty", seconds=1.0)
    first = process(host)
    with pytest.raises(OutOfTime) as limit:
        host.run(named("faults/hang"), "cpu", Detail.END)
    assert limit.value.seconds == 1.0
    assert ends(first)
    host.limits = start("faulty").limits
    assert value(host, named("faults/none")) == [5.0]


def test_verdicts_say_what_became_of_the_worker(start: Start, named: Named) -> None:
    session = Session(start("faulty", seconds=1.0), Settings())
    assert session.judge(named("faults/hang"), "cpu") == TimedOut(1.0)
    crashed = session.judge(named("faults/exit-code"), "cpu")
    assert crashed == Crashed("the worker ended with exit code 3; the last it said: first / out of ideas")


def test_what_a_worker_says_beyond_its_answer_costs_the_next_program(start: Start, named: Named) -> None:
    host = start("faulty")
    assert value(host, named("faults/twice")) == [5.0]
    with pytest.raises(Lost, match="the answer has the id 1; the program that was asked for has 2"):
        host.run(named("faults/none"), "cpu", Detail.END)
    assert value(host, named("faults/none")) == [5.0]


def test_a_worker_that_dies_between_programs_costs_one(start: Start, named: Named, ends: Ends) -> None:
    host = start("faulty")
    first = process(host)
    assert value(host, named("faults/dies-after")) == [5.0]
    assert ends(first)
    assert_gone_before(host, named, "faults/dies-after")


def test_a_program_that_a_dying_worker_did_not_read_is_not_its_fault(start: Start, named: Named) -> None:
    """Whether the program was sent a moment before the end or after it is nothing that a verdict tells."""
    host = start("faulty")
    assert value(host, named("faults/dies-later")) == [5.0]
    assert_gone_before(host, named, "faults/dies-later")


def assert_gone_before(host: WorkerHost, named: Named, scenario: str) -> None:
    with pytest.raises(Lost) as lost:
        host.run(named("faults/none"), "cpu", Detail.END)
    assert lost.value.reason == (
        f"the worker was gone before this program, after that of {scenario}: it was ended by SIGKILL "
        "(somebody else ended it, perhaps a system out of memory)"
    )
    assert value(host, named("faults/none")) == [5.0]


def test_a_worker_that_closes_its_input_costs_one_program(start: Start, named: Named) -> None:
    host = start("faulty")
    assert value(host, named("faults/closes-stdin")) == [5.0]
    with pytest.raises(Lost, match="the worker closed its standard input"):
        host.run(named("faults/none"), "cpu", Detail.END)
    assert value(host, named("faults/none")) == [5.0]


def test_what_a_worker_says_on_its_standard_error_blocks_nobody(start: Start, named: Named) -> None:
    host = start("faulty")
    for _ in range(2):
        assert value(host, named("faults/chatters")) == [5.0]


def test_what_a_worker_started_ends_with_it(start: Start, named: Named, ends: Ends) -> None:
    host = start("faulty")
    with pytest.raises(Lost) as lost:
        host.run(named("faults/has-children"), "cpu", Detail.END)
    assert ends(int(lost.value.reason.rpartition(" ")[2]))


def test_an_adapter_that_failed_is_no_crash_and_the_worker_goes_on(start: Start, named: Named) -> None:
    host = start("faulty")
    first = process(host)
    with pytest.raises(AdapterError, match="engine faulty: the table has no row for this"):
        host.run(named("faults/adapter"), "cpu", Detail.END)
    assert value(host, named("faults/none")) == [5.0]
    assert process(host) == first


def test_what_a_worker_does_not_declare_is_not_asked_of_it(start: Start, program: MakeProgram) -> None:
    import torch

    from gradconform.program.steps import Input

    host = start("scalar")
    first = host._number
    with pytest.raises(Unsupported, match="dtype int64"):
        host.run(program("y = x + 1", Input("x", torch.tensor([1]))), "cpu", Detail.END)
    with pytest.raises(Unsupported, match="inputs of more than 1000000 numbers"):
        host.run(program("y = x + 1", Input("x", torch.zeros(1_000_001))), "cpu", Detail.END)
    with pytest.raises(Unsupported, match="inputs of more than 8 dimensions"):
        host.run(program("y = x + 1", Input("x", torch.zeros([1] * 9))), "cpu", Detail.END)
    assert host._number == first


def test_a_worker_that_names_no_device_is_not_asked_for_another_than_the_cpu(
    start: Start, named: Named
) -> None:
    host = start("scalar")
    first = host._number
    for device in ("cuda", "cuda:1", "elsewhere:0"):
        with pytest.raises(Unsupported, match=f"^device {device}$"):
            host.run(named("faults/none"), device, Detail.END)
    with pytest.raises(Unsupported, match="device meta in a process of its own: traces hold numbers"):
        host.run(named("faults/none"), "meta", Detail.END)
    assert host._number == first
    assert value(host, named("faults/none")) == [5.0]


def test_what_a_worker_has_on_its_devices_is_asked_of_it(named: Named) -> None:
    known = Capabilities(devices=frozenset({"cuda"}))
    given = named("faults/none")
    assert [lacking(given, device, known) for device in ("cuda", "cuda:1", "cpu")] == ["", "", "device cpu"]
    known = Capabilities(devices=frozenset({ANY}))
    assert [lacking(given, device, known) for device in ("cuda:1", "cpu", "mps")] == ["", "", ""]


def test_a_worker_that_grows_is_replaced_between_programs(start: Start, named: Named, ends: Ends) -> None:
    host = start("scalar")
    made = named("faults/none")
    value(host, made)
    assert host._worker is not None
    # What it holds is less than it may, and more than half of that.
    host.limits = replace(host.limits, memory=1.5 * host._worker.pipes.memory() / GIB)
    first = process(host)
    for _ in range(63):
        assert value(host, made) == [5.0]
    assert ends(first)
    assert value(host, made) == [5.0]


# beginnings


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("text", "worker hellos: this is no JSON: .*; its first line is 'Loading the model ...'"),
        (
            "dies",
            "worker hellos did not say hello: it ended with exit code 4; the last it said: no such device",
        ),
        ("silent", "worker hellos did not say hello within 1 s"),
        (
            "version",
            "worker hellos: the worker speaks version 99 of the protocol, and this gradconform version 1;",
        ),
        ("refuses", "worker hellos: the weights are missing"),
    ],
)
def test_a_worker_that_does_not_say_hello_is_one_clear_line(start: Start, how: str, message: str) -> None:
    limits = {"start": 1.0} if how == "silent" else {}
    with pytest.raises(EngineError) as raised:
        start("hellos", how, **limits)
    assert re.match(message, str(raised.value)), str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_command_that_is_none_is_one_clear_line() -> None:
    with pytest.raises(EngineError, match="`no-such-command x` cannot be started: No such file or directory"):
        WorkerHost(("no-such-command", "x"))


def test_a_worker_that_starts_no_more_ends_the_run(start: Start, named: Named, tmp_path: Path) -> None:
    host = start("hellos", "dies", str(tmp_path / "mark"))
    with pytest.raises(Lost, match="the worker ended with exit code 9"):
        host.run(named("faults/none"), "cpu", Detail.END)
    with pytest.raises(EngineError, match=f"ended with exit code 4.*started again {ATTEMPTS} times in vain"):
        host.run(named("faults/none"), "cpu", Detail.END)


def test_a_worker_that_becomes_another_ends_the_run(start: Start, named: Named, tmp_path: Path) -> None:
    host = start("hellos", "other", str(tmp_path / "mark"))
    with pytest.raises(Lost):
        host.run(named("faults/none"), "cpu", Detail.END)
    with pytest.raises(EngineError, match="worker hellos says another hello than when it was started first"):
        host.run(named("faults/none"), "cpu", Detail.END)


# ends


def test_a_worker_ends_when_it_is_closed_or_forgotten(start: Start, ends: Ends) -> None:
    host = start("scalar")
    first = process(host)
    host.close()
    assert ends(first)
    forgotten = WorkerHost((sys.executable, str(Path(__file__).parent / "workers" / "scalar.py")))
    second = process(forgotten)
    del forgotten
    assert ends(second)


def test_a_worker_that_is_interrupted_is_ended(
    start: Start, named: Named, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = start("faulty")
    first = process(host)
    assert host._worker is not None

    def interrupted(seconds: float) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(host._worker.pipes, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        host.run(named("faults/hang"), "cpu", Detail.END)
    assert ends(first)
    assert value(host, named("faults/none")) == [5.0]


def test_a_difference_is_found_through_a_worker(start: Start, named: Named) -> None:
    host = start("faulty")
    verdict = Session(host, Settings()).judge(named("faults/wrong-value"), "cpu")
    assert isinstance(verdict, Diverges)
    assert verdict.divergences[0].where == "y"
