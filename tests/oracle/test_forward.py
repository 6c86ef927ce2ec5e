from __future__ import annotations

import pytest
import torch

from gradconform.oracle.forward import forward_differs
from gradconform.program.steps import Apply, Backward, Get, Grad, Invoke, Let, Mutate, Program, Ref, Set, Step
from gradconform.trace import UNSEEN, Seen, StateSeen, TensorSeen, Trace

LOSS = Apply("y", "mul", (Ref("x"), Ref("x")))
READ: tuple[Step, ...] = (LOSS, Backward((Ref("y"),)), Get("g", "x", "grad"))


def seen(number: float) -> TensorSeen:
    return TensorSeen(torch.tensor([number]), "cpu", True, True, False, None, 0, UNSEEN)


def differs(steps: tuple[Step, ...], name: str, step: int, expected: Seen, got: Seen) -> bool:
    ours, theirs = (Trace("engine", (StateSeen(step, {name: value}, True),)) for value in (expected, got))
    return forward_differs(Program((), steps), ours, theirs)


@pytest.mark.parametrize(
    ("expected", "got", "answer"),
    [
        (seen(1.0), seen(1.0), False),
        (seen(1.0), seen(1.0 + 2**-23), True),
        (2.5, 2.5, False),
        (2.5, 2.5000001, True),
        ((seen(1.0),), (seen(2.0),), True),
        (seen(float("nan")), seen(float("nan")), False),
        (seen(1.0), UNSEEN, False),
        (seen(1.0), None, False),
    ],
)
def test_forward_values_are_compared_in_their_bits(expected: Seen, got: Seen, answer: bool) -> None:
    assert differs((LOSS,), "y", 0, expected, got) is answer


@pytest.mark.parametrize(
    "steps",
    [
        (*READ, Apply("z", "mul", (Ref("g"), 2.0))),
        (LOSS, Grad(("g",), (Ref("y"), Ref("x"))), Apply("z", "add", (Ref("x"), Ref("g")))),
        (*READ, Let("z", Ref("g"))),
    ],
)
def test_what_a_gradient_flowed_into_is_no_forward_value(steps: tuple[Step, ...]) -> None:
    assert not differs(steps, "z", len(steps) - 1, seen(1.0), seen(2.0))
    assert differs(steps, "y", len(steps) - 1, seen(1.0), seen(2.0))


@pytest.mark.parametrize(
    "write",
    [
        Mutate("", "sub_", (Ref("x"), Ref("g"))),
        Set("x", "data", Ref("g")),
        Invoke("", "optimizer", "step"),
    ],
)
def test_after_a_gradient_is_written_into_a_tensor_nothing_is_a_forward_value(write: Step) -> None:
    steps = (*READ, write)
    assert not differs(steps, "x", 3, seen(1.0), seen(2.0))
    assert differs(steps, "x", 1, seen(1.0), seen(2.0))


@pytest.mark.parametrize(
    "write",
    [Mutate("", "zero_", (Ref("g"),)), Set("x", "grad", Ref("g")), Invoke("", "optimizer", "zero_grad")],
)
def test_writes_into_gradients_leave_forward_values_what_they_are(write: Step) -> None:
    assert differs((*READ, write), "x", 3, seen(1.0), seen(2.0))
