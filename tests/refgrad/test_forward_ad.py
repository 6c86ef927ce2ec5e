"""Forward mode: tangents of every kind of operation, levels and their errors, compared with torch."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

import refgrad as rg
from refgrad.levels import LEVELS

PRELUDE = """
fw = torch.autograd.forward_ad
nn = torch.nn.functional
def tensor(value, **options): return torch.tensor(value, dtype=torch.float64, **options)
def show(*duals):
    for dual in duals:
        primal, tangent = fw.unpack_dual(dual)
        seen = [part if part is None else part.detach().resolve_conj().numpy().round(9) + 0.0
                for part in (primal, tangent)]
        print(*[None if part is None else part.tolist() for part in seen])
a = tensor([[1., 2.], [3., 4.5]]); b = tensor([[.5, 1.], [2., -1.]])
index = torch.tensor([[0, 1], [1, 0]])
"""

# What is done with a dual 2x2 matrix `d`.
OPERATIONS = {
    "arithmetic": "d * d, d / a, 2 - d, d + d[0], 1 / d, -d, d ** 3, 2 ** d, d ** d",
    "functions": (
        "d.exp(), d.log(), d.sqrt(), d.rsqrt(), d.sin().tanh(), d.sigmoid(), d.abs(), d.square(), d.relu()"
    ),
    "more functions": "torch.expm1(d).log1p(), torch.atan2(d, a), d.lerp(a, .3), d.addcmul(d, a)",
    "steps": "d.floor(), d.sign(), d.clamp(2., 4.), d.clamp(min=2.), d.nan_to_num()",
    "comparisons and casts": "d > 2, d.long(), d.float(), d.to(torch.complex128)",
    "choices": (
        "torch.where(d > 2, d, 0.), torch.where(d > 2, d * d, d.sin()), d.maximum(b), d.masked_fill(a > 2, "
        "0.)"
    ),
    "reductions": (
        "d.sum(), d.sum(0), d.mean(1), d.prod(), d.norm(), d.std(), d.var(), d.logsumexp(1), d.amax(0)"
    ),
    "extremes": "d.max(), d.max(1)[0], d.sort()[0], d.topk(1)[0], d.median(), d.quantile(.3)",
    "scans": "d.cumsum(0), d.cumprod(1), d.softmax(1), d.log_softmax(1)",
    "products": "d @ d, d @ d[0], torch.stack([d, d]) @ d, torch.einsum('ij,jk->ik', d, a), d[0].dot(d[1])",
    "linear algebra": "d.det(), d.inverse(), torch.linalg.solve(d, a), torch.linalg.solve(a, d)",
    "views": (
        "d.t(), d.view(4), d.reshape(4, 1), d[0], d[:, 1:], d.unsqueeze(0), d.expand(2, 2, 2), d.diag(), "
        "d[...]"
    ),
    "several views": "*d.unbind(1), *d.split(1), *d.chunk(2, 1), *torch.unsafe_split(d, 1)",
    "joins": "torch.cat([d, a]), torch.stack([a, d], 1), torch.cat([d, d], 1)",
    "indices": (
        "d[[1, 0]], d[a > 1.5], d.gather(1, index), d.index_select(0, index[0]), d.flip([0]), d.roll(1)"
    ),
    "scatters": "(a * 0).scatter(1, index, d), (a * 0).scatter_add(1, index, d), a.index_put((index[0],), d)",
    "complex": (
        "torch.complex(d, a).exp(), torch.complex(d, a).abs(), torch.complex(d, d).conj().real, torch.sgn(d "
        "+ 1j)"
    ),
    "powers of real numbers that are complex": "d ** (1 + 2j), (1 + 2j) ** d, d ** (a + 1j), (a + 1j) ** d",
    "transforms": "torch.fft.rfft(d).abs(), torch.view_as_real(torch.complex(d, b))",
    "layers": (
        "nn.linear(d, a), nn.gelu(d), nn.softplus(d), nn.mse_loss(d, b), nn.layer_norm(d, (2,)), nn.pad(d, "
        "(1, 1))"
    ),
    "copies": "d.clone(), d.contiguous(), d.detach(), d.data, torch.zeros_like(d), d.t().contiguous()",
    "nothing dual": "a * b",
}


@pytest.mark.parametrize("results", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_tangents_as_torch(results: str, same: Callable[[str], str]) -> None:
    program = f"""
