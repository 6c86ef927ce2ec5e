"""Saved tensors and their hooks, mutation of what is saved; compared with torch."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

SETUP = """
graph = torch.autograd.graph
log = []


def attempt(function):
    try:
        print(function())
    except Exception as error:
        print(f"{type(error).__name__}: {error}")


def logged(name, value):
    log.append((name, value.tolist(), value.requires_grad, type(value.grad_fn).__name__,
        torch.is_grad_enabled()))
    return value


def hooks():
    return graph.saved_tensors_hooks(lambda t: logged("pack", t).detach(), lambda t: logged("unpack", t))
"""

PROGRAMS = {
    "order and modes": """
        a, b = leaf([1.0, 1.0]), leaf([1.0, 1.0]) * 2
        with hooks():
            y = (a * b).exp()
        y.sum().backward(); print(log)
        """,
    "any object": """
        x = leaf([2.0])
        with graph.saved_tensors_hooks(lambda t: ("packed", t.detach() * 10), lambda p: p[1]):
            y = x * x
        y.backward(); print(x.grad)
        """,
    "the innermost pair": """
        with graph.saved_tensors_hooks(lambda t: log.append("outer") or t.detach(), lambda t: t):
            with graph.saved_tensors_hooks(lambda t: log.append("inner") or t.detach(), lambda t: t):
                leaf([2.0]).exp()
            leaf([2.0]).exp()
        print(log)
        """,
    "a pack hook that writes": """
        def run():
            with graph.saved_tensors_hooks(lambda t: t.mul_(2), lambda t: t):
                return (leaf([2.0]) * 1).exp()
        attempt(run)
        """,
    "an unpack hook without a tensor": """
        x = leaf([2.0])
        with graph.saved_tensors_hooks(lambda t: t.detach(), lambda t: 5):
            y = x * x
        attempt(y.backward)
        """,
    "each reading unpacks": """
        x = leaf([2.0])
        with hooks():
            y = x.exp()
        y.backward(retain_graph=True); y.backward(retain_graph=True); print(y.grad_fn._saved_result, len(log))
        """,
    "a gradient of a gradient": """
        x = leaf([2.0])
        with hooks():
            y = x * x
        print(y.grad_fn._saved_self.is_leaf, y.grad_fn._saved_self is x)
        g, = torch.autograd.grad(y, x, create_graph=True); print(g, torch.autograd.grad(g, x))
        z = x * 2
        with hooks():
            y = z * z.exp()
        g, = torch.autograd.grad(y, z, create_graph=True); print(g.requires_grad, torch.autograd.grad(g, x))
        """,
    "versions are not checked": """
        x = leaf([2.0])
        with graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
            b = x * 1; y = b * b
        b.add_(1); y.backward(); print(x.grad)
        """,
    "in place": """
        x, v = leaf([2.0]), leaf([5.0])
        with hooks():
            b = x * 1
            b.mul_(v)
            b.exp_()
        b.backward(); print([entry[:2] for entry in log], x.grad)
        """,
    "indices": """
        x = leaf([2.0, 3.0])
        with hooks():
            y = x[torch.tensor([0, 0])]
        y.sum().backward(); print(log, x.grad)
        """,
    "numbers are not packed": """
        x = leaf([2.0])
        with hooks():
            y = x * 3 / 2 + x**2
        y.backward(); print([entry[:2] for entry in log], x.grad)
        """,
    "custom functions": """
        class Square(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                y = x * x
                ctx.save_for_backward(x, y)
                ctx.x = x
                return y

            @staticmethod
            def backward(ctx, grad):
                x, y = ctx.saved_tensors
                print(x is ctx.x, y.grad_fn is ctx)
                return 2 * grad * x
        x = leaf([2.0])
        with hooks():
            y = Square.apply(x)
        y.backward(retain_graph=True); print(log, x.grad, len(y.grad_fn._raw_saved_tensors))
        z = Square.apply(x); z.grad_fn._raw_saved_tensors[0].register_hooks(lambda t: t * 3, lambda t: t)
        z.backward()
        print(x.grad); attempt(lambda: z.grad_fn._raw_saved_tensors)
        """,
    "hooks on one tensor": """
        x = leaf([2.0]); y = x.pow(2); raw = y.grad_fn._raw_saved_self
        raw.register_hooks(lambda t: t * 5, lambda t: t)
        attempt(lambda: raw.register_hooks(lambda t: t, lambda t: t))
        y.backward(); print(x.grad)
        attempt(lambda: y.grad_fn._raw_saved_self.register_hooks(lambda t: t, lambda t: t))
        y = x * torch.tensor([3.0])
        attempt(lambda: y.grad_fn._raw_saved_self.register_hooks(lambda t: t, lambda t: t))
        y = x * x; y.grad_fn._raw_saved_self.register_hooks(lambda t: 2 * t, lambda t: t)
        y.sum().backward(); print(x.grad)
        y = (x * 1).exp()
        y.grad_fn._raw_saved_result.register_hooks(lambda t: logged("pack", t) * 2, lambda t: t)
        y.backward(); print(x.grad, log)
        """,
    "attributes": """
        x = leaf([2.0]); f = (x * x).grad_fn; print(f._saved_self is x, f._saved_other is x)
        f = (x * torch.tensor([3.0])).grad_fn; print(f._saved_self, f._saved_other)
        print((x * 3).grad_fn._saved_other, (x**2).grad_fn._saved_exponent)
        y = x.exp(); s = y.grad_fn._saved_result
        print(s is y, s.data_ptr() == y.data_ptr(), s.grad_fn is y.grad_fn)
        y.backward(); attempt(lambda: y.grad_fn._saved_result)
        y = x.exp(); y.add_(1); attempt(lambda: y.grad_fn.next_functions[0][0]._saved_result)
        """,
    "on the CPU": """
        x = leaf([2.0])
        with graph.save_on_cpu():
            y = x * x
        y.backward(); print(x.grad)
        with graph.save_on_cpu(pin_memory=False):
            y = x.exp()
        y.backward(); print(x.grad)
        """,
    "disabled": """
        def opened():
            with graph.disable_saved_tensors_hooks("no hooks here"):
                with graph.save_on_cpu():
                    pass
        def nested():
            with graph.disable_saved_tensors_hooks("first"):
                with graph.disable_saved_tensors_hooks("second"):
                    pass
                with graph.save_on_cpu():
                    pass
        def inside():
            with hooks():
                with graph.disable_saved_tensors_hooks("too late"):
                    print("not reached")
        attempt(opened); attempt(nested); attempt(inside)
        with graph.save_on_cpu():
            leaf([1.0]).exp().backward()
        """,
    "a budget": """
        for budget in (0.5, 2.0, "x", True):
            attempt(lambda: graph.region_activation_memory_budget(budget))
        """,
    "mutation": """
        a = torch.ones(2, 3, requires_grad=True)
        with graph.allow_mutation_on_saved_tensors():
            b = a.clone(); out = (b**2).sum(); b.sin_(); b.mul_(2); out.backward()
        print(a.grad[0])
        """,
    "mutation of a view, a result and a constant": """
        a, c = leaf([1.0, 2.0]), torch.tensor([3.0, 4.0])
        with graph.allow_mutation_on_saved_tensors():
            b = a.clone(); y = b.exp(); z = y * c; y[0].zero_(); c[:1].fill_(7.0)
            with torch.no_grad():
                b.zero_()
            z.sum().backward()
        print(a.grad)
        """,
    "mutation blocks": """
        a = leaf([1.0])
        def nested():
            with graph.allow_mutation_on_saved_tensors():
                with graph.allow_mutation_on_saved_tensors():
                    pass
        attempt(nested)
        with graph.allow_mutation_on_saved_tensors():
            out = (a * a).sum()
        attempt(out.backward)
        b = a.clone(); out = b * b; b.add_(1); attempt(out.backward)
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(same: Callable[[str], str], name: str) -> None:
    same(SETUP + textwrap.dedent(PROGRAMS[name]))
