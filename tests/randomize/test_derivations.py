"""Derivations: what each makes of a program, and that torch keeps what it makes."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
import torch

from gradconform.engines.torch import TorchEngine
from gradconform.execution.interpreter import Detail, run
from gradconform.oracle.judge import judge
from gradconform.program.check import check
from gradconform.program.steps import Fact, Input, Program, flatten
from gradconform.randomize.derivations import DERIVATIONS, applicable, in_turn
from gradconform.randomize.direct import DirectChooser, ReplayChooser
from gradconform.report.listing import program_lines
from gradconform.verdict import Conforms, OracleDisputed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import MakeProgram


X = Input("x", torch.tensor([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True)
Y = Input("y", torch.tensor([[5.0, 6.0], [7.0, 8.0]]), requires_grad=True)

PLAIN = "h = x * y\nh.sum().backward()"
SEEDED = "h = x * y\nv = ones_like(h)\nh.backward(v)"


def lines(program: Program) -> list[str]:
    """The program's statements, without its inputs."""
    return [line for line in program_lines(program) if " = tensor(" not in line]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "grad-for-backward",
            "h = x * y\nh.backward(ones_like(h), retain_graph=True)",
            [
                "h = x * y",
                (
                    "x_gradient, y_gradient = autograd.grad(h, [x, y], ones_like(h), retain_graph=True, "
                    "allow_unused=True)"
                ),
            ],
        ),
        (
            "split-backward",
            "h = (x * y).sum()\nh.backward(retain_graph=True)",
            [
                "h = (x * y).sum()",
                "whole = ones_like(h)",
                "part = whole * 0.25",
                "rest = whole - part",
                "h.backward(part, retain_graph=True)",
                "h.backward(rest, retain_graph=True)",
            ],
        ),
        ("random-cotangent", PLAIN, ["h = x * y", "v = cotangent(h, 0)", "h.backward(v)"]),
        ("random-cotangent", SEEDED, ["h = x * y", "v = cotangent(h, 0)", "h.backward(v)"]),
        (
            "strided-cotangent",
            SEEDED,
            [
                "h = x * y",
                "v = ones_like(h)",
                "pair = stack([v, v], -1)",
                "strided = pair.select(-1, 0)",
                "h.backward(strided)",
            ],
        ),
        (
            "backward-twice",
            PLAIN,
            ["h = x * y", "root = h.sum()", "root.backward(retain_graph=True)", "root.backward()"],
        ),
        (
            "backward-after-freeing",
            PLAIN,
            [
                "h = x * y",
                "root = h.sum()",
                "root.backward()",
                "with raises(RuntimeError, phase='backward'):",
                "    root.backward()",
            ],
        ),
        ("create-graph", PLAIN, ["h = x * y", "h.sum().backward(create_graph=True)"]),
        ("only-inputs", PLAIN, ["h = x * y", "h.sum().backward(inputs=[x])"]),
        (
            "two-roots",
            SEEDED,
            [
                "h = x * y",
                "v = ones_like(h)",
                "twice = h * 2",
                "autograd.backward([h, twice], [v, v])",
            ],
        ),
        (
            "backward-without-grad",
            SEEDED,
            ["h = x * y", "v = ones_like(h)", "with no_grad():", "    h.backward(v)"],
        ),
        (
            "backward-in-a-thread",
            SEEDED,
            ["h = x * y", "v = ones_like(h)", "with thread():", "    h.backward(v)"],
        ),
        (
            "nested-modes",
            PLAIN,
            [
                "with no_grad():",
                "    with enable_grad():",
                "        h = x * y",
                "        h.sum().backward()",
            ],
        ),
        (
            "exception-on-the-way",
            "h = x * y",
            ["with raises(RuntimeError):", "    with no_grad():", "        fail(RuntimeError)", "h = x * y"],
        ),
        (
            "unrelated-branch",
            PLAIN,
            ["h = x * y", "branch = x * 2", "branch_end = branch * x", "h.sum().backward()"],
        ),
        (
            "gradient-before",
            PLAIN,
            [
                "h = x * y",
                "earlier = x * 3",
                "earlier_ones = ones_like(x)",
                "earlier.backward(earlier_ones)",
                "h.sum().backward()",
            ],
        ),
        (
            "forgotten-values",
            "h = x * y\nk = h.sin().sum()\nk.backward()",
            ["h = x * y", "k = sin(h).sum()", "del h", "k.backward()"],
        ),
        ("retained-gradient", PLAIN, ["h = x * y", "h.retain_grad()", "h.sum().backward()"]),
        (
            "hooked-value",
            PLAIN,
            [
                "h = x * y",
                "def hook(seen):",
                "    record(seen)",
                "    twice = seen * 2",
                "    return twice",
                "x.register_hook(hook)",
                "h.sum().backward()",
            ],
        ),
        (
            "detached-branch",
            PLAIN,
            ["h = x * y", "apart = x.detach()", "alone = apart * 2", "h.sum().backward()"],
        ),
        ("cloned-leaf", PLAIN, ["x_again = x.clone()", "h = x_again * y", "h.sum().backward()"]),
        ("viewed-leaf", PLAIN, ["x_again = x.view_as(x)", "h = x_again * y", "h.sum().backward()"]),
        ("same-tensor", PLAIN, ["h = x * x", "h.sum().backward()"]),
    ],
)
def test_what_a_derivation_makes_of_a_program(
    program: MakeProgram, name: str, text: str, expected: list[str]
) -> None:
    found = applicable(program(text, X, Y), name, ReplayChooser((0,) * 9))
    assert found is not None
    assert lines(found) == expected
    torch_ends_well(found)


