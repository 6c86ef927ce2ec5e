"""The numerical policy tested: a gradient that is wrong by a factor near one is caught wherever there is a
gradient, and one that is merely rounded differently is blamed nowhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import torch

from gradconform.engines.base import Engine
from gradconform.engines.refgrad import RefgradEngine
from gradconform.engines.torch import TorchEngine
from gradconform.execution.host import InProcess
from gradconform.execution.interpreter import run
from gradconform.plan import Settings, Task, tasks_of
from gradconform.program.bind import bind
from gradconform.program.library import load_library
from gradconform.program.names import targets
from gradconform.program.parse import Template
from gradconform.program.steps import Apply, Backward, Grad, Input, Program, Ref, Set
from gradconform.randomize import draws
from gradconform.session import Session
from gradconform.trace import Seen, TensorSeen
from gradconform.verdict import Conforms, Diverges, Inconclusive, Numbers, Unsupporting, Verdict

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

HERE = Path(__file__).parent
SPECS = HERE.parents[1] / "specs"
SLICE = ("vector-jacobian-products.yaml", "accumulation.yaml", "operators/exponentials.yaml")
"""Specs that look at little but numbers."""

BLIND = {
    "accumulation/gradient-of-another-dtype-than-grad-dtype",
    "vector-jacobian-products/integer-cotangent",
}
"""Where the factor cannot show: one gradient is rounded to float16, and one cotangent is a whole number."""


def _load() -> ModuleType:
    spec = spec_from_file_location("rounding", HERE / "rounding.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["rounding"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rounding = _load()


@pytest.fixture(scope="module")
def tasks() -> tuple[Task, ...]:
    templates = load_library([SPECS / name for name in SLICE])
    return tasks_of(templates, ("cpu",), ("float32", "float64"))


def verdicts(engine: Engine, task: Task, examples: int = 0) -> list[Verdict]:
    return [case.verdict for case in Session(InProcess(engine), Settings(examples=examples)).check(task)]


def shows_a_gradient(program: Program) -> bool:
    """Whether a gradient that torch computes for the program is somewhere finite and not zero."""
    steps = [step for _, step in program.walk()]
    if any(isinstance(step, Set) for step in steps) or not any(
        isinstance(step, Backward | Grad) for step in steps
    ):
        return False
    given = {name for step in steps if isinstance(step, Grad) for name in targets(step)}
    last = run(program, TorchEngine()).states[-1]
    found = [seen for name, each in last.live.items() for seen in gradients(each, name in given)]
    return any(bool((grad.isfinite() & (grad != 0)).any()) for grad in found)


def gradients(seen: Seen, itself: bool) -> Iterator[torch.Tensor]:
    if isinstance(seen, TensorSeen):
        for one in (seen if itself else None, seen.grad):
            if isinstance(one, TensorSeen) and one.value.is_floating_point():
                yield one.value


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_scaled_by_1_0005_are_caught_wherever_there_are_any(
    tasks: tuple[Task, ...], dtype: str
) -> None:
    caught: list[str] = []
    missed: list[str] = []
    for task in tasks:
        assert isinstance(task.origin, Template)
        if task.dtype != dtype or task.origin.id in BLIND:
            continue
        program = bind(task.origin, draws.example(task.origin.scenario, dtype))
        if shows_a_gradient(program):
            verdict = Session(InProcess(rounding.scaled()), Settings()).judge(program, "cpu")
            (caught if isinstance(verdict, Diverges) else missed).append(task.id)
    assert not missed
    assert len(caught) >= 40


@pytest.mark.parametrize("name", ["accumulates_in_float64", "fuses_multiply_add", "sums_backwards"])
def test_what_is_merely_rounded_differently_is_not_blamed(tasks: tuple[Task, ...], name: str) -> None:
    engine = getattr(rounding, name)()
    found = [(task.id, verdict) for task in tasks for verdict in verdicts(engine, task, examples=1)]
    assert not [each for each in found if not isinstance(each[1], Conforms | Unsupporting)]


def long_sum(engine: Engine, dtype: torch.dtype) -> Verdict:
    """A product of matrices, a product in a sum, and a long sum, with digits that every rounding loses."""
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(64, 64, generator=generator, dtype=torch.float64).to(dtype) for _ in range(2))
    steps = (
        Apply("y", "matmul", (Ref("x"), Ref("w"))),
        Apply("p", "mul", (Ref("y"), Ref("w"))),
        Apply("q", "sub", (Ref("p"), Ref("x"))),
        Apply("z", "exp", (Ref("q"),)),
        Apply("m", "mean", (Ref("z"),)),
        Apply("t", "sum", (Ref("q"),)),
        Apply("s", "mul", (Ref("m"), Ref("t"))),
        Backward((Ref("s"),)),
    )
    program = Program((Input("x", x, True), Input("w", w, True)), steps)
    return Session(InProcess(engine), Settings()).judge(program, "cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_other_roundings_are_seen_and_excused_and_a_factor_is_not(dtype: torch.dtype) -> None:
    names = ["fuses_multiply_add", "sums_backwards"]
    names += ["accumulates_in_float64"] if dtype == torch.float32 else []
    for name in names:
        found = long_sum(getattr(rounding, name)(), dtype)
        assert isinstance(found, Conforms), found
        assert found.stage != "bits", name
    assert isinstance(long_sum(rounding.scaled(), dtype), Diverges)


def test_hardly_any_case_is_inconclusive(tasks: tuple[Task, ...]) -> None:
    engine = RefgradEngine()
    found = [verdict for task in tasks for verdict in verdicts(engine, task, examples=2)]
    assert len(found) > 300
    assert sum(isinstance(verdict, Inconclusive) for verdict in found) < len(found) / 1000
    total = Numbers.total(verdict.numbers for verdict in found if isinstance(verdict, Conforms))
    assert total.bits > 1000
    assert total.refused == total.inconclusive == 0


def test_a_wide_program_that_casts_down_is_rounded_as_what_it_casts_to(program: MakeProgram) -> None:
    numbers = torch.linspace(-1.7, 1.9, 24, dtype=torch.float64).sin()
    made = program("v = x.to(float32)\ns = v.sum()\ny = s * 1000\nz = x * y", Input("x", numbers, True))

    def verdict(engine: Engine) -> Verdict:
        return Session(InProcess(engine), Settings()).judge(made, "cpu")

    assert isinstance(verdict(rounding.SumsBackwards()), Conforms)
    assert isinstance(verdict(rounding.AccumulatesInFloat64()), Conforms)
    assert isinstance(verdict(_Off()), Diverges)


class _Off(TorchEngine):
    """Sums are wrong by more than float32 rounds."""

    def operation(self, name: str) -> Callable[..., Any]:
        real = super().operation(name)
        return (lambda value: real(value) * rounding.FACTOR) if name == "sum" else real


def test_a_fused_product_keeps_the_imaginary_part_of_what_is_added() -> None:
    engine = rounding.FusesMultiplyAdd()
    real, complex_number = torch.tensor([1.1, 2.3]), torch.tensor([1 + 2j, 3 - 1j])
    product = engine.operation("mul")(real, real)
    assert torch.equal(engine.operation("add")(product, complex_number), real * real + complex_number)
