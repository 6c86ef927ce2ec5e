"""Programs that run while they are written."""

from __future__ import annotations

import torch

from gradconform.engines.torch import TorchEngine
from gradconform.execution.stepwise import Stepwise, named
from gradconform.program.render import program_text
from gradconform.program.steps import (
    Apply,
    Backward,
    Define,
    Fail,
    Input,
    Invoke,
    Mutate,
    Record,
    Ref,
    Within,
)
from gradconform.volume import Pair


def under_way() -> Stepwise:
    run = Stepwise(TorchEngine())
    run.input(Input("x", torch.tensor([1.0, 2.0]), True))
    return run


def test_statements_run_at_once_and_stand_in_the_program() -> None:
    run = under_way()
    assert run.do(Apply("y", "mul", (Ref("x"), 3))) is None
    assert run.environment["y"].tolist() == [3.0, 6.0]
    assert run.do(Apply("_0", "sum", (Ref("y"),)), Backward((Ref("_0"),))) is None
    assert run.environment["x"].grad.tolist() == [3.0, 3.0]
    assert program_text(run.program) == "y = x * 3\ny.sum().backward()"
    assert [name for name, _ in run.tensors()] == ["x", "y"]


def test_what_raises_stands_under_raises() -> None:
    run = under_way()
    error = run.do(Mutate("", "mul_", (Ref("x"), 2)))
    assert isinstance(error, RuntimeError)
    assert program_text(run.program) == "with raises(RuntimeError):\n    x.mul_(2)"
    assert run.finish().caught == ((1, "forward", "RuntimeError"),)


def test_blocks_hold_what_is_done_meanwhile() -> None:
    run = under_way()
    with run.block("no_grad"):
        run.do(Apply("y", "mul", (Ref("x"), 3)))
        run.do(Mutate("", "mul_", (Ref("x"), 2)))
    assert not run.environment["y"].requires_grad
    assert program_text(run.program) == "with no_grad():\n    y = x * 3\n    x.mul_(2)"


def test_it_ends_as_the_fast_path_does() -> None:
    run = under_way()
    run.do(Define("hook", ("g",), (Record(Ref("g")), Fail("ValueError"))))
    run.do(Apply("y", "mul", (Ref("x"), 3)))
    run.do(Invoke("h", "y", "register_hook", (Ref("hook"),)))
    with run.block("enable_grad"):
        run.do(Apply("_0", "sum", (Ref("y"),)), Backward((Ref("_0"),)))
    run.do(Mutate("", "mul_", (Ref("x"), 2)))
    assert Pair(TorchEngine()).agree(run.program, run.finish())


def test_what_raises_inside_a_block_has_its_place() -> None:
    run = under_way()
    run.do(Apply("y", "mul", (Ref("x"), 3)))
    assert isinstance(run.do(Within("no_grad", (), (Fail("ValueError"),))), ValueError)
    assert run.finish().caught == ((3, "forward", "ValueError"),)
    assert Pair(TorchEngine()).agree(run.program, run.finish())


def test_the_nearest_class_of_python_is_named() -> None:
    assert named(torch.OutOfMemoryError("full")) == "RuntimeError"
    assert named(IndexError()) == "IndexError"
