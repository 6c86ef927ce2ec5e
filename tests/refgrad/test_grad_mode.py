"""Grad modes: context managers, decorators, generators, exceptions and threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

import refgrad as rg

PROGRAMS = {
    "no_grad": """
        x = leaf([1., 2.]); print(x + 2)
        with torch.no_grad(): y = x + 2; print(y, y.grad_fn, y.is_leaf, x.requires_grad)
        print((x * y).grad_fn); (x * y).sum().backward(); print(x.grad)
        """,
    "no graph": "x = leaf([1.])\nwith torch.no_grad(): y = x * 2\ny.backward()",
    "factories": """
        with torch.no_grad(): a = torch.ones(1, requires_grad=True); b = torch.ones(1).requires_grad_()
        print(a, b, torch.nn.Parameter(torch.ones(1)).requires_grad)
        """,
    "enable_grad inside": """
        x = leaf([1.])
        with torch.no_grad():
            with torch.enable_grad(): y = x * 2
        y.backward(); print(x.grad)
        """,
    "set_grad_enabled": """
        x = leaf([1.])
        for mode in (False, True):
            with torch.set_grad_enabled(mode): print((x * 2).requires_grad)
        torch.set_grad_enabled(False); print(torch.is_grad_enabled()); torch.set_grad_enabled(True)
        with torch.set_grad_enabled(False): torch.set_grad_enabled(True); print((x * 2).requires_grad)
        print(torch.is_grad_enabled(), torch.set_grad_enabled(True))
        """,
    "decorators": """
        x = leaf([1.]); double = lambda x: x * 2
        print(torch.no_grad()(double)(x), torch.no_grad(double)(x), torch.set_grad_enabled(False)(double)(x))
        print(torch.is_grad_enabled())
        with torch.no_grad(): print(torch.enable_grad(double)(x), torch.enable_grad()(double)(x))
        """,
    "a decorated function keeps its name": """
        @torch.no_grad()
        def f(): "text"
        print(f.__name__, f.__doc__)
        """,
    "a decorated function may call itself": """
        @torch.no_grad()
        def f(n): return [torch.is_grad_enabled()] + (f(n - 1) if n else [])
        print(f(2), torch.is_grad_enabled())
        """,
    "a decorated class": """
        C = torch.no_grad()(type('C', (), {'__init__': lambda self: setattr(self, 'm',
            torch.is_grad_enabled())}))
        print(C().m, torch.is_grad_enabled())
        """,
    "generators": """
        @torch.no_grad()
        def g():
            try:
                got = yield torch.is_grad_enabled()
                print("got", got, torch.is_grad_enabled())
                yield torch.is_grad_enabled()
            except KeyError: yield ("caught", torch.is_grad_enabled())
            finally: print("closing", torch.is_grad_enabled())
            return 5
        a = g(); print(next(a), torch.is_grad_enabled(), a.send(1), torch.is_grad_enabled()); a.close()
        b = g(); next(b); print(b.throw(KeyError()), torch.is_grad_enabled()); b.close()
        def outer(): print((yield from g()))
        print(list(outer()))
        """,
    "exceptions": """
        try:
            with torch.no_grad(): raise ValueError
        except ValueError: print(torch.is_grad_enabled())
        """,
    "the same object twice": """
        mode = torch.no_grad()
        with mode:
            with mode: pass
        print(torch.is_grad_enabled()); torch.set_grad_enabled(True)
        """,
    "in-place writes to a leaf": """
        w = leaf([1., 2.])
        with torch.no_grad(): w -= 0.5; w[0] = 7.
        print(w, w.is_leaf, w._version, w.grad_fn)
        """,
    "such a write still breaks a graph": """
        x = leaf([1.]); y = leaf([2.]); z = (x * y).sum()
        with torch.no_grad(): x *= 2
        z.backward()
        """,
    "views made in no_grad": """
        x = torch.ones(2, requires_grad=True).clone()
        with torch.no_grad():
            v = x.view_as(x)
        print(v.requires_grad, v._is_view(), v.is_leaf)
        print((v * v).requires_grad, (v * v).grad_fn.next_functions)
        v.add_(1)
        """,
    "view and write in no_grad": """
        x = torch.ones(2, requires_grad=True)
        with torch.no_grad(): x[0] = 5.; x.view(2).mul_(2)
        print(x, x._version)
        """,
    "buffers": """
        r = torch.zeros(1); x = leaf([2.])
        with torch.no_grad(): r.mul_(0.9).add_(0.1 * x)
        print(r, (x * r).requires_grad)
        """,
}


@pytest.fixture(autouse=True)
def no_leak() -> Iterator[None]:
    yield
    assert rg.is_grad_enabled(), "the test left grad mode off"


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(name: str, same: Callable[[str], str]) -> None:
    assert same(PROGRAMS[name]), "the program shows nothing"


def test_each_thread_has_its_own_mode() -> None:
    x = rg.ones(1, requires_grad=True)
    seen: list[object] = []

    def body() -> None:
        seen.append((x * 2).requires_grad)
        rg.set_grad_enabled(False)
        seen.append((x * 2).requires_grad)

    with rg.no_grad():
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
    assert seen == [True, False]
    assert (x * 2).requires_grad


def test_backward_restores_the_mode_after_an_error() -> None:
    x = rg.ones(1, requires_grad=True)
    y = x * x
    y.backward()
    with rg.no_grad():
        with pytest.raises(RuntimeError, match="second time"):
            y.backward()
        assert not rg.is_grad_enabled()
