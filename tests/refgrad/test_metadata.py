"""In-place changes of shape, strides and storage, and data that are replaced; compared with torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PROGRAMS = {
    "rearranged": """
        y = leaf([[1., 2.]]) * 1
        z = y
        print(y.t_() is z, y, y._version)
        print(y.transpose_(0, 1), y.unsqueeze_(0), y.squeeze_(0), y.squeeze_(), y._version)
        """,
    "the gradient of what was rearranged": """
        x = leaf([[1., 2., 3.], [4., 5., 6.]])
        y = x * 2
        y.t_()
        y.unsqueeze_(1)
        (y * torch.tensor([[[1., 2.]], [[3., 4.]], [[5., 6.]]])).sum().backward()
        print(x.grad)
        """,
    "several dimensions squeezed": "y = leaf([[[1.]]]) * 1; print(y.squeeze_((0, 2)), y.shape)",
    "under other names": "x = torch.ones(2, 3); print(x.swapaxes_(0, 1).shape, x.swapdims_(0, 1).shape)",
    "a leaf": "leaf([[1., 2.]]).t_()",
    "a leaf in no_grad": """
        x = leaf([[1., 2.]])
        with torch.no_grad():
            x.t_()
        print(x, x.is_leaf, x._version)
        (x * x).sum().backward()
        print(x.grad)
        """,
    "a view of a leaf": "leaf([[1., 2.]])[0:1].t_()",
    "too many dimensions": "torch.ones(2, 2, 2).t_()",
    "a dimension that is not there": "x = torch.ones(2); x.transpose_(0, 1)",
    "what saved it notices": "x = leaf([[1., 2.]]); y = x * 1; z = y * y; y.t_(); z.sum().backward()",
    "the views of a rearranged base": """
        x = leaf([[1., 2.], [3., 4.]])
        y = x * 1
        v, w = y[0], y[:, 1]
        y.t_()
        print(y, v, w)
        w.mul_(10)
        print(y, v, w)
        (v * torch.tensor([1., 2.])).sum().backward()
        print(x.grad)
        """,
    "a rearranged view": """
        x = leaf([[1., 2.], [3., 4.]])
        y = x * 1
        v = y[:]
        v.t_()
        v[0].mul_(10)
        print(y, v)
        (y * torch.tensor([[1., 2.], [3., 4.]])).sum().backward()
        print(x.grad)
        """,
    "a rearranged tensor that retains its gradient": """
        x = leaf([[1., 2.]])
        y = x * 1
        y.retain_grad()
        y.t_()
        (y * torch.tensor([[1.], [2.]])).sum().backward()
        print(y.grad, x.grad)
        """,
    "resized": """
        x = torch.zeros(4)
        print(x.resize_(4)._version, x.resize_(2, 2)._version, x.resize_((1, 4))._version, x.resize_([2]))
        print(x._version, x.resize_as_(torch.ones(1, 2)), x._version)
        """,
    "resized through detach": """
        x = leaf([1., 2., 3.])
        d = x.detach()
        d.resize_(2)
        print(x, d, x._version, d._version, d.data_ptr() == x.data_ptr())
        """,
    "a resized view": "x = torch.zeros(3); v = x[0:2]; v.resize_(1); v.add_(1); print(v, x)",
    "a leaf that is resized": "leaf([1., 2.]).resize_(2)",
    "a result that is resized": "y = leaf([1., 2.]) * 1; y.resize_(1)",
    "resizing in no_grad": """
        with torch.no_grad():
            leaf([1., 2.]).resize_as_(torch.ones(1))
        """,
    "another storage": """
        x, s = torch.zeros(2), torch.ones(3)
        s.add_(1)
        print(x.set_(s) is x, x, x._version, x.data_ptr() == s.data_ptr())
        s.add_(1)
        print(x, x._version, s._version, x.set_())
        """,
    "another storage for a leaf": "leaf([1.]).set_(torch.ones(1))",
    "another storage, another dtype": "torch.ones(1, dtype=torch.int64).set_(torch.ones(1))",
    "the accumulator that set_ leaves behind": """
        x = leaf([1., 2.])
        y = x + 0
        with torch.no_grad():
            x.set_(torch.ones(3))
        print(torch.autograd.grad(y.sum(), x, allow_unused=True, retain_graph=True))
        y.sum().backward()
        z = x * 2
        print(x.grad, torch.autograd.grad(z.sum(), x))
        """,
    "what saved a tensor notices its new storage": """
        x = leaf([1., 2.])
        y = x * x
        with torch.no_grad():
            x.set_(torch.zeros(2))
        y.sum().backward()
        """,
    "what set_ records": """
        x, y = torch.zeros(2), leaf([1., 2.])
        x.set_(y)
        print(x.requires_grad, x.grad_fn.name(), x.grad_fn.next_functions[0])
        """,
    "data of another shape": """
        x = leaf([1., 2.])
        y = x * 3
        x.data = torch.ones(3)
        y.sum().backward()
        print(x, x.grad, x.grad.shape)
        """,
    "data of another shape, saved": """
        x = leaf([1., 2.])
        y = x * x
        x.data = torch.ones(1)
        y.sum().backward()
        print(x.grad)
        """,
    "data of another shape, expanded": """
        x = leaf([1., 2.])
        y = x.sum()
        x.data = torch.ones(3)
        y.backward()
        """,
    "data of a shape that broadcasts": """
        x = leaf([1., 2.])
        y = x * 3
        x.data = torch.ones(2, 2)
        (x * 2).sum().backward()
        print(x.grad)
        """,
    "data of another shape, recorded": """
        x = leaf([1., 2.])
        y = x * 3
        x.data = torch.ones(3)
        (g,) = torch.autograd.grad(y.sum(), x)
        print(g)
        """,
    "data of another dtype": """
        x = leaf([1., 2.])
        y = x * x
        x.data = torch.ones(2, dtype=torch.float64)
        print(torch.autograd.grad(y.sum(), x, allow_unused=True, retain_graph=True))
        y.sum().backward()
        print(x, x.grad)
        (x * 2).sum().backward()
        print(x.grad)
        """,
    "data of integers": "leaf([1.]).data = torch.ones(1, dtype=torch.int64)",
    "a view of a leaf whose flag was switched off": """
        x = leaf([1., 2.])
        v = x[0:1]
        x.requires_grad_(False)
        x.add_(1)
        print(x, v.requires_grad)
        v.add_(1)
        """,
    "a plain view of a tensor that became a leaf": """
        x = torch.ones(2)
        v = x[0:1]
        x.requires_grad_()
        v.add_(1)
        """,
    "random fills": """
        x = leaf([1., 2.])
        y = x * 2
        print(y.uniform_(3, 3), y.normal_(2, 0))
        y.sum().backward()
        print(x.grad)
        """,
    "bounds": """
        x = leaf([-1., 0.5, 2.])
        y = x * 1
        print(y.clamp_(0, 1))
        y.sum().backward()
        low, high = leaf([0.]), leaf([1.])
        z = x * 1
        print(z.clamp_(low, high), (x * 1).clamp_(low), (x * 1).clamp_(max=high))
        z.sum().backward()
        print(x.grad, low.grad, high.grad)
        """,
    "slices": """
        s = leaf([1., 2., 3.])
        i = torch.tensor([0, 0, 2])
        x = torch.zeros(3)
        print(x.index_add_(0, i, s, alpha=2))
        y = x * 1
        print(y.index_copy_(0, i[1:], s[:2] * 1), (x * 1).index_fill_(0, i[:1], 7.))
        (y * torch.tensor([1., 10., 100.])).sum().backward()
        print(s.grad)
        """,
    "scattered": """
        s = leaf([1., 2., 3.])
        i = torch.tensor([0, 0, 2])
        x = torch.zeros(3)
        print(x.scatter_add_(0, i, s), (x * 1).scatter_(0, i[1:], s), (x * 1).scatter_(0, i[2:], 7.))
        (x * torch.tensor([1., 10., 100.])).sum().backward()
        print(s.grad)
        """,
    "out": """
        a, o = leaf([1.]), torch.zeros(1)
        with torch.no_grad():
            print(torch.maximum(a, a * 2, out=o) is o, o, o._version, torch.add(a, a, alpha=3, out=o))
            print(torch.exp(a, out=a), a._version, a.grad)
        c = torch.ones(1)
        y = a * c
        print(torch.mul(c, 3, out=c), torch.sub(c, 1, out=torch.empty(0)))
        y.backward()
        """,
    "out, of another shape": "o = torch.zeros(3); print(torch.exp(torch.zeros(2), out=o), o)",
    "out, of another dtype": "o = torch.zeros(1, dtype=torch.int64); torch.exp(torch.ones(1), out=o)",
    "out for an operand that requires grad": "torch.minimum(leaf([1.]), torch.ones(1), out=torch.zeros(1))",
    "out that requires grad": "torch.neg(torch.ones(1), out=leaf([1.]) * 1)",
    "masked": """
        x, v = leaf([1., 2., 3.]), leaf(5.)
        m = torch.tensor([True, False, True])
        y = x * 2
        print(y.masked_fill_(m, v), (x * 1).masked_fill_(m, 0.))
        y.sum().backward()
        print(x.grad, v.grad)
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(name: str, same: Callable[[str], str]) -> None:
    same(PROGRAMS[name])
