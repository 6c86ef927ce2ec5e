"""mygrad, tinygrad and micrograd, as installed: what is known to be wrong, or otherwise, is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from gradconform.engines import Engine, Unsupported
from gradconform.execution.host import InProcess
from gradconform.execution.interpreter import run
from gradconform.plan import Settings
from gradconform.program.steps import Input, Program
from gradconform.session import Session
from gradconform.verdict import Conforms, Diverges, Verdict

if TYPE_CHECKING:
    from tests.conftest import MakeProgram
    from tests.engines.conftest import Answer, Answers, Installed


def judge_on(engine: Engine, program: Program) -> Verdict:
    """The verdict on a program."""
    return Session(InProcess(engine), Settings()).judge(program, "cpu")


def found(verdict: Verdict) -> tuple[str, str, str]:
    """What differs first: the property, the place, and what the engine has there."""
    assert isinstance(verdict, Diverges), verdict
    first = verdict.divergences[0]
    return first.what, first.where, first.got


MYGRAD: dict[str, Answer] = {
    "backward/elementary-functions": "conforms",
    "broadcasting/missing-dimensions": "conforms",
    "operators/tanh/gradients": "conforms",
    "operators/matmul/vectors-gradients": "conforms",
    # gradients do not add up, and a graph is gone after its first backward
    "accumulation/same-root-again": ("value", "x.grad", "[1.0, 1.0, 1.0]"),
    "points/elu-with-alpha-at-zero": ("value", "x.grad", "[1.0]"),
    "points/asin-at-its-borders": ("value", "x.grad", "[0.0, 0.0, nan]"),
    **dict.fromkeys(
        (
            "operators/maximum",
            "points/max-of-all-with-ties",
            "points/clamp-from-below-at-the-bound",
            "points/leaky-relu-at-zero",
            "points/norm-of-order-two-at-zero",
            "points/std-of-equal-values",
            "points/relu-at-nan-and-infinity",
        ),
        "declared",
    ),
    "points/std-of-one-value": (
        "unexpected error",
        "y.backward(ones_like(y))",
        "ZeroDivisionError: float division by zero (backward)",
    ),
    "kinks/steps": "<ufunc 'floor'> cannot involve non-constant mygrad tensors.",
    "create-graph/third-derivative": "create_graph",
}


def test_mygrad(answers: Answers) -> None:
    assert answers("mygrad", *MYGRAD) == MYGRAD


TINYGRAD: dict[str, Answer] = {
    "backward/elementary-functions": "conforms",
    "create-graph/third-derivative": "conforms",
    "operators/tanh/gradients": "conforms",
    # derivatives at zero
    "operators/asin/gradients": ("value", "x.grad", "[2.3094008, 0.25819883, 0.0]"),
    "operators/acos/gradients": ("value", "x.grad", "[-1.2091993, -1.8832781, 0.0]"),
    "operators/atan/gradients": ("value", "x.grad", "[0.0, 0.125, 0.17500001]"),
    "operators/erf/gradients": ("value", "x.grad", "[1.757565, 0.26500377, 0.0]"),
    "points/elu-at-zero": ("value", "x.grad", "[0.0]"),
    # a number is no leaf
    "graph/item-is-a-constant": ("grad is None", "x.grad", "None"),
    "operators/difference-and-negation": "conforms",
    # a backward adds to whatever has a grad
    "accumulation/gradient-of-a-constant": ("value", "g", "[3.0, 4.0]"),
    "points/leaky-relu-at-zero": "declared",
    "points/std-of-equal-values": "declared",
    "points/power-infinity": (
        "unexpected error",
        'y = x ** float("inf")',
        "OverflowError: cannot convert float infinity to integer (forward)",
    ),
    "graph/value-of-a-tensor-decides": "__bool__ on Tensor is not defined",
    "graph/leaf-flags": "showing is_leaf",
}


def test_an_edit_of_mygrad_s_gradient_is_its_own(program: MakeProgram, installed: Installed) -> None:
    """Its gradients are arrays, and whoever writes to one finds it written."""
    engine = installed("mygrad")
    for edit in ("x.grad.mul_(10)", "x.grad.sub_(x.grad)", "x.grad[0] = 7.0"):
        made = program(f"y = x + x\ny.backward(ones_like(y))\n{edit}\ng = x.grad")
        assert isinstance(judge_on(engine, made), Conforms), edit


def test_mygrad_is_not_blamed_for_a_view_that_it_has_no_word_for(
    program: MakeProgram, installed: Installed
) -> None:
    """Its reshape copies where torch's view raises; else it gives a view as torch's does."""
    engine = installed("mygrad")
    assert isinstance(judge_on(engine, program("y = x.view(4)\ny.backward(ones_like(y))", SQUARE)), Conforms)
    with pytest.raises(Unsupported, match="reshape makes a copy"):
        run(program("y = x.t().view(4)", SQUARE), engine)


def test_tinygrad(answers: Answers) -> None:
    assert answers("tinygrad", *TINYGRAD, dtype="float32") == TINYGRAD


@pytest.mark.parametrize(
    "text",
    [
        "y = x * 1\ny += 1\ny.backward(ones_like(y))",
        "y = x.clone()\ny.backward(ones_like(y))",
        "y = x.clone()\ny.mul_(2)",
        "b = x.clone()\nb += x\nc = b.clone()\nb += x",
        "u = ones_like(x)\nx.backward(u)\nx.backward(ones_like(x))",
    ],
)
def test_a_look_at_tinygrad_s_tensors_changes_nothing(
    text: str, program: MakeProgram, installed: Installed
) -> None:
    """tinygrad computes where it is looked at; by hand nobody looks between the lines."""
    assert isinstance(judge_on(installed("tinygrad"), program(text)), Conforms)


def test_what_a_program_has_tinygrad_compute_is_there_for_good(
    program: MakeProgram, installed: Installed
) -> None:
    """The first gradient is the cotangent's own memory."""
    text = "u = ones_like(x)\nx.backward(u)\nx.backward(ones_like(x))\nn = x.grad.numpy()"
    assert found(judge_on(installed("tinygrad"), program(text))) == ("value", "u", "[2.0, 2.0]")


