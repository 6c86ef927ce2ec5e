from __future__ import annotations

from collections.abc import Callable

import pytest

from gradconform.errors import Place
from gradconform.spec.load import Loaded
from gradconform.spec.relations import fit
from gradconform.spec.scenario import (
    BooleanDomain,
    ChoiceDomain,
    Domain,
    IntegerDomain,
    LikeDomain,
    OperatorDomain,
    TensorDomain,
)
from gradconform.spec.shapes import AnyShape, BroadcastableShape, DimsShape

Load = Callable[..., Loaded]


def let(loaded: Loaded) -> dict[str, Domain]:
    assert [str(problem) for problem in loaded.problems] == []
    (scenario,) = loaded.scenarios
    return dict(scenario.let)


def place(line: int) -> Place:
    return Place("one.yaml", line, 5)


def test_every_domain_is_read(load: Load) -> None:
    domains = let(
        load(
            "x: {tensor: any, example: [1.0], requires_grad: true}",
            "w: {tensor: '[N, 2]', dtype: float64, values: special, layout: any,"
            " example: [[1, nan], [inf, -0.0]]}",
            "v: {like: f(x), values: domain(f), example: [4.0]}",
            "b: {tensor: broadcastable(w), values: positive, example: [[[2.0]]]}",
            "i: {tensor: any nonempty, dtype: int64, values: distinct, example: [3, 1]}",
            "m: {tensor: scalar, dtype: bool, example: true}",
            "n: {integer: -2..5, example: 0}",
            "flag: {boolean: any, example: false}",
            "mode: {choice: [no_grad, enable_grad], example: enable_grad}",
            "k: {choice: [1, 2.5, true], example: true}",
            "f: {operator: unary, example: sqrt}",
        )
    )
    assert domains["x"] == TensorDomain(AnyShape(), "any", "real", "contiguous", True, (1.0,), place(7))
    w = domains["w"]
    assert isinstance(w, TensorDomain)
    assert (w.shape, w.dtype, w.values, w.layout) == (DimsShape(("N", 2)), "float64", "special", "any")
    assert repr(w.example) == "((1, nan), (inf, -0.0))"
    assert domains["v"] == LikeDomain("x", "f", "any", "domain(f)", "contiguous", False, (4.0,), place(9))
    assert domains["b"] == TensorDomain(
        BroadcastableShape("w"), "any", "positive", "contiguous", False, (((2.0,),),), place(10)
    )
    assert domains["i"] == TensorDomain(
        AnyShape(nonempty=True), "int64", "distinct", "contiguous", False, (3, 1), place(11)
    )
    assert domains["m"] == TensorDomain(DimsShape(()), "bool", "real", "contiguous", False, True, place(12))
    assert domains["n"] == IntegerDomain(-2, 5, 0, place(13))
    assert domains["flag"] == BooleanDomain(False, place(14))
    assert domains["mode"] == ChoiceDomain(("no_grad", "enable_grad"), "enable_grad", place(15))
    assert domains["k"] == ChoiceDomain((1, 2.5, True), True, place(16))
    assert domains["f"] == OperatorDomain("unary", "sqrt", place(17))


def test_like_takes_the_dtype_of_the_variable_that_it_names(load: Load) -> None:
    domains = let(
        load(
            "c: {like: b, example: [1]}",
            "b: {like: a, example: [1]}",
            "a: {tensor: any, dtype: int64, example: [1]}",
            "d: {like: a, dtype: any, example: [1.5]}",
        )
    )
    dtypes = {
        name: domain.dtype
        for name, domain in domains.items()
        if isinstance(domain, TensorDomain | LikeDomain)
    }
    assert dtypes == {"c": "int64", "b": "int64", "a": "int64", "d": "any"}


def test_a_bound_of_one_variable_holds_for_all(load: Load) -> None:
    domains = let(
        load(
            "x: {tensor: '[N, M] with N>=2', example: [[1.0], [2.0]]}",
            "y: {tensor: '[M, N] with N<=3', example: [[1.0, 2.0]]}",
            "z: {tensor: '[M]', example: [1.0]}",
        )
    )
    shapes = {name: domain.shape for name, domain in domains.items() if isinstance(domain, TensorDomain)}
    assert shapes == {
        "x": DimsShape(("N", "M"), {"N": (2, 3)}),
        "y": DimsShape(("M", "N"), {"N": (2, 3)}),
        "z": DimsShape(("M",), {}),
    }


