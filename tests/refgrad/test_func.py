"""Transforms of functions: values, histories, nesting and errors, compared with torch."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import pytest

import refgrad as rg
from refgrad.transform_state import active

PRELUDE = """
F = torch.func
def tensor(value, **options): return torch.tensor(value, dtype=torch.float64, **options)
def plain(value):
    if isinstance(value, dict): return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)): return [plain(part) for part in value]
    if not isinstance(value, torch.Tensor): return value
    return (value.detach().clone().numpy().round(9) + 0.0).tolist(), value.requires_grad
def show(*values): print(*map(plain, values))
def attempt(function):
    try: return show(function())
    except Exception as error: print(type(error).__name__, str(error).split("TreeSpec")[0][:160])
x = tensor([1., 2.]); y = tensor([3., 5.]); one = tensor([1., 1.])
xl = tensor([1., 2.], requires_grad=True); w = tensor([2., 3.], requires_grad=True)
X = tensor([[1., 0.], [0., 1.], [2., 3.]]); XL = tensor([[1., 2.], [3., 4.], [5., 6.]], requires_grad=True)
cubes = lambda z: (z ** 3).sum()
def outer(*results):
    total = sum(result.sum() for result in results); total.backward()
    print([None if leaf.grad is None else leaf.grad.tolist() for leaf in (xl, w, XL)])
    xl.grad = w.grad = XL.grad = None
