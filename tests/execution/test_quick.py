"""The fast path agrees with the interpreter, and overlooks nothing of what it says it compares."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradconform.engines import TorchLikeEngine, Unsupported
from gradconform.engines.torch import TorchEngine
from gradconform.execution.interpreter import Detail, run
from gradconform.execution.quick import Quick, Runner, equal, outline
from gradconform.program.steps import Program
from gradconform.randomize.direct import DirectChooser
from gradconform.randomize.programs import random_program
from gradconform.trace import UNSEEN, ErrorSeen, TensorSeen, Unseen

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

TEXTS = [
    "y = x * 2 + 1\ny.sum().backward()\nz = x.grad * 2",
    "with no_grad():\n    y = x * 2\nwith raises(RuntimeError):\n    y.backward(ones_like(y))\nz = x",
    "with raises(ValueError):\n    with raises(RuntimeError):\n        x.view(3)\n    fail(ValueError)",
    "with raises(ValueError):\n    fail(ValueError)\ny = x.view(5)",
    "with raises(RuntimeError):\n    y = x + x.view(7)",
    "n = x.numel()\nl = [x, n, None]\nb = is_grad_enabled()",
    "y = x * x\ny.backward()",
    "y = x / 0 - x / 0\nx.grad = y.detach()",
    "fail(KeyError)",
    "",
]


def raised(seen: ErrorSeen | None) -> tuple[int, str, str] | None:
    return (seen.step, seen.phase, seen.kind) if seen else None


def assert_quick_is_the_interpreter(bound: Program) -> None:
    engine = TorchEngine()
    trace, quick = run(bound, engine, detail=Detail.END), Runner(engine).run(outline(bound))
    state = trace.states[-1]
    assert quick.error == raised(trace.error)
    assert list(quick.caught) == [raised(caught) for caught in in_order(trace.caught)]
    assert quick.grad_enabled == state.grad_enabled
    shown = {name: value for name, value in quick.environment.items() if not name.startswith("_")}
    assert shown.keys() == state.live.keys()
    for name, seen in state.live.items():
        if isinstance(seen, TensorSeen):
            assert torch.equal(shown[name].detach().nan_to_num(7.0), seen.value.nan_to_num(7.0))
            assert shown[name].requires_grad == seen.requires_grad
    assert torch.is_grad_enabled()


def in_order(caught: Any) -> list[ErrorSeen | None]:
    """Inner blocks end before the blocks around them."""
    return [caught[number] for number in sorted(caught, reverse=len(caught) > 1)]


@pytest.mark.parametrize("text", TEXTS)
def test_it_does_what_the_interpreter_does(program: MakeProgram, text: str) -> None:
    assert_quick_is_the_interpreter(program(text) if text else Program((), ()))


@given(st.integers(0, 2**40), st.sampled_from(["float32", "float64", "float16"]))
@settings(max_examples=100)
def test_random_programs_agree(seed: int, dtype: str) -> None:
    assert_quick_is_the_interpreter(random_program(DirectChooser(seed), dtype=dtype))


@given(st.integers(0, 2**40))
@settings(max_examples=50)
def test_torch_is_equal_to_itself(seed: int) -> None:
    bound = random_program(DirectChooser(seed))
    engine, other = TorchEngine(), TorchLikeEngine(torch, name="plain")
    assert equal(Runner(engine).run(outline(bound)), engine, Runner(other).run(outline(bound)), other)


class Lying(TorchEngine):
    """Torch, with one operation replaced."""

    def __init__(self, name: str, replacement: Callable[..., Any]) -> None:
        super().__init__()
        self.lie = name, replacement

    def operation(self, name: str) -> Callable[..., Any]:
        return self.lie[1] if name == self.lie[0] else super().operation(name)

    def backward(self, *arguments: Any, **options: Any) -> None:
        if self.lie[0] == "backward":
            self.lie[1](*arguments, **options)
        else:
            super().backward(*arguments, **options)

    def mode(self, name: str) -> Any:
        return self.lie[1] if self.lie[0] == name else super().mode(name)


def off_by_one_bit(x: torch.Tensor) -> torch.Tensor:
    return torch.nextafter(torch.exp(x), torch.tensor(9.0))


def no_restoring() -> Any:
    from contextlib import nullcontext

    torch.set_grad_enabled(False)
    return nullcontext()


LIES: list[tuple[str, str, Callable[..., Any]]] = [
    ("y = exp(x)", "exp", off_by_one_bit),
    ("y = exp(x)", "exp", lambda x: torch.exp(x.double())),
    ("y = exp(x)", "exp", lambda x: torch.exp(x).view(2, 1)),
    ("y = exp(x)", "exp", lambda x: torch.exp(x).detach()),
    ("y = exp(x)", "exp", lambda x: torch.exp(x).detach().requires_grad_()),
    ("y = exp(x)", "exp", lambda x: None),
    ("y = exp(x)", "exp", lambda x: [torch.exp(x)]),
    ("y = exp(x)", "exp", lambda x: x.view(7)),
    ("n = x.numel()", "numel", lambda x: 3),
    ("n = x.numel()", "numel", lambda x: 2.0),
    ("n = x.numel()", "numel", lambda x: x),
    ("l = x.tolist()", "tolist", lambda x: [1.0]),
    ("l = x.tolist()", "tolist", lambda x: [1.0, -0.0]),
    ("b = is_grad_enabled()", "is_grad_enabled", lambda: False),
    ("l = [exp(x), 1]", "exp", off_by_one_bit),
    ("x.sum().backward()", "backward", lambda root: None),
    ("x.sum().backward()", "backward", lambda root: root.backward(retain_graph=True) or root.backward()),
    ("(x * x).sum().backward()", "backward", lambda root: root.backward(create_graph=True)),
    ("with raises(RuntimeError):\n    x.backward()", "backward", lambda root: None),
    ("with raises(RuntimeError):\n    x.backward()", "backward", lambda root: int("none")),
    ("with raises(RuntimeError):\n    exp(x)\n    x.backward()", "exp", lambda x: x.view(7)),
    ("with no_grad():\n    y = exp(x)", "no_grad", no_restoring),
]


@pytest.mark.parametrize(
    ("text", "name", "replacement"), LIES, ids=[f"{name}-{i}" for i, (_, name, _) in enumerate(LIES)]
)
@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph")
def test_no_lie_is_overlooked(
    program: MakeProgram, text: str, name: str, replacement: Callable[..., Any]
) -> None:
    bound, honest, lying = program(text), TorchEngine(), Lying(name, replacement)
    expected, got = Runner(honest).run(outline(bound)), Runner(lying).run(outline(bound))
    assert equal(expected, honest, Runner(honest).run(outline(bound)), honest)
    assert not equal(expected, honest, got, lying)
    assert not equal(got, lying, expected, honest)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (torch.tensor([float("nan"), 1.0]), torch.tensor([float("nan"), 1.0]), True),
        (torch.tensor([float("nan"), 1.0]), torch.tensor([1.0, float("nan")]), False),
        (torch.tensor([float("inf")]), torch.tensor([-float("inf")]), False),
        (torch.tensor(complex(float("nan"), 1)), torch.tensor(complex(float("nan"), 1)), True),
        (torch.zeros(0, 2), torch.zeros(2, 0), False),
        (torch.zeros(0, 2), torch.zeros(0, 2), True),
        (torch.ones(1, dtype=torch.int64), torch.ones(1, dtype=torch.int32), False),
        (float("nan"), float("nan"), True),
        (0.0, -0.0, False),
        (True, 1, False),
        (None, None, True),
        (None, torch.ones(1), False),
        ((1, [torch.ones(1)]), (1, [torch.ones(1)]), True),
        ((1, [torch.ones(1)]), (1, [torch.zeros(1)]), False),
        (object(), object(), True),
        (object(), 3, False),
        (object(), None, False),
    ],
)
def test_values(a: Any, b: Any, same: bool) -> None:
    engine = TorchEngine()
    assert equal(Quick({"v": a}, None, (), True), engine, Quick({"v": b}, None, (), True), engine) is same


class Hiding(TorchLikeEngine):
    """Shows the numbers alone."""

    def __init__(self) -> None:
        super().__init__(torch, name="hiding")

    def get(self, handle: Any, attribute: str) -> Any:
        raise Unsupported(attribute)

    def identity(self, handle: Any) -> Unseen:
        return UNSEEN

    def storage(self, handle: Any) -> Unseen:
        return UNSEEN

    def is_grad_enabled(self) -> Unseen:
        return UNSEEN


def test_what_an_engine_does_not_show_is_not_compared(program: MakeProgram) -> None:
    bound, engine, hiding = program("y = exp(x).detach()\nz = y"), TorchEngine(), Hiding()
    expected = Runner(engine).run(outline(bound))
    assert equal(expected, engine, Runner(hiding).run(outline(bound)), hiding)
    other = Runner(hiding).run(outline(program("y = (2 * exp(x)).detach()\nz = y")))
    assert not equal(expected, engine, other, hiding)


@pytest.mark.parametrize(
    "text", ["y = exp(x)", "with raises(RuntimeError):\n    with no_grad():\n        y = exp(x)"]
)
def test_unsupported_passes_through_everything(program: MakeProgram, text: str) -> None:
    def lack(x: Any) -> None:
        raise Unsupported("operator exp")

    with pytest.raises(Unsupported, match="operator exp"):
        Runner(Lying("exp", lack)).run(outline(program(text)))
    assert torch.is_grad_enabled()
