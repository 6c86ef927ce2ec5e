"""The base for engines that differentiate functions, over a little one: torch's own transforms."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from gradconform.engines import FunctionalEngine, Unsupported
from gradconform.engines.registry import find_engine
from gradconform.engines.torch import TorchEngine
from gradconform.execution.interpreter import run
from gradconform.oracle.judge import judge
from gradconform.program.steps import Input
from gradconform.trace import UNSEEN, TensorSeen
from gradconform.verdict import Conforms, Diverges

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

X = Input("x", torch.tensor([[1.0, 2.0], [3.0, 4.0]]), True)
W = Input("w", torch.tensor([0.5, -1.0]), True)
V = Input("v", torch.tensor([[1.0, -2.0], [0.5, 1.0]]))
Z = Input("z", torch.tensor([1 + 2j, -0.5 + 1j]), True)
N = Input("n", torch.tensor([1, 0]))


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> FunctionalEngine:
    """The little engine, found as a user's own would be."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    found = find_engine("functions:engine")
    assert isinstance(found, FunctionalEngine)
    return found


CONFORMING = {
    "a backward": "y = x * w\ny.backward(v)",
    "a scalar needs no cotangent": "(x * w).sum().backward()",
    "one tensor twice": "y = x * x\ny.backward(v)",
    "an intermediate input": "a = x * 2\nb = sin(a) * x\n(g,) = autograd.grad(b, a, v)",
    "an input before another": "a = x * 2\nb = sin(a) * x\n(g, h) = autograd.grad(b, [x, a], v)",
    "one input twice": "b = sin(x)\n(g, h) = autograd.grad(b, [x, x], v)",
    "the root itself": "(g,) = autograd.grad(x, x, v)",
    "several roots": "a = x * 2\nb = sin(x)\n(g,) = autograd.grad([a, b], [x], [v, v * 3])",
    "roots by backward": "a = x * w\nb = sin(x)\nautograd.backward([a, b], [v, v * 3])",
    "several results": "values, places = (x * w).max(1)\nvalues.backward(ones_like(values))",
    "views and indices": ("a = x.transpose(0, 1)[0].view(2)\nb = cat([a, w])\nb.backward(ones_like(b))"),
    "an index that is a tensor": "a = (x * 2)[n]\na.backward(v)",
    "mixed dtypes": "a = x.double() * w\na.backward(v.double())",
    "integers beside": "a = x * n\na.backward(v)",
    "a leaf that the program declares": "z = x.detach().requires_grad_()\ny = z * z\ny.backward(v)",
    "detached beside": "a = sin(x)\ny = a * a.detach()\ny.backward(v)",
    "second order": (
        "y = sin(x) * w\n(g,) = autograd.grad(y, x, v, create_graph=True)\n"
        "(h, k) = autograd.grad((g * g).sum(), [x, w])"
    ),
    "second order by the cotangent": (
        "u = v * 1\nu.requires_grad_()\n(g,) = autograd.grad(sin(x), x, u, create_graph=True)\n"
        "(h, k) = autograd.grad(g, [x, u], v)"
    ),
    "third order": (
        "(a,) = autograd.grad(sin(x), x, v, create_graph=True)\n"
        "(b,) = autograd.grad(a, x, v, create_graph=True)\n(c,) = autograd.grad(b, x, v)"
    ),
    "a gradient with a history": (
        "y = x ** 3\n(g,) = autograd.grad(y, x, v, create_graph=True)\n(g * g).sum().backward()"
    ),
    "a gradient that is reset": "(x * 2).backward(v)\nx.grad = None\n(x * 3).backward(v)",
    "an unused input that the engine is asked for": (
        "(g,) = autograd.grad(x * 2, w, v, materialize_grads=True)"
    ),
}


@pytest.mark.parametrize("text", CONFORMING.values(), ids=CONFORMING)
def test_derivatives_are_the_engines_own(
    program: MakeProgram, functions: FunctionalEngine, text: str
) -> None:
    bound = program(text, X, W, V, N)
    expected, got = run(bound, TorchEngine()), run(bound, functions)
    assert expected.error is None
    assert isinstance(judge(bound, expected, got, torch_errors=False), Conforms)


SHIM = {
    "accumulation": "(x * 2).backward(v)\n(x * 3).backward(v)",
    "a second backward through a graph": "y = x * 2\ny.backward(v)\n(g,) = autograd.grad(y, x, v)",
    "retain_graph": "y = x * 2\ny.backward(v, retain_graph=True)",
    "grad modes": "with no_grad():\n    y = x * 2",
    "hooks": "def hook(g):\n    return g * 2\nx.register_hook(hook)",
    "in-place writes": "y = x * 2\ny += 1",
    "errors of the tape": "with raises(RuntimeError):\n    (x * 2).backward()",
    "flags": "a = x.requires_grad",
    "graphs": "a = (x * 2).grad_fn",
    "lifetimes": "y = x * 2\nseen = watch(y)",
    "retain_grad": "y = x * 2\ny.retain_grad()",
    "detached tensors": "y = x.data",
    "a gradient that no backward gave": "(x * 2).backward(v)\ng = w.grad",
    "warnings": "with warns(UserWarning):\n    x.backward(v, create_graph=True)",
}


