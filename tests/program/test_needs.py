"""What a program asks of an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from gradconform.program.needs import KINDS, Feature, needs
from gradconform.program.steps import Input

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

X = Input("x", torch.tensor([1.0, 2.0]), True)
OF_X = {"dtype float32", "shape with dimensions"}


@pytest.mark.parametrize(
    ("text", "features"),
    [
        ("y = exp(x)", {"operator exp"}),
        ("y = x.sum(dim=0, dtype=float64)", {"operator sum", "dtype float64"}),
        ("x.zero_()", {"operator zero_"}),
        ("v = cotangent(x)", set()),
        (
            "x.backward(x, retain_graph=True)",
            {"backward plain", "backward gradient", "backward retain_graph"},
        ),
        ("x.backward(None, None, True)", {"backward plain", "backward create_graph"}),
        ("autograd.backward([x], [x])", {"autograd.backward plain", "autograd.backward grad_tensors"}),
        (
            "(g,) = autograd.grad(x, [x], x, allow_unused=True)",
            {"autograd.grad plain", "autograd.grad grad_outputs", "autograd.grad allow_unused"},
        ),
        ("with no_grad():\n    y = x", {"mode no_grad"}),
        ("with thread():\n    y = x", {"other threads"}),
        ("with stream():\n    y = x", set()),
        ("@no_grad()\ndef f(a):\n    return a", {"mode no_grad"}),
        ("h = x.register_hook(lambda_)", {"method register_hook"}),
        ("g = x.grad\nx.grad = None\ndel x.grad", {"attribute grad", "writing grad", "deleting grad"}),
        ("assert x.is_leaf\nassert x.grad is None", {"showing is_leaf", "showing grad"}),
        ("w = watch(x)\nassert alive(w)", {"other lifetimes"}),
        ("record(x)\nassert recorded() == [x]", set()),
        ("with raises(RuntimeError):\n    y = sqrt(x)", {"operator sqrt"}),
    ],
)
def test_what_steps_need(program: MakeProgram, text: str, features: set[str]) -> None:
    if "lambda_" in text:
        text = f"def lambda_(g):\n    return g\n{text}"
    found = needs(program(text, X))
    assert {str(feature) for feature in found} == features | OF_X
    assert {feature.kind for feature in found} <= KINDS.keys()


def test_what_inputs_need(program: MakeProgram) -> None:
    number = Input("x", torch.tensor(1.0, dtype=torch.complex64))
    empty = Input("y", torch.zeros(2, 0), layout="transposed")
    assert needs(program("z = x", number, empty)) == {
        Feature("dtype", "complex64"),
        Feature("dtype", "float32"),
        Feature("shape", "without dimensions"),
        Feature("shape", "without elements"),
        Feature("layout", "transposed"),
    }
