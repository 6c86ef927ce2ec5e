"""Modules, their functions and utilities, compared with torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PROGRAMS = {
    "linear": """
        m = torch.nn.Linear(3, 2); n = torch.nn.Linear(2, 1, bias=False)
        x = torch.linspace(-1, 1, 12).reshape(4, 3).requires_grad_()
        y = n(m(x).tanh()); y.sum().backward()
        print(m.weight, m.bias, n.bias, y, x.grad, m.weight.grad, m.bias.grad)
        print(torch.nn.Linear(2, 1, dtype=torch.float64).weight.dtype, list(n.state_dict()))
        """,
    "sequential": """
        a = torch.nn.Linear(2, 2); m = torch.nn.Sequential(a, torch.nn.Linear(2, 1), )
        print(len(m), m[0] is a, [name for name, _ in m.named_parameters()], m(torch.ones(1, 2)))
        m[0].requires_grad_(False); x = torch.ones(1, 2, requires_grad=True); m(x).sum().backward()
        print(a.weight.grad, m[1].weight.grad, x.grad)
        """,
    "a shared parameter": """
        l = torch.nn.Linear(1, 1, bias=False); torch.nn.init.constant_(l.weight, 2.)
        m = torch.nn.Sequential(l, l)
        m(torch.ones(1, 1)).sum().backward()
        print(len(list(m.parameters())), l.weight.grad, len(list(m.modules())))
        """,
    "frozen": """
        m = torch.nn.Linear(2, 1)
        print(m.requires_grad_(False) is m, [p.requires_grad for p in m.parameters()])
        print(m(torch.ones(1, 2)).requires_grad)
        """,
    "init": """
        p = torch.nn.Parameter(torch.ones(2)); print(torch.nn.init.zeros_(p) is p, p, p.grad_fn, p._version)
        for f in ("ones_", "uniform_", "normal_"): print(getattr(torch.nn.init, f)(p), p._version, p.is_leaf)
        """,
    "assignment": """
        m = torch.nn.Linear(1, 1); m.weight = torch.nn.Parameter(torch.ones(1, 1))
        print(m(torch.ones(1, 1)) - m.bias)
        m.bias = None; print(m(torch.ones(1, 1)), [n for n, _ in m.named_parameters()]); m.extra = 3
        print(m.extra)
        m.late = torch.nn.Parameter(torch.ones(1)); print(len(list(m.parameters()))); del m.late
        print(hasattr(m, 'late'))
        m.weight = torch.ones(1, 1)
        """,
    "assignment of a module": """
        m = torch.nn.Sequential(torch.nn.Linear(1, 1)); m.other = torch.nn.Linear(1, 1)
        print(len(list(m.children())))
        setattr(m, '0', 3)
        """,
    "assignment of a buffer": """
        m = torch.nn.BatchNorm1d(1); m.running_mean = torch.ones(1); print(list(m.named_buffers()))
        m.running_mean = 3
        """,
    "too early": """
        class M(torch.nn.Module):
            def __init__(self): self.w = torch.nn.Parameter(torch.ones(1))
        M()
        """,
    "no such attribute": "torch.nn.Linear(1, 1).wight",
    "register": """
        class M(torch.nn.Module):
            def __init__(self):
                super().__init__(); self.register_buffer('steps', torch.zeros(2))
                self.register_parameter('w', None)
                self.register_parameter('v', torch.nn.Parameter(torch.ones(1)))
        m = M()
        print(m.steps.requires_grad, m.w, list(m.state_dict()), list(m.buffers()))
        """,
    "state": """
        m = torch.nn.Linear(1, 1); w = m.weight; m(torch.ones(1, 1)).sum().backward(); v = w._version
        keys = m.load_state_dict({'weight': torch.ones(1, 1), 'bias': torch.zeros(1)})
        print(m.weight is w, w, w.grad, keys.missing_keys, keys.unexpected_keys, w._version - v)
        s = m.state_dict(); print(s['weight'].requires_grad); s['weight'].fill_(5); print(w)
        print(m.load_state_dict({'weight': torch.ones(1, 1)}, strict=False).missing_keys)
        m.load_state_dict({'weight': torch.ones(2, 1), 'more': torch.ones(1)})
        """,
    "another dtype": """
        m = torch.nn.Linear(1, 1); w = m.weight; m(torch.ones(1, 1)).sum().backward()
        print(m.double() is m, m.weight is w, w.dtype, w.grad.dtype, w.requires_grad, w.is_leaf)
        m(torch.ones(1, 1, dtype=torch.float64)).sum().backward(); print(w.grad)
        b = torch.nn.BatchNorm1d(2).double(); print([(n, x.dtype) for n, x in b.named_buffers()])
        print(b.float().weight.dtype, b.to(torch.float16).running_var.dtype, b.half().bias.dtype)
        """,
    "batch norm": """
        m = torch.nn.BatchNorm1d(2); x = torch.tensor([[1., 2.], [2., 0.], [4., -3.]], requires_grad=True)
        (m(x) ** 2 * torch.tensor([[1.], [2.], [3.]])).sum().backward()
        print(m.running_mean, m.running_var, m.num_batches_tracked, (x.grad * 1000).round(), m.weight.grad)
        m(x); print(m.running_mean, m.num_batches_tracked, [b.requires_grad for b in m.buffers()])
        m.eval(); x.grad = None; y = m(x); y.sum().backward()
        print(y.detach(), x.grad, m.num_batches_tracked)
        """,
    "batch norm of three dimensions": """
        m = torch.nn.BatchNorm1d(2, momentum=None, dtype=torch.float64)
        x = torch.linspace(-1, 2, 12, dtype=torch.float64).reshape(2, 2, 3).requires_grad_()
        for _ in range(3): y = m(x * x)
        (y ** 3).sum().backward(); print(y.detach(), x.grad, m.running_mean, m.running_var)
        """,
    "batch norm without statistics": """
        m = torch.nn.BatchNorm1d(1, affine=False, track_running_stats=False).eval()
        x = torch.tensor([[1.], [3.]])
        print(m(x), m.running_mean, m.weight, list(m.state_dict()))
        """,
    "batch norm of one row": "torch.nn.BatchNorm1d(2)(torch.ones(1, 2))",
    "batch norm of a vector": "torch.nn.BatchNorm1d(2)(torch.ones(2))",
    "dropout": """
        F = torch.nn.functional; x = torch.ones(40, requires_grad=True); y = F.dropout(x, 0.25)
        y.sum().backward()
        print(y, x.grad, F.dropout(x, 0.5, False) is x, F.dropout(x, 0.0) is x, F.dropout(x, 1.0))
        F.dropout(x, 1.5)
        """,
    "dropout in place": """
        x = torch.ones(8, requires_grad=True); y = x * 2
        z = torch.nn.functional.dropout(y, 0.5, inplace=True)
        z.sum().backward(); print(z is y, z, x.grad)
        """,
    "nll": """
        F = torch.nn.functional; t = torch.tensor([1, 0, -100]); w = torch.tensor([1., 2., 3.])
        for options in ({}, {'reduction': 'sum'}, {'reduction': 'none'}, {'weight': w}, {'ignore_index': 0}):
            for loss in (F.nll_loss, F.cross_entropy):
                if 'ignore_index' in options: t = torch.tensor([1, 0, 2])
                x = torch.tensor([[1., 2., 3.], [0., 5., 1.], [1., 1., 1.]], requires_grad=True)
                y = loss(x, t, **options); y.sum().backward(); print(y.detach(), x.grad)
        x = leaf([1., 2.]); y = F.cross_entropy(x, torch.tensor(1)); y.backward(); print(y.item(), x.grad)
        x = torch.linspace(0, 1, 12).reshape(2, 3, 2).requires_grad_()
        F.cross_entropy(x, torch.tensor([[0, 1], [2, 2]])).backward(); print(x.grad)
        """,
    "every target ignored": """
        F = torch.nn.functional
        for reduction in ('mean', 'sum'):
            x = leaf([[1., 2.]]); y = F.cross_entropy(x, torch.tensor([-100]), reduction=reduction)
            y.backward()
            print(y.item(), x.grad)
        """,
    "no such class": "torch.nn.functional.nll_loss(torch.ones(2, 2), torch.tensor([2, 0]))",
    "another batch": "torch.nn.functional.nll_loss(torch.ones(2, 2), torch.tensor([0]))",
    "no such reduction": "torch.nn.functional.nll_loss(torch.ones(1, 2), torch.tensor([1]), reduction='foo')",
    "clip the norm": """
        w = leaf([3., 4.]); u = leaf([12.]); n = leaf([1.])
        ((w * w).sum() / 2 + (u * u / 2).sum()).backward()
        g = w.grad; v = g._version; clip = torch.nn.utils.clip_grad_norm_
        print(clip([w, u, n], 100.), w.grad, clip([w, u, n], 1.), w.grad, u.grad, g is w.grad, g._version - v)
        print(clip(w, 0.1, 1.0), w.grad, clip([w, u], 0.01, float('inf')), u.grad, clip([], 1.0))
        w.grad = torch.tensor([float('nan'), 1.]); print(clip(w, 1.0)); clip(w, 1.0, error_if_nonfinite=True)
        """,
    "clip the values": """
        w = leaf([3., -4., 1.]); (w * w / 2).sum().backward(); g = w.grad; v = g._version
        torch.nn.utils.clip_grad_value_([w], 2.); print(w.grad, g is w.grad, g._version - v)
        """,
    "as a vector": """
        U = torch.nn.utils; m = torch.nn.Linear(2, 1); v = U.parameters_to_vector(m.parameters()); print(v)
        (v * torch.tensor([1., 2., 3.])).sum().backward(); print(m.weight.grad, m.bias.grad)
        w = m.weight; U.vector_to_parameters(torch.tensor([5., 6., 7.]), m.parameters())
        print(m.weight is w, w, m.bias)
        U.vector_to_parameters([1.], m.parameters())
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(name: str, same: Callable[[str], str]) -> None:
    assert same(PROGRAMS[name]), "the program shows nothing"
