"""Declared conventions: computed with torch, held against what an engine does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
import torch

from gradconform.engines.torch import TorchEngine
from gradconform.errors import AdapterError
from gradconform.execution.host import InProcess
from gradconform.execution.interpreter import run
from gradconform.hosts import find_host
from gradconform.oracle.declared import torch_with
from gradconform.oracle.named_policies import POLICIES
from gradconform.plan import Settings
from gradconform.program.steps import Input, Program
from gradconform.session import Session
from gradconform.verdict import Conforms, Declared, Diverges, Verdict

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

NAN = float("nan")


class Other(TorchEngine):
    """Torch with some operators of its own, and what it declares."""

    def __init__(
        self, policies: Mapping[str, str], operators: Mapping[str, Callable[..., Any]] | None = None
    ) -> None:
        super().__init__()
        self.name = "other"
        self.policies = policies
        self.own = operators or {}

    def _resolve(self, name: str) -> Callable[..., Any]:
        return self.own.get(name) or super()._resolve(name)


def verdict(engine: TorchEngine, program: Program) -> Verdict:
    return Session(InProcess(engine), Settings()).judge(program, "cpu")


def half_relu(input: torch.Tensor) -> torch.Tensor:
    return torch.maximum(input, torch.zeros(()))


def input_of(*numbers: float, name: str = "x") -> Input:
    return Input(name, torch.tensor(numbers), True)


RELU = "y = relu(x)\ny.backward(ones_like(y))"


def test_what_is_declared_is_neither_a_pass_nor_a_failure(program: MakeProgram) -> None:
    engine = Other({"relu-at-zero": "half"}, {"relu": half_relu})
    found = verdict(engine, program(RELU, input_of(-1.0, 0.0, 2.0)))
    assert isinstance(found, Declared)
    assert found.policies == ("relu-at-zero: half",)


def test_the_facts_of_a_scenario_are_torchs(program: MakeProgram) -> None:
    engine = Other({"relu-at-zero": "half"}, {"relu": half_relu})
    text = f"{RELU}\nshows(x.grad, [0.0])"
    assert isinstance(verdict(engine, program(text, input_of(0.0))), Declared)


def test_elsewhere_a_declaration_says_nothing(program: MakeProgram) -> None:
    engine = Other({"relu-at-zero": "half"}, {"relu": half_relu})
    assert isinstance(verdict(engine, program(RELU, input_of(-1.0, 2.0))), Conforms)
    tripled = Other({"relu-at-zero": "half"}, {"relu": lambda input: half_relu(input) * 3})
    assert isinstance(verdict(tripled, program(RELU, input_of(-1.0, 2.0))), Diverges)


def test_what_is_not_declared_diverges(program: MakeProgram) -> None:
    found = verdict(Other({}, {"relu": half_relu}), program(RELU, input_of(0.0)))
    assert isinstance(found, Diverges)
    assert found.divergences[0].got == "[0.5]"


def test_neither_torchs_answer_nor_the_declared_one_diverges(program: MakeProgram) -> None:
    found = verdict(Other({"relu-at-zero": "one"}, {"relu": half_relu}), program(RELU, input_of(0.0)))
    assert isinstance(found, Diverges)
    first = found.divergences[0]
    assert (first.expected, first.got) == ("[1.0]", "[0.5]")
    assert first.detail.endswith("beside what is declared (relu-at-zero: one)")


def test_what_is_declared_does_not_hide_what_is_not(program: MakeProgram) -> None:
    engine = Other({"relu-at-zero": "half"}, {"relu": half_relu, "exp": lambda input: torch.exp(input) * 2})
    text = "(g,) = autograd.grad(relu(x), [x], ones_like(x))\ny = exp(x)"
    found = verdict(engine, program(text, input_of(0.0)))
    assert isinstance(found, Diverges)
    assert [one.where for one in found.divergences] == ["y"]


def test_torchs_answer_makes_a_declaration_wrong(program: MakeProgram) -> None:
    found = verdict(Other({"relu-at-zero": "half"}), program(RELU, input_of(0.0)))
    assert isinstance(found, Diverges)
    first = found.divergences[0]
    assert (first.what, first.where) == ("wrong declaration", "relu-at-zero")
    assert "other declares relu-at-zero: half" in first.detail


def test_only_what_is_met_is_named(program: MakeProgram) -> None:
    policies = {"relu-at-zero": "half", "relu-at-nan": "zero", "abs-at-zero": "one"}
    engine = Other(policies, {"relu": half_relu, "abs": lambda input: torch.where(input >= 0, input, -input)})
    text = "y = relu(x)\nz = abs(x)\n(y + z).backward(ones_like(y))"
    found = verdict(engine, program(text, input_of(0.0)))
    assert isinstance(found, Declared)
    assert found.policies == ("relu-at-zero: half", "abs-at-zero: one")


def test_complex_gradients_that_were_converted_are_declared(program: MakeProgram) -> None:
    engine = Other({"complex-gradients": "conjugate"})
    turned = Input("z", torch.tensor([1 + 2j]), True)
    text = "y = z * z\ny.backward(ones_like(y))"
    found = verdict(engine, program(text, turned))
    assert isinstance(found, Declared)
    assert found.policies == ("complex-gradients: conjugate",)
    assert isinstance(verdict(engine, program(text.replace("z", "x"), input_of(1.0))), Conforms)
    assert isinstance(
        verdict(engine, program("(g,) = autograd.grad(z * z, z, z.detach())", turned)), Declared
    )


def test_zeros_of_unreached_inputs(program: MakeProgram) -> None:
    class Zeros(Other):
        def grad(self, *arguments: Any, **options: Any) -> Any:
            return super().grad(*arguments, **{**options, "materialize_grads": True})

    text = "g, h = autograd.grad((x * 2).sum(), [x, w], allow_unused=True)"
    bound = program(text, input_of(1.0), input_of(2.0, name="w"))
    found = verdict(Zeros({"unreached-inputs": "zero"}), bound)
    assert isinstance(found, Declared)
    assert isinstance(verdict(Zeros({}), bound), Diverges)
    wrong = verdict(Other({"unreached-inputs": "zero"}), bound)
    assert isinstance(wrong, Diverges)
    assert wrong.divergences[0].what == "wrong declaration"


def test_zeros_of_outputs_that_are_constant(program: MakeProgram) -> None:
    class Zeros(Other):
        def grad(self, outputs: Any, inputs: Any, *arguments: Any, **options: Any) -> Any:
            if not outputs.requires_grad:
                return tuple(map(torch.zeros_like, inputs))
            return super().grad(outputs, inputs, *arguments, **options)

    text = (
        "(d,) = autograd.grad(x * 2, [x], ones_like(x), create_graph=True)\n"
        "with raises(RuntimeError):\n    (e,) = autograd.grad(d, [x], ones_like(d))"
    )
    found = verdict(Zeros({"unreached-inputs": "zero"}), program(text, input_of(1.0)))
    assert isinstance(found, Declared)
    assert isinstance(verdict(Zeros({}), program(text, input_of(1.0))), Diverges)


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"relu-at-zer": "half"}, "engine other declares 'relu-at-zer', which is no policy; did you mean"),
        ({"relu-at-zero": "third"}, "declares 'relu-at-zero: third'; the options are half, one"),
    ],
)
def test_a_declaration_that_there_is_not(policies: dict[str, str], message: str) -> None:
    with pytest.raises(AdapterError) as error:
        Session(InProcess(Other(policies)), Settings())
    assert message in str(error.value)


def test_it_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradconform.hosts.find_engine", lambda _: Other({"relu-at-zero": "third"}))
    with pytest.raises(AdapterError, match="the options are half, one"):
        find_host("other")


X, W = torch.tensor([0.0, 1.0, NAN]), torch.tensor([0.0, 2.0, 1.0])
GRADIENTS: dict[tuple[str, str], tuple[str, tuple[torch.Tensor, ...], tuple[list[Any], ...]]] = {
    ("relu-at-zero", "half"): ("relu(x)", (X,), ([0.5, 1.0, 1.0],)),
    ("relu-at-zero", "one"): ("relu(x)", (X,), ([1.0, 1.0, 1.0],)),
    ("relu-at-nan", "zero"): ("relu(x)", (X,), ([0.0, 1.0, 0.0],)),
    ("leaky-relu-at-zero", "one"): ("nn.functional.leaky_relu(x, 0.25)", (X[:2],), ([1.0, 1.0],)),
    ("leaky-relu-at-zero", "zero"): ("nn.functional.leaky_relu(x, 0.25)", (X[:2],), ([0.0, 1.0],)),
    ("abs-at-zero", "one"): ("abs(x)", (X[:2],), ([1.0, 1.0],)),
    ("abs-at-zero", "minus-one"): ("abs(x)", (X[:2],), ([-1.0, 1.0],)),
    ("abs-at-nan", "nan"): ("abs(x)", (X,), ([0.0, 1.0, NAN],)),
    ("abs-at-nan", "minus-one"): ("abs(x)", (X,), ([0.0, 1.0, -1.0],)),
    ("ties-between-tensors", "first"): ("maximum(x, w)", (X[:2], W[:2]), ([1.0, 0.0], [0.0, 1.0])),
    ("ties-between-tensors", "second"): ("minimum(x, w)", (X[:2], W[:2]), ([0.0, 1.0], [1.0, 0.0])),
    ("ties-between-tensors", "none"): ("x.max(w)", (X[:2], W[:2]), ([0.0, 0.0], [0.0, 1.0])),
    ("nan-between-tensors", "none"): ("maximum(x, w)", (X, W), ([0.5, 0.0, 0.0], [0.5, 1.0, 0.0])),
    ("ties-within-a-tensor", "each"): ("x.max()", (torch.tensor([3.0, 1.0, 3.0]),), ([1.0, 0.0, 1.0],)),
    ("ties-within-a-tensor", "first"): (
        "x.amax(1)",
        (torch.tensor([[3.0, 1.0, 3.0], [1.0, 2.0, 2.0]]),),
        ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],),
    ),
    ("ties-along-a-dimension", "share"): (
        "x.max(0)",
        (torch.tensor([[3.0, 1.0], [3.0, 2.0]]),),
        ([[0.5, 0.0], [0.5, 1.0]],),
    ),
    ("ties-along-a-dimension", "each"): (
        "x.min(1, keepdim=True)",
        (torch.tensor([[3.0, 3.0], [1.0, 2.0]]),),
        ([[1.0, 1.0], [1.0, 0.0]],),
    ),
    ("extremes-of-nan", "nan"): (
        "x.max(0)",
        (torch.tensor([[1.0, 1.0], [NAN, 2.0]]),),
        ([[NAN, 0.0], [NAN, 1.0]],),
    ),
    ("clamp-at-bounds", "zero"): ("x.clamp(0, 1)", (X[:2],), ([0.0, 0.0],)),
    ("clamp-at-bounds", "half"): ("x.clamp(w)", (X[:2], W[:2]), ([0.5, 0.0], [0.5, 1.0])),
    ("clamp-at-nan", "one"): ("x.clamp(0, 5)", (X,), ([1.0, 1.0, 1.0],)),
    ("zero-to-the-zero", "nan"): ("x ** w", (X[:2], W[:2]), ([NAN, 2.0], [0.0, 0.0])),
    ("zero-to-the-zero", "nan-of-floats"): ("x ** w + x ** 0", (X[:2], W[:2]), ([NAN, 2.0], [0.0, 0.0])),
    ("norm-at-zero", "nan"): ("x.norm()", (torch.zeros(2),), ([NAN, NAN],)),
    ("spread-of-equal-values", "nan"): (
        "x.std(1)",
        (torch.tensor([[2.0, 2.0], [0.0, 2.0]]),),
        ([[NAN, NAN], [-(2**-0.5), 2**-0.5]],),
    ),
    ("atan2-at-the-origin", "nan"): ("atan2(x, w)", (X[:2], W[:2]), ([NAN, 0.4], [NAN, -0.2])),
    ("median-of-an-even-count", "mean"): (
        "x.median()",
        (torch.tensor([4.0, 1.0, 3.0, 2.0]),),
        ([0.0, 0.0, 0.5, 0.5],),
    ),
    ("views", "copies"): ("x.t().view(4)", (torch.tensor([[1.0, 2.0], [3.0, 4.0]]),), ([[1.0, 1.0]] * 2,)),
}
ELSEWHERE = {("unreached-inputs", "zero"), ("complex-gradients", "conjugate")}


def test_every_option_has_its_numbers_here() -> None:
    there = {(name, option) for name, policy in POLICIES.items() for option in policy.options}
    assert there == GRADIENTS.keys() | ELSEWHERE


@pytest.mark.parametrize(("convention", "case"), GRADIENTS.items(), ids=map(str, GRADIENTS))
def test_the_gradients_of_each_option(
    program: MakeProgram, convention: tuple[str, str], case: tuple[str, tuple[torch.Tensor, ...], Any]
) -> None:
    call, operands, gradients = case
    inputs = [Input(name, data, True) for name, data in zip("xw", operands, strict=False)]
    pair = any(word in call for word in ("max(0)", "min(1"))
    text = f"r, i = {call}\n" if pair else f"r = {call}\n"
    bound = program(text + "r.backward(ones_like(r))", *inputs)
    trace = run(bound, torch_with([convention]))
    assert trace.error is None
    plain = run(bound, TorchEngine())
    for item, expected in zip(inputs, gradients, strict=True):
        seen: Any = trace.states[-1].live[item.name]
        torch.testing.assert_close(seen.grad.value, torch.tensor(expected), equal_nan=True)
    if plain.error is None and convention[0] != "median-of-an-even-count":
        ours: Any = trace.states[-1].live["r"]
        theirs: Any = plain.states[-1].live["r"]
        assert torch.equal(ours.value.nan_to_num(9), theirs.value.nan_to_num(9))
