"""Inference mode: what inference tensors are and may do, views and writes, modes; compared with torch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch

import refgrad as rg

HEAD = """
def kind(t): return t.is_inference(), t.requires_grad, t.is_leaf, t.grad_fn, t._is_view()
def attempt(f):
    try: print(f())
    except Exception as error: print(type(error).__name__, error)
x = leaf([2., 3.]); a = x * 1; p = torch.ones(2)
"""
PROGRAMS = {
    "what is made inside": """
        with torch.inference_mode():
            made = dict(detach=a.detach(), data=a.data, clone=a.clone(), view=a[0], leaf_view=x[0],
                plain_view=p[0], same=a.contiguous(), to=a.to(torch.float32), other=a.to(torch.float64),
                parts=a.unbind()[0],
                compared=a > 0, written=p.add_(1), leaf=x.add_(1), like=torch.ones_like(x), index=a[[0]],
                stacked=torch.stack([a, x]), random=torch.rand(2))
            for name, t in made.items():
                print(name, kind(t))
                attempt(lambda: t._version)
        print(torch.is_inference(a), x, p)
        """,
    "modes": """
        def modes(): return torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        with torch.no_grad():
            with torch.inference_mode(False): print(modes())
            print(modes())
        with torch.inference_mode():
            with torch.enable_grad(): print(modes(), kind(x * x))
            with torch.no_grad(): print(modes())
            torch.set_grad_enabled(True)
            print(modes())
            with torch.inference_mode(): print(modes())
            with torch.inference_mode(False): print(modes(), kind(x * x))
            print(modes())
        print(modes())
        """,
    "writes outside": """
        with torch.inference_mode(): c = torch.ones(2)
        for write in (lambda: c.add_(1), lambda: c.zero_(), lambda: c.__setitem__(0, 5.), lambda: c.copy_(x),
                lambda: c[0].mul_(2), lambda: c.t_()):
            attempt(write)
            print(c)
        with torch.no_grad(): attempt(lambda: c.mul_(3))
        """,
    "flags outside": """
        with torch.inference_mode(): c = torch.ones(2)
        attempt(lambda: c.requires_grad_()); attempt(lambda: setattr(c, 'requires_grad', True))
        attempt(lambda: c.requires_grad_(False)); attempt(lambda: c._version)
        """,
    "saved": """
        with torch.inference_mode(): c = torch.ones(2); i = torch.tensor([0])
        attempt(lambda: x * c); attempt(lambda: a.mul_(c)); attempt(lambda: x.pow(c)); attempt(lambda: x[i])
        attempt(lambda: x @ c)
        """,
    "not saved": """
        with torch.inference_mode(): c = torch.ones(2)
        y = a + c; print(y, kind(y)); y.sum().backward(); print(x.grad); print(kind(p.mul_(c)), kind(p + c))
        """,
    "leaves": """
        with torch.inference_mode(): c = torch.ones(2, requires_grad=True)
        for f in (lambda: c * p, lambda: c * c, lambda: c + c, lambda: c + p, lambda: c * 2, lambda: c.exp(),
                lambda: c.sum(), lambda: torch.cat([c, c]), lambda: torch.cat([c, p]), lambda: c[0],
                lambda: torch.stack([c, x]), lambda: c.view(2), lambda: c.detach(), lambda: c.data,
                lambda: c.clone(), lambda: c.double(), lambda: c ** 2, lambda: torch.where(c > 0, c, c),
                lambda: c[[0]], lambda: c.unbind()[0], lambda: c.contiguous()):
            print(kind(f()))
        y = c + x; y.sum().backward(); z = c * p; z.sum().backward(); c.clone().sum().backward()
        print(c.grad, c.grad.is_inference(), torch.autograd.grad(c + x, [c, x], torch.ones(2)))
        c.backward(torch.ones(2)); print(c.grad)
        """,
    "views of normal tensors": """
        with torch.inference_mode(): v = a.view(-1); w = p[0:1]; u = a.unbind()
        print(kind(v), kind(w), kind(u[0]))
        attempt(lambda: v.add_(1)); attempt(lambda: u[0].add_(1)); w.add_(1)
        attempt(lambda: w.mul_(leaf([2.]))); z = v * v; a.add_(2); print(v.requires_grad, v)
        for read in (lambda: v.grad_fn, lambda: v.is_leaf, lambda: v * 2, lambda: v.detach(), lambda: v.grad):
            attempt(read)
        with torch.no_grad(): print(v * 2)
        """,
    "backward inside": """
        y = x * x * x
        with torch.inference_mode():
            y.sum().backward(retain_graph=True)
            g, = torch.autograd.grad(y.sum(), x, create_graph=True); print(kind(g))
        print(x.grad, kind(x.grad)); attempt(lambda: y.sum().backward())
        """,
    "decorators": """
        f = torch.inference_mode()(lambda t: t * t); g = torch.inference_mode(lambda t: t * t)
        h = torch.inference_mode(False)(lambda t: t * t)
        print(kind(f(x)), kind(g(x)), kind(h(x)), torch.is_inference_mode_enabled())
        """,
    "numpy": """
        with torch.inference_mode(): c = torch.ones(2, requires_grad=True); print(c.numpy(), x.numpy())
        attempt(lambda: c.numpy()); print(torch.as_tensor(c) is c)
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(name: str, same: Callable[[str], str]) -> None:
    program = PROGRAMS[name]
    lines = [line[8:] for line in program.splitlines()]
    assert same(HEAD + "\n".join(lines)), "the program shows nothing"


def test_a_thread_starts_without_the_mode() -> None:
    seen: list[bool] = []
    with rg.inference_mode():
        thread = threading.Thread(target=lambda: seen.append(rg.is_inference_mode_enabled()))
        thread.start()
        thread.join()
        assert rg.is_inference_mode_enabled()
    assert seen == [False]


@pytest.mark.parametrize("lib", [torch, rg], ids=["torch", "refgrad"])
def test_an_object_that_is_entered_twice_loses_the_first_mode(lib: Any) -> None:
    seen: list[bool] = []

    def run() -> None:  # in a thread of its own, whose mode is never put back
        mode = lib.inference_mode()
        with mode:
            with mode:
                pass
            seen.append(lib.is_inference_mode_enabled())
        seen.extend([lib.is_inference_mode_enabled(), lib.is_grad_enabled()])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [True, True, False]
