"""Two gradients for one program, and finite differences between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import torch

from gradconform.engines.base import Engine
from gradconform.engines.registry import find_engine
from gradconform.engines.torch import TorchEngine
from gradconform.execution.interpreter import Detail, run
from gradconform.oracle.judge import judge
from gradconform.oracle.policy import compared
from gradconform.oracle.spots import NumericMiss, Spot, numbers_at
from gradconform.oracle.tolerance import Miss
from gradconform.oracle.vote import Ballot, Vote
from gradconform.program.steps import Input, Program
from gradconform.verdict import Diverges, OracleDisputed, Verdict

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

X = (0.5, -2.0, 3.0)
TEXT = "y = x.exp() * x\n(y * y).sum().backward()"


class Scaled(TorchEngine):
    """Torch, the gradient of one operator multiplied."""

    def __init__(self, operator: str, factor: float = 1.5) -> None:
        super().__init__()
        self.name = "scaled"
        self.operator, self.factor = operator, factor

    def operation(self, name: str) -> Callable[..., Any]:
        function = super().operation(name)
        if name != self.operator:
            return function

        def call(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            result.register_hook(lambda gradient: gradient * self.factor)
            return result

        return call


def given(*x: float, dtype: torch.dtype = torch.float64) -> Input:
    return Input("x", torch.tensor(x, dtype=dtype), requires_grad=True)


def judged(program: Program, oracle: Engine, engine: Engine, detail: Detail = Detail.CHANGES) -> Verdict:
    """The verdict with another oracle in torch's place."""
    return judge(
        program,
        run(program, oracle, detail=detail),
        run(program, engine, detail=detail),
        oracle=oracle,
    )


def details(verdict: Verdict) -> list[str]:
    assert isinstance(verdict, Diverges), verdict
    return [difference.detail.rpartition("; ")[2] for difference in verdict.divergences]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("detail", Detail)
def test_an_oracle_with_a_wrong_rule_is_disputed(
    program: MakeProgram, detail: Detail, dtype: torch.dtype
) -> None:
    made = program(TEXT, given(0.5, -1.0, 0.25, dtype=dtype))
    found = judged(made, Scaled("exp"), find_engine("refgrad"), detail)
    assert isinstance(found, OracleDisputed), found


def test_the_reason_has_all_three_answers_in_one_line(program: MakeProgram) -> None:
    made = program("x.exp().sum().backward()", given(0.0))
    found = judged(made, Scaled("exp"), find_engine("refgrad"))
    assert found == OracleDisputed(
        "torch alone has x.grad = [1.5] in step 2 (`exp(x).sum().backward()`); refgrad has [1.0], and "
        "finite differences, [1.0], agree with the engine"
    )


def test_a_result_of_grad_is_voted_on_as_well(program: MakeProgram) -> None:
    made = program("g, = autograd.grad((x.exp() * x).sum(), x)", given(*X))
    assert isinstance(judged(made, Scaled("exp"), find_engine("refgrad")), OracleDisputed)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_a_lying_engine_diverges_and_differences_agree_with_torch(
    program: MakeProgram, dtype: torch.dtype
) -> None:
    found = judged(program(TEXT, given(*X, dtype=dtype)), TorchEngine(), Scaled("exp"))
    assert details(found) == ["finite differences agree with torch"]


def test_where_both_are_wrong_it_is_told(program: MakeProgram) -> None:
    made = program("x.exp().sum().backward()", given(0.0))
    found = judged(made, Scaled("exp"), Scaled("exp", 2.0))
    assert details(found) == ["finite differences, [1.0], agree with neither"]


class OneAtZero(TorchEngine):
    """Torch with another subgradient of relu at 0."""

    def operation(self, name: str) -> Callable[..., Any]:
        return (lambda x: x * (x >= 0)) if name == "relu" else super().operation(name)


