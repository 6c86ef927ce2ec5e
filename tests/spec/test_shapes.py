from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradconform.spec.shapes import (
    MAX_RANK,
    MAX_SIZE,
    AnyShape,
    BroadcastableShape,
    DimsShape,
    Shape,
    ShapeError,
    largest_sizes,
    parse_shape,
)

READ: dict[str, Shape] = {
    "any": AnyShape(),
    "any nonempty": AnyShape(nonempty=True),
    "  any   nonempty ": AnyShape(nonempty=True),
    "scalar": DimsShape(()),
    "[]": DimsShape(()),
    "[0]": DimsShape((0,)),
    "[N]": DimsShape(("N",)),
    "[N, 3]": DimsShape(("N", 3)),
    "[N,N]": DimsShape(("N", "N")),
    "[Batch, N2]": DimsShape(("Batch", "N2")),
    "[N] with N>=2": DimsShape(("N",), {"N": (2, None)}),
    "[N, M] with N>=2, M<=4": DimsShape(("N", "M"), {"N": (2, None), "M": (None, 4)}),
    "[N] with N >= 2, N <= 5": DimsShape(("N",), {"N": (2, 5)}),
    "[N] with N>=2, N>=3": DimsShape(("N",), {"N": (3, None)}),
    "broadcastable(x)": BroadcastableShape("x"),
    "broadcastable( weight_1 )": BroadcastableShape("weight_1"),
}


@pytest.mark.parametrize(("text", "shape"), READ.items())
def test_a_shape_is_read(text: str, shape: Shape) -> None:
    assert parse_shape(text) == shape


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("", 0, "the end is no shape"),
        ("N", 0, "'N' is no shape"),
        ("any thing", 4, "'thing' after the shape 'any'"),
        ("[N, 3", 5, "expected ',', found the end"),
        ("[N 3]", 3, "expected ',', found '3'"),
        ("[N,]", 3, "expected a number or a symbol such as N, found ']'"),
        ("[n]", 1, "'n' is no size"),
        ("[-1]", 1, "expected a number or a symbol such as N, found '-'"),
        ("[4097]", 1, "size 4097 is too large"),
        (f"[N, {'9' * 100000}]", 4, "size 999999999999 is too large"),
        (f"[{', '.join('1' * 9)}]", 26, "more than 8 dimensions"),
        ("[N] with", 8, "expected a number or a symbol such as N, found the end"),
        ("[N] with M>=2", 9, "M is bounded, and is no dimension of this shape"),
        ("[N] with N", 10, "expected >= or <= after N, found the end"),
        ("[N] with N>=x", 12, "expected a number, found 'x'"),
        ("[N] with N>=2,", 14, "expected a number or a symbol such as N, found the end"),
        ("[N] with N>=3, N<=2", 15, "no N is at least 3 and at most 2"),
        ("[N] N>=2", 4, "'N' after the shape '[N]'"),
        ("broadcastable", 13, "expected '(', found the end"),
        ("broadcastable(3)", 14, "expected the name of a tensor variable, found '3'"),
        ("any\n", 4, ""),
        ("[N]\u00e9", 3, "after the shape '[N]'"),
    ],
)
def test_a_wrong_shape_is_refused_at_its_first_wrong_character(text: str, offset: int, message: str) -> None:
    if not message:
        assert parse_shape(text) == AnyShape()
        return
    with pytest.raises(ShapeError) as raised:
        parse_shape(text)
    assert message in str(raised.value)
    assert raised.value.offset == offset


symbols = st.from_regex(r"[A-Z][a-z0-9]{0,2}", fullmatch=True)
sizes = st.integers(0, MAX_SIZE)


@st.composite
def dims_shapes(draw: st.DrawFn) -> DimsShape:
    dims = tuple(draw(st.lists(symbols | sizes, max_size=MAX_RANK)))
    names = [dim for dim in dims if isinstance(dim, str)]
    bounded = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    pairs = st.tuples(sizes, sizes).map(lambda pair: (min(pair), max(pair)))
    limits = {
        name: draw(pairs | sizes.map(lambda low: (low, None)) | sizes.map(lambda high: (None, high)))
        for name in bounded
    }
    return DimsShape(dims, limits)


@settings(deadline=None, derandomize=True, database=None)
@given(st.builds(AnyShape, st.booleans()) | st.builds(BroadcastableShape, st.just("x")) | dims_shapes())
def test_what_a_shape_prints_is_read_as_the_same_shape(shape: Shape) -> None:
    assert parse_shape(str(shape)) == shape


@settings(deadline=None, derandomize=True, database=None)
@given(st.text("anyN[](),<>=0123 with", max_size=30) | st.text(max_size=20))
def test_any_other_text_is_refused_within_it(text: str) -> None:
    offset = 0
    try:
        parse_shape(text)
    except ShapeError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("[]", ()),
        ("[0, 7]", (0, 7)),
        ("[N]", (4,)),
        ("[N, 3] with N>=6", (6, 3)),
        ("[N, N] with N<=10", (10, 10)),
        ("[N] with N<=0", (0,)),
    ],
)
def test_the_largest_sizes_that_are_drawn(text: str, sizes: tuple[int, ...]) -> None:
    shape = parse_shape(text)
    assert isinstance(shape, DimsShape)
    assert largest_sizes(shape) == sizes
