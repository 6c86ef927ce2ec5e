"""The base for imperative engines: over torch itself, and over a little engine whose tensors are its own."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from gradconform.engines import Engine, TorchLikeEngine, Unsupported
from gradconform.engines.torch import TorchEngine
from gradconform.errors import AdapterError
from gradconform.execution.interpreter import run
from gradconform.program import cotangents
from gradconform.program.layouts import fresh
from gradconform.program.steps import Input, Layout
from gradconform.program.vocabulary import OPERATORS
from gradconform.trace import UNSEEN, Seen, TensorSeen, Trace

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

X = Input("x", torch.tensor([[1.0, 2.0], [3.0, 4.0]]), True)
ROW = Input("r", torch.tensor([0.5, -1.0]), True)

PROGRAMS = [
    "y = x * 2 + x * r\ny.sum().backward()",
    "y = (x * x).sum()\ny.backward()\ny = (x + r).sum()\ny.backward()",
    "y = exp(x * -1) * 2 - 1\ny.backward(ones_like(y))",
    "with no_grad():\n    y = x * r\nwith raises(RuntimeError, phase='backward'):\n    y.sum().backward()",
    "with raises(RuntimeError, phase='backward'):\n    (x * r).backward()\ny = x.detach() * 3",
]
"""What the little engine can do."""


def tensors(trace: Trace) -> dict[str, TensorSeen]:
    live = trace.states[-1].live
    return {name: seen for name, seen in live.items() if isinstance(seen, TensorSeen)}


def kinds(trace: Trace) -> list[str | None]:
    """The classes of what was caught, in order."""
    return [caught.kind if caught else None for caught in trace.caught.values()]


def assert_equal_numbers(a: Seen, b: Seen) -> None:
    assert isinstance(a, TensorSeen) == isinstance(b, TensorSeen)
    if isinstance(a, TensorSeen) and isinstance(b, TensorSeen):
        torch.testing.assert_close(a.value, b.value)


@pytest.mark.parametrize("text", PROGRAMS)
def test_an_engine_with_tensors_of_its_own(program: MakeProgram, small: Engine, text: str) -> None:
    bound = program(text, X, ROW)
    expected, got = run(bound, TorchEngine()), run(bound, small)
    assert got.error is None
    assert tensors(got).keys() == tensors(expected).keys()
    for name, seen in tensors(expected).items():
        mine = tensors(got)[name]
        assert_equal_numbers(seen, mine)
        assert (mine.requires_grad, mine.is_leaf) == (seen.requires_grad, seen.is_leaf)
        if seen.is_leaf:
            assert_equal_numbers(seen.grad, mine.grad)
    assert kinds(got) == kinds(expected)


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("y = sqrt(x)", "operator sqrt"),
        ("y = x / 2", "operator div"),
        ("y = x.mean()", "operator mean"),
        ("x.zero_()", "operator zero_"),
        ("x += 1", "operator add_"),
        ("with enable_grad():\n    y = x", "enable_grad"),
        ("(g,) = autograd.grad(x, [x])", "autograd.grad"),
        ("autograd.backward([x])", "autograd.backward"),
        ("o = optim.SGD([x])", "operator optim.SGD"),
        ("y = ones(2, dtype=float64)", "operator ones"),
        ("y = ones_like(x, dtype=float64)", "dtype float64"),
        ("y = x.retains_grad", "attribute retains_grad"),
        ("with raises(RuntimeError):\n    y = sqrt(x)", "operator sqrt"),
    ],
)
def test_what_it_lacks_is_unsupported_and_never_a_pass(
    program: MakeProgram, small: Engine, text: str, feature: str
) -> None:
    with pytest.raises(Unsupported) as lack:
        run(program(text, X, ROW), small)
    assert str(lack.value) == feature


def test_what_it_does_not_show_is_unseen(program: MakeProgram, small: Engine) -> None:
    seen = tensors(run(program("y = x * 2", X), small))["y"]
    assert (seen.storage, seen.has_grad_fn) == (UNSEEN, UNSEEN)
    assert seen.device == "cpu"
    assert run(program("y = x * 2", X), small).states[-1].grad_enabled is UNSEEN


@pytest.mark.parametrize("dtype", [torch.bfloat16])
def test_what_numpy_does_not_have(program: MakeProgram, small: Engine, dtype: torch.dtype) -> None:
    with pytest.raises(Unsupported, match="dtype bfloat16"):
        run(program("y = x", Input("x", torch.ones(2, dtype=dtype))), small)


# torch itself, through numpy

DTYPES = [
    torch.float16,
    torch.float32,
    torch.float64,
    torch.complex64,
    torch.complex128,
    torch.int64,
    torch.bool,
]
LAYOUTS: list[Layout] = ["contiguous", "transposed", "strided", "expanded"]


@pytest.fixture
def plain() -> TorchLikeEngine:
    """Torch behind the base class alone, with nothing overridden."""
    return TorchLikeEngine(torch, name="plain")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tensors_cross_through_numpy_and_back(plain: Engine, dtype: torch.dtype, layout: Layout) -> None:
    for shape in [(), (3,), (2, 3), (0, 2)]:
        data = torch.arange(torch.Size(shape).numel()).reshape(shape).to(dtype)
        if layout == "expanded" and shape:
            data = data[:1].expand(shape).contiguous()
        handle = plain.from_torch(fresh(Input("x", data, False, layout), "cpu"))
        assert plain.to_torch(handle).dtype == dtype
        assert torch.equal(plain.to_torch(handle), data)


@pytest.mark.parametrize(
    "text",
    [
        *PROGRAMS,
        "y = x.t()[0] / 3\ny.sum().backward()\nx.grad.zero_()\nx.data -= 1\nx.grad = None",
        "(g,) = autograd.grad((x * x).sum(), [x], create_graph=True)\ng.sum().backward()",
        "o = optim.SGD([x], lr=0.5)\nx.sum().backward()\no.step()\no.zero_grad()",
        "a = x.detach().numpy()\na += 1\na[0] = 5.0\ny = from_numpy(a)\nn = x.numel()\nn += 1",
        "y = x * 2\ny.grad = ones_like(y)\nassert y.grad is None",
        "x.grad.zero_()",
    ],
)
def test_torch_behind_the_base_class_is_torch(program: MakeProgram, plain: Engine, text: str) -> None:
    bound = program(text, X, ROW)
    expected, got = run(bound, TorchEngine()), run(bound, plain)
    assert repr(got.error) == repr(expected.error)
    assert repr(got.caught) == repr(expected.caught)
    assert len(got.states) == len(expected.states)
    for mine, theirs in zip(got.states, expected.states, strict=True):
        assert repr(mine) == repr(theirs)  # numbers, flags, gradients and the labels of identity and storage


def test_reading_the_gradient_of_a_non_leaf_is_silent(plain: Engine) -> None:
    y = torch.ones(2, requires_grad=True) * 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plain.get(y, "grad") is None
        plain.set(y, "grad", None)


def test_every_operator_of_the_vocabulary_is_found_in_torch(plain: Engine) -> None:
    for name in OPERATORS.keys() - {cotangents.NAME}:  # the harness's own
        assert callable(plain.operation(name))


def test_a_missing_attribute_of_none_is_the_program_s_own_error(plain: Engine) -> None:
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'grad'"):
        plain.get(None, "grad")
    with pytest.raises(AttributeError):
        plain.operation("zero_")(None)
    with pytest.raises(AttributeError):
        plain.operation("add_")(None, 1)


@pytest.mark.parametrize("array", [np.arange(4.0)[::-1], np.broadcast_to(np.ones(1), (3,)), np.float32(2.0)])
def test_arrays_that_torch_has_no_strides_for(array: Any) -> None:
    engine = TorchLikeEngine(torch, name="odd")
    assert torch.equal(engine.to_torch(SimpleNamespace(numpy=lambda: array)), torch.tensor(np.array(array)))


def test_a_numpy_dtype_that_torch_does_not_have() -> None:
    engine = TorchLikeEngine(torch, name="odd")
    handle = SimpleNamespace(numpy=lambda: np.zeros(2, dtype="datetime64[s]"))
    with pytest.raises(
        AdapterError, match=r"engine odd: a tensor came back as numpy dtype datetime64\[s\].*to_torch"
    ):
        engine.to_torch(handle)


def test_warnings_that_are_silenced_are_heard_where_a_program_listens() -> None:
    engine = TorchEngine()
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert engine.get(y, "grad") is None
        engine.backward(y, torch.ones(2), retain_graph=True, create_graph=True)
        assert not heard
        with engine.every_warning():
            assert engine.peek(y, "grad") is None
            assert not heard
            engine.get(y, "grad")
            engine.backward(y, torch.ones(2), create_graph=True)
        assert [one.category for one in heard] == [UserWarning, UserWarning]
        engine.get(y, "grad")
        assert len(heard) == 2
    x.grad = None
