from __future__ import annotations

import torch

from gradconform.engines.torch import TorchEngine
from gradconform.execution.interpreter import Detail, run
from gradconform.program.steps import Apply, Backward, Delete, Expect, Input, Mutate, Program, Ref, Within
from gradconform.report.lines import plain
from gradconform.report.steps import trace_lines


def story(program: Program) -> list[str]:
    trace = run(program, TorchEngine(), "cpu", Detail.STEPS)
    return plain(trace_lines(program, trace)).splitlines()


def test_each_statement_is_followed_by_what_it_changed(program: Program) -> None:
    assert story(program) == [
        "       x = tensor([1.0], dtype=float32, requires_grad=True)",
        "    0  a = x * 2",
        "           a = [2.0] (float32), requires_grad, grad_fn",
        "    1  b = x * 3",
        "           b = [3.0] (float32), requires_grad, grad_fn",
        "  2-3  a.backward(ones_like(a))",
        "           x.grad = [2.0] (float32)",
        "  4-5  b.backward(ones_like(b))",
        "           x.grad = [5.0] (float32)",
    ]


def test_a_block_shows_its_body_its_error_and_what_was_not_reached() -> None:
    x = Input("x", torch.tensor([1.0, 2.0]), requires_grad=True)
    body = (
        Apply("y", "mul", (Ref("x"), 2)),
        Backward((Ref("y"),)),
        Apply("z", "neg", (Ref("y"),)),
    )
    lines = story(Program((x,), (Expect("RuntimeError", body, "backward"), Delete("y"))))
    assert lines == [
        "     x = tensor([1.0, 2.0], dtype=float32, requires_grad=True)",
        "  0  with raises(RuntimeError, phase='backward'):",
        "  1      y = x * 2",
        "             y = [2.0, 4.0] (float32), requires_grad, grad_fn",
        "  2      y.backward()",
        "             raises RuntimeError: grad can be implicitly created only for scalar outputs (backward)",
        "  3      z = -y  # not reached",
        "  4  del y",
        "         y is gone",
    ]


def test_the_grad_mode_is_shown_where_it_changes() -> None:
    x = Input("x", torch.tensor([1.0]))
    body = (Mutate("x", "add_", (Ref("x"), 1)),)
    assert story(Program((x,), (Within("no_grad", (), body), Apply("y", "neg", (Ref("x"),))))) == [
        "     x = tensor([1.0], dtype=float32)",
        "  0  with no_grad():",
        "  1      x += 1",
        "             x = [2.0] (float32), leaf",
        "             grad mode: off",
        "         after the block: grad mode: on",
        "  2  y = -x",
        "         y = [-2.0] (float32), leaf",
    ]


def test_an_error_that_ends_the_program_ends_the_trace() -> None:
    program = Program(
        (Input("x", torch.tensor([1.0])),), (Backward((Ref("x"),)), Apply("y", "neg", (Ref("x"),)))
    )
    _, raising, error, skipped = story(program)
    assert raising == "  0  x.backward()"
    assert error.startswith("         raises RuntimeError: element 0 of tensors does not require grad")
    assert skipped == "  1  y = -x  # not reached"