@pytest.mark.parametrize(
    ("dtypes", "variable"),
    [
        ("[complex64, complex128]", "{tensor: any, example: [1+2j, -3.5e-1-1j, 2j, 1.0, 7]}"),
        ("[float32, complex64]", "{tensor: any, dtype: complex, example: [1+2j]}"),
        ("[float32, complex64]", "{tensor: any, dtype: floating, example: [1.5]}"),
        ("[int64]", "{tensor: any, example: [9223372036854775807]}"),
        ("[float16, bfloat16]", "{tensor: any, example: [65504.0]}"),
        ("[float16, bfloat16]", "{tensor: any, values: dyadic, example: [0.375, -96, 0, 255]}"),
        ("[float32]", "{tensor: any, example: []}"),
        ("[float32]", "{tensor: any, example: [[], []]}"),
        ("[float32]", "{tensor: any, values: special, example: [nan, inf, -inf, -0.0, 1e-45]}"),
        ("[complex64]", "{tensor: any, values: special, example: [nan+1j, 1+infj]}"),
        ("[bool]", "{tensor: any, example: [[true, false]]}"),
    ],
)
def test_an_example_that_fits_is_taken(dtypes: str, variable: str, load: Load) -> None:
    assert let(load(f"x: {variable}", dtypes=dtypes))


@pytest.mark.parametrize(
    ("dtypes", "variable", "message"),
    [
        (
            "[float32, complex64]",
            "{tensor: any, example: [1+2j]}",
            "(1+2j) does not fit dtype float32: it is complex",
        ),
        ("[int32]", "{tensor: any, example: [2147483648]}", "the largest number there is 2147483647"),
        (
            "[float64]",
            f"{{tensor: any, example: [{'9' * 350}]}}",
            "the largest number there is 1.7976931348623157e+308",
        ),
        (
            "[bfloat16]",
            "{tensor: any, example: [1e39]}",
            "the largest number there is 3.3895313892515355e+38",
        ),
        ("[int64]", "{tensor: any, example: [1], requires_grad: true}", "of dtype int64 cannot require grad"),
        (
            "[int64]",
            "{tensor: any, dtype: floating, example: [1.0]}",
            "dtype int64 has no floating counterpart",
        ),
        ("[float32]", "{tensor: any, values: nonzero, example: [1.0, -0.0]}", "-0.0 is not nonzero"),
        ("[float32]", "{tensor: any, values: dyadic, example: [257]}", "257 is not dyadic"),
        (
            "[float32]",
            "{tensor: any, values: ties, example: [inf]}",
            "inf is not finite, and the values are ties",
        ),
        ("[float32]", "{tensor: any, example: [1 + 2j]}", "the text '1 + 2j' is no number"),
        ("[float32]", "{tensor: any, example: 1_0}", "the text '1_0' is no number"),
        ("[float32]", "{tensor: any, example: }", "nothing is no number of an example"),
        ("[float32]", f"{{tensor: any, example: {'[' * 9}{']' * 9}}}", "the example has 9 dimensions"),
    ],
)
def test_an_example_that_does_not_fit_says_why(dtypes: str, variable: str, message: str, load: Load) -> None:
    problems = load(f"x: {variable}", dtypes=dtypes).problems
    assert len(problems) == 1
    assert message in problems[0].message
    assert problems[0].scenario == "tests/one"


def test_a_mistake_in_one_variable_is_not_repeated_by_those_that_refer_to_it(load: Load) -> None:
    loaded = load(
        "x: {tensor: '[N', example: [1.0]}",
        "y: {like: x, example: [1.0]}",
        "z: {like: y, example: [1.0]}",
        "w: {tensor: any, example: [1.0]}",
    )
    assert [problem.place.line for problem in loaded.problems] == [7]
    (draft,) = loaded.drafts
    assert list(draft.let) == ["w"]
    assert draft.broken == {"x": "tensor", "y": "like", "z": "like"}


@pytest.mark.parametrize(
    ("variables", "circle"),
    [
        (["x: {like: x, example: 1.0}"], "x -> x"),
        (
            ["x: {like: y, example: 1.0}", "y: {like: z, example: 1.0}", "z: {like: x, example: 1.0}"],
            "x -> y -> z -> x",
        ),
        (
            ["a: {like: x, example: 1.0}", "x: {like: y, example: 1.0}", "y: {like: x, example: 1.0}"],
            "x -> y -> x",
        ),
    ],
)
def test_a_circle_is_reported_once_and_in_full(variables: list[str], circle: str, load: Load) -> None:
    (problem,) = load(*variables).problems
    assert problem.message == f"variables refer to each other in a circle: {circle}"


