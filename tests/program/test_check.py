"""The table of rules: each accepts what is right and refuses what is wrong, and says which step it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradconform.program.check import RULES, check, flaws
from gradconform.program.expressions import Constant, Expression, Operation, Place, Shown
from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Define,
    Delete,
    Dtype,
    Expect,
    Fact,
    Fail,
    Get,
    Grad,
    Input,
    Invoke,
    Items,
    Let,
    Mutate,
    Program,
    Ref,
    Set,
    Slice,
    Step,
    Unset,
    Warns,
    Within,
    Yield,
)
from gradconform.randomize.direct import DirectChooser
from gradconform.randomize.programs import random_program

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

X = Input("x", torch.tensor([1.0, 2.0]), requires_grad=True)
x = Ref("x")


def problems(*steps: Step, inputs: tuple[Input, ...] = (X,)) -> tuple[str, ...]:
    return check(Program(inputs, steps))


def apply(operator: str, *arguments: Argument, target: str = "y", **options: Argument) -> Apply:
    return Apply(target, operator, arguments, options)


def fact(expression: Expression, *places: Place) -> Fact:
    return Fact(True, expression, places or (Place("x"),), "assert ...")


SHOWN = Shown(0)

WRONG: list[tuple[tuple[Step, ...], str]] = [
    # names
    ((apply("exp", Ref("z")),), "step 0: name 'z' has no value here"),
    ((apply("exp", Ref("xx")),), "did you mean 'x'"),
    ((Delete("x"), apply("exp", x)), "step 1: name 'x' has no value here"),
    ((Delete("z"),), "name 'z' has no value here"),
    ((apply("exp", x, target="1y"),), "'1y' cannot be a name"),
    ((apply("exp", x, target="exp"),), "'exp' cannot be a name"),
    ((apply("exp", x, target="import"),), "'import' cannot be a name"),
    ((apply("exp", x, target="_y"),), "'_y' cannot be a name"),
    ((apply("exp", x, target="ä"),), "cannot be a name"),
    ((Grad(("a", "_1"), (x, x)),), "'_1' cannot name one of several results"),
    ((Expect("RuntimeError", (apply("exp", x),)), apply("exp", Ref("y"))), "step 2: name 'y' has no value"),
    ((Expect("RuntimeError", (Delete("x"),)), apply("exp", x)), "step 2: name 'x' has no value here"),
    # temporaries
    ((apply("exp", x, target="_1"),), "temporary '_1' is never used"),
    ((apply("exp", x, target="_1"), apply("exp", x)), "step 1: temporary '_1' is never used"),
    ((apply("exp", Ref("_1")),), "temporary '_1' is used without a value, or twice"),
    (
        (apply("exp", x, target="_1"), apply("exp", Ref("_1")), apply("exp", Ref("_1"))),
        "step 2: temporary '_1' is used without a value, or twice",
    ),
    ((apply("exp", x, target="_1"), apply("add", Ref("_1"), Ref("_1"))), "are not used in the order"),
    (
        (apply("exp", x, target="_1"), apply("sin", x, target="_2"), apply("sub", Ref("_2"), Ref("_1"))),
        "temporaries _2, _1 are not used in the order in which they were made",
    ),
    (
        (apply("exp", x, target="_1"), apply("sin", x, target="_1"), apply("exp", Ref("_1"))),
        "made again before it is used",
    ),
    ((Within("no_grad", (), (apply("exp", x, target="_1"),)), apply("exp", Ref("_1"))), "never used"),
    ((apply("exp", x, target="_1"), Delete("_1")), "_1"),
    # blocks that a generator must not leave open
    *(
        ((Define("f", (), (block,)),), "step 0: `yield` stands in no block")
        for inner in [(Within("no_grad", (), (Yield("", x),)),)]
        for block in (
            Expect("RuntimeError", inner),
            Warns("UserWarning", inner),
            Within("thread", (), inner),
        )
    ),
    # operators
    ((apply("expp", x),), "unknown operator 'expp'; did you mean 'exp'"),
    ((apply("exp", x, x),), "too many positional arguments"),
    ((apply("exp"),), "missing a required argument"),
    ((apply("exp", x, outt=x),), "unexpected keyword argument 'outt'"),
    ((apply("add", x, other=x),), "its operands are given by position"),
    ((Apply("y", "exp", (), {"input": x}),), "given by position"),
    ((apply("zero_", x),), "'zero_' is an in-place operation"),
    ((Mutate("", "exp", (x,)),), "'exp' is not an in-place operation"),
    ((Mutate("", "zero_", (x, x)),), "too many positional"),
    # slices
    ((apply("exp", Slice(0, 1)),), "slices and ... stand in an index only"),
    ((Let("y", ...),), "slices and ... stand in an index only"),
    ((apply("getitem", x, Items((Items((Slice(),), "tuple"),), "tuple")),), "stand in an index only"),
    # kinds and bounds
    ((apply("numel", x, target="n"), apply("pow", Ref("n"), Ref("n"))), "'**' of plain numbers may grow"),
    ((apply("numel", x, target="n"), apply("mul", Ref("n"), Ref("n"))), "'*' of plain numbers may grow"),
    ((apply("numel", x, target="n"), apply("pow", 10, Ref("n"))), "'**' of plain numbers may grow"),
    ((apply("numel", x, target="n"), Mutate("n", "mul_", (Ref("n"), Ref("n")))), "may grow"),
    ((apply("pow", 10, 10**9),), "'**' needs a tensor"),
    ((apply("mul", 2, 3),), "'*' needs a tensor"),
    ((apply("mul", "a", 10**9),), "'*' has no meaning for a plain value"),
    ((apply("mul", Items((x,)), 10**9),), "'*' has no meaning for a list"),
    ((apply("tolist", x, target="n"), apply("mul", Ref("n"), 10**9)), "'*' has no meaning for a plain value"),
    ((Get("s", "x", "shape"), apply("mul", Ref("s"), 10**9)), "'*' has no meaning for a shape"),
    ((Let("l", Items((x, x))), apply("add", Ref("l"), Ref("l"))), "'+' has no meaning for a list"),
    ((apply("numel", x, target="n"), apply("sum", Ref("n"))), "'sum' is called on a number"),
    ((apply("numel", x, target="n"), Get("y", "n", "grad")), "attribute 'grad' of a number"),
    ((apply("numel", x, target="n"), apply("getitem", Ref("n"), 0)), "a number has no items"),
    ((apply("zeros", 10**9),), "'zeros' asks for 1000000000 elements; a tensor has at most 1000000"),
    ((apply("ones", Items((10**5, 10**5))),), "'ones' asks for 10000000000 elements"),
    ((apply("full", Items((10**7,)), 1.0),), "'full' asks for"),
    ((Apply("y", "full", (), {"size": 10**7, "fill_value": 1.0}),), "'full' asks for"),
    ((apply("eye", 10**6),), "'eye' asks for"),
    ((apply("eye", 10**6, m=10**6),), "'eye' asks for"),
    ((apply("arange", 10**9),), "'arange' asks for"),
    ((apply("arange", 0, 1, 1e-9),), "'arange' asks for"),
    ((apply("expand", x, 10**9, 2),), "'expand' asks for"),
    ((apply("Tensor", 5),), "nobody has set"),
    # the other verbs
    ((Invoke("", "x", "stp"),), "unknown method 'stp'; did you mean 'step'"),
    ((Invoke("", "x", "step", (1, 2)),), "too many positional"),
    ((Backward((x,), {"retain": True}),), "unexpected keyword argument 'retain'"),
    ((Backward((), {}),), "missing a required argument"),
    ((Backward((), {"input": x}),), "input stands first"),
    ((Backward((Items((x,)),), {"gradient": x}, True),), "unexpected keyword argument 'gradient'"),
    ((Grad("g", (x,)),), "missing a required argument: 'inputs'"),
    ((Get("y", "x", "__class__"),), "unknown attribute '__class__'"),
    ((Set("x", "shape", None),), "attribute 'shape' cannot be assigned"),
    ((Set("z", "grad", None),), "name 'z' has no value here"),
    ((Unset("x", "shape"),), "attribute 'shape' cannot be deleted"),
    ((Unset("z", "grad"),), "name 'z' has no value here"),
    ((Set("x", "grad", Ref("z")),), "name 'z' has no value here"),
    ((Let("y", Ref("z")),), "name 'z' has no value here"),
    ((Within("nograd", (), ()),), "unknown mode 'nograd'; did you mean 'no_grad'"),
    ((Within("no_grad", (True,), ()),), "too many positional"),
    ((Within("no_grad", (), (apply("exp", Ref("z")),)),), "step 1: name 'z'"),
    ((Expect("Error", ()),), "unknown error class 'Error'"),
    ((Expect("RuntimeError", (), "late"),), "'late' is no phase"),  # type: ignore[arg-type]
    ((Fail("Error"),), "unknown error class 'Error'"),
    # facts
    ((fact(SHOWN, Place("z")),), "name 'z' has no value here"),
    ((fact(SHOWN, Place("x", ("grd",))),), "unknown attribute 'grd'; did you mean 'grad'"),
    ((fact(SHOWN, Place("x", ("grad", "name()"))),), "unknown attribute 'name()'"),
    ((fact(SHOWN, Place("", ("is_grad",))),), "unknown query"),
    ((fact(Shown(1)),), "the fact has no place 1"),
    ((fact(Operation("eq", (SHOWN,))),), "'eq' takes 2 operands, not 1"),
    ((fact(Operation("clos", (SHOWN, SHOWN))),), "unknown operator 'clos'"),
    ((fact(Operation("zero_", (SHOWN,))),), "a fact only looks"),
    ((fact(Operation("optim.SGD", (SHOWN,))),), "a fact only looks"),
    ((fact(Operation("is_inference", (SHOWN,))),), "give its answer a name"),
    ((fact(Operation("exp", (SHOWN, SHOWN))),), "too many positional"),
    ((fact(Operation("zeros", (Constant(10**9),))),), "'zeros' asks for"),
    ((fact(Operation("mul", (Constant("a"), Constant(10**9)))),), "'*' has no meaning"),
    ((fact(Operation("mul", (Operation("tolist", (SHOWN,)), Constant(10**9)))),), "'*' has no meaning"),
    ((fact(Operation("pow", (Constant(2), Operation("numel", (SHOWN,))))),), "'**' of plain numbers"),
    ((fact(Operation("mul", (SHOWN, Constant(2))), Place("x", ("shape",))),), "no meaning for a shape"),
]


@pytest.mark.parametrize(
    ("steps", "message"), WRONG, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_wrong(steps: tuple[Step, ...], message: str) -> None:
    found = problems(*steps)
    assert any(message in problem for problem in found), found


RIGHT: list[tuple[Step, ...]] = [
    (),
    (apply("exp", x, target=""),),
    (
        apply("exp", x, target="_1"),
        apply("exp", Ref("_1")),
        apply("sin", x, target="_1"),
        Mutate("", "zero_", (Ref("_1"),)),
    ),
    (
        Get("_1", "x", "data"),
        apply("mul", 2, x, target="_2"),
        Mutate("_3", "sub_", (Ref("_1"), Ref("_2"))),
        Set("x", "data", Ref("_3")),
    ),
    (
        apply("exp", x, target="_1"),
        apply("sin", x, target="_2"),
        Mutate("", "setitem", (Ref("_2"), 0, Ref("_1"))),
    ),
    (apply("getitem", x, Items((Slice(0, None, 2), ..., None, True), "tuple")),),
    (apply("getitem", x, Slice(Ref("x"))),),
    (apply("numel", x, target="n"), apply("mul", Ref("n"), 2, target="m"), apply("div", x, Ref("m"))),
    (apply("numel", x, target="n"), apply("add", Ref("n"), Ref("n")), Mutate("n", "add_", (Ref("n"), 1))),
    (Get("s", "x", "shape"), apply("getitem", Ref("s"), 0, target="n"), apply("zeros", Ref("n"), Ref("n"))),
    (Grad("g", (x, Items((x,)))), apply("getitem", Ref("g"), 0, target="d"), apply("add", Ref("d"), x)),
    (Let("l", Items((x, x))), apply("stack", Ref("l"))),
    (Let("g", None), apply("sum", Ref("g")), Get("y", "g", "grad")),
    (apply("ones", 2, 3, dtype=Dtype("float32"), requires_grad=True),),
    (apply("optim.SGD", Items((x,)), lr=0.1, target="o"), Invoke("", "o", "step")),
    (Within("set_grad_enabled", (False,), (apply("exp", x),)), apply("exp", Ref("y"))),
    (Let("y", 1), Expect("RuntimeError", (Let("y", 2), Fail("ValueError"))), apply("add", Ref("y"), x)),
    (fact(Operation("pow", (Operation("numel", (SHOWN,)), Constant(2)))),),
    (fact(Operation("getitem", (SHOWN, Constant(slice(0, 2)))), Place("x", ("shape",))),),
    (fact(SHOWN, Place("", ("is_grad_enabled",))), fact(SHOWN, Place("x", ("grad_fn", "name()")))),
]


@pytest.mark.parametrize("steps", RIGHT, ids=range(len(RIGHT)))
def test_what_is_right(steps: tuple[Step, ...]) -> None:
    assert problems(*steps) == ()


def test_every_type_of_step_has_a_rule() -> None:
    assert set(RULES) == set(get_args(Step))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (Input("_x", torch.ones(2)), "cannot name an input"),
        (Input("x", torch.ones(2), layout="sparse"), "unknown layout 'sparse'"),  # type: ignore[arg-type]
        (Input("x", torch.ones(2, dtype=torch.int64), True), "cannot require grad"),
    ],
)
def test_inputs(item: Input, message: str) -> None:
    (problem,) = problems(inputs=(item,))
    assert message in problem


def test_inputs_have_different_names() -> None:
    assert problems(inputs=(X, X)) == ("two inputs are called 'x'",)


def test_steps_are_counted_as_the_program_counts_them(program: MakeProgram) -> None:
    bound = program(
        "with no_grad():\n    y = exp(x)\nwith raises(ValueError):\n    fail(ValueError)\nz = x * x"
    )
    broken = Program((), bound.steps, bound.scenario)
    numbers = [number for number, step in bound.walk() if "x" in repr(step) and isinstance(step, Apply)]
    assert [flaw.step for flaw in flaws(broken)] == [numbers[0], numbers[1], numbers[1]]
    assert [flaw.line for flaw in flaws(broken)] == [2, 5, 5]


def test_bodies_nest_to_a_depth() -> None:
    def nested(depth: int) -> Step:
        step: Step = apply("exp", x)
        for _ in range(depth):
            step = Within("no_grad", (), (step,))
        return step

    assert problems(nested(60)) == ()
    assert any("nested more than" in problem for problem in problems(nested(100)))


@given(st.integers(0, 2**32))
@settings(max_examples=200)
def test_random_programs_are_right(seed: int) -> None:
    assert check(random_program(DirectChooser(seed))) == ()


def test_the_whole_corpus_is_right(corpus_programs: Mapping[str, Program]) -> None:
    wrong: dict[str, Any] = {name: check(bound) for name, bound in corpus_programs.items() if check(bound)}
    assert len(corpus_programs) > 100
    assert not wrong
