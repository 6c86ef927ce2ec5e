import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradconform.errors import Place, UsageError
from gradconform.program.bind import Draw
from gradconform.program.layouts import fresh
from gradconform.program.steps import Dtype, Input
from gradconform.program.vocabulary import OPERATORS, holes
from gradconform.randomize import with_hypothesis
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.direct import DirectChooser, ReplayChooser
from gradconform.randomize.draws import draw, example
from gradconform.spec.scenario import (
    BooleanDomain,
    ChoiceDomain,
    Domain,
    IntegerDomain,
    LikeDomain,
    OperatorDomain,
    ProgramText,
    Scenario,
    TensorDomain,
)
from gradconform.spec.shapes import parse_shape

PLACE = Place("specs/draws.yaml", 7, 9)


def scenario(**let: Domain) -> Scenario:
    return Scenario("draws/here", "draws", "Says.", 1, ProgramText("", "draws.yaml", 1, 1), PLACE, let=let)


def tensor(
    shape: str = "any",
    *,
    dtype: str = "any",
    values: str = "real",
    layout: str = "contiguous",
    requires_grad: bool = False,
    example: object = (1.0,),
) -> TensorDomain:
    return TensorDomain(parse_shape(shape), dtype, values, layout, requires_grad, example, PLACE)  # type: ignore[arg-type]


def like(
    of: str,
    operator: str | None = None,
    *,
    dtype: str = "any",
    values: str = "real",
    layout: str = "contiguous",
    requires_grad: bool = False,
) -> LikeDomain:
    return LikeDomain(of, operator, dtype, values, layout, requires_grad, (1.0,), PLACE)


def inputs(drawn: Draw) -> Mapping[str, Input]:
    return {item.name: item for item in drawn.inputs}


def every_draw(check: Callable[[Draw], None], dtypes: tuple[str, ...] = ("float32",), **let: Domain) -> None:
    """Checks many draws of both backends, and that a record of the choices gives the same draw again."""
    one = scenario(**let)

    def test(chooser: Chooser) -> None:
        for dtype in dtypes:
            before = len(chooser.choices)
            drawn = draw(one, chooser, dtype)
            check(drawn)
            again = draw(one, ReplayChooser(chooser.choices[before:]), dtype)
            assert described(again) == described(drawn)

    chooser = DirectChooser(0)
    for _ in range(300):
        chooser = chooser.fresh()
        test(chooser)
    failure = with_hypothesis.search(test, examples=100, seed=0)
    if failure is not None:
        raise failure.exception


def described(drawn: Draw) -> object:
    tensors = [
        (
            item.name,
            item.data.dtype,
            item.data.shape,
            repr(item.data.tolist()),
            item.requires_grad,
            item.layout,
        )
        for item in drawn.inputs
    ]
    return tensors, drawn.constants, drawn.operators, drawn.example


def test_the_simplest_draw() -> None:
    drawn = draw(
        scenario(
            f=OperatorDomain("unary", "sqrt", PLACE),
            x=tensor(requires_grad=True),
            v=like("x", "f"),
            n=IntegerDomain(2, 5, 3, PLACE),
            flag=BooleanDomain(True, PLACE),
            mode=ChoiceDomain(("no_grad", "enable_grad"), "enable_grad", PLACE),
        ),
        ReplayChooser(()),
        "float64",
    )
    one = ("x", torch.float64, (1,), "[1.0]", True, "contiguous")
    assert described(drawn) == (
        [one, ("v", torch.float64, (1,), "[1.0]", False, "contiguous")],
        {"dtype": Dtype("float64"), "n": 2, "flag": False, "mode": "no_grad"},
        {"f": "neg"},
        False,
    )


def test_tensors_of_any_shape_have_up_to_three_dimensions_of_up_to_four() -> None:
    shapes: set[tuple[int, ...]] = set()

    def check(drawn: Draw) -> None:
        shape = tuple(drawn.inputs[0].data.shape)
        assert len(shape) <= 3
        assert all(0 <= size <= 4 for size in shape)
        shapes.add(shape)

    every_draw(check, x=tensor())
    assert {len(shape) for shape in shapes} == {0, 1, 2, 3}
    assert {size for shape in shapes for size in shape} == {0, 1, 2, 3, 4}
    assert () in shapes
    assert (0,) in shapes


def test_empty_tensors_are_few() -> None:
    chooser, one = DirectChooser(1), scenario(x=tensor())
    empty = sum(draw(one, chooser, "float32").inputs[0].data.numel() == 0 for _ in range(1000))
    assert 50 < empty < 150


def test_a_nonempty_tensor_has_elements() -> None:
    def check(drawn: Draw) -> None:
        assert drawn.inputs[0].data.numel() > 0

    every_draw(check, x=tensor("any nonempty"))


