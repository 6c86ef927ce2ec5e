"""Whose a difference is on another device, in traces that say that they come from one; and verdicts on the
device `meta`, which has no numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from gradconform.engines.base import Handle
from gradconform.engines.torch import TorchEngine
from gradconform.errors import Unsupported
from gradconform.execution.home import mapped
from gradconform.execution.interpreter import run
from gradconform.oracle.devices import attributed
from gradconform.oracle.judge import judge
from gradconform.program.steps import Program
from gradconform.trace import Trace
from gradconform.verdict import Conforms, Diverges, OracleDisputed, Unsupporting, Verdict

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

DEVICE = "elsewhere:1"
TEXT = "y = x.sin()\ny.backward(ones_like(y))"


class Off(TorchEngine):
    """PyTorch, whose `sin` is off by a number."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def operation(self, name: str) -> Callable[..., Any]:
        found = super().operation(name)
        return (lambda x: found(x) + self.by) if name == "sin" else found


def on_device(program: Program, engine: TorchEngine) -> Trace:
    return mapped(run(program, engine), lambda seen: replace(seen, device=DEVICE))


def found(program: Program, device_off: float, engine_off: float) -> Verdict:
    """The verdict where the device is off by one number, and the engine on it by another."""
    expected, got = (on_device(program, Off(by)) for by in (device_off, engine_off))
    verdict = judge(program, expected, got, oracle=Off(device_off))
    return attributed(verdict, program, expected, got, lambda: run(program, TorchEngine()), device=DEVICE)


@pytest.mark.parametrize(
    ("device_off", "engine_off", "differs", "words"),
    [
        (0, 1, "engine", f"engine differs: torch itself is on {DEVICE} as it is on the CPU"),
        (1, 0, "device", "device differs: the engine is as torch on the CPU; torch itself has y: value ["),
        (1, 2, "both", "both differ: torch itself has y: value ["),
    ],
)
def test_whose_a_divergence_is(
    program: MakeProgram, device_off: float, engine_off: float, differs: str, words: str
) -> None:
    verdict = found(program(TEXT), device_off, engine_off)
    assert isinstance(verdict, Diverges)
    assert verdict.differs == differs
    assert words in verdict.divergences[0].detail
    assert (verdict.device is None) == (differs == "engine")


def test_an_engine_that_goes_with_its_device_conforms_and_the_device_is_told(program: MakeProgram) -> None:
    verdict = found(program(TEXT), 1, 1)
    assert isinstance(verdict, Conforms)
    assert verdict.differs == "device"
    assert verdict.device is not None
    assert (verdict.device.what, verdict.device.where) == ("value", "y")
    assert found(program(TEXT), 0, 0) == Conforms(numbers=verdict.numbers)


def test_a_wrong_place_on_the_device_is_the_device_s(program: MakeProgram) -> None:
    bound = program(TEXT)
    lost = mapped(run(bound, TorchEngine()), lambda seen: replace(seen, device="elsewhere:0"))
    verdict = attributed(
        Conforms(), bound, lost, lost, lambda: run(bound, TorchEngine()), device="elsewhere:1"
    )
    assert isinstance(verdict, Conforms)
    assert verdict.device is not None
    assert (verdict.device.what, verdict.device.got) == ("device", "elsewhere:0")


@pytest.mark.parametrize("text", ["y = x.cpu()", "d = x.device", "y = bernoulli(x * 0)"])
def test_a_program_that_is_another_one_elsewhere_is_not_asked_about(program: MakeProgram, text: str) -> None:
    bound = program(text)
    trace = on_device(bound, TorchEngine())

    def never() -> Trace:
        raise AssertionError

    assert attributed(Conforms(), bound, trace, trace, never, device=DEVICE) == Conforms()


def test_nobody_is_asked_on_the_cpu_on_meta_and_where_nothing_was_compared(program: MakeProgram) -> None:
    bound = program(TEXT)
    trace = run(bound, TorchEngine())

    def never() -> Trace:
        raise AssertionError

    for device in ("cpu", "meta"):
        assert attributed(Conforms(), bound, trace, trace, never, device=device) == Conforms()
    lack = Unsupporting("a kernel")
    assert attributed(lack, bound, trace, trace, never, device=DEVICE) == lack


# meta


def on_meta(program: Program, engine: TorchEngine) -> Verdict:
    return judge(program, run(program, TorchEngine(), "meta"), run(program, engine, "meta"), device="meta")


def test_no_numbers_are_claimed_on_meta(program: MakeProgram) -> None:
    verdict = on_meta(program(f"{TEXT}\nassert x.grad == cos(x)\nassert x.grad.shape == x.shape"), Off(1))
    assert isinstance(verdict, Conforms)
    assert verdict.stage == "shapes"
    assert verdict.numbers.bits == 0
    assert verdict.numbers.shapes > 0


def test_shapes_and_dtypes_and_places_are_compared_on_meta(program: MakeProgram) -> None:
    class Wrong(TorchEngine):
        def __init__(self, change: Callable[[Handle], Handle]) -> None:
            super().__init__()
            self.change = change

        def operation(self, name: str) -> Callable[..., Any]:
            call = super().operation(name)
            return (lambda x: self.change(call(x))) if name == "sin" else call

    changes: dict[str, Callable[[Any], Any]] = {
        "shape": lambda y: y.unsqueeze(0),
        "dtype": lambda y: y.double(),
        "device": lambda y: torch.zeros(2, requires_grad=True) * 2,
        "requires_grad": lambda y: y.detach(),
    }
    for what, change in changes.items():
        verdict = on_meta(program("y = x.sin()"), Wrong(change))
        assert isinstance(verdict, Diverges)
        assert verdict.divergences[0].what == what


def test_a_law_about_numbers_alone_is_kept_by_nobody_and_broken_by_nobody(program: MakeProgram) -> None:
    assert isinstance(on_meta(program("assert x == x + 1"), TorchEngine()), Conforms)
    verdict = on_meta(program("assert not x.requires_grad"), TorchEngine())
    assert verdict == Unsupporting(f"what takes numbers on meta, in torch {torch.__version__} itself")
    assert isinstance(judge(p := program("assert x == x + 1"), t := run(p, TorchEngine()), t), OracleDisputed)


def test_a_number_that_is_asked_for_is_unsupported_on_meta(program: MakeProgram) -> None:
    lack = Unsupporting(f"what takes numbers on meta, in torch {torch.__version__} itself")
    assert on_meta(program("y = x.sum().item()"), TorchEngine()) == lack


@pytest.mark.parametrize(
    "text",
    [
        "with autograd.forward_ad.dual_level():\n    y = x * 2",
        "with no_grad():\n    y = autograd.forward_ad.unpack_dual(x)",
        "def f(a):\n    return a * 2\ny = func.jvp(f, (x,), (x,))",
    ],
)
def test_forward_mode_is_not_run_on_meta(program: MakeProgram, text: str) -> None:
    bound = program(text)
    with pytest.raises(Unsupported, match="forward mode on meta"):
        run(bound, TorchEngine(), "meta")
    run(bound, TorchEngine())