with fw.dual_level():
    for d in (fw.make_dual(a, b), fw.make_dual(leaf(a.tolist(), dtype=torch.float64), b)):
        show({results})
    with torch.no_grad():
        d = fw.make_dual(a, b)
        show({results})
"""
    same(PRELUDE + program)


PROGRAMS = {
    "outside of a level": "fw.make_dual(a, b)",
    "a level in a level": "with fw.dual_level(): fw.enter_dual_level()",
    "the number of a level": """
        with fw.dual_level() as level: print(level)
        print(fw.enter_dual_level(), fw.exit_dual_level())
        """,
    "leaving no level": "fw.exit_dual_level()",
    "leaving another level": "with fw.dual_level(): fw.exit_dual_level(level=3)",
    "another size": "with fw.dual_level(): fw.make_dual(a, b[0])",
    "an integer primal": "with fw.dual_level(): fw.make_dual(index, b)",
    "an integer tangent": "with fw.dual_level(): fw.make_dual(a, index)",
    "a second tangent": "with fw.dual_level(): fw.make_dual(fw.make_dual(a, b), b)",
    "no tensor": "with fw.dual_level(): fw.unpack_dual(3.)",
    "a level that ended": """
        with fw.dual_level(): d = fw.make_dual(a, b); y = d * 2
        show(d, y)
        with fw.dual_level(): show(d, y, d * 2, fw.make_dual(d, b) * 2)
        print(fw.unpack_dual(a)[0] is a)
        """,
    "reductions into places": """
        s, w = tensor([3., 4., 2.]), torch.tensor([0, 1, 1])
        with fw.dual_level():
            d, e = fw.make_dual(tensor([1., 4.]), tensor([1., 10.])), fw.make_dual(s, tensor([1., 10., 5.]))
            for kind in ("sum", "mean", "amax", "amin", "prod"):
                for included in (True, False):
                    show(d.scatter_reduce(0, w, e, kind, include_self=included))
        """,
    "a product into places, written": """
        with fw.dual_level():
            d = fw.make_dual(a, b).clone()
            d.scatter_reduce_(0, index, a, "prod")
        """,
    "slices reduced into places": """
        import warnings; warnings.simplefilter("ignore")  # torch refuses before its kernel can warn
        with fw.dual_level(): fw.make_dual(a, b).index_reduce(0, index[0], a, "amax")
        """,
    "exponential sums": """
        with fw.dual_level():
            for p in (a[:, :0], torch.complex(a, b), tensor([[-1e3, 1e3]])):
                d = fw.make_dual(p, p + 1)
                show(d.logsumexp(1))
                if p.numel(): show(d.logcumsumexp(1))
        """,
    "a cosine of short vectors": """
        x = leaf([[1e-3, 0.], [0., 0.], [3., 4.]], dtype=torch.float64)
        y = nn.cosine_similarity(x, tensor([1., 2.]), eps=.1)
        print(torch.autograd.grad(y.sum(), x, create_graph=True)[0].tolist())
        with fw.dual_level():
            t = fw.unpack_dual(nn.cosine_similarity(fw.make_dual(x, x + 1), b[0], eps=.1)).tangent
            print(t.tolist(), t.requires_grad)
        """,
    "decompositions": """
        H = torch.complex(a, b) + torch.complex(a, b).mH
        tall, other = torch.complex(a, b)[:, :1], torch.complex(b, a)[:, :1]
        singular = tensor([[1., 2.], [2., 4.]])
        for p, u in ((torch.eye(2, dtype=torch.float64), b), (tall, other), (H, torch.complex(b, b).mH),
                     (singular, b), (tensor([[0.]]), b[:1, :1])):
            with fw.dual_level():
                d = fw.make_dual(p, u)
                show(*torch.linalg.svd(d), *torch.linalg.svd(d, full_matrices=False))
                if p.shape[0] == p.shape[1]:
                    show(*torch.linalg.eigh(d), torch.linalg.det(d), torch.linalg.slogdet(d)[1])
                    show(torch.linalg.matrix_exp(d))
        """,
    "history of zero tangents": """
        x = leaf(a.tolist(), dtype=torch.float64)
        with fw.dual_level():
            d, c = fw.make_dual(x, b), fw.make_dual(a, b)
            for y in (d * a, d * 2, d / 2, 2 / d, d + a, d @ b, d.lerp(a, .3), d.lerp(a, b), d.addcmul(a, b),
                      c * x, c.maximum(x), nn.linear(d, b), d * index, d.clone().mul_(a), d.nanmean()):
                t = fw.unpack_dual(y).tangent
                print(t.requires_grad, t.tolist())
            t = fw.unpack_dual(fw.make_dual(x, -b.abs() * 0) * torch.inf).tangent
            g, = torch.autograd.grad(t.sum(), x); print(t.tolist(), (g + torch.zeros(2, 2)).tolist())
        """,
    "memory": """
        with fw.dual_level():
            d = fw.make_dual(a, b)
            p, t = fw.unpack_dual(d)
            print(d.data_ptr() == p.data_ptr() == a.data_ptr(), t is b, d._is_view(), p._is_view())
        """,
    "an expanded tangent": """
        with fw.dual_level():
            d = fw.make_dual(a, b[0].expand(2, 2)); d.mul_(2); show(d); print(b)
        """,
    "writes": """
        with fw.dual_level():
            d = fw.make_dual(a.clone(), b.clone()); v = d[0]
            d.mul_(3); show(v, d); d[0] = 5.; show(v, d); d.exp_(); show(v, d); v.add_(d[1]); show(v, d)
            d.pow_(2); show(d); d.div_(a); show(d); d.sub_(b, alpha=2); show(d); d.zero_(); show(v, d)
        """,
    "writes of dual values": """
        with fw.dual_level():
            d = fw.make_dual(a, b)
            z = torch.zeros_like(a); w = z[0]; z.add_(d); show(w, z)
            z = torch.zeros_like(a); w = z[0]; w.add_(d[0]); show(w, z)
            z = torch.zeros_like(a); z.copy_(d); show(z)
            z = torch.zeros_like(a); z[0] = d[1]; show(z)
            z = torch.zeros_like(a); z[[1]] = d[:1]; show(z)
            z = torch.zeros_like(a); z.masked_fill_(a > 2, 1.); show(z)
            z = torch.ones_like(a); z.fill_(d[0, 1]); show(z)
        """,
    "a write to a dual leaf": """
        with fw.dual_level(): fw.make_dual(leaf([1.]), torch.ones(1)).mul_(2)
        """,
    "the tangent of a result keeps its memory": """
        with fw.dual_level():
            d = fw.make_dual(a, b)
            for y in (d.clone(), d + 1, d.sum(0, keepdim=True) * 1, d.expand(1, 2, 2).clone(),
            d.to(torch.float64)):
                if y is not d: y.zero_()
            show(d)
        """,
    "forward over backward": """
        x = leaf(a.tolist(), dtype=torch.float64)
        with fw.dual_level():
            y = (fw.make_dual(x, b) ** 3).exp().sum() / 1e40
            g, = torch.autograd.grad(y, x, create_graph=True); show(g)
            t = fw.unpack_dual(g).tangent; print(torch.autograd.grad(t.sum(), x,
            retain_graph=True)[0].sum().item())
            g, = torch.autograd.grad(y, x); show(g);
            print(fw.unpack_dual(g).tangent.requires_grad)
        """,
    "forward over backward, saved results": """
        x = leaf(a.tolist(), dtype=torch.float64)
        with fw.dual_level():
            d = fw.make_dual(x, b)
            for f in (torch.tanh, torch.sigmoid, torch.exp, torch.sqrt, lambda z: z.softmax(1), lambda z:
            z.amax(0)):
                y = f(d).pow(2).sum(); show(torch.autograd.grad(y, x)[0])
            z = d * 1; z.exp_(); show(torch.autograd.grad(z.sum(), x)[0])
        """,
    "backward in a level": """
        x = leaf([1., 2.])
        with fw.dual_level():
            d = fw.make_dual(x, torch.tensor([1., 3.]))
            (d * d).sum().backward(); g = x.grad; show(g)
            (d * d * d).sum().backward(); print(x.grad is g); show(g)
        """,
    "a tangent that requires grad": """
        t = leaf([1., 2.])
        with fw.dual_level():
            s = fw.unpack_dual(fw.make_dual(torch.tensor([3., 4.]), t) ** 2).tangent
        s.sum().backward(); print(t.grad)
        """,
    "grad modes": """
        x = leaf([1.])
        with fw.dual_level():
            with torch.no_grad(): y = fw.make_dual(x, torch.ones(1)) * 2
            print([part.requires_grad for part in fw.unpack_dual(y)])
            y = fw.make_dual(x, torch.ones(1)) * x
            print([part.requires_grad for part in fw.unpack_dual(y)])
        """,
    "kinks": """
        with fw.dual_level():
            z = lambda value: fw.make_dual(torch.tensor(value), torch.arange(1., 1 + len(value)))
            show(*[f(z([0.])) for f in (torch.relu, torch.abs, torch.sign, torch.sqrt, lambda x: x.clamp(0,
            1))])
            show(z([1., 1., 0.]).max(), z([1., 1.]).maximum(torch.ones(2)))
        """,
    "singular points": """
        zero, one, inf = tensor([0., 0., 1.]), tensor([1., 1., 1.]), tensor([torch.inf, 0., 2.])
        e = torch.arange(1., 4.).to(torch.float64)
        with fw.dual_level():
            d, c, i = fw.make_dual(zero, e), fw.make_dual(tensor([0., 2., 0.]), e), fw.make_dual(inf, e)
            show(one / d, d / c, i / d, d / i, d ** c, c ** d, 0. ** d, d.xlogy(c), c.xlogy(zero), d.sinc())
            show(torch.atan2(d, c), torch.atan2(d, zero), torch.hypot(d, c), d.logit(), (d * 2).logit(.25))
            show(one.addcdiv(d, c), one.addcdiv(i, d, value=2), one.addcmul(d, i, value=3))
            show(torch.polar(d, c).real, torch.polar(c, one).imag, torch.polar(one, d).real)
            z = torch.complex(d, c)
            show(z.angle(), z.abs(), z.sgn().real, z.sgn().imag, (z ** z).imag, (z * d).real, (d / z).real)
            show(nn.binary_cross_entropy(d, one), nn.binary_cross_entropy(one / 2, d, reduction="none"))
            show(nn.cross_entropy(a * d[:1], torch.tensor([-100, -100])), d[:0].mean(), d.mean((0,)))
            show(*[f(d[:0], zero[:0]) for f in (nn.mse_loss, nn.huber_loss, nn.smooth_l1_loss, nn.l1_loss)])
            show((d + torch.nan).max(), (d * torch.nan).median(), i.max(), i.softmax(0), i.log_softmax(0))
        """,
    "tangents differentiated": """
        x, w = leaf([.5, 2.], dtype=torch.float64), leaf([[1.], [3.]], dtype=torch.float64)
        for f in (lambda d, c: d / c, lambda d, c: c / d, torch.atan2, torch.Tensor.xlogy, torch.hypot,
                  lambda d, c: d ** c, lambda d, c: d.addcdiv(c, d + c), torch.polar,
                  lambda d, c: d.sinc() * c, lambda d, c: torch.complex(d + 0 * c, c + 0 * d).sgn(),
                  lambda d, c: d.logaddexp(c)):
            with fw.dual_level():
                d, c = fw.make_dual(x, tensor([1., -2.])), fw.make_dual(w, tensor([[.5], [1.]]))
                t = fw.unpack_dual(f(d.expand(2, 2), c.expand(2, 2))).tangent
                t = t.abs().sum() if t.is_complex() else t.sum()
                print(*[g.numpy().round(9).tolist() for g in torch.autograd.grad(t, (x, w))])
                t = fw.unpack_dual(f(d.expand(2, 2), w.expand(2, 2))).tangent
                print(t.shape, t.requires_grad, t.stride())
        """,
    "not implemented": "with fw.dual_level(): torch.igamma(fw.make_dual(a, b), fw.make_dual(a, b))",
    "not in the table": "with fw.dual_level(): fw.make_dual(a, b) // 1",
    "without an effect": """
        with fw.dual_level():
            show(*[f(fw.make_dual(a, b)) for f in (lambda d: d * 0, lambda d: d - d, lambda d: d.detach() *
            d)])
        """,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_as_torch(program: str, same: Callable[[str], str]) -> None:
    same(PRELUDE + textwrap.dedent(program))


CUSTOM = {
    "saved for forward": """
        class Square(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x): ctx.save_for_forward(x); ctx.save_for_backward(x * 5); return x * x
            @staticmethod
            def backward(ctx, g): return ctx.saved_tensors[0] * g
            @staticmethod
            def jvp(ctx, t): return 2 * ctx.saved_tensors[0] * t
        x = leaf(3.)
        with fw.dual_level(): y = Square.apply(fw.make_dual(x, torch.tensor(1.))); show(y)
        print(torch.autograd.grad(y, x))
        """,
    "without jvp": """
        class Same(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x): return x * 1
        with fw.dual_level(): show(Same.apply(a)); Same.apply(fw.make_dual(a, b))
        """,
    "several": """
        class Two(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, k, y): return x * y, torch.zeros(1, dtype=torch.int64), x + 1
            @staticmethod
            def jvp(ctx, s, k, t): print(s, k, t); return s, None, s + t
        with fw.dual_level():
            show(*Two.apply(fw.make_dual(a, b), 3, b)); show(*Two.apply(a, 3, fw.make_dual(a, b)))
        """,
    "not materialized": """
        class Two(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, y): ctx.set_materialize_grads(False); return x * y
            @staticmethod
            def jvp(ctx, s, t): print(s is None, t is None); return s
        with fw.dual_level(): show(Two.apply(fw.make_dual(a, b), b))
        """,
    "too many tangents": """
        class One(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x): return x * 2
            @staticmethod
            def jvp(ctx, s): return s, s
        with fw.dual_level(): One.apply(fw.make_dual(a, b))
        """,
}


@pytest.mark.parametrize("program", CUSTOM.values(), ids=CUSTOM.keys())
def test_custom_functions_as_torch(program: str, same: Callable[[str], str]) -> None:
    same(PRELUDE + textwrap.dedent(program))


def test_the_end_of_a_level_lets_go_of_tangents() -> None:
    forward = rg.autograd.forward_ad
    x = rg.ones(2)
    with forward.dual_level():
        dual = forward.make_dual(x, rg.ones(2))
        kept = dual * 2
        assert LEVELS
        assert kept._tangents
    assert not LEVELS
    assert not kept._tangents
    assert not dual._tangents