def test_symbols_are_shared_and_keep_their_bounds() -> None:
    seen = set()

    def check(drawn: Draw) -> None:
        x, y = (item.data.shape for item in drawn.inputs)
        assert (len(x), len(y)) == (3, 2)
        assert x[1] == 3
        assert (x[0], x[2]) == (y[1], y[0])
        assert 2 <= x[0] <= 4
        assert 0 <= x[2] <= 1
        seen.add((x[0], x[2]))

    shape = " with N>=2, M<=1"
    every_draw(check, x=tensor("[N, 3, M]" + shape), y=tensor("[M, N]" + shape))
    assert seen == {(n, m) for n in (2, 3, 4) for m in (0, 1)}


def test_an_open_symbol_may_be_zero_and_a_large_lower_bound_holds() -> None:
    seen = set()

    def check(drawn: Draw) -> None:
        x, y = (item.data.shape for item in drawn.inputs)
        seen.add(x[0])
        assert y == (7,)

    every_draw(check, x=tensor("[N]"), y=tensor("[M] with M>=7"))
    assert seen == {0, 1, 2, 3, 4}


def test_a_broadcastable_shape_broadcasts_whatever_the_order_of_the_file() -> None:
    larger = smaller = 0

    def check(drawn: Draw) -> None:
        nonlocal larger, smaller
        assert [item.name for item in drawn.inputs] == ["y", "x"]
        y, x = (item.data.shape for item in drawn.inputs)
        result = (torch.empty(x) + torch.empty(y)).shape
        larger += result != x
        smaller += result != y

    every_draw(check, y=tensor("broadcastable(x)"), x=tensor())
    assert larger > 50
    assert smaller > 50


def test_like_has_the_shape_of_its_model_and_dtypes_follow_the_case() -> None:
    def check(drawn: Draw) -> None:
        dtype = drawn.constants["dtype"]
        assert isinstance(dtype, Dtype)
        case = getattr(torch, dtype.name)
        found = inputs(drawn)
        assert len({item.data.shape for item in drawn.inputs}) == 1
        assert found["x"].data.dtype == found["y"].data.dtype == case
        assert found["real"].data.dtype == case.to_real()
        assert found["pair"].data.dtype == case.to_complex()
        assert found["count"].data.dtype == torch.int64

    every_draw(
        check,
        ("float32", "float64", "complex64", "complex128"),
        x=tensor(),
        y=like("x"),
        real=like("y", dtype="floating"),
        pair=like("x", dtype="complex"),
        count=like("x", dtype="int64"),
    )


def test_values_follow_the_domain_of_the_drawn_operator() -> None:
    seen = set()

    def check(drawn: Draw) -> None:
        name = drawn.operators["f"]
        seen.add(name)
        assert name in holes("unary")
        data = drawn.inputs[0].data
        if OPERATORS[name].domain == "positive":
            assert (data > 0).all()
        assert getattr(torch, name)(data).isfinite().all()

    every_draw(check, x=tensor(values="domain(f)"), f=OperatorDomain("unary", "sqrt", PLACE))
    assert seen == set(holes("unary"))


def test_layouts_fit_their_shapes_and_hold_the_drawn_numbers() -> None:
    seen = set()

    def check(drawn: Draw) -> None:
        for item in drawn.inputs:
            laid_out = fresh(item, "cpu")
            assert repr(laid_out.tolist()) == repr(item.data.tolist())
            if item.layout == "expanded" and item.data.dim() and item.data.shape[0] > 1:
                assert laid_out.stride()[0] == 0
        x, y, z, _ = drawn.inputs
        seen.add((x.layout, min(x.data.dim(), 2)))
        assert y.layout != "expanded"
        assert len(set(y.data.flatten().tolist())) == y.data.numel()
        assert z.layout == "expanded"

    every_draw(
        check,
        x=tensor(layout="any"),
        y=tensor(layout="any", values="distinct"),
        z=tensor(layout="expanded", values="special"),
        w=tensor("[N, M]", layout="transposed"),
    )
    assert seen == {
        ("contiguous", 0),
        ("strided", 0),
        *((layout, 1) for layout in ("contiguous", "strided", "expanded")),
        *((layout, 2) for layout in ("contiguous", "strided", "expanded", "transposed")),
    }


def test_integers_booleans_choices_and_operators_range_over_their_domains() -> None:
    seen: dict[str, set[object]] = {"n": set(), "flag": set(), "mode": set(), "g": set()}

    def check(drawn: Draw) -> None:
        for name, found in {**drawn.constants, **drawn.operators}.items():
            if name != "dtype":
                seen[name].add(found)

    every_draw(
        check,
        n=IntegerDomain(-1, 3, 2, PLACE),
        flag=BooleanDomain(True, PLACE),
        mode=ChoiceDomain(("no_grad", 2, 0.5, "float16"), 2, PLACE),
        g=OperatorDomain("binary", "add", PLACE),
    )
    assert seen == {
        "n": {-1, 0, 1, 2, 3},
        "flag": {False, True},
        "mode": {"no_grad", 2, 0.5, Dtype("float16")},
        "g": set(holes("binary")),
    }


def test_requires_grad_is_passed_on() -> None:
    drawn = draw(scenario(x=tensor(requires_grad=True), y=like("x")), DirectChooser(0), "float32")
    assert [item.requires_grad for item in drawn.inputs] == [True, False]


