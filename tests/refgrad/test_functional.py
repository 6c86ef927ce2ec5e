"""autograd.functional, gradcheck and gradgradcheck: values, histories and errors, compared with torch."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

PRELUDE = """
A = torch.autograd.functional
def plain(value):
    if isinstance(value, (tuple, list)): return [plain(part) for part in value]
    return (value.detach().numpy().round(4) + 0.0).tolist(), value.requires_grad
def show(*values): print(*map(plain, values))
def attempt(function):
    try: return show(function())
    except Exception as error: print(type(error).__name__, error)
x = torch.tensor([1., 2.]); y = torch.tensor([3., 4.]); xl = leaf([1., 2.])
square = lambda z: z ** 2; cubes = lambda z: (z ** 3).sum(); constant = lambda z: torch.ones(2)
def double(value, **options): return torch.tensor(value, dtype=torch.float64, requires_grad=True, **options)
"""

PROGRAMS = {
    "jacobian": """
        show(A.jacobian(square, x), A.jacobian(square, xl), A.jacobian(square, xl, create_graph=True))
        show(A.jacobian(lambda a, b: (a * b, a + b), (x, y)), A.jacobian(lambda z: z.sum(), x))
        show(A.jacobian(lambda z: z.exp().sum(1), torch.zeros(2, 3)), A.jacobian(lambda z: (z, z * 2), x))
        A.jacobian(square, xl, create_graph=True).sum().backward(); print(xl.grad)
        """,
    "vectorize": """
        f = lambda z: z.sin() * z.sum(); g = lambda a, b: (a * b.sum(), a.sum())
        for how in ({}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}):
            show(A.jacobian(f, x, **how), A.jacobian(g, (x, y), **how), A.jacobian(lambda a, b: a, (x, y),
            **how))
            show(A.jacobian(constant, x, **how))
        A.jacobian(lambda z: z ** 3, xl, create_graph=True, vectorize=True).sum().backward(); print(xl.grad)
        for how in ({"strategy": "forward-mode"}, {"strategy": "sideways"}, {"strict": True, "vectorize":
        True},
                    {"create_graph": True, "vectorize": True, "strategy": "forward-mode"},
                    {"strict": True, "vectorize": True, "strategy": "forward-mode"}):
            attempt(lambda: A.jacobian(square, x, **how))
        """,
    "hessian": """
        for how in ({}, {"vectorize": True}, {"vectorize": True, "outer_jacobian_strategy": "forward-mode"}):
            print(A.hessian(cubes, x, **how).detach())
            print([[part.detach() for part in row] for row in A.hessian(lambda a, b: (a * b ** 2).sum(), (x,
            y), **how)])
        show(A.hessian(cubes, xl, create_graph=True), A.hessian(lambda z: square(z).sum().reshape(1), x))
        for f in (square, lambda z: (z.sum(),), lambda z: 3.): attempt(lambda: A.hessian(f, x))
        attempt(lambda: A.hessian(cubes, x, outer_jacobian_strategy="sideways"))
        attempt(lambda: A.hessian(cubes, x, strict=True)); attempt(lambda: A.hessian(lambda z: z.sum(), x,
        strict=True)) """,
    "vjp": """
        show(A.vjp(square, x, y), A.vjp(square, xl, y), A.vjp(square, xl, y, create_graph=True), A.vjp(cubes,
        x))
        show(A.vjp(lambda a, b: (a * b, a + b), (x, y), (x, y)), A.vjp(constant, x, y), A.vjp(square, x,
        xl, True))
        for v in (None, torch.ones(3), (x, y), 3.): attempt(lambda: A.vjp(square, x, v))
        attempt(lambda: A.vjp(lambda z: (z, z), x, x)); attempt(lambda: A.vjp(lambda z: (z, z), x, (x,
        x[:1])))
        attempt(lambda: A.vjp(constant, x, y, strict=True)); attempt(lambda: A.vjp(lambda a, b: a,
        (x, y), x, strict=True)) """,
    "jvp": """
        show(A.jvp(square, x, y), A.jvp(square, xl, y, create_graph=True), A.jvp(lambda z: z * 2, x, y))
        show(A.jvp(lambda a, b: (a * b, a), (x, y), (y, x)), A.jvp(constant, x, y), A.jvp(square,
        torch.tensor(2.)))
        for v in (None, torch.ones(3), (x, y)): attempt(lambda: A.jvp(square, x, v))
        attempt(lambda: A.jvp(constant, x, y, strict=True)); attempt(lambda: A.jvp(lambda z: z * 2, x, y,
        strict=True)) """,
    "vhp and hvp": """
        for product in (A.vhp, A.hvp):
            show(product(cubes, x, y), product(cubes, xl, y, create_graph=True), product(lambda z: z.sum(), x,
            y))
            show(product(lambda a, b: (a * b ** 2).sum(), (x, y), (y, x)), product(cubes,
            torch.tensor(2.)))
            attempt(lambda: product(square, x, x)); attempt(lambda: product(cubes, x));
            attempt(lambda: product(cubes, x, 3))
            attempt(lambda: product(lambda z: z.sum(), x, y,
            strict=True)); attempt(lambda: product(lambda z: (z,), x, y))
            attempt(lambda: product(lambda z:
            square(z).sum(), xl, y, create_graph=True, strict=True))
        """,
    "strict": """
        first = lambda a, b: a * 2
        show(A.jacobian(first, (x, y))); attempt(lambda: A.jacobian(first, (x, y), strict=True))
        attempt(lambda: A.jacobian(constant, x, strict=True))
        attempt(lambda: A.jacobian(lambda z: z * 2, xl, create_graph=True, strict=True))
        attempt(lambda: A.vjp(lambda z: z * 2, xl, y, create_graph=True, strict=True))
        """,
    "inside": """
        def look(z): print(z.requires_grad, z.is_leaf, torch.is_grad_enabled()); return z ** 2
        for function in (A.jacobian, lambda f, p: A.vjp(f, p, x), lambda f, p: A.jvp(f, p, x)): function(look,
        x); function(look, xl)
        A.jacobian(look, x, create_graph=True); A.jacobian(look, xl, create_graph=True)
        with torch.no_grad(): show(A.jacobian(look, x), A.vjp(look, x, x), A.jvp(look, x, x))
        print(x.requires_grad, x.grad, xl.grad) """,
    "no tensors": """
        for f, p in ((lambda z: 3., x), (square, 3.), (square, (x, 3.)), (lambda z: (z, 3.), x), (lambda z:
        [z], x)):
            attempt(lambda: A.jacobian(f, p))
        """,
    "gradcheck": """
        G = torch.autograd.gradcheck; GG = torch.autograd.gradgradcheck
        point = (double([.3, .7]),); z = (double([[1., 2.]]) + 1j * double([[.5,
        -1.]])).detach().requires_grad_()
        print(G(torch.sin, point), G(torch.mul, (*point, double([1., 2.]))),
        GG(lambda v: v.sin() * v.exp(), point))
        print(G(torch.exp, point, check_forward_ad=True), G(lambda v:
        v.sin().sum(), point, fast_mode=True))
        print(G(lambda c: c * c, (z,)), G(lambda c: (c *
        c.conj()).real, (z,), fast_mode=True), GG(lambda c: c * c.exp(), (z,)))
        print(G(lambda c: c.abs(),
        (z,), check_forward_ad=True), GG(torch.mul, (*point, double([1., 2.]))))
        print(GG(torch.sin, point,
        check_fwd_over_rev=True), G(torch.sin, point, check_batched_grad=True))
        print(GG(torch.sin, point,
        torch.ones(2, dtype=torch.float64, requires_grad=True), gen_non_contig_grad_outputs=True))
        print(G(lambda v, k: v * k, (*point, 3)), G(lambda v: (v * 2, v.detach()), point))
        attempt(lambda:
        G(lambda v: v.detach(), point)) """,
    "gradcheck, failures": """
        G = torch.autograd.gradcheck
        def fails(*args, **options):
            print(G(*args, raise_exception=False, **options))
            try: G(*args, **options)
            except RuntimeError as error: print(type(error).__name__, str(error).splitlines()[0])
        class Wrong(torch.autograd.Function):
            @staticmethod
            def forward(ctx, v): return v * 2
            @staticmethod
            def backward(ctx, g): return g * 3
            @staticmethod
            def jvp(ctx, t): return t * 2
        class Constant(Wrong):
            @staticmethod
            def backward(ctx, g): return g * 2 + 1
        class Drifting(Wrong):
            count = 0
            @staticmethod
            def backward(ctx, g): Drifting.count += 1; return g * (2 + Drifting.count * 1e-3)
        for function in (Wrong, Constant, Drifting): fails(function.apply, (double([1.]),))
        fails(Wrong.apply, (double([1.]),), fast_mode=True)
        print(G(Wrong.apply, (double([1.]),), check_forward_ad=True, check_backward_ad=False))
        fails(torch.relu, (double([0.]),)); fails(lambda v: v * v.detach(), (double([1.]),))
        """,
    "gradcheck, refusals": """
        G = torch.autograd.gradcheck
        G(torch.sin, (leaf([.3]),), raise_exception=False)
        attempt(lambda: G(torch.sin, (torch.rand(2),), raise_exception=False))
        attempt(lambda: G(torch.sin, (double([1.]).expand(2, 2),), raise_exception=False))
        attempt(lambda: G(torch.sin, (double([1.]),), check_backward_ad=False))
        """,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_as_torch(program: str, same: Callable[[str], str]) -> None:
    same(PRELUDE + textwrap.dedent(program))
