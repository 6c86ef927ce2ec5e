"""Checkpoints: the same gradients, what is recomputed and when, and what goes wrong; compared with torch."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

import refgrad as rg

SETUP = """
import contextlib

tools = torch.utils.checkpoint
checkpoint = tools.checkpoint
log = []


def attempt(function):
    try:
        print(function())
    except Exception as error:
        print(f"{type(error).__name__}: {str(error).splitlines()[0]}")


def twice(first, second):
    runs = []

    def function(x):
        runs.append(1)
        return first(x) if len(runs) == 1 else second(x)
    return function


def logged(x):
    log.append(torch.is_grad_enabled())
    y = x.sin()
    log.append("middle")
    z = y + 1
    log.append("end")
    return z


@contextlib.contextmanager
def context(name):
    log.append(name)
    yield
"""

PROGRAMS = {
    "the same gradients": """
        for reentrant in (True, False):
            x = leaf([0.5])
            y = checkpoint(lambda x: log.append(1) or x.sin().exp(), x, use_reentrant=reentrant)
            print(y, len(log)); y.backward(); print(x.grad, len(log))
        """,
    "the default": "y = checkpoint(lambda x: x * 2, leaf([1.0])); print(y)",
    "parameters without inputs": """
        p = leaf([2.0]); y = checkpoint(lambda x: x * p, torch.ones(1), use_reentrant=True)
        print(y.requires_grad)
        checkpoint(lambda x: x * p, torch.ones(1), use_reentrant=False).backward(); print(p.grad)
        x = leaf([3.0]); checkpoint(lambda x: x * p, x, use_reentrant=True).backward(); print(x.grad, p.grad)
        """,
    "grad and inputs": """
        x = leaf([2.0]); y = checkpoint(lambda x: x * x, x, use_reentrant=True)
        attempt(lambda: torch.autograd.grad(y, x)); y = checkpoint(lambda x: x * x, x, use_reentrant=True)
        attempt(lambda: y.backward(inputs=[x])); y = checkpoint(lambda x: x * x, x, use_reentrant=True)
        y.backward()
        print(x.grad); print(torch.autograd.grad(checkpoint(lambda x: x * x, x, use_reentrant=False), x))
        """,
    "another number of tensors": """
        long, short = lambda x: x.sin().exp().sin(), lambda x: x.sin()
        attempt(lambda: checkpoint(twice(long, short), leaf([1.0]), use_reentrant=False).backward())
        attempt(lambda: checkpoint(twice(short, long), leaf([1.0]), use_reentrant=False).backward())
        attempt(lambda: checkpoint(twice(short, long), leaf([1.0]), use_reentrant=False,
            early_stop=False).backward())
        """,
    "other shapes": """
        one, two = lambda x: x.sin(), lambda x: x.expand(2).sin().sum()
        attempt(lambda: checkpoint(twice(one, two), leaf([1.0]), use_reentrant=False).backward())
        three = lambda x: x.double().sin().float()
        attempt(lambda: checkpoint(twice(one, three), leaf([1.0]), use_reentrant=False).backward())
        attempt(lambda: checkpoint(twice(one, three), leaf([1.0]), use_reentrant=False,
            determinism_check="none"))
        attempt(lambda: checkpoint(one, leaf([1.0]), use_reentrant=False, determinism_check="some"))
        """,
    "random numbers": """
        for reentrant in (True, False):
            x = torch.ones(50, requires_grad=True)
            y = checkpoint(lambda x: x * torch.rand(50), x, use_reentrant=reentrant); torch.rand(3)
            y.sum().backward()
            print(torch.equal(x.grad, y.detach())); print(torch.rand(2))
        x = torch.ones(50, requires_grad=True)
        y = checkpoint(lambda x: x * torch.rand(50), x, use_reentrant=False, preserve_rng_state=False)
        y.sum().backward(); print(torch.equal(x.grad, y.detach()))
        """,
    "keyword arguments": """
        x = leaf([1.0]); print(checkpoint(lambda x, k=1: x * k, x, k=3, use_reentrant=False))
        attempt(lambda: checkpoint(lambda x, k=1: x * k, x, k=3, use_reentrant=True))
        y = checkpoint(lambda x, k: x.sin() * k, x, 3, use_reentrant=True); y.backward(); print(y, x.grad)
        """,
    "gradients of gradients": """
        x = leaf(2.0); y = checkpoint(lambda x: x**3, x, use_reentrant=False)
        g, = torch.autograd.grad(y, x, create_graph=True); print(g, torch.autograd.grad(g, x))
        """,
    "the graph is retained": """
        x = leaf([0.5]); y = checkpoint(logged, x, use_reentrant=False)
        y.backward(retain_graph=True); y.backward(); print(x.grad, log); attempt(y.backward)
        """,
    "early stop": """
        checkpoint(logged, leaf([1.0]), use_reentrant=False).backward(); print(log); log.clear()
        with tools.set_checkpoint_early_stop(False):
            y = checkpoint(logged, leaf([1.0]), use_reentrant=False)
        y.backward(); print(log); log.clear()
        checkpoint(logged, leaf([1.0]), use_reentrant=False, early_stop=False).backward(); print(log)
        """,
    "contexts": """
        pair = lambda: (context("forward"), context("again"))
        checkpoint(lambda x: x.exp(), leaf([1.0]), use_reentrant=False, context_fn=pair).backward()
        print(log)
        attempt(lambda: checkpoint(lambda x: x.exp(), leaf([1.0]), use_reentrant=True, context_fn=pair))
        """,
    "nested": """
        inner = lambda x: log.append("inner") or x.sin()
        outer = lambda x: (log.append("outer"), checkpoint(inner, x.exp(), use_reentrant=False) * 2)[1]
        x = leaf(0.3); print(torch.autograd.grad(checkpoint(outer, x, use_reentrant=False), x), log)
        print(torch.autograd.grad(x.exp().sin() * 2, x))
        """,
    "several outputs": """
        x = leaf([1.0, 2.0]); u, v = checkpoint(lambda x: (x.sin(), x.exp()), x, use_reentrant=False)
        (u * v).sum().backward(); print(x.grad)
        u, v = checkpoint(lambda x: (x.sin(), x.detach()), x, use_reentrant=True); u.sum().backward()
        print(x.grad)
        y = checkpoint(lambda x: x.detach(), x, use_reentrant=True); attempt(y.sum().backward)
        """,
    "without recording": """
        with torch.no_grad():
            y = checkpoint(logged, leaf([1.0]), use_reentrant=False)
        print(y, log)
        """,
    "an input that was written to": """
        b = leaf([1.0]) * 1; y = checkpoint(lambda x: x.sin(), b, use_reentrant=False); b.add_(1)
        attempt(y.backward)
        """,
    "segments": """
        parts = [lambda x: x * 2, lambda x: x.sin(), lambda x: x.exp(), lambda x: x + 1, lambda x: x * x]
        for segments in (1, 2, 5):
            x = leaf([0.5]); y = tools.checkpoint_sequential(parts, segments, x, use_reentrant=False)
            y.backward(); print(y, x.grad)
        attempt(lambda: tools.checkpoint_sequential(parts, 2, x, use_reentrant=False, other=1))
        tools.checkpoint_sequential(parts, 2, x)
        """,
    "unpacked once": """
        x = leaf([0.5]); y = checkpoint(lambda x: x.sin() * 2, x, use_reentrant=False)
        saved = y.grad_fn.next_functions[0][0]._saved_self; print(saved)
        """,
    "a failing function": """
        def fails(x):
            raise KeyError("k")
        attempt(lambda: checkpoint(fails, leaf([1.0]), use_reentrant=False))
        with torch.autograd.graph.saved_tensors_hooks(lambda t: log.append(1) or t.detach(), lambda t: t):
            leaf([1.0]).exp()
        print(log)
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(same: Callable[[str], str], name: str) -> None:
    same(SETUP + textwrap.dedent(PROGRAMS[name]))


def test_recomputed_tensors_are_let_go_as_they_are_used() -> None:
    seen: list[int] = []
    x = rg.ones(2, requires_grad=True)
    y = rg.utils.checkpoint.checkpoint(lambda x: x.sin().cos().exp(), x, use_reentrant=False)
    frames = y.grad_fn.s_result._unpack.__self__
    x.register_hook(lambda _: seen.extend(len(holder().found) for holder in frames.holders if holder()))
    y.sum().backward(retain_graph=True)
    assert seen == [0, 0, 0]