def torch_ends_well(program: Program) -> None:
    trace = run(program, TorchEngine(), "cpu", Detail.CHANGES)
    assert isinstance(judge(program, trace, trace), Conforms)


@pytest.mark.parametrize(
    ("name", "looks"),
    [
        ("transposed-inputs", lambda x: x.layout == "transposed" and x.data.equal(X.data)),
        ("strided-inputs", lambda x: x.layout == "strided" and x.data.equal(X.data)),
        ("expanded-inputs", lambda x: x.layout == "expanded" and x.data.tolist() == [[1, 2], [1, 2]]),
        ("zero-dim-inputs", lambda x: x.data.dim() == 0 and x.data.item() == 1),
        ("zero-size-inputs", lambda x: x.data.shape == (0, 2)),
        ("constant-input", lambda x: not x.requires_grad and x.data.equal(X.data)),
    ],
)
def test_what_a_derivation_makes_of_the_inputs(
    program: MakeProgram, name: str, looks: Callable[[Input], bool]
) -> None:
    found = applicable(program("(x * y).sum().backward()", X, Y), name, ReplayChooser((0,)))
    assert found is not None
    assert [item.name for item in found.inputs] == ["x", "y"]
    assert looks(found.inputs[0])
    torch_ends_well(found)


def test_there_are_many_and_all_are_tried_here() -> None:
    tests: list[Any] = [
        test_what_a_derivation_makes_of_a_program,
        test_what_a_derivation_makes_of_the_inputs,
    ]
    tried = {row[0] for test in tests for mark in test.pytestmark for row in mark.args[1]}
    assert tried == set(DERIVATIONS)
    assert len(DERIVATIONS) >= 15


@pytest.mark.parametrize("name", DERIVATIONS)
def test_a_program_without_anything_to_rewrite_is_left_alone(program: MakeProgram, name: str) -> None:
    constant = Input("x", torch.tensor(1.0))
    found = applicable(program("n = 1", constant), name, ReplayChooser(()))
    assert found is None or name in {"exception-on-the-way", "nested-modes", "strided-inputs"}


@pytest.mark.parametrize("name", ["transposed-inputs", "strided-inputs", "expanded-inputs"])
def test_memory_that_a_program_looks_behind_stays_as_it_is(program: MakeProgram, name: str) -> None:
    for text in ("d = x.detach()\nd.resize_(3, 2)", "with no_grad():\n    d = x.as_strided((2,), (1,))"):
        assert applicable(program(text, X), name, ReplayChooser(())) is None


def test_facts_are_left_out(program: MakeProgram) -> None:
    stated = program("y = x * 2\nassert y.is_leaf == False\ny.sum().backward()\nassert x.grad.sum() == 4")
    found = applicable(stated, "two-roots", ReplayChooser(()))
    assert found is not None
    assert not any(isinstance(step, Fact) for step in flatten(found.steps))


def test_a_program_whose_block_holds_facts_alone_is_left_alone(program: MakeProgram) -> None:
    stated = program("y = x * 2\nwith no_grad():\n    assert not y.is_leaf\ny.sum().backward()")
    assert all(applicable(stated, name, ReplayChooser((0,))) is None for name in DERIVATIONS)


def test_each_key_has_an_order_of_its_own() -> None:
    orders = {in_turn(f"task {number}") for number in range(40)}
    assert len(orders) == 40
    assert {frozenset(order) for order in orders} == {frozenset(DERIVATIONS)}
    assert len({order[0] for order in orders}) > 15
    assert in_turn("task 3") == in_turn("task 3")


def test_derived_programs_are_sound_and_torch_agrees_with_itself(program: MakeProgram) -> None:
    texts = [
        PLAIN,
        SEEDED,
        "h = (x * y).exp()\nh.retain_grad()\nk = h[0] + h[1]\nk.sum().backward()\nx.grad = None",
        "h = x.detach() * y\nh.mul_(2)\n(h * x).sum().backward(retain_graph=True)\nz = y.grad * 2",
        "with no_grad():\n    a = x * 2\nb = a * y\nautograd.backward([b], [b.detach()])\nb.sum()",
    ]
    tried, kept = 0, 0
    for number, (text, name) in enumerate(product(texts, DERIVATIONS)):
        derived = applicable(program(text, X, Y), name, DirectChooser(number))
        if derived is None:
            continue
        assert not check(derived)
        trace = run(derived, TorchEngine(), "cpu", Detail.CHANGES)
        verdict = judge(derived, trace, trace)
        assert isinstance(verdict, Conforms | OracleDisputed), (name, text, verdict)
        tried += 1
        kept += isinstance(verdict, Conforms)
    assert kept > 80
    assert kept > 0.8 * tried