def test_tinygrad_s_numbers_cross_in_every_dtype(installed: Installed) -> None:
    engine = installed("tinygrad")
    for dtype in (torch.float16, torch.float32, torch.float64, torch.int64, torch.int32, torch.bool):
        for data in (torch.tensor([[1, 0], [2, 3]]).t(), torch.tensor(1), torch.zeros(0, 2)):
            tensor = data.to(dtype)
            back = engine.to_torch(engine.from_torch(tensor))
            assert back.dtype == dtype
            assert torch.equal(back, tensor)


SQUARE = Input("x", torch.tensor([[1.0, 2.0], [3.0, 4.0]]), True)
NUMBER = Input("x", torch.tensor(3.0, dtype=torch.float64), True)


def test_micrograd_differentiates_numbers(program: MakeProgram, installed: Installed) -> None:
    engine = installed("micrograd")
    text = "y = (x * 2 + 1).relu() / x - x ** 3\ny.backward(ones_like(y))"
    verdict = judge_on(engine, program(text, NUMBER))
    assert verdict.kind == "conforms"


def test_micrograd_counts_a_second_backward_double(program: MakeProgram, installed: Installed) -> None:
    text = "y = x * 2\nz = y * 3\nz.backward(retain_graph=True)\nz.backward(retain_graph=True)"
    assert found(judge_on(installed("micrograd"), program(text, NUMBER))) == ("value", "x.grad", "18.0")


def test_micrograd_gives_a_leaf_that_nothing_reaches_zero(program: MakeProgram, installed: Installed) -> None:
    engine, other = installed("micrograd"), Input("w", torch.tensor(2.0, dtype=torch.float64), True)
    got = found(judge_on(engine, program("y = x * 2\ny.backward()", NUMBER, other)))
    assert got == ("grad is not None", "w.grad", "0.0 (float64)")
    assert judge_on(engine, program("y = x * 2", NUMBER)).kind == "conforms"


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("y = x ** x", "only supporting int/float powers for now"),
        ("y = exp(x)", "operator exp"),
        ("(x * 2).backward(x)", "cotangents other than one"),
        ("y = tensor([1.0, 2.0], dtype=float64)", "tensors with dimensions"),
        ("x += 1", "operator add_"),
    ],
)
def test_micrograd_lacks(program: MakeProgram, text: str, feature: str, installed: Installed) -> None:
    with pytest.raises(Unsupported) as lack:
        run(program(text, NUMBER), installed("micrograd"))
    assert str(lack.value) == feature
