"""From a program text and a draw to steps: loops, conditions, constants, the order of evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from gradconform.errors import SpecError
from gradconform.program.bind import MAX_STEPS, Draw, bind
from gradconform.program.render import program_text
from gradconform.program.steps import (
    Apply,
    Delete,
    Dtype,
    Expect,
    Fact,
    Get,
    Grad,
    Input,
    Let,
    Mutate,
    Ref,
    Set,
    Unset,
)

if TYPE_CHECKING:
    from tests.conftest import MakeProgram, MakeTemplate

X = Input("x", torch.tensor([1.0, 2.0]), requires_grad=True)


def test_expressions_are_flattened_in_the_order_in_which_python_evaluates_them(program: MakeProgram) -> None:
    bound = program("y = -x ** 2 + x.sum() * 3")
    assert bound.steps == (
        Apply("_2", "pow", (Ref("x"), 2), {}, 1),
        Apply("_1", "neg", (Ref("_2"),), {}, 1),
        Apply("_4", "sum", (Ref("x"),), {}, 1),
        Apply("_3", "mul", (Ref("_4"), 3), {}, 1),
        Apply("y", "add", (Ref("_1"), Ref("_3")), {}, 1),
    )


def test_a_call_for_its_effect_alone_leaves_no_temporary(program: MakeProgram) -> None:
    bound = program("exp(x)\nx.sum()\nautograd.grad(x.sum(), [x])")
    assert [step.target for step in bound.steps if isinstance(step, Apply | Grad)][:2] == ["", ""]
    assert isinstance(bound.steps[-1], Grad)
    assert bound.steps[-1].target == ""


def test_the_value_is_computed_before_the_target_of_an_assignment(program: MakeProgram) -> None:
    bound = program("x.detach()[0] = x.sum()\nx.detach().data = x.t()")
    operators = [step.operator for step in bound.steps if isinstance(step, Apply | Mutate)]
    assert operators == ["sum", "detach", "setitem", "t", "detach"]


def test_in_place_changes_of_items_and_attributes_read_change_and_write_back(program: MakeProgram) -> None:
    bound = program("x[0] += x.sum()\nx.data -= 2 * x")
    kinds = [type(step) for step in bound.steps]
    assert kinds == [Apply, Apply, Mutate, Mutate, Get, Apply, Mutate, Set]
    assert program_text(bound) == "x[0] = x[0].add_(x.sum())\nx.data = x.data.sub_(2 * x)"


def test_a_loop_gives_its_variable_each_round(program: MakeProgram) -> None:
    bound = program("for i in range(n):\n    y = x * i", constants={"n": 3})
    assert program_text(bound) == "y = x * 0\ny = x * 1\ny = x * 2"


@pytest.mark.parametrize("n", [0, -5])
def test_a_loop_of_no_rounds(program: MakeProgram, n: int) -> None:
    assert program("for i in range(n):\n    y = x * i", constants={"n": n}).steps == ()


def test_a_constant_that_becomes_a_tensor_in_a_loop(program: MakeProgram) -> None:
    """The documented loop that accumulates without zeroing."""
    bound = program(
        "g = None\nfor i in range(n):\n    y = x * 2\n    y.backward(ones_like(y))\n"
        "    if i > 0:\n        assert x.grad is g\n    g = x.grad",
        constants={"n": 2},
    )
    facts = [step.text for step in bound.steps if isinstance(step, Fact)]
    assert facts == ["assert x.grad is g"]
    assert bound.steps[0] == Let("g", None, 1)


def test_a_tensor_that_becomes_a_constant_again(program: MakeProgram) -> None:
    bound = program("g = x\ng = 2\ny = x * g\ng = x\nz = x * g")
    assert program_text(bound).splitlines()[2::2] == ["y = x * 2", "z = x * g"]


def test_only_the_branch_that_is_taken_counts(program: MakeProgram) -> None:
    text = "if n > 2:\n    y = x\nelif n > 1:\n    z = x\nelse:\n    pass\nif n > 2:\n    w = y"
    assert program_text(program(text, constants={"n": 3})) == "y = x\nw = y"
    assert program_text(program(text, constants={"n": 2})) == "z = x"
    assert program(text, constants={"n": 1}).steps == ()


def test_conditions_evaluate_no_further_than_python_does(program: MakeProgram) -> None:
    text = "for i in range(3):\n    if i > 0 and 1 / i > 0.75:\n        y = x * i"
    assert program_text(program(text)) == "y = x * 1"


def test_a_name_of_the_other_branch_is_an_error_of_the_draw(program: MakeProgram) -> None:
    text = "if n > 2:\n    y = x\nz = y"
    program(text, constants={"n": 3})
    with pytest.raises(SpecError) as caught:
        program(text, constants={"n": 1})
    (problem,) = caught.value.problems
    assert str(problem.place) == "specs/tests.yaml:12:5"
    assert "name 'y' has no value here" in problem.message
    assert (problem.text, problem.hint) == ("z = y", "in the draw n=1")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("for i in range(n):\n    pass\ny = x * i", "12:5", "name 'i' has no value here"),
        ("for i in range(n):\n    del x", "11:9", "name 'x' has no value here"),
        ("for i in range(n):\n    y = x * z\n    z = y", "11:9", "name 'z' has no value here"),
        ("for i in range(n / 2):\n    pass", "10:20", "it must be an integer"),
        ("y = 1 / (n - n)", "10:9", "division by zero"),
        ("y = n ** 40 ** 2", "10:9", "must fit in 64 bits"),
        ("for i in range(n):\n    n *= n + 5", "11:14", "must fit in 64 bits"),
        ("y = zeros(n, 2000000)", "10:5", "a tensor has at most 1000000"),
    ],
)
def test_what_only_the_draw_shows(program: MakeProgram, text: str, place: str, message: str) -> None:
    rounds = {"del": 2, "range(n):\n    pass": 0}
    n = next((value for part, value in rounds.items() if part in text), 9)
    with pytest.raises(SpecError) as caught:
        program(text, constants={"n": n})
    told = [problem for problem in caught.value.problems if message in problem.message]
    assert told, caught.value
    assert str(told[0].place) == f"specs/tests.yaml:{place}"


@pytest.mark.parametrize(
    "text",
    [
        "for i in range(n):\n    y = x * i",
        "for i in range(n):\n    pass",
        "for i in range(n):\n    for j in range(n):\n        pass",
        "for i in range(50000):\n    y = x * 2 + x * 3",
    ],
)
def test_endless_loops_are_cut_short(program: MakeProgram, text: str) -> None:
    with pytest.raises(SpecError, match=f"more than {MAX_STEPS} steps"):
        program(text, constants={"n": 10**9})


def test_what_a_raises_block_assigns_is_unknown_after_it(program: MakeProgram) -> None:
    bound = program("k = 1\nwith raises(RuntimeError):\n    fail(RuntimeError)\n    k = 2\ny = x * k")
    assert bound.steps[-1] == Apply("y", "mul", (Ref("x"), Ref("k")), {}, 5)


def test_raises_takes_its_options(program: MakeProgram) -> None:
    bound = program("with raises(RuntimeError, match='saved', phase='backward'):\n    x.backward()")
    (expect,) = bound.steps
    assert isinstance(expect, Expect)
    assert (expect.error, expect.phase, expect.match) == ("RuntimeError", "backward", "saved")


def test_operator_and_choice_variables(program: MakeProgram) -> None:
    bound = program(
        "with m():\n    y = f(x)\nassert y == f(x) and x.dtype == dtype",
        constants={"m": "no_grad"},
        operators={"f": "sqrt"},
    )
    assert program_text(bound) == (
        "with no_grad():\n    y = sqrt(x)\nassert y == sqrt(x) and x.dtype == float32"
    )


def test_in_place_addition_to_a_number_makes_a_new_one(program: MakeProgram) -> None:
    bound = program("k = 2\nk += 1\nk *= x\nn -= 1\ny = x + n", constants={"n": 5})
    assert program_text(bound) == "k = 2\nk = 3\nk = 3 * x\nn = 4\ny = x + 4"


def test_deleting_a_constant(program: MakeProgram) -> None:
    bound = program("k = 2\ny = x * k\ndel k, y")
    assert bound.steps[-2:] == (Delete("k", 3), Delete("y", 3))


def test_deleting_an_attribute(program: MakeProgram) -> None:
    bound = program("y = x * 2\ndel x.grad, y\ndel (x * 2).data")
    assert bound.steps[1:3] == (Unset("x", "grad", 2), Delete("y", 2))
    assert program_text(bound) == "y = x * 2\ndel x.grad\ndel y\ndel (x * 2).data"


def test_shows_holds_for_the_documented_example_only(program: MakeProgram) -> None:
    text = "shows(x, [1.0, 2.0])\nassert x == x"
    assert [step.law for step in program(text).steps if isinstance(step, Fact)] == [False, True]
    assert [step.law for step in program(text, example=False).steps if isinstance(step, Fact)] == [True]


def test_facts_are_written_with_what_was_drawn(program: MakeProgram) -> None:
    bound = program("for i in range(2):\n    assert x == (i + 1) * n * x", constants={"n": 3})
    assert program_text(bound) == "assert x == 3 * x\nassert x == 6 * x"


def test_a_template_is_bound_again_and_again(template: MakeTemplate) -> None:
    made = template("k = n\nfor i in range(k):\n    x = x * k", integers=("n",))
    for n in (1, 3, 1):
        bound = bind(made, Draw((X,), {"n": n, "dtype": Dtype("float32")}))
        assert len(bound.steps) == 1 + n
