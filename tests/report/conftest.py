"""Cases made by hand: what a report shows of them is known to the letter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gradconform.cases import CaseResult, Example
from gradconform.program.steps import Apply, Backward, Input, Program, Ref
from gradconform.verdict import Divergence, Diverges, Verdict

Make = Callable[..., CaseResult]


@pytest.fixture
def program() -> Program:
    """x = tensor([1.0]); a = x * 2; b = x * 3; a.backward(ones_like(a)); b.backward(ones_like(b))"""
    return Program(
        inputs=(Input("x", torch.tensor([1.0]), requires_grad=True),),
        steps=(
            Apply("a", "mul", (Ref("x"), 2)),
            Apply("b", "mul", (Ref("x"), 3)),
            Apply("_1", "ones_like", (Ref("a"),)),
            Backward((Ref("a"), Ref("_1"))),
            Apply("_2", "ones_like", (Ref("b"),)),
            Backward((Ref("b"), Ref("_2"))),
        ),
        scenario="accumulation/two-branches",
    )


@pytest.fixture
def example(program: Program) -> Example:
    return Example(
        program,
        "x = ...",
        "import torch\n\nx = torch.tensor([1.0])\nprint(x.grad)  # torch: [5.0]; mine: [3.0]\n",
    )


@pytest.fixture
def overwritten() -> Diverges:
    return Diverges(
        (
            Divergence(
                "value",
                "x.grad",
                5,
                "b.backward(_2)",
                "[5.0]",
                "[3.0]",
                "float32, 1 of 1 element differs; allowed 1e-05",
            ),
            Divergence("identity", "x.grad", 5, "b.backward(_2)", "the same object", "a new object"),
        )
    )


@pytest.fixture
def case() -> Make:
    def make(
        verdict: Verdict,
        scenario: str = "accumulation/two-branches",
        *,
        dtype: str = "float32",
        device: str = "cpu",
        draw: int = 0,
        level: int = 1,
        example: Example | None = None,
    ) -> CaseResult:
        feature = scenario.partition("/")[0]
        return CaseResult(scenario, feature, level, device, dtype, draw, verdict, example)

    return make
