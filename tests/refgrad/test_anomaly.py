"""Anomaly mode: what it finds, what it says, and when it is on; compared with torch."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

import refgrad as rg

SETUP = """
anomaly, set_anomaly = torch.autograd.detect_anomaly, torch.autograd.set_detect_anomaly


def attempt(function):
    try:
        print(function())
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
"""

PROGRAMS = {
    "nan": """
        x = leaf([0.0]); y = (x.sqrt() * 0).sum(); attempt(lambda: y.backward(retain_graph=True))
        print(x.grad)
        with anomaly():
            attempt(lambda: y.backward())
        """,
    "nan, recorded in the mode": """
        with anomaly():
            x = leaf([0.0]); attempt((x.sqrt() * 0).sum().backward)
            attempt(lambda: torch.autograd.grad((x.sqrt() * 0).sum(), x)); print(x.grad)
        """,
    "nan of a later input": """
        class F(torch.autograd.Function):
            @staticmethod
            def forward(ctx, k, x, y):
                return y * 2

            @staticmethod
            def backward(ctx, grad):
                return None, None, grad * float("nan")
        with set_anomaly(True):
            attempt(F.apply(1, torch.ones(1), leaf([2.0])).backward)
            attempt(F.apply(1, leaf([1.0]), leaf([2.0])).backward)
        """,
    "nan for an input that needs no gradient": """
        class F(torch.autograd.Function):
            @staticmethod
            def forward(ctx, k, x, y, first, second):
                ctx.scales = first, second
                return x + y
            @staticmethod
            def backward(ctx, g):
                return (None, *(None if s is None else g * s for s in ctx.scales), None, None)
        nan = float("nan")
        for scales in ((1., nan), (nan, 1.), (nan, nan), (None, nan), (nan, None)):
            for needed in ((True, False), (False, True), (True, True)):
                x, y = (torch.tensor([1.], requires_grad=one) for one in needed)
                for graph in (False, True):
                    with set_anomaly(True):
                        attempt(lambda: F.apply(3, x, y, *scales).backward(torch.ones(1), create_graph=graph))
                    with set_anomaly(True, check_nan=False):
                        attempt(F.apply(3, x, y, *scales).backward)
        """,
    "nan is allowed": """
        with anomaly(check_nan=False):
            x = leaf([0.0]); (x.sqrt() * 0).sum().backward()
            print(x.grad, torch.is_anomaly_check_nan_enabled())
        """,
    "inf is none": """
        with set_anomaly(True):
            x = leaf([0.0]); x.sqrt().backward(); print(x.grad)
        """,
    "nan from hooks and callers": """
        with set_anomaly(True):
            x = leaf([1.0, 2.0]); x.register_hook(lambda g: g * float("nan")); (x * 2).sum().backward()
            print(x.grad)
            attempt(lambda: (leaf([1.0, 2.0]) * 2).backward(torch.tensor([float("nan"), 1.0])))
        """,
    "the error of a write": """
        with set_anomaly(True):
            y = leaf([1.0]).exp(); y.add_(1); attempt(y.backward)
        """,
    "an error in a hook": """
        def fails(grad):
            raise KeyError("k")
        with set_anomaly(True):
            x = leaf([1.0]); y = x * x; y.register_hook(fails); attempt(y.backward)
        """,
    "gradients of gradients": """
        with set_anomaly(True):
            x = leaf([0.0]); g, = torch.autograd.grad(x.pow(1.5), x, create_graph=True)
            print(sorted(g.grad_fn.metadata), g.grad_fn.metadata["parent_"].name())
            attempt(g.sqrt().backward)
        """,
    "functions and blocks": """
        def state():
            print(torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled())
        state(); set_anomaly(True, check_nan=False); state()
        with set_anomaly(False):
            state()
            with set_anomaly(True):
                state()
            state()
        state(); set_anomaly(False); state()
        """,
    "the mode ends with its block": """
        try:
            with anomaly():
                raise ValueError("inside")
        except ValueError:
            print(torch.is_anomaly_enabled())
        x = leaf([1.0]); print((x * x).grad_fn.metadata)
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(same: Callable[[str], str], name: str) -> None:
    same(SETUP + textwrap.dedent(PROGRAMS[name]))


def test_the_warning_shows_the_forward_call_and_nothing_of_refgrad() -> None:
    with rg.autograd.set_detect_anomaly(True):
        y = rg.zeros(1, requires_grad=True).sqrt() * 0
        with (
            pytest.warns(UserWarning, match="Error detected in SqrtBackward0") as seen,
            pytest.raises(RuntimeError, match="'SqrtBackward0' returned nan values in its 0th output"),
        ):
            y.backward()
    (text,) = (str(warning.message) for warning in seen)
    assert "rg.zeros(1, requires_grad=True).sqrt() * 0" in text
    assert "reference_impl" not in text


def test_nothing_is_kept_once_the_mode_is_off() -> None:
    with rg.autograd.set_detect_anomaly(True):
        pass
    y = rg.ones(1, requires_grad=True) * 2
    assert y.grad_fn is not None
    assert not y.grad_fn.metadata
