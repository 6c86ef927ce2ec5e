"""From a task to case results: order, counts, shrinking, determinism, and engines that misbehave."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gradconform.cases import CaseResult
from gradconform.engines.torch import TorchEngine
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.host import InProcess
from gradconform.plan import Settings, Task
from gradconform.program.parse import parse
from gradconform.randomize.derivations import DERIVATIONS
from gradconform.report.example import make_example
from gradconform.session import Session
from gradconform.spec.scenario import IntegerDomain
from gradconform.spec.shapes import AnyShape
from gradconform.trace import UNSEEN
from gradconform.verdict import Conforms, Crashed, Divergence, Diverges, OracleDisputed, Unsupporting

DOUBLE = """
y = x * 2
z = y + 1
z.backward(ones_like(z))
assert x.grad == 2 * ones_like(x)
"""


class Changed(TorchEngine):
    """Torch with one operation replaced."""

    def __init__(self, **replaced: Any) -> None:
        super().__init__()
        self.replaced = replaced

    def operation(self, name: str) -> Any:
        return self.replaced.get(name) or super().operation(name)


Check = Callable[..., list[CaseResult]]


@pytest.fixture
def check(template: Any) -> Check:
    def check(engine: TorchEngine, text: str = DOUBLE, examples: int = 10, seed: int = 0) -> list[CaseResult]:
        made = template(text)
        tensor = made.scenario.let["x"]
        object.__setattr__(tensor, "requires_grad", True)
        return list(
            Session(InProcess(engine), Settings(examples=examples, seed=seed)).check(
                Task(made, "cpu", "float32")
            )
        )

    return check


def wrong_for_several(a: torch.Tensor, b: object) -> torch.Tensor:
    return a * 3 if a.numel() > 1 else a * b  # type: ignore[operator]


def test_the_documented_example_comes_first_and_draws_count_up(check: Check) -> None:
    results = check(TorchEngine(), examples=6)
    assert [result.draw for result in results] == list(range(10))
    assert [result.corner for result in results if result.corner] == [
        "empty tensors"
    ]  # its example is a number
    assert all(isinstance(result.verdict, Conforms) for result in results)
    assert all(result.example is None for result in results)


def test_the_documented_example_runs_under_derivations_too_whatever_the_seed(check: Check) -> None:
    found = [
        [result.derivation for result in check(TorchEngine(), examples=30, seed=seed)] for seed in range(4)
    ]
    assert found == [found[0]] * 4
    assert found[0][:32] == [""] * 32
    assert len(set(found[0][32:])) == 10
    assert set(found[0][32:]) <= DERIVATIONS.keys()


def test_a_scenario_without_free_variables_runs_under_derivations_alone(template: Any) -> None:
    made = template("x = tensor([1.0, 2.0], requires_grad=True)\n(x * x).sum().backward()")
    object.__setattr__(made.scenario, "let", {})
    results = [*Session(InProcess(TorchEngine()), Settings(examples=9)).check(Task(made, "cpu", "float32"))]
    assert [result.draw for result in results] == [0, 1, 2, 3]
    assert [bool(result.derivation) for result in results] == [False, True, True, True]


def test_a_row_of_a_table_takes_a_fourth_of_the_draws_and_corners(template: Any) -> None:
    drawn = []
    for derived in (False, True):
        made = template(DOUBLE, choices={"word": ("a", "b", "c", "d", "e", "f", "g", "h")})
        object.__setattr__(made.scenario.let["x"], "requires_grad", True)
        object.__setattr__(made.scenario.text, "derived", derived)
        results = [
            *Session(InProcess(TorchEngine()), Settings(examples=24)).check(Task(made, "cpu", "float32"))
        ]
        corners, derived_ones = (
            sum(bool(getattr(one, name)) for one in results) for name in ("corner", "derivation")
        )
        drawn.append((corners, derived_ones, len(results)))
    assert drawn == [(8, 8, 1 + 8 + 24 + 8), (2, 2, 1 + 2 + 6 + 2)]


ONE_OF_MANY = """
if which == 17:
    y = x * 3
else:
    y = x * 2
