"""Views: identity, base, and where gradients go after writes through them; compared with torch."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

import refgrad as rg

PROGRAMS = {
    "what is a view": """
        x = torch.ones(2, 3, requires_grad=True)
        views = [x.view(6), x[0], x[:, 1:], x.t(), x.expand(2, 2, 3), x.unsqueeze(0), x.reshape(3, 2), x[...]]
        print([(v._is_view(), v._base is x) for v in views], x.clone()._is_view(), x[[0]]._is_view(), x._base)
        print(x.t().reshape(6)._is_view(), x.view(3, 2)[0]._base is x)
        """,
    "names after a write": """
        x = torch.ones(2, 2, requires_grad=True).clone()
        v = x[0]
        v.mul_(2)
        print(x.grad_fn, v.grad_fn, x, v)
        """,
    "the base sees a write to a view": """
        r = torch.randn(2, 2, requires_grad=True); x = r.clone(); v = x.narrow(0, 0, 1); v.mul_(2)
        x.sum().backward(); print(r.grad)
        """,
    "another view sees it": """
        r = torch.randn(2, 2, requires_grad=True)
        x = r.clone()
        a = x.narrow(0, 0, 1)
        b = x.narrow(0, 0, 1)
        a.mul_(2)
        b.sum().backward()
        print(r.grad)
        """,
    "a view of a view": """
        r = torch.randn(2, 2, requires_grad=True); x = r.clone(); x.narrow(0, 0, 1).narrow(1, 1, 1).mul_(2)
        x.sum().backward(); print(r.grad)
        """,
    "a strided base": """
        r = torch.ones(2, 3, 2).select(2, 1).t().requires_grad_(True); x = r.clone()
        x.narrow(0, 0, 1).narrow(1, 1, 1).mul_(2); x.sum().backward(); print(r.grad)
        """,
    "a view sees a write to the base": """
        r = leaf([1., 2.]); x = r.clone(); v = x[0]; print(v.grad_fn); x.mul_(3); print(v.grad_fn, v)
        v.backward(); print(r.grad)
        """,
    "an older view of a base that joins the graph": """
        r = leaf([1.]); x = torch.ones(5); v = x.select(0, 1); print(v.requires_grad, v.grad_fn); x.add_(r)
        print(v.requires_grad, v.grad_fn); v.backward(); print(r.grad)
        """,
    "a view brings its base into the graph": """
        a = torch.tensor([2., 5.]); b = leaf([3.]); res = a.narrow(0, 1, 1).mul_(b)
        print(a, a.is_leaf); res.sum().backward(); print(b.grad)
        """,
    "a view of a leaf": "torch.zeros(1, requires_grad=True).view(1).add_(1)",
    "several views at once": "torch.ones(2, 2, requires_grad=True).clone().unbind()[1].mul_(2)",
    "several views at once, of no leaf": "x = torch.ones(2); a, b = x.unbind(); a.mul_(5); print(x)",
    "chunks": "torch.ones(2, 2, requires_grad=True).clone().chunk(2)[1].mul_(2)",
    "parts of given sizes": "torch.ones(2, 2, requires_grad=True).clone().split([1, 1])[0].mul_(2)",
    "mixed": """
        r = leaf([1., 2., 3.]); x = r.clone(); v = x[1:]; x.mul_(2); v.add_(x[:2].clone()); v.pow_(2)
        x.sum().backward(); print(x, r.grad)
        """,
    "a transposed view": """
        r = torch.arange(4., requires_grad=True); x = r.clone().view(2, 2); x.t()[0].mul_(10)
        x.sum().backward(); print(r.grad)
        """,
    "second order through a write": """
        r = leaf([1.0, 2.0, 3.0])
        x = r ** 2
        x[1:].mul_(r[:2])
        g, = torch.autograd.grad(x.sum(), r, create_graph=True)
        print(g)
        print(torch.autograd.grad(g.sum(), r))
        """,
    "retain_grad over a write to another view": """
        b = leaf([1.]).clone(); v = b[:]; w = b[:]; v.retain_grad(); w.retain_grad(); v.mul_(2)
        (v + w).sum().backward(); print(v.grad, w.grad)
        """,
    "detached views": """
        x = torch.ones(2, requires_grad=True).clone(); v = x[0]; v.detach().fill_(9.); print(x, x.grad_fn)
        """,
    "some parts unused": """
        x = torch.ones(4, 2, requires_grad=True)
        o = x.chunk(2)[1]
        (o * 4 + 2).sum().backward()
        print(x.grad)
        """,
    "view that strides do not allow": "torch.ones(2, 3).t().view(6)",
    "copies and views by reshape": """
        x = torch.arange(6.0).view(2, 3)
        a = x.reshape(6)
        b = x.t().reshape(6)
        a.zero_()
        b.add_(1)
        print(x)
        """,
    "indices": """
        x = torch.arange(6.0).view(2, 3)
        print(x[-1], x[:, ::2], x[None, ..., 1], x[1, 1], x[True].shape, x[False].shape)
        print(x[[1, 0]], x[x > 2], x[torch.tensor([1, 1])], x[:, torch.tensor([0, 2])], x[np.array([1])],
            x[5:])
        """,
    "index out of range": "torch.ones(2)[5]",
    "index of a scalar": "leaf(3.)[0]",
    "too many indices": "torch.ones(2)[0, 0]",
    "negative step": "torch.ones(3)[::-1]",
    "float index": "torch.ones(3)[torch.tensor([0.5])]",
    "wrong mask": "torch.ones(3)[torch.tensor([True, False])]",
    "gathered index out of range": "torch.ones(2)[[5]]",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(name: str, same: Callable[[str], str]) -> None:
    assert same(PROGRAMS[name]), "the program shows nothing"


def test_a_base_forgets_views_that_are_gone() -> None:
    gc.disable()
    try:
        base = rg.ones(4, requires_grad=True).clone()
        kept = base[0]
        for _ in range(1000):
            base[1:3].sum()
        assert base._counter is not None
        views = base._counter.views
        assert views is not None
        assert len(views.references) < 64
        assert views.live() == [kept] or views.live()[0] is kept
    finally:
        gc.enable()
