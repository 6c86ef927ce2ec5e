"""Views: identity, base, and where gradients go after writes through them; compared with torch."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

import refgrad as rg

PROGRAMS = {
    "a write through a view, and cotangents that lie otherwise": """
        def gapped(value): return torch.stack([value] * 2, -1).select(-1, 0)
        cotangents = (lambda y: torch.arange(8.).reshape(y.shape),
                      lambda y: gapped(torch.arange(8.).reshape(y.shape)),
                      lambda y: torch.tensor(2.).expand(y.shape))
        for make, take in ((lambda x: x.view(4, 2), torch.view_as_complex),
                           (lambda x: x.view(4, 2).mT, lambda y: y.mT.view(-1)[1:3]),
                           (lambda x: x.view(2, 4), lambda y: y.view(-1)[::3]),
                           (lambda x: x.view(2, 2, 2).permute(2, 0, 1),
                            lambda y: y.permute(1, 2, 0).view(4, 2)[2])):
            for cotangent in cotangents:
                x = torch.arange(8., requires_grad=True); y = make(x).clone(); take(y).mul_(3)
                y.backward(cotangent(y), retain_graph=True); print(x.grad)
                v = cotangent(y).detach().requires_grad_()
                g, = torch.autograd.grad(y, x, v, create_graph=True)
                print(g.detach(), *torch.autograd.grad((g * g.detach()).sum(), v))
        """,
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
    "a gradient through what was written to": """
        w, c = torch.tensor([0.5, 2.0]), torch.tensor(2.5)
        writes = {
            "exp_": (), "mul_": (3.0,), "lgamma_": (), "exp2_": (), "sinc_": (), "clamp_min_": (1.5,),
            "clamp_max_": (c,), "cumsum_": (0,), "cumprod_": (0,), "lerp_": (w, 0.25), "addcmul_": (w, w),
            "addcdiv_": (w, w), "atan2_": (w,), "hypot_": (w,), "xlogy_": (w,), "fmod_": (0.3,),
            "copysign_": (w,), "nan_to_num_": (), "multiply_": (w,), "absolute_": (), "renorm_": (2, 0, 1.0),
            "masked_scatter_": (w > 1, w), "index_put_": ((torch.tensor([1]),), c),
            "addmv_": (torch.ones(2, 2), w),
        }
        for name, operands in writes.items():
            r = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
            x = r.clone()
            other, v = x.view(4), x[0]
            getattr(v, name)(*operands)
            (v * w).sum().backward(retain_graph=True)
            print(name, v.grad_fn, r.grad)
            (other * torch.tensor([1.0, 5.0, 7.0, 9.0])).sum().backward()
            print(r.grad)
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
    "flags of views follow their bases": """
        x = leaf([1., 2.])
        def state(t): return t.requires_grad, t.is_leaf, t.grad_fn
        with torch.no_grad(): v = x[0:1]
        print(state(v)); v.requires_grad_(False); print(state(v)); v.requires_grad_()
        (v * 2).backward(); print(v.grad, x.grad)
        x.requires_grad_(False); print(state(v)); v.requires_grad_(False); print(state(v))
        x = torch.ones(2); v = x[0:1]; x.requires_grad_(); print(state(v))
        y = v * 2; y.backward(); print(x.grad, v.grad)
        x = torch.ones(2); v = x[0:1]; x.mul_(3); x.requires_grad_(); print(state(v))
        (v * 2).backward(); print(x.grad)
        x = torch.ones(2); v = x[0:1]; v.requires_grad_(); w = x[0:1]; print(state(v), state(w), state(x))
        x.mul_(2); x.requires_grad_(); print(state(v), state(w))
        """,
    "own flag, written to": """
        x = torch.ones(2)
        v = x[0:1]
        v.requires_grad_()
        v.mul_(2)
        """,
    "gradient of an untracked view": """
        x = leaf([1., 2.])
        with torch.no_grad(): v = x[0:1]
        y = v * v; y.backward(); print(v.grad, x.grad, y.grad_fn.next_functions)
        print(torch.autograd.grad(v * v, v, allow_unused=True)); v.backward()
        """,
    "histories that are not told": """
        def attempt(f):
            try: print(f())
            except Exception as error: print(type(error).__name__, error)
        for base in (leaf([1., 2.]), leaf([1., 2.]) * 1):
            with torch.no_grad(): v = base[0:1]; base.mul_(2); print(v * 2, v[0])
            for read in (lambda: v * 2, lambda: v.mul_(2), lambda: v[0], lambda: v.detach(), lambda: v.grad,
                    lambda: v.is_leaf, lambda: v.grad_fn, lambda: v.requires_grad, lambda: v,
                    lambda: v.numpy(), lambda: v.backward(), lambda: v.requires_grad_(False),
                    lambda: v.requires_grad_(), lambda: torch.autograd.grad(base.sum(), v)):
                attempt(read)
            if base.is_leaf:
                base.requires_grad_(False); print(v * 2, v.is_leaf)
                base.requires_grad_(); attempt(lambda: v * 2)
        """,
    "several views after a write": """
        def attempt(f):
            try: print(f())
            except Exception as error: print(type(error).__name__)
        y = torch.ones(2, 2, requires_grad=True) * 1
        parts = y.unbind()
        z = parts[0] * 3
        y.mul_(2)
        for part in parts:
            for read in (lambda: part * 2, lambda: part.grad_fn, lambda: part.is_leaf): attempt(read)
        z.sum().backward()
        """,
    "a plain view and what requires grad": """
        x = torch.ones(2); w = leaf([2.])
        with torch.no_grad(): v = x[0:1]
        v.add_(1); x.mul_(w); print(v.requires_grad, x); v.grad_fn
        """,
    "a view of the untracked": """
        x = torch.zeros(2)
        with torch.no_grad(): y = x.view(2)
        y.requires_grad_(); z = y.view(2); z.sum().backward(); print(y.grad, z._base is x); z.div_(2)
        """,
    "views and what is older": """
        x = leaf([1., 2.]); v = x[0:1]; z = v * 3
        with torch.no_grad(): x.mul_(2)
        print(v.grad_fn, torch.autograd.grad(z, v, allow_unused=True), torch.autograd.grad(v, x))
        y = x * 1; v = y[0:1]; y.detach().mul_(5); print(v.grad_fn)
        y = x * 1; v = y[0:1]; y.data.mul_(5); print(v.grad_fn)
        y = x * 1; v = y[0:1]; y.detach_(); print(v, y)
        y.mul_(2); print(v, y, v.grad_fn.next_functions); v.mul_(2)
        """,
    "as_strided": """
        for base, *taken in ((torch.arange(4.), (3, 2), (1, 1)),
                (torch.arange(6.).view(2, 3).t(), (2, 2), (1, 3)),
                (torch.arange(6.).view(2, 3)[:, 1:], (2, 2), (1, 3)),
                (torch.arange(6.).view(2, 3)[:, 1:], (2, 2), (1, 3), 0),
                (torch.arange(3.).expand(2, 3), (3,), (1,))):
            x = base.detach().requires_grad_(); y = x.as_strided(*taken)
            print(y, torch.autograd.grad(y, x, torch.arange(1., y.numel() + 1).view(y.shape)))
        x = torch.arange(6., requires_grad=True)
        z = x * x; z.as_strided((2, 2), (3, 1)).mul_(x[:2])
        g, = torch.autograd.grad(z.sum(), x, create_graph=True); print(z, g, torch.autograd.grad(g.sum(), x))
        z = x * x; u = z.as_strided((3, 2), (1, 1))
        g, = torch.autograd.grad((u * u).sum(), x, create_graph=True)
        print(g, torch.autograd.grad(g.sum(), x))
        """,
    "narrow_copy, unsafe_split": """
        x = torch.arange(6., requires_grad=True)
        c = torch.narrow_copy(x, 0, 1, 2); print(c, c._is_view(), torch.autograd.grad(c.sum(), x))
        b = x + x; s, t = b.unsafe_split(3); s.mul_(t); s.sum().backward()
        print(x.grad, s, t, t._is_view(), t._version)
        """,
    "views of another dtype": """
        x = torch.arange(6., requires_grad=True)
        c = torch.zeros(2, dtype=torch.complex64, requires_grad=True) * 1
        v = torch.view_as_real(c); v.add_(x[:2].view(2, 1))
        print(c, v, v._is_view(), torch.autograd.grad(v.sum(), x))
        c = torch.zeros(2, dtype=torch.complex64, requires_grad=True) * 1; c.real.mul_(10)
        torch.view_as_real(c)[..., 1].add_(1); print(c)
        c = torch.arange(8., requires_grad=True).view(4, 2) * 1
        v = torch.view_as_complex(c); v.mul_(1j); print(c, v)
        print(torch.autograd.grad(v.sum().real, c))
        """,
    "what einsum returns": """
        x = leaf([[1., 2.]])
        for equation in ("ij->ji", "ij->j", "ij->i", "ij->", "ij,ij->i", "ij,ij->"):
            y = torch.einsum(equation, *[x] * (1 + ("," in equation)))
            print(equation, y, y._is_view(), type(y.grad_fn).__name__)
        """,
    "gradients that are views": """
        x = torch.ones(2, 3, requires_grad=True)
        def gradient():
            return torch.autograd.grad(x.expand(2, 2, 3), [x], torch.ones(2, 2, 3))[0]
        def attempt(write):
            g = gradient()
            try:
                print(write(g), g, g._version)
            except RuntimeError as error:
                print(error)
        g = gradient()
        print(g._is_view(), g._base is None, g._version, g.requires_grad)
        attempt(lambda g: g.add_(1))
        attempt(lambda g: g.add_(x))
        attempt(lambda g: g[0].add_(x[0]))
        attempt(lambda g: g.detach_())
        attempt(lambda g: g.requires_grad_().mul_(2))
        with torch.no_grad():
            attempt(lambda g: g.mul_(x))
        v = g.squeeze()
        g.requires_grad_()
        print(v.requires_grad, v._base is g._base, g.is_leaf)
        (g * g).sum().backward()
        print(g.grad, x.grad)
        g = gradient().t_()
        print(g._is_view(), g.shape)
        x.sum().backward()
        print(x.grad._is_view())
        seen = []
        y = x * 2
        y.register_hook(seen.append)
        y.sum().backward()
        print(seen[0]._is_view())
        """,
    "backward to views that were not recorded": """
        x, z = leaf([1., 2.]), leaf([3., 4.])
        with torch.no_grad():
            v = x.view(2)
        def attempt(function, written):
            y = function(v)
            print(y.requires_grad, [edge and type(edge).__name__ for edge, _ in y.grad_fn.next_functions])
            if written:
                with torch.no_grad():
                    v.add_(1)
            for _ in range(2):
                try:
                    y.backward(torch.ones_like(y))
                    print("backward")
                except RuntimeError as error:
                    print(str(error)[:20])
        for written in (False, True):
            attempt(lambda v: v * v, written)
            attempt(lambda v: v @ v, written)
            attempt(lambda v: v * z, written)
            attempt(lambda v: v.exp(), written)
            attempt(lambda v: torch.atan2(v, v), written)
            attempt(lambda v: torch.cat([v, v]), written)
        print(x.grad, z.grad)
        """,
    "the gradient of a base that was written to": """
        x = leaf([[1., 2., 3.], [4., 5., 6.]])
        for take in (lambda y: y.t(), lambda y: y[0], lambda y: y[:, 1:], lambda y: y[:0]):
            y = x * 1
            v = take(y).mul_(2)
            g, = torch.autograd.grad(v, y, torch.ones_like(v))
            print(g, g._is_view())
        """,
    "the flag of one of several views after a write": """
        def attempt(flag):
            y = leaf([1., 2.]) * 1
            first, second = y.unbind()
            y.neg_()
            try:
                print(first.requires_grad_(flag).requires_grad)
            except RuntimeError as error:
                print(error)
        attempt(True)
        attempt(False)
        """,
    "how copies lie": """
        x = torch.arange(6., requires_grad=True).view(2, 3).t()
        for y in (torch.narrow_copy(x, 1, 0, 2), torch.nn.functional.rms_norm(x, (2,))):
            print(y.stride(), y.reshape(6)._is_view())
        """,
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