def test_a_long_chain_of_references_is_no_circle(load: Load) -> None:
    chain = [f"x{n}: {{like: x{n + 1}, example: 1.0}}" for n in range(63)]
    assert len(let(load(*chain, "x63: {tensor: scalar, example: 1.0}"))) == 64


def test_a_scenario_has_so_many_variables_at_most(load: Load) -> None:
    # Each refers to the next: what is not refused by number would be followed to the end from each of them.
    chain = [f"x{n}: {{like: x{n + 1}, example: 1.0}}" for n in range(5000)]
    (problem,) = load(*chain, "x5000: {tensor: scalar, example: 1.0}").problems
    assert (problem.place, problem.scenario) == (place(7), "tests/one")
    assert problem.message == "'let' has more than 64 entries"


@pytest.mark.parametrize(
    ("example", "fits"),
    [
        ("[[1.0, 2.0], [1.0, 2.0]]", True),
        ("[[1.0, 2.0], [1.0, 3.0]]", False),
        ("[1.0, 1]", True),
        ("[0.0, -0.0]", False),
        ("[nan, nan]", True),
        ("[nan, 1.0]", False),
        ("[[], []]", True),
        ("[]", True),
        ("2.0", True),
    ],
)
def test_the_rows_of_an_expanded_example_are_equal(load: Load, example: str, fits: bool) -> None:
    problems = load(f"x: {{tensor: any, layout: expanded, values: special, example: {example}}}").problems
    wrong = "the rows of the example differ, and an expanded tensor has equal ones"
    assert [(problem.place, problem.message) for problem in problems] == ([] if fits else [(place(7), wrong)])


def test_the_sizes_of_all_variables_count_together(load: Load) -> None:
    half = "{tensor: '[1000, 500]', example: 1.0}"
    problems = load(f"x: {half}", f"y: {half}", "z: {like: x, example: 1.0}").problems
    sizes = [problem.message for problem in problems if "elements" in problem.message]
    assert sizes == ["the tensors of this scenario may have 1500000 elements, 'x' alone 500000"]


@pytest.mark.parametrize(
    ("variables", "elements"),
    [
        (
            [
                "x: {tensor: '[1000, 1000, 1]', example: [[[1.0]]]}",
                "y: {tensor: broadcastable(x), example: 1.0}",
            ],
            16,
        ),
        (["x: {tensor: '[1000, 1000]', example: [[1.0]]}", "y: {like: x, example: [[1.0]]}"], 1),
    ],
)
def test_what_refers_to_a_large_shape_is_as_large(variables: list[str], elements: int, load: Load) -> None:
    (message,) = (p.message for p in load(*variables).problems if "elements" in p.message)
    assert message.startswith(f"the tensors of this scenario may have {1_000_000 * (1 + elements)} elements")


def test_distinct_numbers_cannot_lie_expanded(load: Load) -> None:
    (problem,) = load("x: {tensor: '[N]', values: distinct, layout: expanded, example: [1.0]}").problems
    assert problem.message == "distinct numbers cannot lie expanded, which repeats them"


def test_nothing_is_allocated_for_a_shape_that_is_too_large(load: Load) -> None:
    shape = "[N, N, N, N, N, N, N, N] with N>=4096"
    problems = load(f"x: {{tensor: '{shape}', example: 1.0}}").problems
    assert any(f"may have {4096**8} elements" in problem.message for problem in problems)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"x": (2, 3), "w": (3, 3), "b": (3,), "v": (2, 3)}, True),
        ({"x": (1, 3), "w": (3, 3)}, True),
        ({"x": (2, 3), "w": (4, 4)}, False),
        ({"x": (0, 3)}, False),
        ({"x": ()}, False),
        ({"x": (2, 3), "b": (2,)}, False),
        ({"x": (2, 3), "v": (1, 3)}, False),
        ({"n": ()}, True),
        ({"n": (0,)}, False),
        ({"unknown": (7,)}, True),
    ],
)
def test_sizes_fit_their_domains_together(
    load: Load, sizes: dict[str, tuple[int, ...]], expected: bool
) -> None:
    domains = let(
        load(
            "x: {tensor: '[N, M] with N>=1', example: [[1.0]]}",
            "w: {tensor: '[M, M]', example: [[1.0]]}",
            "b: {tensor: broadcastable(x), example: 1.0}",
            "v: {like: x, example: [[1.0]]}",
            "n: {tensor: any nonempty, example: 1.0}",
            "k: {integer: 0..2, example: 1}",
        )
    )
    assert fit(domains, sizes) == expected