@pytest.mark.parametrize(
    "text",
    [
        "x.relu().sum().backward()",
        "(x.relu() - (-x).relu()).sum().backward()",
        "(x.relu() * x.cos() + x).sum().backward()",
    ],
)
def test_a_convention_at_a_kink_stays_a_divergence(program: MakeProgram, text: str) -> None:
    made = program(text, given(0.0, 1.0, -1.0))
    for oracle, engine in ((TorchEngine(), OneAtZero()), (OneAtZero(), TorchEngine())):
        assert not any("finite differences" in detail for detail in details(judged(made, oracle, engine)))


def test_a_kink_that_rounding_steps_over_stays_a_divergence(program: MakeProgram) -> None:
    # In float32 the argument is zero, in float64 it is not.
    third = float(torch.tensor(1.0) / 3)
    made = program("(x * 3 - 1).relu().sum().backward()", given(third, dtype=torch.float32))
    assert not any("finite" in detail for detail in details(judged(made, TorchEngine(), OneAtZero())))


def test_a_side_of_a_kink_that_float32_takes_is_not_judged_by_float64(program: MakeProgram) -> None:
    # 0.3002 is 0.2998 after 10000 was added in float32, and taken away again.
    text = "y = (x + 10000.0 - 10000.0 - 0.3).relu()\ny.sum().backward()"
    made = program(text, given(0.3002, dtype=torch.float32))
    trace = run(made, TorchEngine())
    place, step = Spot("x", ("grad",)), trace.states[-1].step
    ours = numbers_at(trace, step, place)
    assert ours is not None
    theirs = torch.ones_like(ours)
    miss = compared(ours, theirs)
    assert isinstance(miss, Miss)
    ballot = Ballot(made, lambda again: run(again, TorchEngine(), detail=Detail.STEPS))
    vote = ballot.vote(NumericMiss(place, step, ours, theirs, miss))
    assert vote == Vote("none", "in float64 torch's own answer is another one")


def test_a_nan_is_nobodys(program: MakeProgram) -> None:
    class NoNan(TorchEngine):
        def backward(self, *arguments: Any, **options: Any) -> None:
            super().backward(*arguments, **options)
            for leaf in self.mine:
                leaf.grad = torch.zeros_like(leaf)

        def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> torch.Tensor:
            leaf: torch.Tensor = super().from_torch(tensor, requires_grad=requires_grad)
            self.mine = [leaf]
            return leaf

    made = program("((x ** 4).sqrt()).sum().backward()", given(0.0, 1.0))
    assert not any("finite diff" in detail for detail in details(judged(made, TorchEngine(), NoNan())))


def test_a_fact_that_torch_keeps_is_a_vote_for_torch(program: MakeProgram) -> None:
    text = "x.exp().sum().backward()\nassert x.grad == 1.5 * x.exp()"
    found = judged(program(text, given(0.0)), Scaled("exp"), find_engine("refgrad"))
    assert isinstance(found, Diverges)
    assert [difference.what for difference in found.divergences] == ["value", "law"]
    assert found.divergences[0].detail.endswith("finite differences, [1.0], agree with the engine")


def test_one_wrong_gradient_among_disputed_ones_is_a_divergence(program: MakeProgram) -> None:
    w = Input("w", torch.tensor(X, dtype=torch.float64), requires_grad=True)
    made = program("y = x.exp() + w.sin()\ny.sum().backward()", given(*X), w)
    found = judged(made, Scaled("exp"), Scaled("sin"))
    assert isinstance(found, Diverges)
    assert [difference.where for difference in found.divergences] == ["x.grad", "w.grad"]
    assert [detail.endswith(("agree with the engine", "agree with torch")) for detail in details(found)] == [
        True,
        True,
    ]


def test_nothing_is_run_again_where_the_engine_conforms(
    program: MakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("the vote was asked for")

    monkeypatch.setattr("gradconform.oracle.differences.Recording", refuse)
    found = judged(program(TEXT, given(*X)), TorchEngine(), find_engine("refgrad"))
    assert found.kind == "conforms"
