from __future__ import annotations

import torch

from gradconform.program.steps import Apply, Expect, Input, Program, Ref, Within
from gradconform.report.listing import Statement, input_line, listing, statement_of, statements


def test_nested_expressions_are_one_statement_with_several_steps(program: Program) -> None:
    assert [(one.first, one.last, one.text) for one in statements(program)] == [
        (0, 0, "a = x * 2"),
        (1, 1, "b = x * 3"),
        (2, 3, "a.backward(ones_like(a))"),
        (4, 5, "b.backward(ones_like(b))"),
    ]


def test_the_marked_step_is_found_inside_its_statement(program: Program) -> None:
    assert listing(program, marked=4) == (
        "       x = tensor([1.0], dtype=float32, requires_grad=True)",
        "    0  a = x * 2",
        "    1  b = x * 3",
        "  2-3  a.backward(ones_like(a))",
        "> 4-5  b.backward(ones_like(b))",
    )


def test_nothing_is_marked_where_the_step_is_unknown(program: Program) -> None:
    assert not any(line.startswith(">") for line in listing(program))
    assert statement_of(program, -1) is None


def test_bodies_are_indented_below_their_block() -> None:
    body = (Within("no_grad", (), (Apply("y", "mul", (Ref("x"), 2)),)),)
    program = Program(
        (),
        (Apply("x", "ones", (2,)), Expect("RuntimeError", body, "forward"), Apply("z", "neg", (Ref("x"),))),
    )
    assert [(one.steps, one.depth, one.text) for one in statements(program)] == [
        ("0", 0, "x = ones(2)"),
        ("1", 0, "with raises(RuntimeError, phase='forward'):"),
        ("2", 1, "with no_grad():"),
        ("3", 2, "y = x * 2"),
        ("4", 0, "z = -x"),
    ]


def test_a_call_for_its_effect_alone_is_a_statement() -> None:
    program = Program((Input("x", torch.zeros(1)),), (Apply("_1", "sum", (Ref("x"),)),))
    assert statements(program) == (Statement(0, 0, 0, "x.sum()"),)


def test_inputs_show_what_their_numbers_do_not() -> None:
    assert input_line(Input("x", torch.tensor([0.1, 2.0]))) == "x = tensor([0.1, 2.0], dtype=float32)"
    assert input_line(Input("e", torch.zeros(2, 0), requires_grad=True)) == (
        "e = tensor([[], []], dtype=float32, requires_grad=True)  # shape (2, 0)"
    )
    half = torch.tensor([[1.0, 2.0]], dtype=torch.float16)
    assert (
        input_line(Input("t", half, layout="transposed"))
        == "t = tensor([[1.0, 2.0]], dtype=float16)  # transposed"
    )
    number = torch.tensor(1 - 2j, dtype=torch.complex64)
    assert input_line(Input("c", number)) == "c = tensor(1.0-2.0j, dtype=complex64)"
    assert input_line(Input("i", torch.tensor([True, False]))) == "i = tensor([True, False], dtype=bool)"
