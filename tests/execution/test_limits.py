"""What a run may cost: programs that would never end, or fill the memory, end with an error of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gradconform.engines.torch import TorchEngine
from gradconform.execution import limits
from gradconform.execution.host import InProcess
from gradconform.execution.interpreter import run
from gradconform.plan import Settings
from gradconform.session import Session
from gradconform.verdict import Diverges

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

    from gradconform.program.steps import Program

CALLS = "def f0(t):\n    return t\n" + "".join(
    f"def f{i}(t):\n    return f{i - 1}(f{i - 1}(t))\n" for i in range(1, 40)
)
GROWS = "def f(k):\n    return k {0} k\nk = f({1})\nfor i in range(40):\n    k = f(k)"


def ends(program: Program) -> str:
    error = run(program, TorchEngine()).error
    assert error is not None
    return f"{error.kind}: {error.message}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (CALLS + "y = f39(x)", f"more than {limits.MAX_RUN} steps"),
        (GROWS.format("**", 3), "an integer has more than"),
        (GROWS.format("*", 3), "an integer has more than"),
        (GROWS.format("+", "[x, x]"), "a list or text has more than"),
        (GROWS.format("+", "repr(x)"), "a list or text has more than"),
        ("k = [x, x]\nfor i in range(40):\n    k = [k, k]", "a list holds more than"),
        ("def f(*rest):\n    return rest\nk = x\nfor i in range(40):\n    k = f(k, k)", "a list holds more"),
        ("k = [x]\nfor i in range(1000):\n    k = [k]", "lists are nested more than"),
        ("def f(n):\n    return ones(n, n)\ny = f(1000000)", "asks for"),
        ("for i in range(2000):\n    record(x)", "values are recorded"),
        (
            "def f(t):\n    with thread():\n        u = f(t)\n    return u\ny = f(x)",
            "threads run at one time",
        ),
        (
            "with concurrently():\n" + "".join("    with thread():\n        y = x\n" for _ in range(99)),
            "threads run at one time",
        ),
    ],
)
def test_what_is_too_much_ends_the_run(program: MakeProgram, text: str, why: str) -> None:
    found = ends(program(text))
    assert found.startswith("LimitExceeded: ")
    assert why in found


def test_raises_does_not_take_it(program: MakeProgram) -> None:
    assert "recorded" in ends(
        program("with raises(RuntimeError):\n    for i in range(2000):\n        record(x)\nassert x is x")
    )


def test_steps_are_counted_in_each_run_anew(program: MakeProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_RUN", 20)
    made = program("def f(t):\n    return t + 1\nfor i in range(4):\n    y = f(x)\nassert y == x + 1")
    assert run(made, TorchEngine()).error is None
    assert run(made, TorchEngine()).error is None


class Again(TorchEngine):
    """Calls the hooks of a backward pass without end."""

    name = "again"

    def backward(self, *arguments: object, **options: object) -> None:
        while True:
            super().backward(*arguments, **{**options, "retain_graph": True})


def test_an_engine_that_does_not_stop_diverges(program: MakeProgram) -> None:
    made = program("def f(g):\n    record(g)\n    return g\nx.register_hook(f)\n(x * 2).sum().backward()")
    verdict = Session(InProcess(Again()), Settings()).judge(made, "cpu")
    assert isinstance(verdict, Diverges)
    assert "LimitExceeded" in verdict.divergences[0].got
