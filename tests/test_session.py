"""From a task to case results: order, counts, shrinking, determinism, and engines that misbehave."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gradconform.cases import CaseResult
from gradconform.engines.torch import TorchEngine
from gradconform.errors import AdapterError, Unsupported
from gradconform.plan import Settings, Task
from gradconform.session import Session
from gradconform.verdict import Conforms, Crashed, Diverges, OracleDisputed, Unsupporting

if TYPE_CHECKING:
    import torch

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
            Session(engine, Settings(examples=examples, seed=seed)).check(Task(made, "cpu", "float32"))
        )

    return check


def wrong_for_several(a: torch.Tensor, b: object) -> torch.Tensor:
    return a * 3 if a.numel() > 1 else a * b  # type: ignore[operator]


def test_the_documented_example_comes_first_and_draws_count_up(check: Check) -> None:
    results = check(TorchEngine(), examples=6)
    assert [result.draw for result in results] == list(range(7))
    assert all(isinstance(result.verdict, Conforms) for result in results)
    assert all(result.example is None for result in results)


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
    assert Session(TorchEngine(), Settings(seed=3)).seed(task) == Session(
        TorchEngine(), Settings(seed=3)
    ).seed(task)
    assert Session(TorchEngine(), Settings(seed=3)).seed(task) != Session(
        TorchEngine(), Settings(seed=4)
    ).seed(task)
    assert Session(TorchEngine(), Settings(seed=3)).seed(task) != Session(
        TorchEngine(), Settings(seed=3)
    ).seed(other)


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


def test_a_failure_that_does_not_come_back_says_so(check: Check) -> None:
    calls = []

    def sometimes(a: torch.Tensor, b: object) -> torch.Tensor:
        calls.append(1)
        return a * 3 if len(calls) == 1 else a * b  # type: ignore[operator]

    result = check(Changed(mul=sometimes), examples=0)[0]
    assert isinstance(result.verdict, Diverges)
    assert "not when the program was run again" in result.verdict.divergences[0].detail
