"""Corners of a scenario: which there are, and what they are made of."""

from __future__ import annotations

import pytest
import torch

from gradconform.errors import Place
from gradconform.program.steps import Dtype
from gradconform.randomize.corners import SETTINGS, Corner, corners
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

PLACE = Place("specs/corners.yaml", 7, 9)
PAIR = (1.0, 2.0)
MATRIX = ((1.0, 2.0), (3.0, 4.0))


def of(**let: Domain) -> dict[str, Corner]:
    """The corners of a scenario with these variables, by name."""
    text = ProgramText("", "corners.yaml", 1, 1)
    found = [*corners(Scenario("corners/here", "corners", "Says.", 1, text, PLACE, let=let), "float32")]
    assert len({corner.name for corner in found}) == len(found)
    assert not any(corner.draw.example for corner in found)
    return {corner.name: corner for corner in found}


def tensor(
    shape: str, example: object = PAIR, *, layout: str = "contiguous", values: str = "real"
) -> TensorDomain:
    return TensorDomain(parse_shape(shape), "any", values, layout, True, example, PLACE)  # type: ignore[arg-type]


def shapes(corner: Corner) -> list[tuple[int, ...]]:
    return [tuple(item.data.shape) for item in corner.draw.inputs]


def test_every_setting_of_the_choices_but_that_of_the_example() -> None:
    found = of(
        flag=BooleanDomain(True, PLACE),
        count=IntegerDomain(1, 3, 2, PLACE),
        d=ChoiceDomain(("float16", "float64"), "float16", PLACE),
    )
    assert len(found) == 2 * 3 * 2 - 1
    assert found["flag=False"].draw.constants == {
        "dtype": Dtype("float32"),
        "flag": False,
        "count": 2,
        "d": Dtype("float16"),
    }
    assert found["flag=False, count=1, d=float64"].draw.constants["d"] == Dtype("float64")


@pytest.mark.parametrize(("high", "count"), [(SETTINGS, SETTINGS - 1), (SETTINGS + 1, 0)])
def test_choices_with_too_many_settings_are_left_to_the_draws(high: int, count: int) -> None:
    assert len(of(n=IntegerDomain(1, high, 1, PLACE))) == count


def test_numbers_suit_the_operator_that_is_set() -> None:
    found = of(f=OperatorDomain("unary", "sin", PLACE), x=tensor("any", (-1.0, 2.0), values="domain(f)"))
    log = found["f=log"].draw
    assert log.operators == {"f": "log"}
    assert bool((log.inputs[0].data > 0).all())
    assert found["f=sqrt"].draw.inputs[0].data.shape == (2,)


def test_smallest_and_empty_shapes_go_together() -> None:
    found = of(
        x=tensor("any"),
        y=LikeDomain("x", None, "any", "real", "contiguous", True, PAIR, PLACE),
        z=tensor("broadcastable(x)"),
        m=tensor("[N, M] with N>=2", MATRIX),
        n=tensor("[N, 3]", MATRIX),
    )
    assert shapes(found["smallest shapes"]) == [(), (), (), (2, 1), (2, 3)]
    assert shapes(found["empty tensors"]) == [(0,), (0,), (0,), (2, 0), (2, 3)]
    assert [*found] == ["smallest shapes", "empty tensors"]


@pytest.mark.parametrize(("shape", "example"), [("[2, 2]", MATRIX), ("any nonempty", 1.0)])
def test_a_shape_that_is_the_examples_is_no_corner(shape: str, example: object) -> None:
    assert of(x=tensor(shape, example)) == {}


def test_the_choices_are_the_examples_at_other_shapes() -> None:
    found = of(x=tensor("any"), n=IntegerDomain(0, 100, 40, PLACE), f=OperatorDomain("unary", "exp", PLACE))
    assert found["empty tensors"].draw.constants["n"] == 40
    assert found["empty tensors"].draw.operators == {"f": "exp"}


def test_an_open_layout_is_each_of_the_others() -> None:
    found = of(x=tensor("[2, 2]", MATRIX, layout="any"), y=tensor("[2]", layout="any"), z=tensor("[2]"))
    assert {name: [item.layout for item in corner.draw.inputs] for name, corner in found.items()} == {
        "strided layout": ["strided", "strided", "contiguous"],
        "transposed layout": ["transposed", "contiguous", "contiguous"],
        "expanded layout": ["expanded", "expanded", "contiguous"],
    }
    assert torch.equal(found["strided layout"].draw.inputs[0].data, torch.tensor(MATRIX))
    assert found["expanded layout"].draw.inputs[0].data.tolist() == [[1.0, 2.0], [1.0, 2.0]]


def test_numbers_that_are_distinct_are_not_expanded() -> None:
    assert [*of(x=tensor("[2]", layout="any", values="distinct"))] == ["strided layout"]


def test_a_choice_of_another_type_is_another_setting() -> None:
    found = of(p=ChoiceDomain((2, 2.0, 1, True), 2, PLACE))
    assert [*found] == ["p=2.0", "p=1", "p=True"]