"""

PROGRAMS = {
    "grad": "show(F.grad(cubes)(x), F.grad(cubes)(xl), F.grad(lambda z: (w * z ** 2).sum())(x))",
    "grad of grad": "g = lambda z: F.grad(cubes)(z).sum(); show(F.grad(g)(x), F.grad(g)(xl))",
    "no influence": "show(F.grad(lambda z: w.sum())(x), F.grad(lambda z: torch.tensor(3.))(x))",
    "histories": """
        outer(F.grad(cubes)(xl)); outer(F.grad(lambda z: (w * z ** 2).sum())(x)); outer(F.vjp(lambda z: z **
        2, xl)[0])
        outer(F.grad(lambda z: (w * z ** 2).sum())(xl)); outer(F.jvp(lambda z: w * z ** 3, (xl,),
        (one,))[1])
        value, pull = F.vjp(lambda z: z ** 3 * w, xl); outer(value, *pull(one));
        outer(*F.vjp(cubes, xl)[1](w.sum()))
        outer(F.grad_and_value(cubes)(xl)[1])
        outer(F.jacrev(lambda z: z
        ** 2)(xl)); outer(F.jacfwd(lambda z: z ** 2)(xl)); outer(F.hessian(cubes)(xl)) """,
    "finished transforms are constants to what is recorded later": """
        class Product(torch.autograd.Function):
            @staticmethod
            def forward(a, b): return a * b
            @staticmethod
            def setup_context(ctx, inputs, output): ctx.save_for_backward(*inputs)
            @staticmethod
            def backward(ctx, grad):
                a, b = ctx.saved_tensors
                return grad * b, grad * a
        def recorded(*results):
            for result in results: result.sum().backward(create_graph=True)
            show([leaf.grad for leaf in (xl, w) if leaf.grad is not None]); xl.grad = w.grad = None
        squares = lambda z: (z * z * w).sum(); waves = lambda z: (z.sin() * w.exp() * z.sin()).sum()
        custom = lambda z: Product.apply(z * z, w).sum()
        for v in (x, xl):
            for f in (squares, waves, custom):
                recorded(F.grad(f)(v)); recorded(F.grad_and_value(f)(v)[1])
                recorded(F.grad(lambda z: (F.grad(f)(z) * v).sum())(v))
                value, pull = F.vjp(f, v); recorded(value, *pull(tensor(2.)))
            recorded(F.jacrev(squares)(v)); recorded(F.hessian(squares)(v))
            recorded(F.jvp(squares, (v,), (v,))[1])
        """,
    "arguments": """
        f = lambda a, b, *, k=1: (a * b ** 2 * k).sum()
        show(F.grad(f, argnums=(0, 1))(x, y), F.grad(f, argnums=1)(x, y), F.grad(f, argnums=-1)(x, y, k=3))
        for numbers in (2, (0, 0), "a"): attempt(lambda: F.grad(f, argnums=numbers)(x, y))
        tree = {"a": x, "b": [y, (one,)]}
        show(F.grad(lambda t: (t["a"] * t["b"][0] * t["b"][1][0]).sum())(tree))
        """,
    "aux": """
        f = lambda z: ((z ** 2).sum(), {"more": z * 7})
        show(F.grad(f, has_aux=True)(x), F.grad_and_value(f, has_aux=True)(xl), F.vjp(f, x, has_aux=True)[2])
        show(F.jvp(f, (x,), (one,), has_aux=True), F.jacrev(f, has_aux=True)(x), F.jacfwd(f, has_aux=True)(x))
        for g in (F.grad(lambda z: (z.sum(), "aux"), has_aux=True), F.grad(cubes, has_aux=True)):
            attempt(lambda: g(x))
        attempt(lambda: F.vjp(lambda z: z, x, has_aux=True))
        attempt(lambda: F.jvp(cubes, (x,), (x,), has_aux=True))
        """,
    "results that are refused": """
        for f in (lambda z: z * 2, lambda z: z[:1], lambda z: 3., lambda z: (z.sum(),), lambda z: z.sum() *
        1j):
            attempt(lambda: F.grad(f)(x))
        for f in (lambda z: 3., lambda z: (z, "a")):
            attempt(lambda: F.vjp(f, x)); attempt(lambda: F.jvp(f, (x,), (x,)))
            attempt(lambda: F.jacrev(f)(x)); attempt(lambda: F.jacfwd(f)(x))
        """,
    "arguments that are refused": """
        attempt(lambda: F.grad(cubes)(3.)); attempt(lambda: F.grad(cubes)(x.long()))
        attempt(lambda: F.jvp(cubes, x, x)); attempt(lambda: F.jvp(cubes, (), ()))
        attempt(lambda: F.jvp(cubes, (x,), (x, x))); attempt(lambda: F.jvp(cubes, (x,), (x[:1],)))
        attempt(lambda: F.vjp(lambda z: z, x)[1](x[:1])); attempt(lambda: F.vjp(lambda z: (z, z), x)[1](x))
        """,
    "inside": """
        def f(z): print(z.requires_grad, z.is_leaf, z.grad_fn, torch.is_grad_enabled()); return z.sum()
        F.grad(f)(x); F.grad(f)(xl)
        with torch.no_grad(): F.grad(f)(xl); print(torch.is_grad_enabled())
        attempt(lambda: F.grad(lambda z: z.mul_(2).sum())(x)); show(x)
        """,
    "grad modes": """
        def f(z):
            with torch.no_grad(): c = z ** 2
            return (z - c).sum()
        show(F.grad(f)(x))
        with torch.no_grad(): show(F.grad(cubes)(xl), F.vjp(lambda z: z * w, xl)[0], F.jvp(cubes, (xl,),
        (w,))) """,
    "backward inside": """
        for t in (lambda f: F.grad(f)(x), lambda f: F.vjp(f, x), lambda f: F.jvp(f, (x,), (x,)), lambda f:
        F.vmap(f)(X)):
            attempt(lambda: t(lambda z: [(z * w).sum().backward(), z.sum()][1]))
        def f(z): return torch.autograd.grad((z ** 3).sum(), z, create_graph=True)[0].sum()
        show(F.grad(f)(x))
        """,
    "vjp and jvp": """
        value, pull = F.vjp(lambda a, b: {"p": a * b, "q": a}, x, y); show(value, pull({"p": x, "q": y}))
        value, pull = F.vjp(lambda z: z, xl); print(value is xl, value.is_leaf); show(pull(x))
        show(F.jvp(lambda a, b: (a * b, one), (x, y), (one, x)), F.jvp(lambda z: z, (xl,), (w,)))
        attempt(lambda: F.jvp(lambda z: one, (x,), (x,), strict=True))
        """,
    "derivatives within each other": """
        show(F.jvp(F.grad(cubes), (x,), (y,)), F.grad(lambda z: F.jvp(cubes, (z,), (one,))[1])(x))
        show(F.jvp(lambda z: F.jvp(lambda u: u ** 3, (z,), (one,))[1], (x,), (y,)))
        show(F.jvp(lambda z: z * F.jvp(lambda u: z + u, (one,), (one,))[1], (x,), (one,)))
        show(F.grad(lambda z: (z * F.grad(lambda u: (z * u).sum())(one)).sum())(x))
        show(F.jvp(lambda z: F.jvp(F.grad(cubes), (z,), (one,))[1], (x,), (one,)))
        show(F.jvp(lambda a, b: F.grad(lambda u: (u * u * b).sum())(a), (x, y), (one, one)))
        """,
    "Jacobians": """
        for jac in (F.jacrev, F.jacfwd):
            show(jac(lambda z: z ** 2)(x), jac(lambda z: (z ** 2, {"s": z.sum()}))(x), jac(lambda z:
            z.sum())(x))
            show(jac(lambda a, b: a * b, argnums=(0, 1))(x, y), jac(jac(lambda z: z ** 3))(x),
            jac(lambda z: z @ X.T)(x))
        show(F.jacrev(F.jacfwd(lambda z: z ** 3))(x), F.jacfwd(F.jacrev(lambda z: z ** 3))(x))
        show(F.hessian(cubes)(x), F.hessian(lambda a, b: (a * a * b).sum(), argnums=(0, 1))(x, y))
        show(F.hessian(lambda z: z.prod() * z.exp().sum())(x), F.jacrev(lambda z: z ** 2, chunk_size=1)(x))
        """,
    "vmap": """
        show(F.vmap(torch.dot)(X, X), F.vmap(lambda r: r * 2, in_dims=1, out_dims=1)(X),
        torch.vmap(torch.sum)(X))
        show(F.vmap(lambda a, b: a + b, in_dims=(None, 0))(x, X), F.vmap(lambda t:
        t["a"] * t["b"])({"a": X, "b": X}))
        show(F.vmap(lambda r: (r.sum(), {"q": r * 2}), out_dims=(0, {"q":
        1}))(X), F.vmap(F.vmap(lambda v: v * v))(X))
        show(F.vmap(lambda r: one)(X), F.vmap(lambda r: r * 2,
        chunk_size=2)(X), F.vmap(lambda r: r.sum())(X[:0]))
        show(F.vmap(lambda r: F.vmap(lambda q: (r *
        q).sum())(X))(X), F.vmap(lambda r, k: r * k)(X, k=y)) """,
    "vmap, errors": """
        for f in (lambda v: v if v > 0 else -v, lambda v: v.item(), lambda v: v + torch.rand(()), lambda v:
        3):
            attempt(lambda: F.vmap(f)(one))
        attempt(lambda: F.vmap(lambda v: torch.zeros((), dtype=torch.float64).add_(v))(one))
        attempt(lambda: F.vmap(torch.sin)(3.)); attempt(lambda: F.vmap(torch.dot)(X, X[:1]))
        for dims in (5, (0, 0)): attempt(lambda: F.vmap(torch.sin, in_dims=dims)(X))
        print(F.vmap(lambda v: v * 0 + torch.rand((), dtype=torch.float64),
        randomness="same")(one).unique().numel())
        print(F.vmap(lambda v: v * 0 + torch.rand(2),
        randomness="different")(one).shape) """,
    "vmap of derivatives": """
        loss = lambda p, r: (p * r).sum() ** 2
        show(F.vmap(F.grad(loss), in_dims=(None, 0))(x, X), F.vmap(F.grad(loss), in_dims=(None, 0))(w, X))
        show(F.vmap(lambda r, t: F.jvp(torch.sin, (r,), (t,)))(X, X), F.vmap(F.jacrev(torch.sin))(X))
        show(F.vmap(F.hessian(cubes))(X), F.vmap(lambda r: F.vjp(torch.sin, r)[1](r)[0])(X))
        outer(F.vmap(F.grad(loss), in_dims=(None, 0))(w, X)); outer(F.vmap(F.jacrev(lambda r: r ** 3))(XL))
        """,
    "derivatives of vmap": """
        outer(F.vmap(lambda r: (r ** 2).sum() * w[0])(XL)); outer(F.vmap(lambda r, p: (r * p).sum(), (0,
        None))(XL, w))
        z = F.vmap(lambda r: r ** 3 * w[0], in_dims=1, out_dims=1)(XL)
        g, = torch.autograd.grad(z.sum(), XL, create_graph=True); show(g); outer(g)
        show(F.grad(lambda m:
        F.vmap(lambda r: (r ** 2).sum() * r[0])(m).sum())(X))
        show(F.jvp(F.vmap(lambda r: r ** 2, in_dims=1,
        out_dims=-1), (X,), (X,)))
        show(F.jvp(lambda m: F.vmap(lambda r: (r * m[0]).sum())(X), (X,), (X,)))
        outer(F.jvp(F.vmap(lambda r: r ** 3 * w), (XL,), (X,))[1])
        outer(*F.vmap(lambda r: (r * w, r.sum() *
        w[1]))(XL)); outer(F.vmap(F.vmap(lambda v: v ** 2 * w[0]))(XL))
        f = lambda z: z * z * z
        show(F.jacrev(F.jacrev(F.jacrev(f)))(x)); outer(F.jacrev(F.jacrev(f))(xl));
        outer(F.jacrev(F.jacfwd(f))(xl)) """,
    "batches of cotangents": """
        A = torch.autograd; z = xl * xl * w
        show(*A.grad(z, [xl, w], torch.eye(2).double(), is_grads_batched=True, retain_graph=True))
        g, = A.grad(z, xl, torch.eye(2).double(), is_grads_batched=True, create_graph=True); show(g); outer(g)
        show(*A.grad(xl * 3, [xl, w], torch.eye(2).double(), is_grads_batched=True, allow_unused=True))
        show(*A.grad(xl * 3, [xl, w], torch.eye(2).double(), is_grads_batched=True, materialize_grads=True))
        attempt(lambda: A.grad(xl * 3, [xl, w], torch.eye(2).double(), is_grads_batched=True))
        for batch in (torch.ones(2), torch.ones(3, 3)):
            attempt(lambda: A.grad(xl * 3, xl, batch.double(), is_grads_batched=True))
        """,
    "modules": """
        class Two(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = torch.nn.Parameter(one); self.other = self.weight; self.register_buffer("shift",
                x)
            def forward(self, z, k=1): return z * self.weight + self.other * k + self.shift
        m = Two(); n = Two()
        show(F.functional_call(m, {"weight": y}, (x,)), F.functional_call(m, {"weight": y, "shift": y}, x,
        {"k": 2}))
        show(F.functional_call(m, [{"weight": y}, {"shift": y}], (x,)), F.functional_call(m,
        {"weight": y, "no": x}, x))
        show(F.functional_call(m, {"weight": y}, x, tie_weights=False), m.weight)
        show(F.grad(lambda p: F.functional_call(m, p, (x,)).sum())({"weight": y}), F.stack_module_state([m,
        n]))
        attempt(lambda: F.functional_call(m, [{"weight": y}, {"weight": y}], x)); attempt(lambda:
        F.functional_call(m, 3, x))
        for names in (["weight"], ["weight", "shift", "other", "no"]):
            attempt(lambda: F.functional_call(m, {name: y for name in names}, x, strict=True))
        attempt(lambda: F.stack_module_state([])); attempt(lambda: F.stack_module_state([m,
        torch.nn.Module()]))
        attempt(lambda: F.stack_module_state([m, Two().eval()])) """,
    "custom functions": """
        def function(setup=True, **more):
            def forward(z): return z * 2
            methods = {"forward": staticmethod(forward), "backward": staticmethod(lambda ctx, g: g * 2)}
            if setup: methods["setup_context"] = staticmethod(lambda ctx, inputs, output: None)
            else: methods["forward"] = staticmethod(lambda ctx, z: z * 2)
            return type("Fn", (torch.autograd.Function,), {**methods, **more})
        rule = staticmethod(lambda info, dims, z: [print(info.batch_size, dims, z.shape), (z * 2,
        dims[0])][1])
        attempt(lambda: F.grad(lambda z: function(setup=False).apply(z).sum())(x))
        show(F.grad(lambda z: function().apply(z).sum())(x),
        F.vmap(function(generate_vmap_rule=True).apply)(X))
        show(F.vmap(function(vmap=rule).apply)(X),
        F.vmap(function(vmap=rule).apply, in_dims=1)(X))
        show(F.vmap(F.grad(lambda r:
        function(generate_vmap_rule=True).apply(r).sum()))(X))
        attempt(lambda: F.vmap(function().apply)(X))
        attempt(lambda: F.vmap(function(vmap=rule, generate_vmap_rule=True).apply)(X)) """,
    "a leak": """
        seen = []
        def f(z): seen.append(z.sin()); return seen[0].sum()
        F.grad(f)(x); print((seen[0] + 1).tolist())
        """,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_as_torch(program: str, same: Callable[[str], str]) -> None:
    same(PRELUDE + textwrap.dedent(program))


def test_a_transform_that_fails_is_over() -> None:
    def fails(z: rg.Tensor) -> rg.Tensor:
        assert active()
        raise ZeroDivisionError

    x = rg.ones(2)
    transforms: list[Callable[[rg.Tensor], Any]] = [
        rg.func.grad(fails),
        lambda z: rg.func.jvp(fails, (z,), (z,)),
        rg.func.vmap(fails),
    ]
    for transform in transforms:
        with pytest.raises(ZeroDivisionError):
            transform(x)
        assert not active()
        assert rg.is_grad_enabled()


def test_linearize_runs_its_function_once() -> None:
    # torch.func.linearize warns of its own tracer, and runs the function twice.
    runs = []

    def f(a: rg.Tensor, b: rg.Tensor) -> Any:
        runs.append(1)
        return a * b, {"sum": a.sum()}

    x, y = rg.tensor([1.0, 2.0], requires_grad=True), rg.tensor([3.0, 5.0])
    outputs, push = rg.func.linearize(f, x, y)
    products = push(rg.tensor([1.0, 10.0]), rg.ones(2))
    assert [outputs[0].tolist(), outputs[1]["sum"].item()] == [[3.0, 10.0], 3.0]
    assert [products[0].tolist(), products[1]["sum"].item()] == [[4.0, 52.0], 11.0]
    assert push(rg.zeros(2), rg.ones(2))[0].tolist() == [1.0, 2.0]
    assert len(runs) == 1
    products[0].sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="doesn't match the shape"):
        push(rg.ones(3), rg.ones(2))
    with pytest.raises(RuntimeError, match="to have the same argspec as the primals"):
        push(rg.ones(2))
