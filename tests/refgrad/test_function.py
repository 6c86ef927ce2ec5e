"""Custom functions: outputs of every kind, what is saved, what backward is given and may return
against torch."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

# The functions that the programs use. `log` keeps what their backward methods are given.
FUNCTIONS = """
from contextlib import suppress

Function = torch.autograd.Function
once_differentiable = torch.autograd.function.once_differentiable
log = []


def make(forward, backward=None, name="Fn", **attributes):
    space = {"forward": staticmethod(forward)}
    if backward is not None:
        space["backward"] = staticmethod(backward)
    for key, value in attributes.items():
        space[key] = staticmethod(value) if callable(value) else value
    return type(name, (Function,), space)


def attempt(function):
    try:
        print(function())
    except Exception as error:
        print(f"{type(error).__name__}: {error}")


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        result = x.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0]


class Cube(Function):
    @staticmethod
    def forward(x):
        return x**3, 3 * x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx, grad, grad_slope):
        x, slope = ctx.saved_tensors
        return grad * slope + grad_slope * 6 * x


class Scale(Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, grad):
        log.append((ctx.needs_input_grad, torch.is_grad_enabled()))
        return grad * ctx.factor, None


class Double_(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


class Same(Function):
    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


class Both(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1, x * 2

    @staticmethod
    def backward(ctx, first, second):
        log.append((first, second))
        return first + 2 * second


class Views(Function):
    @staticmethod
    def forward(ctx, x):
        return x.view(-1), x * 2

    @staticmethod
    def backward(ctx, first, second):
        return first + second


class Once(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return 2 * ctx.saved_tensors[0] * grad
"""

PROGRAMS = {
    "a result that is saved": """
        x = leaf([0.0, 1.0]); y = Exp.apply(x); print(y, y.grad_fn.name(), y.is_leaf)
        y.sum().backward(); print(x.grad); attempt(lambda: y.sum().backward())
        """,
    "gradients of gradients": """
        x = leaf([2.0]); y = Exp.apply(x)
        g, = torch.autograd.grad(y, x, create_graph=True); print(g)
        h, = torch.autograd.grad(g, x, create_graph=True); print(h); h.backward(); print(x.grad)
        """,
    "an intermediate that is an output": """
        x = leaf([2.0]); y, slope = Cube.apply(x); print(y, slope, y.output_nr, slope.output_nr)
        g, = torch.autograd.grad(y, x, create_graph=True); print(g); g.backward(); print(x.grad)
        """,
    "an intermediate that is none": """
        Bad = make(lambda ctx, x: (ctx.save_for_backward(3 * x**2), x**3)[1], lambda ctx,
            g: g * ctx.saved_tensors[0])
        x = leaf([2.0]); g, = torch.autograd.grad(Bad.apply(x) * x, x, create_graph=True)
        print(g, torch.autograd.grad(g, x)); g, = torch.autograd.grad(Bad.apply(x), x, create_graph=True)
        attempt(lambda: torch.autograd.grad(g, x))
        """,
    "arguments that are no tensors": """
        x = leaf([2.0]); y = Scale.apply(x, 5)
        print(y.grad_fn.next_functions[0][1], len(y.grad_fn.next_functions))
        y.backward(); print(x.grad, log)
        """,
    "keyword arguments": """
        A = make(lambda ctx, x, k=1: x * k, lambda ctx, g: (g * 5, None)); x = leaf([1.0])
        A.apply(x, k=5).backward()
        print(x.grad); B = make(lambda ctx, x, k=1: x * k, lambda ctx, g: g)
        attempt(lambda: B.apply(x, k=5).backward()); w = leaf([3.0])
        C = make(lambda ctx, x, w=None: x * w, lambda ctx, g: (g, g * 7)); C.apply(x, w=w).backward()
        print(w.grad)
        """,
    "default arguments": """
        P = make(lambda x, y=3: x**y, lambda ctx, g: (g * ctx.y, None),
                 setup_context=lambda ctx, inputs, output: setattr(ctx, "y", inputs[1]))
        x = leaf([2.0]); print(torch.autograd.grad(P.apply(x), x), P.apply(x, 2))
        """,
    "which inputs need a gradient": """
        F = make(lambda ctx, a, b, k: a * b * k, lambda ctx, g: (log.append(ctx.needs_input_grad), (g, g,
            None))[1])
        a, b = leaf([1.0]), torch.ones(1); y = F.apply(a, b, 3); print(y.grad_fn.next_functions[1])
        y.backward(); print(log, a.grad, b.grad)
        """,
    "recording is off in forward": """
        F = make(lambda ctx, x: (log.append((torch.is_grad_enabled(), (x * 2).requires_grad,
            x.requires_grad)), x * 2)[1],
                 lambda ctx, g: g)
        print(F.apply(leaf([1.0])).requires_grad, log)
        """,
    "too many and too few": """
        x = leaf([1.0]); make(lambda ctx, x: x * 1, lambda ctx, g: (g, None, None)).apply(x).backward()
        print(x.grad)
        attempt(lambda: make(lambda ctx, x: x * 1, lambda ctx, g: (g, g)).apply(x).backward())
        attempt(lambda: make(lambda ctx, x, y: x * y, lambda ctx, g: g).apply(x, x).backward())
        attempt(lambda: make(lambda ctx, x, k: x * k, lambda ctx, g: (g, g)).apply(x, 2).backward())
        attempt(lambda: make(lambda ctx, x: x * 1, lambda ctx, g: 5).apply(x).backward())
        """,
    "None for a gradient": """
        A = make(lambda ctx, x: x * 2, lambda ctx, g: None); x = leaf([3.0]); A.apply(x).backward()
        print(x.grad)
        y = x**2; A.apply(y).backward(); print(x.grad); attempt(lambda: y.backward())
        print(torch.autograd.grad(A.apply(x), x, allow_unused=True)); (A.apply(x * x) + x * 3).backward()
        print(x.grad)
        u, v = torch.cat([x, x]).unbind(); A.apply(u).backward(); print(x.grad)
        """,
    "None through a function": """
        A = make(lambda ctx, x: x * 2, lambda ctx, g: None); x = leaf([1.0])
        Exp.apply(A.apply(Both.apply(x)[0])).backward()
        print(x.grad, log); (A.apply(x) * 2 + x.exp() * A.apply(x * x)).backward(); print(x.grad)
        """,
    "shapes of gradients": """
        F = make(lambda ctx, x: x * 2, lambda ctx, g: torch.ones(10), name="MyF")
        attempt(lambda: F.apply(torch.ones(5, 5, requires_grad=True)).sum().backward())
        G = make(lambda ctx, x: x * 2, lambda ctx, g: torch.ones(2, 3, 1))
        x = torch.ones(3, 1, requires_grad=True)
        G.apply(x).sum().backward(); print(x.grad)
        """,
    "dtypes of gradients": """
        F = make(lambda ctx, x: x * 2, lambda ctx, g: torch.ones(1, dtype=torch.float64)); x = leaf([1.0])
        F.apply(x).backward(); print(x.grad.dtype)
        G = make(lambda ctx, x: x * 2, lambda ctx, g: torch.ones(1, dtype=torch.int64))
        G.apply(x).backward(); print(x.grad)
        H = make(lambda ctx, x: x * 2, lambda ctx, g: torch.ones(1, dtype=torch.complex64))
        attempt(lambda: H.apply(x).backward())
        """,
    "an input that is returned": """
        x = leaf([1.0]); y = Same.apply(x)
        print(y is x, y.grad_fn.name(), y._is_view(), y.data_ptr() == x.data_ptr())
        y.backward(); print(x.grad); attempt(lambda: Same.apply(x * 1).add_(1))
        c = torch.ones(1); y = Same.apply(c); print(y is c, y._is_view(), y.requires_grad)
        with torch.no_grad():
            y = Same.apply(x)
        print(y is x, y.requires_grad, y.is_leaf)
        """,
    "a view of an input": """
        View = make(lambda ctx, x: x.view(-1), lambda ctx, g: g.view(1)); y = View.apply(leaf([1.0]) * 1)
        print(y._is_view(), y); attempt(lambda: y.add_(1)); u, v = Views.apply(leaf([1.0]) * 1)
        print(v.add_(1))
        attempt(lambda: u.add_(1))
        """,
    "gradients that nobody sent": """
        x = leaf([1.0]); u, v = Both.apply(x); u.backward(); print(log, x.grad)
        F = make(lambda ctx, x: (ctx.set_materialize_grads(False), x * 1, x * 2)[1:],
                 lambda ctx, a, b: (log.append((a, b)), a)[1])
        u, v = F.apply(x); u.backward(retain_graph=True); print(log[-1], x.grad)
        """,
    "outputs without derivatives": """
        F = make(lambda ctx, x: (lambda a, b: (ctx.mark_non_differentiable(a), (a, b))[1])(x + 1, x + 2),
                 lambda ctx, ga, gb: (log.append((ga, gb)), gb)[1])
        x = leaf([1.5]); a, b = F.apply(x); print(a, b); b.backward(); print(log, x.grad)
        G = make(lambda ctx, x: (x * 2, x.long()), lambda ctx, g, gi: (log.append(gi), g * 2)[1])
        a, b = G.apply(x); print(a, b); a.backward(); print(log[-1])
        H = make(lambda ctx, x: (ctx.mark_non_differentiable(x), x)[1], lambda ctx, g: g)
        y = x * 1; z = H.apply(y); print(z is y, z.requires_grad, z._is_view())
        """,
    "outputs that are no tensors": """
        F = make(lambda ctx, x: (x * 2, "tag", 7), lambda ctx, *g: (log.append(g), g[0] * 2)[1])
        x = leaf([1.0])
        y, t, k = F.apply(x); y.backward(); print(t, k, log, x.grad)
        print(make(lambda ctx, a, b: a + b, lambda ctx, g: (g, g)).apply(2, 3))
        y = make(lambda ctx, x: [x * 2], lambda ctx, g: g).apply(x); print(y)
        y = make(lambda ctx, x: (x * 2,), lambda ctx, g: g).apply(x); print(y)
        y = make(lambda ctx, l: l[0] * 2, lambda ctx, g: None).apply([x]); print(y.requires_grad)
        """,
    "the same output twice": """
        F = make(lambda ctx, x: (lambda o: (o, o))(x * 2), lambda ctx, a, b: 2 * a + 3 * b); x = leaf([1.0])
        a, b = F.apply(x); print(a is b, a.output_nr); (a + b).backward(); print(x.grad)
        """,
    "a dirty input": """
        x = leaf([3.0]); a = x.clone(); y = Double_.apply(a); print(y is a, a.grad_fn.name(), a._version)
        y.backward(); print(x.grad); attempt(lambda: Double_.apply(x)); attempt(lambda: Double_.apply(x[:]))
        with torch.no_grad():
            print(Double_.apply(x) is x, x)
        """,
    "a dirty view": """
        x = leaf([3.0, 4.0]); a = x.clone(); v = a[:1]; y = Double_.apply(v)
        print(y is v, v.grad_fn, a.grad_fn, a)
        a.sum().backward(); print(x.grad)
        """,
    "a gradient through a dirty view": """
        for through in (0, 1):
            x = leaf([3.0, 4.0]); a = x.clone(); v, w = a[:1], a[:1]
            Double_.apply(v); (v, w)[through].sum().backward(); print(x.grad)
        """,
    "a dirty constant": """
        F = make(lambda ctx, c, x: (ctx.mark_dirty(c), c.mul_(x))[1], lambda ctx, g: (g, g))
        c, x = torch.ones(1), leaf([2.0])
        y = F.apply(c, x); print(y is c, c); y.backward(); print(x.grad)
        """,
    "a dirty input is noticed": """
        F = make(lambda ctx, x: (x.detach().numpy().__iadd__(1), ctx.mark_dirty(x), x)[2], lambda ctx, g: g)
        a = leaf(1.0).clone(); b = a * a; F.apply(a); attempt(lambda: b.backward())
        """,
    "a dirty input that is not returned": """
        F = make(lambda ctx, x: (x.mul_(2), ctx.mark_dirty(x), x.clone())[2], lambda ctx, g: g)
        attempt(lambda: F.apply(leaf([3.0]).clone()))
        """,
    "a dirty tensor that is no input": """
        F = make(lambda ctx, x: (lambda c: (ctx.mark_dirty(c), c)[1])(x * 3), lambda ctx, g: g * 3)
        x = leaf([3.0]); F.apply(x).backward(); print(x.grad)
        """,
    "dirty and not differentiable": """
        F = make(lambda ctx, x: (x.mul_(2), ctx.mark_dirty(x), ctx.mark_non_differentiable(x), x)[3],
            lambda ctx, g: g)
        a = leaf([3.0]).clone(); y = F.apply(a); print(y, a.grad_fn.name())
        """,
    "what can be saved": """
        A = make(lambda ctx, x: (ctx.save_for_backward(None, x), x * x)[1], lambda ctx,
            g: g * 2 * ctx.saved_tensors[1])
        x = leaf([3.0]); A.apply(x).backward(); print(x.grad)
        B = make(lambda ctx, x: (ctx.save_for_backward(5), x * x)[1], lambda ctx, g: g)
        attempt(lambda: B.apply(x))
        C = make(lambda x: x, lambda ctx, g: g, setup_context=lambda ctx, i, o: ctx.save_for_backward(i[0]))
        attempt(lambda: C.apply(x))
        D = make(lambda ctx, x: (ctx.save_for_forward(5), x)[1], lambda ctx, g: g)
        attempt(lambda: D.apply(x))
        """,
    "saved tensors and what came from them": """
        y = Once.apply(leaf([3.0])); x = y.grad_fn.saved_tensors[0]; print(x, x.is_leaf)
        y = Exp.apply(leaf([3.0])); r = y.grad_fn.saved_tensors[0]; print(r is y, r.grad_fn is y.grad_fn)
        y, s = Cube.apply(leaf([3.0])); print(y.grad_fn.saved_tensors[1].output_nr)
        """,
    "a saved tensor is written to": """
        x = leaf([3.0]).clone(); y = Once.apply(x); x.add_(1); attempt(lambda: y.backward())
        y = Exp.apply(leaf([3.0])); y.add_(1); attempt(lambda: y.backward())
        """,
    "a tensor on ctx is not watched": """
        A = make(lambda ctx, x: (setattr(ctx, "x", x), x * x)[1], lambda ctx, g: g * 2 * ctx.x)
        x0 = leaf([3.0]); x = x0.clone(); y = A.apply(x); x.add_(1); y.backward(); print(x0.grad)
        """,
    "old and new ways of saving": """
        A = make(lambda ctx, x: (ctx.save_for_backward(x), x * x)[1], lambda ctx,
            g: g * 2 * ctx.saved_variables[0])
        x = leaf([3.0]); A.apply(x).backward(); print(x.grad)
        B = make(lambda ctx, x: (ctx.mark_shared_storage((x, x)), x * x)[1], lambda ctx, g: g); B.apply(x)
        C = make(lambda ctx, x: (ctx.save_for_backward(x), x * x)[1],
                 lambda ctx, g: (ctx.saved_tensors, ctx.saved_tensors,
                     g)[2], clear_saved_tensors_on_access=True)
        attempt(lambda: C.apply(x).backward())
        """,
    "boxed gradients": """
        A = make(lambda ctx, x: (x * 2, x * 3), lambda ctx, gs: (log.append(type(gs)),
            gs[0] * 2 + gs[1] * 3)[1],
                 boxed_grads_call=True)
        x = leaf([1.0]); a, b = A.apply(x); (a + b).backward(); print(log, x.grad)
        """,
    "differentiable once": """
        x = leaf([3.0]); g, = torch.autograd.grad(Once.apply(x), x, create_graph=True)
        print(g, g.requires_grad)
        v = leaf([1.0]); g, = torch.autograd.grad(Once.apply(x), x, v, create_graph=True)
        print(g.grad_fn.name(), g)
        attempt(lambda: g.backward())
        """,
    "what is not defined": """
        x = leaf([1.0]); attempt(lambda: type("A", (Function,), {}).apply(x))
        attempt(lambda: make(lambda ctx, x: x * 1).apply(x).backward())
        attempt(lambda: make(lambda ctx, x: x * 1, lambda ctx, g: g, vjp=lambda ctx,
            g: g).apply(x).backward())
        make(lambda ctx, x: x * 2, vjp=lambda ctx, g: g * 2).apply(x).backward(); print(x.grad)
        attempt(lambda: Scale.apply(x, 2).grad_fn.something); attempt(lambda: Scale.apply(x, 2).grad_fn(x))
        """,
    "instances": "f = Exp(); attempt(lambda: f(leaf([1.0])))",
    "an exception in backward": """
        def fails(ctx, grad):
            raise KeyError("boom")
        attempt(lambda: make(lambda ctx, x: x * 1, fails).apply(leaf([1.0])).backward())
        """,
    "no grad mode": """
        with torch.no_grad():
            y = Exp.apply(leaf([1.0]))
        print(y.requires_grad, y.grad_fn)
        """,
    "a backward within backward": """
        class Re(Function):
            @staticmethod
            def forward(ctx, x):
                with torch.enable_grad():
                    ctx.x = x.detach().requires_grad_()
                    ctx.out = ctx.x * 3
                return ctx.out.detach()

            @staticmethod
            def backward(ctx, grad):
                mode = torch.is_grad_enabled()
                with torch.enable_grad():
                    ctx.out.sum().backward()
                log.append((mode, torch.is_grad_enabled()))
                return ctx.x.grad * grad
        x = leaf([1.0]); Re.apply(x).backward(); print(log, x.grad)
        """,
    "ctx outlives its graph": """
        A = make(lambda ctx, x: (ctx.save_for_backward(x), x * 1)[1], lambda ctx, g: (log.append(ctx), g)[1])
        y = A.apply(leaf([0.0])); y.backward(retain_graph=True); del y; print(log[0].saved_tensors)
        """,
    "a gradient that is written to": """
        Bad = make(lambda ctx, x: x * 1, lambda ctx, g: g.mul_(0)); a, b = leaf([1.0]), leaf([1.0]); c = b * 1
        (Bad.apply(a) + c).backward(); print(a.grad, b.grad)
        """,
    "functions within functions": """
        F = make(lambda ctx, x: Exp.apply(x), lambda ctx, g: Exp.apply(g)); x = leaf([1.0]); y = F.apply(x)
        print(y.grad_fn.name()); g, = torch.autograd.grad(y, x, leaf([1.0]), create_graph=True); print(g)
        """,
    "hooks on outputs": """
        x = leaf([1.0]); u, v = Both.apply(x); u.register_hook(lambda g: g * 10); v.retain_grad()
        (u + v).backward(); print(x.grad, v.grad, log)
        """,
    "partial gradients": """
        F = make(lambda ctx, a, b: a * b, lambda ctx, g: (log.append(ctx.needs_input_grad), (g, g))[1])
        a, b = leaf([1.0]), leaf([2.0]); print(torch.autograd.grad(F.apply(a, b), a), log)
        """,
    "repeated backward": """
        x = leaf([1.0]); y = Scale.apply(x, 3); y.backward(); y.backward(); print(x.grad)
        attempt(lambda: y.grad_fn.saved_tensors); y = Once.apply(x); y.backward(retain_graph=True)
        y.backward()
        attempt(lambda: y.backward()); print(x.grad)
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(same: Callable[[str], str], name: str) -> None:
    same(FUNCTIONS + textwrap.dedent(PROGRAMS[name]))