def test_the_documented_example() -> None:
    drawn = example(
        scenario(
            x=tensor(example=((1.0, 2.0), (3.0, math.nan)), requires_grad=True, layout="transposed"),
            i=tensor(dtype="int64", example=(1, 2), layout="any"),
            z=tensor("[N]", dtype="complex", example=(1 + 2j,)),
            e=tensor("[2, 0]", example=((), ())),
            s=tensor("scalar", example=2.5),
            f=OperatorDomain("unary", "sqrt", PLACE),
            n=IntegerDomain(1, 5, 2, PLACE),
        ),
        "float32",
    )
    assert described(drawn) == (
        [
            ("x", torch.float32, (2, 2), "[[1.0, 2.0], [3.0, nan]]", True, "transposed"),
            ("i", torch.int64, (2,), "[1, 2]", False, "contiguous"),
            ("z", torch.complex64, (1,), "[(1+2j)]", False, "contiguous"),
            ("e", torch.float32, (2, 0), "[[], []]", False, "contiguous"),
            ("s", torch.float32, (), "2.5", False, "contiguous"),
        ],
        {"dtype": Dtype("float32"), "n": 2},
        {"f": "sqrt"},
        True,
    )


def test_an_example_is_expanded_only_where_its_rows_are_equal() -> None:
    drawn = example(
        scenario(
            x=tensor(example=(1.0, 2.0), layout="expanded"), y=tensor(example=(3.0, 3.0), layout="expanded")
        ),
        "float32",
    )
    assert [item.layout for item in drawn.inputs] == ["contiguous", "expanded"]


def test_a_case_without_a_counterpart_is_a_located_error() -> None:
    one = scenario(x=tensor(dtype="complex"))
    message = r"specs/draws.yaml:7:9: 'x' is complex, and float16 has no complex counterpart"
    with pytest.raises(UsageError, match=message):
        draw(one, DirectChooser(0), "float16")
    with pytest.raises(UsageError, match=message):
        example(one, "float16")


def test_distinct_and_expanded_contradict_each_other() -> None:
    with pytest.raises(UsageError, match=r"7:9: \[draws/here\] the numbers of 'x' cannot be both distinct"):
        draw(scenario(x=tensor(values="distinct", layout="expanded")), DirectChooser(0), "float32")


@settings(max_examples=50)
@given(record=st.lists(st.integers(0, 2**53)))
def test_any_record_of_choices_is_a_draw(record: list[int]) -> None:
    one = scenario(
        x=tensor(layout="any", values="domain(f)"),
        f=OperatorDomain("unary", "sqrt", PLACE),
        y=tensor("broadcastable(x)", layout="any", values="ties"),
    )
    x, y = draw(one, ReplayChooser(record), "float32").inputs
    assert (x.data + y.data).dtype == torch.float32


def test_a_failing_draw_shrinks_to_the_simplest_tensor_that_fails() -> None:
    one = scenario(
        f=OperatorDomain("unary", "sqrt", PLACE),
        x=tensor(layout="any", values="domain(f)"),
        y=tensor("broadcastable(x)", layout="any"),
    )

    def test(chooser: Chooser) -> None:
        drawn = draw(one, chooser, "float32")
        x, _ = drawn.inputs
        if x.data.numel() > 1 and drawn.operators["f"] not in ("neg", "abs", "exp") and x.layout == "strided":
            raise ValueError

    failure = with_hypothesis.search(test, examples=500, seed=0)
    assert failure is not None
    drawn = draw(one, ReplayChooser(failure.choices), "float32")
    assert described(drawn) == (
        [
            ("x", torch.float32, (2,), "[1.0, 2.0]", False, "strided"),
            ("y", torch.float32, (2,), "[1.0, 2.0]", False, "contiguous"),
        ],
        {"dtype": Dtype("float32")},
        {"f": "log"},
        False,
    )


PROBE = """
from gradconform.errors import Place
from gradconform.randomize.direct import DirectChooser
from gradconform.randomize.draws import draw
from gradconform.randomize.programs import random_program
from gradconform.spec.scenario import *
from gradconform.spec.shapes import parse_shape
place = Place("f", 1, 1)
let = {
    "x": TensorDomain(parse_shape("any"), "any", "domain(f)", "any", True, (1.0,), place),
    "y": TensorDomain(parse_shape("broadcastable(x)"), "any", "kinks", "any", True, (1.0,), place),
    "v": LikeDomain("x", "f", "any", "special", "any", False, (1.0,), place),
    "f": OperatorDomain("unary", "sqrt", place),
    "m": ChoiceDomain(("a", "b", "c"), "a", place),
}
scenario = Scenario("a/b", "a", "says", 1, ProgramText("", "f", 1, 1), place, let=let)
chooser = DirectChooser(11)
for _ in range(100):
    print(draw(scenario, chooser, "float32"))
    print(random_program(chooser))
"""


def test_another_process_makes_the_same_draws_and_programs() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-X", "utf8", "-c", PROBE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert outputs.pop().count("Draw(") == 100
