"""Notes on the founding documents that no program of the step language can state, since it refuses to write
calls that fit no signature: PyTorch says what they claim."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch

import refgrad

both = pytest.mark.parametrize("engine", [torch, refgrad], ids=["torch", "refgrad"])


@pytest.fixture
def leaf(engine: ModuleType) -> Any:
    return engine.tensor([1.0, 2.0], requires_grad=True)


@both
@pytest.mark.usefixtures("engine")
def test_backward_has_no_retain_variables(leaf: Any) -> None:
    root = (leaf + 2).sum()
    with pytest.raises(TypeError, match="retain_variables"):
        root.backward(retain_variables=True)
    root.backward(retain_graph=True)
    assert leaf.grad.tolist() == [1.0, 1.0]


@both
def test_the_argument_of_backward_is_not_called_grad_output(engine: ModuleType, leaf: Any) -> None:
    root = leaf + 2
    with pytest.raises(TypeError, match="grad_output"):
        root.backward(grad_output=engine.ones(2))
    root.backward(gradient=engine.ones(2))
    assert leaf.grad.tolist() == [1.0, 1.0]


@both
def test_a_variable_is_a_plain_tensor(engine: ModuleType) -> None:
    wrapped = engine.autograd.Variable(engine.tensor([1.0]), requires_grad=True)
    assert type(wrapped) is engine.Tensor


# Said once in a process, when the first tensor of this dtype is made.
@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental:UserWarning")
@pytest.mark.parametrize("dtype", [torch.complex32, torch.float8_e5m2, torch.float8_e4m3fn])
def test_more_dtypes_than_the_documents_list_may_require_grad(dtype: torch.dtype) -> None:
    assert torch.zeros(1).to(dtype).requires_grad_().requires_grad
