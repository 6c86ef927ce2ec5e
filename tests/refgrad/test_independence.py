"""torch's autograd has no part in refgrad: it is poisoned, and everything still runs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import refgrad as rg

PACKAGE = Path(rg.__file__).parent


@pytest.fixture
def poisoned(poison: Callable[[], None]) -> None:
    poison()


def plain(tensor: rg.Tensor) -> None:
    """Check that the data of a tensor, and all that its graph holds, is out of torch's graph."""
    stack: list[Any] = [tensor]
    seen: set[int] = set()
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            assert not value.requires_grad
            assert value.grad_fn is None
        elif isinstance(value, rg.Tensor):
            stack += [value._data, value._node, value._grad]
        elif isinstance(value, tuple):
            stack += value
        elif isinstance(value, rg.autograd.graph.Node):
            names = {name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())}
            stack += [getattr(value, name, None) for name in names - {"__weakref__"}]
    assert len(seen) > 1


@pytest.mark.usefixtures("poisoned")
def test_everything_runs_with_torchs_autograd_poisoned() -> None:
    with pytest.raises(AssertionError, match="torch's autograd was called"):
        torch.ones(1).requires_grad_()
    for dtype in (torch.float32, torch.float64, torch.complex128):
        x = rg.randn(3, 3, dtype=dtype, requires_grad=True)
        w = rg.randn(3, 3, dtype=dtype, requires_grad=True)
        h = (x @ w).tanh()
        h = h.clone()
        h[0] = h[1] * 2
        h.view(9)[3:].mul_(w.view(9)[3:])
        rows = rg.stack(list(h)) + rg.cat([x[:1], w[[0, 1]]])
        out = (rows.abs() ** 2).sum() + x.exp().mean().abs() + rg.where(x.abs() > 1, x, w).abs().sum()
        plain(out)
        grads = rg.autograd.grad(out, [x, w], create_graph=True)
        second = sum((grad.abs() ** 2).sum() for grad in grads)
        plain(second)
        second.backward()
        for leaf in (x, w):
            assert leaf.grad is not None
            plain(leaf)
            plain(leaf.grad)
    x = rg.ones(2, requires_grad=True)
    x.grad = rg.ones(2)
    optimizer = rg.optim.SGD([x], lr=0.1, momentum=0.9)
    optimizer.step()
    plain(x)


def test_data_never_require_grad_wherever_they_come_from() -> None:
    source = torch.ones(2, requires_grad=True)
    for made in (
        rg.from_torch(source * 2),
        rg.tensor(1.0, requires_grad=True),
        rg.randn(2, requires_grad=True),
    ):
        assert not made._data.requires_grad
    with pytest.raises(TypeError):
        rg.ones(2) * source  # type: ignore[operator]


def test_imports_nothing_of_gradconform() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not [name for name in names if name.startswith("gradconform")], path
    code = "import sys, refgrad; sys.exit(any(name.startswith('gradconform') for name in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)
