"""Programs made smaller: what is left fails, is well formed, and has nothing that could go."""

from __future__ import annotations

from typing import Any

from gradconform.program.check import check
from gradconform.program.render import program_text
from gradconform.program.steps import Apply, Backward, Fact, Program
from gradconform.randomize.reduce import reduce


def has_tanh(program: Program) -> bool:
    return any(isinstance(step, Apply) and step.operator == "tanh" for _, step in program.walk())


def test_only_the_step_that_matters_stays(program: Any) -> None:
    whole = program(
        """
        a = x * 2
        b = a + 1
        c = tanh(x)
        d = b * c
        d.backward(ones_like(d))
        assert x.grad is not None
        """.replace("        ", "")
    )
    assert program_text(reduce(whole, has_tanh)) == "c = tanh(x)"


def test_an_operation_goes_and_its_operand_stands_for_its_result(program: Any) -> None:
    whole = program("a = x * 2\nb = (a + 1) * a\nc = tanh(b - 3)\nassert c.requires_grad")
    assert program_text(reduce(whole, has_tanh)) == "c = tanh(x)"


def test_what_a_step_needs_stays_with_it(program: Any) -> None:
    whole = program("a = x * 2\nb = a + 1\nc = tanh(b)\nc.sum()")

    def fails(candidate: Program) -> bool:
        return has_tanh(candidate) and "a + 1" in program_text(candidate)

    assert program_text(reduce(whole, fails)) == "a = x * 2\nb = a + 1\nc = tanh(b)"


def test_a_fact_speaks_of_what_is_left(program: Any) -> None:
    whole = program("a = x * 2\nb = tanh(a)\nassert b.requires_grad")

    def fails(candidate: Program) -> bool:
        return any(isinstance(step, Fact) for step in candidate.steps)

    assert program_text(reduce(whole, fails)) == "assert x.requires_grad"


def test_a_block_goes_and_its_body_stays(program: Any) -> None:
    whole = program("with no_grad():\n    a = x + 1\n    b = tanh(x)\nc = x * 2")
    assert program_text(reduce(whole, has_tanh)) == "b = tanh(x)"


def test_inputs_that_nothing_uses_go(program: Any) -> None:
    whole = program("a = x * 2\nb = tanh(x)")
    smaller = reduce(whole, lambda candidate: bool(candidate.steps))
    assert [item.name for item in smaller.inputs] == ["x"]
    assert len(smaller.steps) == 1


def test_it_asks_at_most_so_often_and_about_well_formed_programs_only(program: Any) -> None:
    asked: list[Program] = []

    def fails(candidate: Program) -> bool:
        asked.append(candidate)
        return any(isinstance(step, Backward) for step in candidate.steps)

    whole = program("a = x * 2\nb = a * 3\nb.backward(ones_like(b))\nc = b + a")
    reduce(whole, fails, calls=1)
    assert len(asked) == 1
    assert not any(check(candidate) for candidate in asked)


def test_long_programs_are_asked_about_less_often(program: Any) -> None:
    asked = []

    def fails(candidate: Program) -> bool:
        asked.append(candidate)
        return False

    whole = program("y = x * 2\n" + "y = y + x\n" * 200 + "z = tanh(y)")
    assert reduce(whole, fails, calls=20) is whole
    assert len(asked) == 4
    assert reduce(whole, fails, calls=4) is whole
    assert len(asked) == 4  # one more would cost more than is left


def test_what_threads_do_together_stays_whole(program: Any) -> None:
    whole = program(
        "with concurrently():\n    with thread():\n        y = x * 2\n    with thread():\n        z = x * 3"
    )
    assert reduce(whole, lambda _: True) is whole


def test_a_program_that_cannot_be_smaller_is_returned_as_it_is(program: Any) -> None:
    whole = program("b = tanh(x)")
    assert reduce(whole, has_tanh) is whole
