"""Gradients by finite differences: against values from calculus, against torch, and where they abstain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from gradconform.oracle.differences import Abstention, Estimate, estimates
from gradconform.oracle.spots import Spot
from gradconform.program.cotangents import cotangent
from gradconform.program.library import learn_shipped
from gradconform.program.steps import Input, Program

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

X = Input("x", torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64), requires_grad=True)


@pytest.fixture(scope="module")
def operators() -> None:
    """The words of the operator tables."""
    learn_shipped()


def known(program: Program, where: Spot = Spot("x", ("grad",)), last: int | None = None) -> torch.Tensor:  # noqa: B008
    """The estimate of a gradient that differences are sure of, close to their own error."""
    found = estimates(program, last)[where]
    assert isinstance(found, Estimate), found
    assert bool(found.known.all())
    assert float(found.error.max()) < 1e-6
    return found.value


def reason(program: Program) -> str:
    found = estimates(program)
    why = [estimate.reason for estimate in found.values() if isinstance(estimate, Abstention)]
    assert len(why) == len(found) == 1, found
    return why[0]


@pytest.mark.parametrize(
    ("text", "gradient"),
    [
        ("(x * x * x).sum().backward()", 3 * X.data**2),
        ("x.exp().sum().backward()", X.data.exp()),
        ("y = x.sin()\ny.backward(tensor([2.0, 0.0, -1.0]))", torch.tensor([2.0, 0.0, -1.0]) * X.data.cos()),
        ("y = x * 1\ny.mul_(x)\ny.sum().backward()", 2 * X.data),
        ("y = x * 2\ny[0] = x[1] * 3\ny.sum().backward()", [0.0, 5.0, 2.0]),
        ("y = x * 1\nv = y[1:]\nv.mul_(2)\ny.sum().backward()", [1.0, 2.0, 2.0]),
        ("y = x * x\ny.sum().backward(retain_graph=True)\ny.sum().backward()", 4 * X.data),
        ("y = x * x.detach()\ny.sum().backward()", X.data),
        ("y = x * x[0].item()\ny.sum().backward()", [0.5, 0.5, 0.5]),
        ("with no_grad():\n    w = x * 2\ny = x * w\ny.sum().backward()", 2 * X.data),
        ("a = x * 2\nb = x * x\nautograd.backward([a, b], [ones_like(a), b])", 2 + 2 * X.data**3),
        ("y = x.sort()[0]\ny.backward(tensor([1.0, 2.0, 3.0]))", [2.0, 1.0, 3.0]),
        ("x.relu().sum().backward()", [1.0, 0.0, 1.0]),
        ("x.sum().backward()\nx.grad = None\n(x * 2).sum().backward()", [2.0, 2.0, 2.0]),
        ("x.sum().backward()\nx.grad.zero_()\n(x * 2).sum().backward()", [2.0, 2.0, 2.0]),
        ("y = x.masked_fill(x < 0, 0.0).softmax(0)\ny[0].backward()", None),
    ],
)
def test_the_gradients_of_calculus(
    program: MakeProgram, text: str, gradient: torch.Tensor | list[float] | None
) -> None:
    value = known(program(text, X))
    if gradient is None:
        x = X.data.clone().requires_grad_()
        x.masked_fill(x < 0, 0.0).softmax(0)[0].backward()  # type: ignore[no-untyped-call]
        gradient = x.grad
    assert gradient is not None
    assert torch.allclose(value, torch.as_tensor(gradient, dtype=torch.float64), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("text", ["g, = autograd.grad(y, x, v)", "g = autograd.grad([y], [x], v)[0]"])
def test_results_of_grad(program: MakeProgram, text: str) -> None:
    made = program(f"y = x ** 2\nv = tensor([1.0, 0.0, 2.0])\n{text}", X)
    value = known(made, Spot("g"))
    assert torch.allclose(value, torch.tensor([1.0, 0.0, 12.0], dtype=torch.float64))


def test_a_gradient_between_leaf_and_root_is_that_of_the_way_from_there(program: MakeProgram) -> None:
    text = "a = x * x\nb = a.view(3)\ny = a + b * 3\nr = autograd.grad(y.sum(), [a, b, x])"
    made = program(text, X)
    for item, gradient in enumerate((4 * torch.ones(3), 3 * torch.ones(3), 8 * X.data)):
        assert torch.allclose(known(made, Spot("r", (item,))), gradient.double())


def test_a_retained_gradient(program: MakeProgram) -> None:
    made = program("a = x * 2\na.retain_grad()\n(a * a).sum().backward()", X)
    assert torch.allclose(known(made, Spot("a", ("grad",))), 4 * X.data)


def test_a_leaf_that_a_step_makes(program: MakeProgram) -> None:
    made = program("w = ones_like(x).requires_grad_()\n(w * w * x).sum().backward()", X)
    assert torch.allclose(known(made, Spot("w", ("grad",))), 2 * X.data)
    made = program("w = full((3,), 2.0, requires_grad=True)\n(w * w * x).sum().backward()", X)
    assert torch.allclose(known(made, Spot("w", ("grad",))), 4 * X.data)


def test_only_the_inputs_that_are_named_get_gradients(program: MakeProgram) -> None:
    w = Input("w", X.data.clone(), requires_grad=True)
    found = estimates(program("(x * w).sum().backward(inputs=[w])", X, w))
    assert set(found) == {Spot("w", ("grad",))}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_a_narrower_program_is_judged_in_float64(program: MakeProgram, dtype: torch.dtype) -> None:
    x = Input("x", torch.tensor([0.1, 0.2, 0.3], dtype=dtype), requires_grad=True)
    value = known(program("(x.exp() * x).sum().backward()", x))
    wide = x.data.double()
    assert value.dtype == torch.float64
    assert torch.allclose(value, (1 + wide) * wide.exp(), rtol=1e-9)


@pytest.mark.parametrize(
    "text", ["z * c", "z.conj() * c", "(z * z.conj()).real * 2", "z.abs() + z.real", "z.exp()"]
)
def test_complex_gradients_are_those_of_torch(program: MakeProgram, text: str) -> None:
    z = Input("z", torch.tensor([1 + 2j, -0.5 + 0.25j], dtype=torch.complex128), requires_grad=True)
    c = Input("c", torch.tensor([2 - 1j, 0.5j], dtype=torch.complex128))
    value = known(program(f"y = {text}\nv = cotangent(y)\ny.backward(v)", z, c), Spot("z", ("grad",)))
    leaf, factor = z.data.clone().requires_grad_(), c.data
    y = eval(text, {"z": leaf, "c": factor})  # noqa: S307 - one of the five above
    y.backward(cotangent(y))
    assert leaf.grad is not None
    assert torch.allclose(value, leaf.grad, rtol=1e-7, atol=1e-8)


def test_every_layout_of_an_input(program: MakeProgram) -> None:
    row = torch.tensor([[0.5, -1.0], [0.5, -1.0]], dtype=torch.float64)
    for layout in ("contiguous", "transposed", "strided", "expanded"):
        x = Input("x", row, requires_grad=True, layout=layout)
        value = known(program("(x.exp() @ x).sum().backward()", x))
        leaf = row.clone().requires_grad_()
        (leaf.exp() @ leaf).sum().backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        assert torch.allclose(value, leaf.grad, rtol=1e-8)


@pytest.mark.parametrize(
    "text",
    [
        "x.relu().sum().backward()",
        "x.abs().sum().backward()",
        "(x.relu() - (-x).relu()).sum().backward()",  # x, of two kinks
        "(x.relu() * 1e-3 + x).sum().backward()",
        "x.sign().sum().backward()",
        "x.floor().sum().backward()",
        "x.sqrt().sum().backward()",
        "((x == 0) * x).sum().backward()",
        "x.maximum(-x).sum().backward()",
        "x.max().backward()",
        "x.median().backward()",
        "x.sort()[0][0].backward()",
        "x.norm().backward()",
        "x.clamp(min=0).sum().backward()",
        "x.clamp(0.0, 0.0).sum().backward()",
    ],
)
def test_nothing_is_said_at_a_kink(program: MakeProgram, text: str) -> None:
    zero = Input("x", torch.zeros(3, dtype=torch.float64), requires_grad=True)
    for found in estimates(program(text, zero)).values():
        assert isinstance(found, Abstention) or not bool(found.known.any())


def test_elements_beside_one_at_a_kink_are_known(program: MakeProgram) -> None:
    x = Input("x", torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64), requires_grad=True)
    found = estimates(program("x.relu().sum().backward()", x))[Spot("x", ("grad",))]
    assert isinstance(found, Estimate)
    assert found.known.tolist() == [False, True, True]
    assert torch.allclose(found.value[1:], torch.tensor([1.0, 0.0], dtype=torch.float64))


@pytest.mark.parametrize("power", range(-9, 0))
def test_a_kink_close_by_is_seen_or_does_not_matter(program: MakeProgram, power: int) -> None:
    # Between two widths, at a third, and so on: where something is said, it is the slope at the point.
    for part in (1.0, 1 / 3, 1 / 2, 0.7, 2.0):
        at = part * 10.0**power
        x = Input("x", torch.tensor([at, -at], dtype=torch.float64), requires_grad=True)
        found = estimates(program("x.relu().sum().backward()", x))[Spot("x", ("grad",))]
        assert isinstance(found, Estimate)
        off = (found.value - torch.tensor([1.0, 0.0], dtype=torch.float64)).abs()
        assert bool((off <= found.error)[found.known].all())
        assert power < -6 or bool(found.known.all())


def test_slopes_that_do_not_add_up_are_no_derivative(
    program: MakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No element of [1, 1, 1] moves the median alone, and all of them together do.
    x = Input("x", torch.ones(3, dtype=torch.float64), requires_grad=True)
    made = program("x.median().backward()", x)
    assert reason(made) == "median: the gradient of ties is shared out by a convention"
    monkeypatch.setattr("gradconform.oracle.events.NO_DERIVATIVE", {})
    (found,) = estimates(made).values()
    assert isinstance(found, Estimate)
    assert not bool(found.known.any())


HOOK = "def hook(g):\n    return g * 2\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (HOOK + "y = x * 2\ny.register_hook(hook)\ny.sum().backward()", "a step of the kind Invoke"),
        ("with enable_grad():\n    y = x * 2\ny.sum().backward()", "the mode enable_grad"),
        ("y = (x * bernoulli(x * 0 + 0.5)).sum()\ny.backward()", "the program draws random numbers"),
        ("y = x * 2\ny.data.mul_(3)\n(y * y).sum().backward()", "a write into memory that holds what"),
        ("w = x.detach()\nw.mul_(2)\n(x * x).sum().backward()", "a write into memory that holds what"),
        (
            "y = (x ** 3).sum()\ng, = autograd.grad(y, x, create_graph=True)\ng.sum().backward()",
            "the root is itself a gradient, or computed from one",
        ),
        (
            "a = x * 2\na.sum().backward(inputs=[a])\n(x * 2).sum().backward()",
            "a gradient for what is no leaf, and keeps none",
        ),
        ("x.grad = ones_like(x)\n(x * 2).sum().backward()", "a step of the kind Set"),
        ("(x * 2).sum().backward()\nx.grad.mul_(2)", "the program writes what is not known, or into it"),
        (
            "with raises(RuntimeError):\n    (x * 2).backward()\n(x * 2).sum().backward()",
            "an expected error",
        ),
        ("y = x.to(float32)\ny.sum().backward()", "the program casts to a narrower dtype"),
        ("y = x.float()\ny.sum().backward()", "the program casts to a narrower dtype"),
        (
            "i = tensor([0, 0])\ny = x.index_fill(0, i, 1.0)\ny.sum().backward()",
            "index_fill: what is written",
        ),
        ("y = x.fmod(1e-300)\ny.sum().backward()", "fmod: teeth that differences cannot tell apart"),
        ("(x * float('inf')).sum().backward()", "the value is not finite"),
        ("(x * 1e9).sum().backward()", "numbers so large that their rounding hides a kink"),
    ],
)
def test_what_it_says_nothing_of(program: MakeProgram, text: str, why: str) -> None:
    assert reason(program(text, X)).startswith(why)


@pytest.mark.usefixtures("operators")
def test_a_matrix_that_is_taken_for_symmetric_must_be(program: MakeProgram) -> None:
    data = torch.tensor([[2.0, 0.5], [0.5, 3.0]], dtype=torch.float64)
    x = Input("x", data, requires_grad=True)
    said = known(program("y = linalg.cholesky(x @ x.mT)\ny.sum().backward()", x))
    leaf = data.clone().requires_grad_()
    torch.linalg.cholesky(leaf @ leaf.mT).sum().backward()
    assert leaf.grad is not None
    assert torch.allclose(said, leaf.grad)
    (found,) = estimates(program("y = linalg.cholesky(x)\ny.sum().backward()", x)).values()
    assert isinstance(found, Estimate)
    assert found.known.tolist() == [[True, False], [False, True]]


def test_the_state_after_an_earlier_step(program: MakeProgram) -> None:
    made = program("(x * 2).sum().backward()\n(x * 3).sum().backward()\nx.grad = ones_like(x)", X)
    assert torch.allclose(known(made, last=2), torch.full((3,), 2.0, dtype=torch.float64))
    assert torch.allclose(known(made, last=5), torch.full((3,), 5.0, dtype=torch.float64))
    assert reason(made) == "a step of the kind Set"


def test_neither_modes_nor_random_numbers_are_left_changed(program: MakeProgram) -> None:
    numbers = torch.get_rng_state()
    estimates(program("(x * bernoulli(x * 0 + 0.5)).sum().backward()", X))
    assert torch.equal(numbers, torch.get_rng_state())
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32
