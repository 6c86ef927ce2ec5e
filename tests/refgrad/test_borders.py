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
    "transforms of halves": """
        for name in ("fft", "irfft", "hfft", "ihfft", "fft2", "rfftn"):
            for dtype in (torch.bfloat16, torch.float16):
                attempt(lambda: getattr(torch.fft, name)(torch.ones(4, 4, dtype=dtype)))
        """,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_as_torch(program: str, same: Callable[[str], str]) -> None:
    same(PRELUDE + textwrap.dedent(program))
