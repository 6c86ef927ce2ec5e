"""The dtype that a leaf wants its gradients in, compared with torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PROGRAMS = {
    "by default": "print(leaf([1.]).grad_dtype, torch.ones(1, dtype=torch.float64).grad_dtype)",
    "of a result": "(leaf([1.]) * 2).grad_dtype",
    "set on a result": "(leaf([1.]) * 2).grad_dtype = torch.float16",
    "no dtype": "leaf([1.]).grad_dtype = 3",
    "beside a gradient": "x = leaf([1.]); x.grad = torch.ones(1); x.grad_dtype = torch.float16",
    "assigning another": "x = leaf([1.]); x.grad_dtype = torch.float16; x.grad = torch.ones(1)",
    "assigning it": """
        x = leaf([1.]); x.grad_dtype = torch.float16; x.grad = torch.ones(1, dtype=torch.float16)
        (x * 2).backward(); print(x.grad, x.grad_dtype)
        """,
    "any": """
        x = leaf([1.]); x.grad_dtype = None; x.grad = torch.ones(1, dtype=torch.float64); (x * 2).backward()
        print(x.grad, x.grad_dtype); x.grad = None
        x.backward(torch.ones(1, dtype=torch.float64)); print(x.grad)
        """,
    "hooks see it": """
        x = leaf([1.]); x.register_hook(lambda g: print(g.dtype)); x.grad_dtype = torch.float16
        for _ in range(2): (x * 2).backward(); g = x.grad
        print(x.grad, x.grad is g, torch.autograd.grad(x * 2, x))
        """,
    "set after the graph": """
        x = leaf([1.]); y = x * 2; x.grad_dtype = torch.float16; y.backward(); (x * 3).backward()
        print(x.grad)
        """,
    "without hooks": """
        x = leaf([1.]); x.grad_dtype = torch.float64; print(torch.autograd.grad(x * 2, x)); (x * x).backward()
        print(x.grad); (x * x).backward(create_graph=True); print(x.grad); x.grad = None
        (x * x).backward(create_graph=True); print(x.grad); x.grad = None
        """,
    "before it is a leaf": """
        x = torch.ones(2); x.grad_dtype = torch.float16
        x.requires_grad_(); x.sum().backward()
        print(x.grad, x.detach().grad_dtype)
        """,
    "complex": """
        x = leaf([1 + 2j]); x.grad_dtype = torch.complex128
        (x * 1j).backward(torch.ones(1, dtype=x.dtype))
        print(x.grad)
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(name: str, same: Callable[[str], str]) -> None:
    assert same(PROGRAMS[name]), "the program shows nothing"
