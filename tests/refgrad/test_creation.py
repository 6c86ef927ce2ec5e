"""Factories and the bridge to torch and numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

import refgrad as rg

PROGRAMS = {
    "leaves": """
        for make in (torch.zeros, torch.ones, torch.rand, torch.randn, torch.empty):
            x = make(2, requires_grad=True)
            print(x.requires_grad, x.is_leaf, x.shape, make(2, 3).requires_grad)
        print(torch.full((2,), 1.5, requires_grad=True), torch.arange(3.0, requires_grad=True), torch.eye(2))
        print(torch.linspace(0, 1, 3), torch.arange(1, 7, 2), torch.full((2,), 7), torch.zeros((2, 2),
            dtype=torch.int8))
        """,
    "draws": """
        torch.manual_seed(1)
        a = torch.randn(2, 2)
        torch.manual_seed(1)
        b = torch.randn(2, 2, requires_grad=True)
        print(a, b, torch.equal(a, b), torch.rand(2), torch.randint(0, 9, (3,)), torch.randperm(4))
        """,
    "like": """
        x = leaf([1.0, 2.0])
        makes = (torch.ones_like, torch.zeros_like, torch.randn_like, torch.rand_like)
        print([make(x) for make in makes], torch.full_like(x, 2.0), torch.zeros_like(x, requires_grad=True))
        print(x.new_ones(2), x.new_zeros((1, 2)), x.new_tensor([1.0]), x.new_full((1,), 3.0),
            torch.empty_like(x).shape)
        """,
    "tensor": """
        print(torch.tensor([1.0, 2.0]), torch.tensor([1, 2]), torch.tensor(True), torch.tensor([1j]),
            torch.tensor([]))
        print(torch.tensor([[1, 2.5]], dtype=torch.float64), torch.tensor(np.ones(2)), torch.tensor((1, 2)))
        """,
    "tensor of tensors": "x = leaf(1.); print(torch.tensor([x, x * 2]))",
    "tensor of a tensor": "x = leaf([1.]); y = torch.tensor(x * 2); print(y, y.is_leaf)",
    "as_tensor": """
        x = leaf([1.0])
        print(torch.as_tensor(x) is x, torch.as_tensor(x * 2), torch.as_tensor([1.0, 2.0]))
        """,
    "the old constructor": """
        print(torch.Tensor([[1., 2.], [2., 3.]]), torch.Tensor(2, 0).shape, torch.Tensor().shape)
        """,
    "from_numpy": "a = np.array([1., 2.]); x = torch.from_numpy(a).requires_grad_(True); a[0] = 9.; print(x)",
    "integers that should require grad": """
        for k in (torch.tensor([1, 2]), torch.tensor([True])):
            for ask in (lambda: k.requires_grad_(), lambda: setattr(k, "requires_grad", True)):
                try: ask()
                except RuntimeError as error: print(error)
            k.requires_grad = False; print(k.requires_grad_(False).requires_grad)
        """,
    "volatile": """
        x = torch.ones(2)
        print(torch.autograd.Variable(x, volatile=True).requires_grad)
        print(torch.autograd.Variable(x, requires_grad=True, volatile=False).requires_grad)
        torch.autograd.Variable(x, requires_grad=True, volatile=True)
        """,
    "equal and allclose": """
        a = torch.ones(2)
        print(torch.equal(a, a + 0), torch.equal(a, torch.ones(3)), torch.allclose(a, a + 1e-09), a.equal(a))
        """,
    "default dtype": """
        torch.set_default_dtype(torch.float64)
        try: print(torch.tensor([1.]).dtype, torch.ones(1).dtype)
        finally: torch.set_default_dtype(torch.float32)
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(name: str, same: Callable[[str], str]) -> None:
    assert same(PROGRAMS[name]), "the program shows nothing"


def test_dtypes_are_those_of_torch() -> None:
    names = [name for name, value in vars(torch).items() if isinstance(value, torch.dtype)]
    assert len(names) > 20
    for name in names:
        assert getattr(rg, name) is getattr(torch, name)


def test_the_bridge_shares_memory_and_no_history() -> None:
    data = torch.ones(3, requires_grad=True)
    mine = rg.from_torch(data * 2)
    assert not mine.requires_grad
    source = torch.zeros(2)
    mine = rg.from_torch(source)
    source[0] = 5
    assert mine.tolist() == [5, 0]
    back = mine.requires_grad_().to_torch()
    assert type(back) is torch.Tensor
    assert back.data_ptr() == source.data_ptr()
    back.requires_grad_()
    assert not mine._data.requires_grad, "torch's autograd reached the data"
    with pytest.raises(TypeError, match=r"expected a torch\.Tensor, but got ndarray"):
        rg.from_torch(np.ones(2))  # type: ignore[arg-type]


def test_torch_tensors_are_no_operands() -> None:
    with pytest.raises(TypeError):
        rg.ones(2) + torch.ones(2)  # type: ignore[operator]
    with pytest.raises(TypeError, match=r"refgrad\.from_torch"):
        rg.add(rg.ones(2), torch.ones(2))  # type: ignore[arg-type]