y.backward(ones_like(y))
"""


def test_an_engine_that_is_wrong_at_one_of_many_settings_diverges_with_every_seed(template: Any) -> None:
    engine = Changed(mul=lambda a, b: a * (b + 1) if b == 3 else a * b)
    found = []
    for seed in range(4):
        scenario = template(DOUBLE).scenario
        object.__setattr__(scenario.let["x"], "requires_grad", True)
        let = {**scenario.let, "which": IntegerDomain(0, 40, 0, scenario.place)}
        made = parse(replace(scenario, text=replace(scenario.text, text=ONE_OF_MANY), let=let))
        session = Session(InProcess(engine), Settings(examples=3, seed=seed))
        found.append([*session.check(Task(made, "cpu", "float32"))])
    for results in found:
        assert [result.corner for result in results] == ["", *(f"which={which}" for which in range(1, 18))]
        assert {type(result.verdict) for result in results[:-1]} == {Conforms}
        assert isinstance(results[-1].verdict, Diverges)


def test_no_examples_leaves_the_documented_one(check: Check) -> None:
    assert [result.draw for result in check(TorchEngine(), examples=0)] == [0]


def test_a_failure_that_only_draws_show_is_shrunk_to_two_elements_and_three_steps(check: Check) -> None:
    results = check(Changed(mul=wrong_for_several), examples=30)
    assert isinstance(results[0].verdict, Conforms)
    last = results[-1]
    assert isinstance(last.verdict, Diverges)
    assert all(isinstance(result.verdict, Conforms) for result in results[:-1])
    assert last.example is not None
    (x,) = last.example.program.inputs
    assert x.data.numel() == 2
    assert len(last.example.program.steps) == 1  # y = x * 2 is all that it takes
    assert last.verdict.divergences[0].step == 0


def test_the_script_of_a_failure_runs_on_plain_torch(check: Check, tmp_path: Path) -> None:
    results = check(Changed(mul=lambda a, b: a * 3))
    example = results[0].example
    assert example is not None
    script = tmp_path / "smallest.py"
    script.write_text(example.script)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "tensor(" in done.stdout


def test_the_same_seed_gives_the_same_results(check: Check) -> None:
    engine = Changed(mul=wrong_for_several)
    texts = [
        [(r.draw, r.verdict, r.example and r.example.text) for r in check(engine, seed=s)] for s in (1, 1)
    ]
    assert texts[0] == texts[1]


def test_a_task_keeps_its_seed_whatever_else_runs(template: Any) -> None:
    task = Task(template(DOUBLE), "cpu", "float32")
    other = Task(template(DOUBLE), "cpu", "float64")
    host = InProcess(TorchEngine())
    session = Session(host, Settings(seed=3))
    assert session.seed(task) == Session(host, Settings(seed=3)).seed(task)
    assert session.seed(task) != Session(host, Settings(seed=4)).seed(task)
    assert session.seed(task) != session.seed(other)


def test_what_an_engine_lacks_is_unsupported_and_never_a_pass(check: Check) -> None:
    def missing(*_: object) -> None:
        raise Unsupported("operator mul")

    verdicts = {result.verdict for result in check(Changed(mul=missing), examples=3)}
    assert verdicts == {Unsupporting("operator mul")}


def test_an_engine_that_exits_has_crashed(check: Check) -> None:
    def leaves(*_: object) -> None:
        raise SystemExit(3)

    verdict = check(Changed(mul=leaves), examples=0)[0].verdict
    assert verdict == Crashed("SystemExit: 3")


def test_a_spec_that_torch_breaks_is_disputed_and_never_blamed_on_the_engine(check: Check) -> None:
    verdict = check(TorchEngine(), "y = x * 2\nassert y == x", examples=0)[0].verdict
    assert isinstance(verdict, OracleDisputed)


def test_a_broken_adapter_ends_the_run_even_while_draws_are_searched(check: Check) -> None:
    class Broken(TorchEngine):
        def to_torch(self, handle: Any) -> torch.Tensor:
            if handle.numel() > 1:
                raise ValueError("no such thing")
            return super().to_torch(handle)

    with pytest.raises(AdapterError, match="to_torch failed"):
        check(Broken(), examples=30)


def test_an_engine_that_raises_what_is_no_exception_has_crashed(check: Check) -> None:
    class Cancelled(BaseException):
        pass

    def cancels(*_: object) -> None:
        raise Cancelled("now")

    assert check(Changed(mul=cancels), examples=0)[0].verdict == Crashed("Cancelled: now")


def test_an_adapter_that_fails_outside_an_operation_is_named_with_its_line(check: Check) -> None:
    class Broken(TorchEngine):
        def is_tensor(self, value: object) -> bool:
            raise KeyError("no idea")

    with pytest.raises(AdapterError, match=r"the adapter failed with KeyError.*test_session\.py:\d+"):
        check(Broken(), examples=0)


def test_a_property_that_raises_when_it_is_read_is_a_divergence(check: Check) -> None:
    class Unreadable(TorchEngine):
        def get(self, handle: Any, attribute: str) -> Any:
            if attribute == "grad" and handle is not None and handle.is_leaf and handle.requires_grad:
                raise ZeroDivisionError("no gradient")
            return super().get(handle, attribute)

    verdict = check(Unreadable(), examples=0)[0].verdict
    assert isinstance(verdict, Diverges)
    assert "reading .grad raises ZeroDivisionError" in verdict.divergences[0].got


def test_a_program_that_reduction_makes_unrunnable_on_torch_does_not_end_the_run(check: Check) -> None:
    class Shares(TorchEngine):
        def get(self, handle: Any, attribute: str) -> Any:
            return True if attribute == "is_leaf" else super().get(handle, attribute)

    text = "a = x.detach().numpy()\nk = from_numpy(a)\nk.requires_grad_()\ny = k * 2"
    assert isinstance(check(Shares(), text, examples=0)[0].verdict, Diverges)


def test_an_engine_cannot_change_the_oracles_default_dtype(check: Check) -> None:
    def meddles(a: torch.Tensor, b: object) -> torch.Tensor:
        torch.set_default_dtype(torch.float64)
        return a * b  # type: ignore[operator]

    text = "y = x * 2\nz = tensor([1.0])"
    verdict = check(Changed(mul=meddles), text, examples=0)[0].verdict
    assert torch.get_default_dtype() == torch.float32
    assert isinstance(verdict, Diverges)
    assert verdict.divergences[0].what == "dtype"


def test_wrappers_made_at_each_read_are_no_fault_where_the_engine_says_so(check: Check) -> None:
    class Wraps(TorchEngine):
        def get(self, handle: Any, attribute: str) -> Any:
            found = super().get(handle, attribute)
            return found.view_as(found) if attribute == "grad" and found is not None else found

        def identity(self, handle: Any) -> Any:
            return UNSEEN

    text = "y = x + 1\ny.backward(ones_like(y))\ny.backward(ones_like(y))\nassert x.grad == 2 * ones_like(x)"
    assert isinstance(check(Wraps(), text, examples=0)[0].verdict, Conforms)


def test_results_are_reported_as_they_come(template: Any) -> None:
    engine = TorchEngine()
    task = Task(template("y = x * 2"), "cpu", "float32")
    told: list[int] = []

    def report(result: CaseResult) -> None:
        told.append(result.draw)
        if result.draw == 3:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        Session(InProcess(engine), Settings(examples=50)).run(task, report)
    assert told == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("what", "where", "expected", "shown"),
    [
        ("value", "x.grad", "[1.0]", "x.grad"),
        ("requires_grad", "y", "False", "y.requires_grad"),
        ("dtype", "x.grad", "float32", "x.grad.dtype"),
        ("has_grad_fn", "y", "True", "y.grad_fn is not None"),
        (
            "shared memory",
            "y",
            "shares memory with x",
            "y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()",
        ),
        ("identity", "x.grad", "the same object as x.grad after step 1", ""),
        ("grad mode", "is_grad_enabled()", "True", "torch.is_grad_enabled()"),
    ],
)
def test_a_script_prints_what_differs(program: Any, what: str, where: str, expected: str, shown: str) -> None:
    verdict = Diverges((Divergence(what, where, 0, "", expected, "other"),))
    script = make_example(program("y = x * 2"), verdict, "cpu", "mine").script
    printed = [line.partition("  #")[0] for line in script.splitlines() if line.startswith("print")]
    assert printed == ([f"print({shown})"] if shown else [])


def test_a_failure_that_does_not_come_back_says_so(check: Check) -> None:
    calls = []

    def sometimes(a: torch.Tensor, b: object) -> torch.Tensor:
        calls.append(1)
        return a * 3 if len(calls) == 1 else a * b  # type: ignore[operator]

    result = check(Changed(mul=sometimes), examples=0)[0]
    assert isinstance(result.verdict, Diverges)
    assert "not when the program was run again" in result.verdict.divergences[0].detail


def test_a_failure_that_only_a_derivation_shows_names_it(check: Check) -> None:
    class DropsHooks(TorchEngine):
        def invoke(
            self, thing: object, method: str, arguments: tuple[Any, ...], options: Mapping[str, Any]
        ) -> Any:
            return None if method == "register_hook" else super().invoke(thing, method, arguments, options)

    *before, last = check(DropsHooks(), examples=84)
    assert isinstance(last.verdict, Diverges)
    assert last.derivation == "hooked-value"
    assert last.example is not None
    assert "register_hook(hook)" in last.example.text
    assert "register_hook(hook)" in last.example.script
    assert all(isinstance(result.verdict, Conforms) for result in before)


def test_a_failure_that_needs_no_derivation_names_none(check: Check) -> None:
    last = check(Changed(mul=wrong_for_several), examples=40)[-1]
    assert isinstance(last.verdict, Diverges)
    assert last.derivation == ""


def test_what_an_engine_lacks_for_a_derivation_is_passed_over(check: Check) -> None:
    class Bare(TorchEngine):
        def operation(self, name: str) -> Any:
            if name not in {"mul", "add", "ones_like"}:
                raise Unsupported(name)
            return super().operation(name)

    derived = {result.derivation for result in check(Bare(), examples=84) if result.derivation}
    assert len(derived) > 10
    assert not derived & {"cloned-leaf", "viewed-leaf", "strided-cotangent", "detached-branch"}
    assert {result.verdict.kind for result in check(Bare(), examples=84)} == {"conforms"}


def test_a_derivation_stays_in_the_domains_of_the_inputs(template: Any) -> None:
    found = []
    for nonempty in (False, True):
        made = template("y = x * x\ny.backward(ones_like(y))")
        tensor = made.scenario.let["x"]
        object.__setattr__(tensor, "requires_grad", True)
        object.__setattr__(tensor, "example", (1.0, 2.0))
        object.__setattr__(tensor, "shape", AnyShape(nonempty))
        results = Session(InProcess(TorchEngine()), Settings(examples=84)).check(Task(made, "cpu", "float32"))
        found.append({result.derivation for result in results})
    assert found[0] - found[1] == {"zero-size-inputs"}