@pytest.mark.parametrize(("feature", "text"), SHIM.items(), ids=SHIM)
def test_what_belongs_to_tapes_is_not_imitated(
    program: MakeProgram, functions: FunctionalEngine, feature: str, text: str
) -> None:
    with pytest.raises(Unsupported) as lack:
        run(program(text, X, W, V, N), functions)
    assert (lack.value.feature, lack.value.shim) == (feature, True)


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("y = sqrt(x)", "operator sqrt"),
        ("y = x.half()", "operator half"),
        ("y = x.sum(0, True, dtype=float64)", "operator sum ("),
        ("with autograd.forward_ad.dual_level():\n    y = x * 2", "autograd.forward_ad.dual_level"),
        ("y = zeros_like(x, dtype=float16)", "operator zeros_like"),
        ("a, b = x", "rows of a tensor"),
    ],
)
def test_what_the_engine_lacks_is_its_own(
    program: MakeProgram, functions: FunctionalEngine, text: str, feature: str
) -> None:
    with pytest.raises(Unsupported) as lack:
        run(program(text, X), functions)
    assert lack.value.feature.startswith(feature)
    assert not lack.value.shim


def test_flags_identities_and_memory_are_not_shown(program: MakeProgram, functions: FunctionalEngine) -> None:
    trace = run(program("y = x * 2\ny.backward(v)", X, W, V), functions)
    seen = trace.states[-1].live
    for name in ("x", "y", "w"):
        one = seen[name]
        assert isinstance(one, TensorSeen)
        assert {one.requires_grad, one.is_leaf, one.has_grad_fn, one.identity, one.storage} == {UNSEEN}
        assert isinstance(one.grad, TensorSeen) if name == "x" else one.grad is UNSEEN
    assert trace.states[-1].grad_enabled is UNSEEN


def test_an_unused_input_is_a_question_to_the_engine(
    program: MakeProgram, functions: FunctionalEngine
) -> None:
    bound = program("(g,) = autograd.grad(x * 2, w, v, allow_unused=True)", X, W, V)
    verdict = judge(bound, run(bound, TorchEngine()), run(bound, functions), torch_errors=False)
    assert isinstance(verdict, Diverges)
    assert (verdict.divergences[0].where, verdict.divergences[0].what) == ("g", "value is not None")


def test_an_engine_that_is_wrong_diverges(
    program: MakeProgram, functions: FunctionalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = functions.vjp
    monkeypatch.setattr(
        functions, "vjp", lambda *given: [None if each is None else each * 2 for each in own(*given)]
    )
    for text in (CONFORMING["a backward"], CONFORMING["second order"]):
        bound = program(text, X, W, V)
        verdict = judge(bound, run(bound, TorchEngine()), run(bound, functions), torch_errors=False)
        assert isinstance(verdict, Diverges)


def test_second_order_is_the_engines_nested_vjp(
    program: MakeProgram, functions: FunctionalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths: list[int] = []
    own, depth = functions.vjp, 0

    def counted(*given: Any) -> Any:
        nonlocal depth
        depth += 1
        depths.append(depth)
        try:
            return own(*given)
        finally:
            depth -= 1

    monkeypatch.setattr(functions, "vjp", counted)
    run(program(CONFORMING["third order"], X, W, V), functions)
    assert max(depths) == 3


@pytest.mark.parametrize("order", [1, 2])
def test_chains_of_any_length(functions: FunctionalEngine, order: int) -> None:
    length = 20_000 if order == 1 else 2_000
    add, mul = functions.operation("add"), functions.operation("mul")
    x = functions.from_torch(torch.tensor([2.0], dtype=torch.float64), requires_grad=True)
    y = mul(x, x)
    for _ in range(length):
        y = add(y, x)
    (g,) = functions.grad(
        y, x, functions.from_torch(torch.ones(1, dtype=torch.float64)), create_graph=order > 1
    )
    assert functions.to_torch(g).item() == 4 + length
    if order == 2:
        (h,) = functions.grad(g, x, functions.from_torch(torch.ones(1, dtype=torch.float64)))
        assert functions.to_torch(h).item() == 2
    assert sys.getrecursionlimit() < length


@pytest.mark.parametrize(
    "make", [lambda module: module.Functions(conjugates=True), lambda module: module.engine()]
)
def test_complex_gradients_are_converted(
    program: MakeProgram, functions: FunctionalEngine, make: Callable[[Any], FunctionalEngine]
) -> None:
    text = (
        "y = z * z * z\nv = y.detach() * 2\n(g,) = autograd.grad(y, z, v, create_graph=True)\n"
        "(h,) = autograd.grad(g, z, v)\n(abs(z) * 2).sum().backward()"
    )
    bound = program(text, Z)
    engine = make(sys.modules[type(functions).__module__])
    verdict = judge(bound, run(bound, TorchEngine()), run(bound, engine), torch_errors=False)
    assert isinstance(verdict, Conforms)


def test_numbers_go_in_and_come_out(functions: FunctionalEngine) -> None:
    for dtype in (torch.float32, torch.float64, torch.complex64, torch.int64, torch.bool):
        tensor = torch.tensor([[1, 0], [0, 1]]).to(dtype)
        back = functions.to_torch(functions.from_torch(tensor))
        assert back.dtype == dtype
        assert torch.equal(back, tensor)
    with pytest.raises(Unsupported, match="dtype bfloat16"):
        functions.from_torch(torch.zeros(1, dtype=torch.bfloat16))
    with pytest.raises(Unsupported, match="device meta"):
        functions.from_torch(torch.zeros(1, device="meta"))
