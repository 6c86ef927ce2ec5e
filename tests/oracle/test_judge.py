"""Real programs on torch and on torch with something changed, judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gradconform.engines.base import Handle
from gradconform.engines.torch import TorchEngine
from gradconform.errors import Unsupported
from gradconform.execution.interpreter import run
from gradconform.oracle.judge import judge
from gradconform.program.expressions import Constant, Operation, Place, Shown
from gradconform.program.steps import (
    Apply,
    Backward,
    Dtype,
    Expect,
    Fact,
    Fail,
    Get,
    Grad,
    Input,
    Let,
    Program,
    Ref,
    Step,
)
from gradconform.trace import UNSEEN, Unseen
from gradconform.verdict import (
    Conforms,
    Diverges,
    Inconclusive,
    Numbers,
    OracleDisputed,
    Unsupporting,
    Verdict,
)

Change = Callable[[torch.Tensor], torch.Tensor]

CUBE = (
    Apply("y", "mul", (Ref("x"), Ref("x"))),
    Apply("z", "mul", (Ref("y"), Ref("x"))),
    Apply("s", "sum", (Ref("z"),)),
    Backward((Ref("s"),)),
)
CANCEL = (
    Apply("a", "mul", (Ref("x"), 1e4)),
    Apply("b", "exp", (Ref("a"),)),
    Apply("c", "mul", (Ref("b"), 3e4)),
    Apply("d", "div", (Ref("c"), Ref("a"))),
    Apply("e", "sub", (Ref("d"), Ref("c"))),
    Apply("s", "sum", (Ref("e"),)),
    Backward((Ref("s"),)),
)
SMALL = (0.00012, 0.00034, 0.00071)


def program(
    *steps: Step, x: tuple[float, ...] = (1.0, 2.0, -3.0), dtype: torch.dtype = torch.float32
) -> Program:
    return Program((Input("x", torch.tensor(x, dtype=dtype), True),), steps)


class Cotangents(TorchEngine):
    """Torch, with every gradient of every pure operation passed through `change`, and the result through
    `after`."""

    def __init__(self, change: Change, after: Change | None = None, only: str = "") -> None:
        super().__init__()
        self.change, self.after, self.only = change, after, only

    def operation(self, name: str) -> Callable[..., Any]:
        function, after = super().operation(name), self.after
        if self.only not in ("", name):
            return function

        def call(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            if after is not None:
                result = _passed(result, after, lambda cotangent: cotangent)
            return _passed(result, lambda value: value.clone(), self.change)

        return call


def _passed(value: torch.Tensor, forward: Change, backward: Change) -> torch.Tensor:
    class Pass(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
            return forward(value)

        @staticmethod
        def backward(ctx: Any, cotangent: torch.Tensor) -> torch.Tensor:
            return backward(cotangent)

    return Pass.apply(value)  # type: ignore[no-untyped-call, no-any-return]


class InFloat64(TorchEngine):
    """Torch, each operation and its gradient in float64, rounded to the dtype."""

    def operation(self, name: str) -> Callable[..., Any]:
        function = super().operation(name)

        def call(*arguments: Any, **options: Any) -> Any:
            tensors = [value for value in arguments if isinstance(value, torch.Tensor)]
            wide = [value.double() if isinstance(value, torch.Tensor) else value for value in arguments]
            return function(*wide, **options).to(tensors[0].dtype)

        return call


def verdict(program: Program, engine: TorchEngine, **options: Any) -> Verdict:
    return judge(program, run(program, TorchEngine()), run(program, engine), **options)


def stage(found: Verdict) -> str:
    assert isinstance(found, Conforms), found
    assert found.numbers.last == found.stage
    return found.stage


def only_difference(found: Verdict) -> tuple[str, str, int, str]:
    assert isinstance(found, Diverges), found
    (difference,) = found.divergences
    return difference.what, difference.where, difference.step, difference.source


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("steps", [CUBE, CANCEL], ids=["cube", "cancel"])
def test_torch_conforms_in_every_bit(steps: tuple[Step, ...], dtype: torch.dtype) -> None:
    assert stage(verdict(program(*steps, x=SMALL, dtype=dtype), TorchEngine())) == "bits"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("factor", [1.0005, 0.9995, 2.0, -1.0, 0.0])
@pytest.mark.parametrize("steps", [CUBE, CANCEL], ids=["cube", "cancel"])
def test_a_scaled_gradient_is_caught(steps: tuple[Step, ...], factor: float, dtype: torch.dtype) -> None:
    engine = Cotangents(lambda cotangent: cotangent * factor, only="sum")
    found = verdict(program(*steps, x=SMALL if steps is CANCEL else (1.0, 2.0, -3.0), dtype=dtype), engine)
    assert only_difference(found) == ("value", "x.grad", len(steps) - 1, "s.backward()")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_scaled_forward_value_is_caught_where_it_is_computed(dtype: torch.dtype) -> None:
    engine = Cotangents(lambda cotangent: cotangent, after=lambda value: value * 1.0005, only="exp")
    found = verdict(program(*CANCEL, x=SMALL, dtype=dtype), engine)
    assert isinstance(found, Diverges)
    assert found.divergences[0].where == "b"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("steps", [CUBE, CANCEL], ids=["cube", "cancel"])
def test_an_engine_that_computes_in_float64_is_not_blamed(
    steps: tuple[Step, ...], dtype: torch.dtype
) -> None:
    assert isinstance(verdict(program(*steps, x=SMALL, dtype=dtype), InFloat64()), Conforms)


@pytest.mark.parametrize("toward", [float("inf"), float("-inf")])
def test_an_engine_that_is_a_unit_off_in_every_cotangent_is_not_blamed(toward: float) -> None:
    def nudge(value: torch.Tensor) -> torch.Tensor:
        return torch.nextafter(value, torch.full_like(value, toward))

    assert isinstance(verdict(program(*CANCEL, x=SMALL), Cotangents(nudge)), Conforms)
    assert isinstance(verdict(program(*CANCEL, x=SMALL), Cotangents(nudge, after=nudge)), Conforms)


def test_numbers_that_only_the_anchor_excuses_say_so() -> None:
    steps = (
        Apply("a", "mul", (Ref("x"), 3e6)),
        Apply("b", "mul", (Ref("x"), 2.9e6)),
        Apply("c", "sub", (Ref("a"), Ref("b"))),
        Apply("s", "sum", (Ref("c"),)),
        Grad(("g",), (Ref("s"), Ref("x"))),
        Apply("h", "mul", (Ref("g"), Ref("x"))),
        Apply("k", "sub", (Ref("h"), 1e5)),
    )
    one_third = program(*steps, x=(1 / 3 + 0.7, 1.1 / 3))
    assert stage(verdict(one_third, InFloat64())) in ("bits", "tolerance", "anchor")
    shifted = Cotangents(lambda cotangent: cotangent, after=lambda value: value + 2**-7, only="sub")
    assert stage(verdict(one_third, shifted)) == "anchor"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_a_wrong_convention_at_a_kink_is_caught(dtype: torch.dtype) -> None:
    class HalfAtZero(TorchEngine):
        def operation(self, name: str) -> Callable[..., Any]:
            if name != "relu":
                return super().operation(name)
            return lambda x: torch.maximum(x, torch.zeros_like(x))

    steps = (Apply("y", "relu", (Ref("x"),)), Apply("s", "sum", (Ref("y"),)), Backward((Ref("s"),)))
    found = verdict(program(*steps, x=(0.0, 1.0, -1.0), dtype=dtype), HalfAtZero())
    assert only_difference(found) == ("value", "x.grad", 2, "s.backward()")
    assert isinstance(found, Diverges)
    assert (found.divergences[0].expected, found.divergences[0].got) == ("[0.0, 1.0, 0.0]", "[0.5, 1.0, 0.0]")


def test_a_kink_that_rounding_steps_over_is_excused_only_where_the_forward_values_differ() -> None:
    third = float(torch.tensor(1.0) / 3)
    steps = (
        Apply("a", "mul", (Ref("x"), 3.0)),
        Apply("b", "sub", (Ref("a"), 1.0)),
        Apply("y", "relu", (Ref("b"),)),
        Apply("s", "sum", (Ref("y"),)),
        Backward((Ref("s"),)),
    )
    on_the_kink = program(*steps, x=(third, 0.5))

    def up(value: torch.Tensor) -> torch.Tensor:
        return torch.nextafter(value, torch.full_like(value, 2.0))

    class OneAtZero(TorchEngine):
        def operation(self, name: str) -> Callable[..., Any]:
            if name != "relu":
                return super().operation(name)
            return lambda x: x * (x >= 0)

    rounded = Cotangents(lambda cotangent: cotangent, after=up, only="mul")
    assert stage(verdict(on_the_kink, rounded)) == "spread"
    assert only_difference(verdict(on_the_kink, OneAtZero()))[:2] == ("value", "x.grad")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_wrong_integer_is_refused_and_rounding_no_excuse(dtype: torch.dtype) -> None:
    class CountsFromOne(TorchEngine):
        def operation(self, name: str) -> Callable[..., Any]:
            function = super().operation(name)
            return (lambda x: function(x) + 1) if name == "argmax" else function

    found = verdict(program(Apply("i", "argmax", (Ref("x"),)), dtype=dtype), CountsFromOne())
    assert only_difference(found)[:2] == ("value", "i")
    assert isinstance(found, Diverges)
    assert found.numbers == Numbers(bits=1, refused=1)


def test_an_integer_that_follows_a_rounded_number_may_be_another() -> None:
    steps = (
        Apply("a", "mul", (Ref("x"), 3.0)),
        Apply("b", "floor", (Ref("a"),)),
        Apply("i", "to", (Ref("b"), Dtype("int64"))),
    )

    def down(value: torch.Tensor) -> torch.Tensor:
        return torch.nextafter(value, torch.zeros_like(value))

    rounded = Cotangents(lambda cotangent: cotangent, after=down, only="mul")
    third = float(torch.tensor(1.0) / 3)
    assert stage(verdict(program(*steps, x=(third,)), rounded)) == "spread"


def test_every_comparison_is_counted_by_how_it_ended() -> None:
    found = verdict(program(*CUBE), Cotangents(lambda cotangent: cotangent * (1 + 2**-22), only="sum"))
    assert isinstance(found, Conforms)
    assert found.numbers == Numbers(bits=8, tolerance=2)  # after backward, and at the end


def test_what_no_stage_can_decide_is_inconclusive() -> None:
    # The program in float64 shows nothing.
    class InFloat32(TorchEngine):
        def backward(self, root: torch.Tensor, *arguments: Any, **options: Any) -> None:
            if root.dtype == torch.float64:
                raise RuntimeError("no float64")
            super().backward(root, *arguments, **options)

    engine = Cotangents(lambda cotangent: cotangent * 1.0005, only="sum")
    found = verdict(program(*CUBE), engine, oracle=InFloat32())
    assert isinstance(found, Inconclusive)
    assert found.reason.startswith("x.grad after step 3: float32, 3 of 3 elements differ")


def law(expression: Operation, *places: str) -> Fact:
    split = [place.split(".") for place in places]
    return Fact(True, expression, tuple(Place(name, tuple(path)) for name, *path in split), "assert the law")


def test_torch_breaking_a_fact_is_a_dispute_and_no_blame() -> None:
    fact = law(Operation("eq", (Shown(0), Constant((1.0, 1.0, 1.0)))), "x.grad")
    found = verdict(program(*CUBE, fact), Cotangents(lambda cotangent: cotangent * 2))
    assert isinstance(found, OracleDisputed)
    assert found.reason.startswith(
        "torch itself breaks `assert the law`: expected [1.0, 1.0, 1.0] got [3.0, 12.0, 27.0]"
    )


def test_an_error_that_is_a_quirk_of_torch_blames_nobody() -> None:
    """Backward of sgn leaves zeros without memory in .grad, and the next backward cannot add to them."""
    sign = (
        Apply("y", "sgn", (Ref("x"),)),
        Apply("v", "ones_like", (Ref("y"),)),
        Backward((Ref("y"), Ref("v"))),
        Apply("s", "sum", (Ref("x"),)),
    )
    case = program(*sign, Expect("RuntimeError", (Backward((Ref("s"),)),)))
    expected = run(case, TorchEngine())
    verdict = judge(
        case, expected, run(program(*sign, Expect("RuntimeError", (Fail("ValueError"),))), TorchEngine())
    )
    assert isinstance(verdict, OracleDisputed)
    assert verdict.reason.startswith("torch's known quirk gradient-without-memory: ")


def test_a_law_that_torch_misses_by_rounding_is_a_dispute_with_a_hint() -> None:
    fact = law(Operation("eq", (Shown(0), Constant((0.1 + 1e-7, 0.2)))), "x")
    found = verdict(program(fact, x=(0.1, 0.2)), TorchEngine())
    assert isinstance(found, OracleDisputed)
    assert found.reason.endswith("write close(a, b) where numbers are rounded")


def test_torch_ending_in_an_error_is_a_dispute() -> None:
    found = verdict(program(*CUBE, Backward((Ref("s"),))), TorchEngine())
    assert isinstance(found, OracleDisputed)
    assert found.reason.startswith(
        "torch itself ends in step 4 (`s.backward()`) with RuntimeError: Trying to"
    )


def test_a_fact_that_the_engine_alone_breaks_is_its_divergence_after_the_observation() -> None:
    fact = law(
        Operation("eq", (Shown(0), Operation("mul", (Operation("mul", (Constant(3), Shown(1))), Shown(1))))),
        "x.grad",
        "x",
    )
    found = verdict(program(*CUBE, fact), Cotangents(lambda cotangent: cotangent * 2, only="sum"))
    assert isinstance(found, Diverges)
    assert [(d.what, d.where, d.step, d.source) for d in found.divergences] == [
        ("value", "x.grad", 3, "s.backward()"),
        ("law", "x.grad, x", 4, "assert the law"),
    ]


def test_a_law_that_the_engine_misses_by_rounding_alone_is_no_fault() -> None:
    fact = law(Operation("eq", (Shown(0), Operation("mul", (Shown(1), Shown(1))))), "y", "x")
    steps = (Apply("y", "mul", (Ref("x"), Ref("x"))), fact)
    nudged = Cotangents(lambda c: c, after=lambda value: value * (1 + 2**-22))
    assert stage(verdict(program(*steps), nudged)) == "tolerance"
    scaled = Cotangents(lambda c: c, after=lambda value: value * 1.0005)
    assert isinstance(verdict(program(*steps), scaled), Diverges)


def test_a_missing_error_is_one_divergence_at_the_step_that_should_raise() -> None:
    class Retains(TorchEngine):
        def backward(self, *arguments: Any, **options: Any) -> None:
            super().backward(*arguments, **{**options, "retain_graph": True})

    block = Expect("RuntimeError", (Backward((Ref("s"),)),), "backward")
    found = verdict(program(*CUBE, block), Retains())
    assert isinstance(found, Diverges)
    first = found.divergences[0]
    assert (first.what, first.where, first.step) == ("missing error", "s.backward()", 5)
    assert first.expected.startswith("RuntimeError: Trying to backward through the graph a second time")
    assert first.got == "no error"


def test_an_unexpected_error_names_its_step() -> None:
    class Raises(TorchEngine):
        def backward(self, *_: Any, **__: Any) -> None:
            raise TypeError("no backward today")

    found = verdict(program(*CUBE), Raises())
    assert only_difference(found) == ("unexpected error", "s.backward()", 3, "s.backward()")
    assert isinstance(found, Diverges)
    assert found.divergences[0].got == "TypeError: no backward today (backward)"


def test_error_classes_are_the_engines_own_affair_where_it_says_so() -> None:
    class Other(TorchEngine):
        def backward(self, *arguments: Any, **options: Any) -> None:
            try:
                super().backward(*arguments, **options)
            except RuntimeError as error:
                raise ValueError(str(error)) from None

    block = Expect("RuntimeError", (Backward((Ref("s"),)),), "backward")
    assert isinstance(verdict(program(*CUBE, block), Other()), Diverges)
    assert stage(verdict(program(*CUBE, block), Other(), torch_errors=False)) == "bits"


def test_overwriting_the_gradient_is_seen_in_its_value_and_in_its_identity() -> None:
    class Replaces(TorchEngine):
        def backward(self, *arguments: Any, **options: Any) -> None:
            super().backward(*arguments, **options)
            for leaf in self.leaves:
                leaf.grad = leaf.grad.clone()

        def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> Any:
            self.leaves = [super().from_torch(tensor, requires_grad=requires_grad)]
            return self.leaves[0]

    twice = program(*CUBE, *CUBE)
    assert only_difference(verdict(twice, Replaces())) == ("identity", "x.grad", 7, "s.backward()")


class Hidden(TorchEngine):
    """Torch, which does not show whether a tensor is a leaf, nor its memory."""

    def peek(self, handle: Handle, attribute: str) -> Any:
        if attribute == "is_leaf":
            raise Unsupported("is_leaf")
        return super().peek(handle, attribute)

    def storage(self, handle: Handle) -> Unseen:
        return UNSEEN


LEAF = Fact(True, Shown(0), (Place("x", ("is_leaf",)),), "x.is_leaf")
SHARED = Fact(
    True, Operation("shares_storage", (Shown(0), Shown(1))), (Place("x"), Place("y")), "shares_storage(x, y)"
)
VIEW = Apply("y", "view", (Ref("x"), -1))


@pytest.mark.parametrize(
    ("fact", "numbers", "verdict"),
    [
        (LEAF, (1.0, 2.0), Unsupporting("showing is_leaf")),
        (SHARED, (1.0, 2.0), Unsupporting("showing shared memory")),
        (SHARED, (), None),  # an empty tensor shows no memory in torch either
    ],
)
def test_a_fact_about_what_the_engine_does_not_show_is_no_pass(
    fact: Fact, numbers: tuple[float, ...], verdict: Verdict | None
) -> None:
    stated = program(VIEW, fact, x=numbers)
    found = judge(stated, run(stated, TorchEngine()), run(stated, Hidden()))
    assert found == verdict if verdict else isinstance(found, Conforms)


def test_a_wrong_number_beside_what_is_not_shown_diverges() -> None:
    stated = program(*CUBE, LEAF)
    wrong = program(*CUBE[:-2], Apply("s", "sum", (Ref("y"),)), CUBE[-1], LEAF)
    assert isinstance(judge(stated, run(stated, TorchEngine()), run(wrong, Hidden())), Diverges)


def test_programs_that_fail_on_purpose_conform() -> None:
    block = Expect("RuntimeError", (Fail("RuntimeError"),), "forward")
    assert stage(verdict(program(block, Let("n", 3), Get("g", "x", "grad")), TorchEngine())) == "bits"
