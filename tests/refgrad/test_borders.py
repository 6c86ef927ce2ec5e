"""Derivatives at cuts and zeros, of means of nothing and of empty tensors, inside of vmap too, and dtypes and
shapes that are refused. Compared with torch.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

PRELUDE = """
F, AD, nan = torch.nn.functional, torch.autograd.forward_ad, float("nan")
def plain(values):
    return [plain(value) for value in values] if isinstance(values, tuple) else values.detach().tolist()
def show(*values): print(*map(plain, values))
def grad(result, *inputs, **options): return torch.autograd.grad(result, inputs, **options)
def pushed(f, x):
    with AD.dual_level(): return AD.unpack_dual(f(AD.make_dual(x.detach(), torch.ones_like(x)))).tangent
def twice(f, x):
    y = f(x); g = torch.ones_like(y).requires_grad_()
    first, = grad(y, x, grad_outputs=g, create_graph=True)
    show(y, first, *grad(first.sum(), g), pushed(f, x))
def each(f, rows): show(torch.func.vmap(torch.func.grad(f))(torch.tensor(rows)))
def attempt(function):
    try: print(function())
    except Exception as error: print(type(error).__name__, error)
"""

PROGRAMS = {
    "acosh on the left": """
        z = torch.tensor([-0.5 + 0.3j, -0.5 - 0.3j, -2 + 0j, 0.5 + 0.3j], dtype=torch.complex128,
                         requires_grad=True)
        first, = grad(z.acosh().abs().sum(), z, create_graph=True)
        for found in (first, *grad(first.abs().sum(), z), pushed(lambda d: d.acosh(), z)):
            print((found.detach().numpy().round(9) + 0).tolist())
        """,
    "slopes of a constant, twice": """
        x, w = torch.tensor([1.0, -2.0]), torch.tensor(0.5, requires_grad=True)
        first, = grad(F.prelu(x, w).sum(), w, create_graph=True)
        print(first.requires_grad)
        show(first, *grad(first.sum(), w))
        """,
    "adaptive pooling of too few dimensions": """
        for rank, shape in ((1, (4,)), (2, (2,)), (2, (1, 4)), (3, (1, 4)), (3, (1, 2, 3, 4, 5, 6))):
            attempt(lambda: getattr(F, f"adaptive_avg_pool{rank}d")(torch.ones(shape), 2))
        attempt(lambda: F.adaptive_avg_pool2d(torch.ones(2, 3), (2, None)))
        show(F.adaptive_avg_pool2d(torch.ones(1, 3, 4), (2, None)))
        """,
    "one element, put twice": """
        w = torch.tensor([2.], requires_grad=True)
        for accumulate in (True, False):
            y = torch.tensor([1.]).index_put((torch.tensor([0, 0]),), w, accumulate=accumulate)
            show(*grad(y.sum(), w))
        y = torch.tensor([1.]); y[[0, 0]] = w; show(*grad(y.sum(), w))
        """,
    "scaled by how often a row is used": """
        w = torch.tensor([[1., 2.], [3., 4.]], requires_grad=True)
        for padding in (None, 0):
            twice(lambda x: F.embedding(torch.tensor([0, 0, 1]), x, padding, scale_grad_by_freq=True), w)
        """,
    "logit at zeros": """
        x = torch.tensor([-0., 0., 1.], requires_grad=True)
        for eps in (None, 0.):
            show(*grad(x.logit(eps).sum(), x), *grad(x.logit(eps).sum(), x, create_graph=True))
            show(pushed(lambda d: d.logit(eps), x))
        """,
    "a mean of nothing": """
        for f in (F.nll_loss, F.cross_entropy):
            twice(lambda x: f(x, torch.tensor([-100])), torch.tensor([[1., 2.]], requires_grad=True))
            twice(lambda x: f(x, torch.tensor(-100)), torch.tensor([1., 2.], requires_grad=True))
            twice(lambda x: f(x, torch.zeros(0, dtype=torch.int64)), torch.zeros(0, 2, requires_grad=True))
            twice(lambda x: f(x, torch.tensor([0, -100])), torch.zeros(2, 2, requires_grad=True))
        """,
    "extremes of each": """
        for f in (torch.max, torch.min, torch.median, torch.nanmedian):
            each(f, [[1., 3., 2.], [4., 4., 0.], [nan, 1., nan]])
        """,
    "products of each": """
        rows = [[1., 3., 2.], [0., 4., 4.], [0., 0., 1.]]
        for f in (torch.prod, lambda x: x.prod(0), lambda x: x.cumprod(0).sum()): each(f, rows)
        each(lambda x: torch.linalg.vander(x).sum(), rows)
        """,
    "a determinant of each": """
        found = torch.func.vmap(torch.func.grad(torch.linalg.det))(torch.tensor(
            [[[1., 2.], [3., 4.]], [[1., 2.], [2., 4.]]], dtype=torch.float64))
        print(found.numpy().round(9).tolist())
        """,
    "booleans among numbers": """
        x, target = torch.tensor([1.5, 2.], requires_grad=True), torch.tensor([True, False])
        show(*grad(F.mse_loss(x, target), x), *grad(F.smooth_l1_loss(x, target), x))
        show(*grad(F.mse_loss(target, x), x), *grad(F.smooth_l1_loss(target, x), x))
        """,
    "integers among numbers": """
        x, y = torch.tensor([1., 2.], requires_grad=True), torch.tensor([1, 3])
        show(*grad(F.cosine_similarity(x, y, 0), x))
        show(*grad(F.margin_ranking_loss(x, y, torch.tensor([1, -1])), x))
        show(F.margin_ranking_loss(y, y, torch.tensor([1, -1])))
        attempt(lambda: F.cosine_similarity(y, y, 0))
        attempt(lambda: F.cosine_similarity(x + 1j, x, 0))
        """,
    "no classes and no features": """
        q = torch.zeros(2, 0, requires_grad=True); t = torch.zeros(2, 0)
        y = F.scaled_dot_product_attention(q, q, q); show(y, *grad(y.sum(), q))
        for reduction in ("none", "sum", "mean"):
            y = F.cross_entropy(q, t, label_smoothing=.1, reduction=reduction); show(y, *grad(y.sum(), q))
        twice(lambda x: F.nll_loss(x, torch.tensor([0, 0]), ignore_index=0), q)
        """,
    "repeats that do not fit": """
        x = torch.tensor([1., 2.], requires_grad=True)
        for repeats in (torch.tensor([1, 2, 3]), torch.tensor([[1, 2]]), -2):
            attempt(lambda: x.repeat_interleave(repeats)); attempt(lambda: x.repeat_interleave(repeats, 0))
        attempt(lambda: x.repeat_interleave(2, 0, output_size=5))
        """,
    "integers that would be recorded": """
        x = torch.tensor([1., 2.], requires_grad=True)
        for dtype in (torch.int64, torch.int32, torch.uint8):
            for name in ("sum", "prod", "nansum"): attempt(lambda: getattr(x, name)(dtype=dtype))
            for name in ("sum", "cumsum", "cumprod"): attempt(lambda: getattr(x, name)(0, dtype=dtype))
        with torch.no_grad(): print(x.sum(dtype=torch.int64), x.cumprod(0, dtype=torch.int64))
        """,
    "complex numbers that would be recorded": """
        x = torch.tensor([1 + 1j], requires_grad=True)
        attempt(lambda: F.silu(x)); attempt(lambda: x.nan_to_num())
        show(F.silu(x.detach()), x.detach().nan_to_num(), x.clone().nan_to_num_())
        """,
    "adjoints of what is no matrix": """
        import warnings; warnings.simplefilter("ignore")  # torch warns once of tensors without dimensions
        for shape in ((), (3,), (2, 3), (1, 2, 3)):
            x = torch.zeros(shape, requires_grad=True)
            for name in ("H", "mH", "mT"): attempt(lambda: getattr(x, name).shape)
            attempt(lambda: x.adjoint().shape)
        for number in (2., 2 + 3j):
            x = torch.tensor(number, requires_grad=True)
            for f in (lambda x: x.mH, lambda x: x.adjoint(), torch.adjoint):
                y = f(x); z = y * y; print(y, y is x, y.is_leaf, y._is_view(), pushed(f, x))
                show(*grad(z.abs(), x, retain_graph=True), *grad(z, x, grad_outputs=x.detach()))
        """,
    "parts of a number": """
        x = torch.tensor(2., requires_grad=True); one = torch.tensor(True)
        keys = (..., (), (None, ...), True, one, False, slice(None), (None, slice(None)), slice(0, 1, 0),
                slice(0, 1, -1), 0, 1, [0], torch.tensor(0), (0,), (None, 0), (0, 0))
        for f in (*[lambda x, key=key: x[key] for key in keys],
                  lambda x: x[None][::2], lambda x: x[None][1:], lambda x: x.narrow(0, 0, 1)):
            def found():
                y = f(x); g = torch.ones_like(y)
                first, = grad(y * y, x, grad_outputs=g, create_graph=True); tangent = pushed(f, x)
                return y, y._is_view(), plain(first), plain(grad(first, x)), plain(tangent)
            attempt(found)
            def written():
                y = x * 3; f(y).mul_(5); return y.grad_fn.name(), plain(y), plain(grad(y, x))
            attempt(written)
        """,
    "gradients of a convolution, which are one operation": """
        def run(flags, written):
            values = [[[1., 2., 3., 4.]]], [[[1., 2.]]], [.5]
            leaves = [torch.tensor(value, requires_grad=flag) for value, flag in zip(values, flags)]
            x, w, b = *(leaf.clone() for leaf in leaves[:2]), leaves[2]
            y = F.conv1d(x, w, b); asked = [t for t in (x, w, b) if t.requires_grad]
            for g in (torch.ones_like(y), torch.ones_like(y).requires_grad_()):
                found = grad(y, *asked, grad_outputs=g, create_graph=True)
                print([(one.requires_grad, one.is_leaf) for one in found])
            with torch.no_grad(): (x, w, g, torch.ones(1))[written].mul_(2)
            for one in found:
                for t in (t for t in (x, w, g) if t.requires_grad):
                    attempt(lambda: grad(one.sum(), t, retain_graph=True, allow_unused=True))
        for flags in range(1, 8):
            for written in range(4): run([bool(flags & bit) for bit in (1, 2, 4)], written)
        """,
    "tangents of sums of exponentials, of a number and of nothing": """
        for dtype in (torch.float64, torch.complex128):
            cases = ((), 0), ((), -1), ((0,), 0), ((0, 3), 0), ((0, 3), 1), ((3, 0), 0), ((3, 0), 1)
            for shape, dim in cases:
                for flags in (False, False), (True, False), (False, True), (True, True):
                    x, t = (torch.full(shape, 2, dtype=dtype).requires_grad_(flag) for flag in flags)
                    def tangent():
                        with AD.dual_level():
                            found = AD.unpack_dual(AD.make_dual(x, t).logcumsumexp(dim)).tangent
                        return found.shape, found.requires_grad, found.is_leaf, plain(found)
                    attempt(tangent)
        """,
    "a boolean factor": """
        x = torch.tensor([1., 2.], requires_grad=True); b = torch.tensor([True])
        for f in (torch.add, torch.sub):
            attempt(lambda: f(x, x, alpha=True)); attempt(lambda: f(x, 1, alpha=True))
        show(torch.add(b, b, alpha=True))
        """,
    "integrals": """
        y, x = torch.ones(2, 3, requires_grad=True), torch.arange(6.).reshape(1, 2, 3).requires_grad_()
        for f in (torch.trapezoid, torch.cumulative_trapezoid):
            for step in (True, 2j): attempt(lambda: f(y, dx=step))
            result = f(y, x, dim=-2); print(result.shape); show(*grad(result.sum(), y, x))
        """,
    "means and products of integers": """
        i = torch.tensor([1, 2]); x = torch.tensor([1., nan])
        attempt(lambda: torch.nanmean(i)); print(torch.nanmean(x, dtype=torch.float64))
        for one, other in ((i, i), (i, x), (x, i)): attempt(lambda: torch.linalg.vecdot(one, other))
        """,
    "what is saved, though no gradient needs it": """
        x = torch.tensor([[1., 2.], [5., -3.]], requires_grad=True)
        w = torch.tensor([[2., -1.], [3., 2.]], requires_grad=True)
        for f in (torch.fft.rfft, torch.fft.rfftn, torch.fft.ihfft, torch.fft.fft,
                  lambda x: torch.div(x, w, rounding_mode="floor"),
                  lambda x: torch.div(x, 2, rounding_mode="trunc"),
                  lambda x: torch.complex(x, w), lambda x: torch.complex(w, x),
                  lambda x: torch.complex(x, x).imag):
            y = f(x); v = torch.ones_like(y); y.backward(v, retain_graph=True); y.backward(v)
            attempt(lambda: y.backward(v)); show(x.grad)
        """,
    "the imaginary part, twice": """
        z = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True); v = torch.tensor([1., 2.], requires_grad=True)
        first, = grad(z.imag, z, grad_outputs=v, create_graph=True)
        show(first, *grad(first, v, grad_outputs=torch.tensor([1j, 2 + 3j])))
        """,
    "variances of too few": """
        many = (None, 3), (None, 4), (0, 3), (0, 5)
        for rows, kinds in (([2.], ((None, 1), (0, 1))), ([1., 2., 3.], many)):
            for f in (torch.var, torch.std, lambda *a, **k: torch.var_mean(*a, **k)[0]):
                for dim, less in (*kinds, (None, 0)):
                    for factor in (1, 1 + 2j):
                        x = (torch.tensor(rows) * factor).requires_grad_()
                        found, = grad(f(x, dim, correction=less), x, create_graph=True)
                        print(str(found.tolist()), found.requires_grad)
                    t = pushed(lambda x: f(x, dim, correction=less), torch.tensor(rows)); print(abs(t.item()))
        x = torch.tensor(2., requires_grad=True); show(*grad(torch.var(x), x), *grad(torch.var(x, -1), x))
        """,
    "gradients that require grad together": """
        rows = [[[-1., 0., 1.], [-.5, .5, -1.]], [[0., 1., -.5], [.5, -1., 0.]]]
        mean, var = torch.tensor([-1., 0.]), torch.tensor([.5, 1.5])
        for needed in ("xwb", "xb", "wb", "b", "xw"):
            x, w, b = (torch.tensor(value, requires_grad=name in needed)
                       for name, value in (("x", rows), ("w", [-1., .5]), ("b", [.5, .25])))
            u = torch.tensor([1., 2., 3.], requires_grad="w" in needed)
            c = u.detach().requires_grad_("b" in needed)
            for y, leaves in (
                (torch.native_batch_norm(x, w, b, None, None, True, .1, 1e-5)[0], (x, w, b)),
                (torch.native_batch_norm(x, w, b, mean, var, False, .1, 1e-5)[0], (x, w, b)),
                (torch.native_layer_norm(x, (3,), u, c, 1e-5)[0], (x, u, c)),
                (F.group_norm(x, 1, w, b), (x, w, b)),
            ):
                leaves = [leaf for leaf in leaves if leaf.requires_grad]
                found = grad(y, *leaves, grad_outputs=torch.ones_like(y), create_graph=True)
                print([(g.requires_grad, g.is_leaf) for g in found])
                print([[g is None for g in grad(one.sum(), *leaves, allow_unused=True, retain_graph=True)]
                       for one in found if one.requires_grad])
        """,
    "tangents of a group norm that depend on its results": """
        x = torch.tensor([[[-1., 0., .5], [1., -.5, 2.]]])
        w = torch.tensor([-1., .5]); b = torch.tensor([.5, .25])
        for needed in ("", "w", "b", "x", "xwb"):
            for name, value in (("x", x), ("w", w), ("b", b)): value.requires_grad_(name in needed)
            with AD.dual_level():
                found = torch.native_group_norm(AD.make_dual(x, x.detach() + 1), w, b, 1, 2, 3, 1, 1e-5)
                tangents = [AD.unpack_dual(one).tangent for one in found]
                print([tangent.requires_grad for tangent in tangents])
                print([(tangent.detach().numpy().round(4) + 0).tolist() for tangent in tangents])
        """,
    "a group norm of parameters with gaps": """
        x = torch.tensor([[[-1., 0., .5], [1., -.5, 2.]]], requires_grad=True)
        w, b = (torch.tensor([[1., 7.], [3., -2.]], requires_grad=True) for _ in range(2))
        y = F.group_norm(x, 1, w[:, 0], b[0, :1].expand(2)); y.backward(torch.arange(6.).view(1, 2, 3))
        show((y * 1e4).round(), (x.grad * 1e4).round(), (w.grad * 1e4).round(), b.grad)
        """,
    "a copied view of strides that allow none": """
        x = torch.tensor([[1., 2.], [3., 4.], [5., 6.]], requires_grad=True)
        y = torch.view_copy(x.mT, (3, 2)); print(y, y.stride())
        y.backward(torch.arange(6.).view(3, 2)); show(x.grad)
        attempt(lambda: torch.view_copy(x, (4, 2)))
        """,
    "dimensions of a number, moved": """
        x = torch.tensor(2., requires_grad=True); y = x.movedim(0, -1)
        print(y.is_leaf, y.grad_fn.name(), y._is_view()); y.backward(); show(x.grad)
        """,
    "transforms of halves": """
        for name in ("fft", "irfft", "hfft", "ihfft", "fft2", "rfftn"):
            for dtype in (torch.bfloat16, torch.float16):
                attempt(lambda: getattr(torch.fft, name)(torch.ones(4, 4, dtype=dtype)))
        """,
    "the direction of what is too large": """
        z = torch.tensor([1.7e308 + 1.7e308j, 3 + 4j, 0], dtype=torch.complex128, requires_grad=True)
        show(z.sgn(), *grad(z.sgn(), z, grad_outputs=torch.ones_like(z) * (1 + 2j)))
        """,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_as_torch(program: str, same: Callable[[str], str]) -> None:
    same(PRELUDE + textwrap.dedent(program))
