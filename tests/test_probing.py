"""Probing: an engine's features are found by programs, and its declaration is held against them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gradconform.engines.torch import TorchEngine
from gradconform.errors import Unsupported
from gradconform.execution.host import InProcess
from gradconform.plan import Settings
from gradconform.probing import Finding, Probing, differing, probes_of
from gradconform.program.needs import Feature
from gradconform.report.features import declaration_lines, feature_lines, summary_line
from gradconform.report.lines import plain
from gradconform.session import Session

TEXTS = (
    "y = exp(x)\ny.backward(ones_like(y))",
    "y = sin(exp(x))\nassert y.is_leaf == False",
    "y = sqrt(x)\ny.backward(ones_like(y))\nassert x.grad_fn is None",
    "y = sqrt(x)\nz = abs(y)",
    "with no_grad():\n    y = cos(exp(x))",
    "h = x.sum()",
)


class Partial(TorchEngine):
    """Torch that has no `sin` and no float64, raises in `abs`, and whose `sqrt` is double."""

    def operation(self, name: str) -> Any:
        match name:
            case "sin":
                raise Unsupported("operator sin")
            case "abs":
                return lambda x: x.no_such_thing
            case "sqrt":
                return lambda x: torch.sqrt(x) * 2
            case _:
                return super().operation(name)

    def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> Any:
        if tensor.dtype == torch.float64:
            raise Unsupported("dtype float64")
        return super().from_torch(tensor, requires_grad=requires_grad)


@pytest.fixture
def found(template: Callable[..., Any]) -> dict[str, Finding]:
    templates = [template(text) for text in TEXTS]
    for each in templates:
        object.__setattr__(each.scenario.let["x"], "requires_grad", True)
    probing = Probing(Session(InProcess(Partial()), Settings()), probes_of(templates))
    settled = list(probing.run())
    assert len(settled) == len(set(settled)) == len(probing.found)
    return {str(feature): finding for feature, finding in probing.found.items()}


@pytest.mark.parametrize(
    ("feature", "finding"),
    [
        ("operator exp", "conforms"),
        ("operator cos", "conforms"),
        ("operator sum", "conforms"),
        ("mode no_grad", "conforms"),
        ("backward plain", "conforms"),
        ("backward gradient", "conforms"),
        ("dtype float32", "conforms"),
        ("dtype bool", "conforms"),
        ("shape without elements", "conforms"),
        ("layout expanded", "conforms"),
        ("operator sqrt", "differs"),
        ("operator sin", "missing"),
        ("dtype float64", "missing"),
        # it raises where torch does not
        ("operator abs", "missing"),
        # the only program that asks lacks something else, or differs before the fact
        ("showing is_leaf", "missing"),
        ("showing grad_fn", "missing"),
    ],
)
def test_what_an_engine_has(found: dict[str, Finding], feature: str, finding: Finding) -> None:
    assert found[feature] == finding


EXP, SIN, HOOK, NO_GRAD = (
    Feature("operator", "exp"),
    Feature("operator", "sin"),
    Feature("method", "register_hook"),
    Feature("mode", "no_grad"),
)
FOUND: dict[Feature, Finding] = {EXP: "conforms", SIN: "missing", HOOK: "differs", NO_GRAD: "missing"}


@pytest.mark.parametrize(
    ("declared", "untrue", "unsaid"),
    [
        ({"operator": {"exp"}, "method": {"register_hook"}}, [], []),
        ({"operator": {"exp", "sin"}, "method": set()}, [SIN], [HOOK]),
        ({"operator": set()}, [], [EXP]),
        ({"operator": {"exp", "of_another_release"}}, [], []),
        ({}, [], []),
    ],
)
def test_where_a_declaration_differs(
    declared: dict[str, set[str]], untrue: list[Feature], unsaid: list[Feature]
) -> None:
    assert differing(FOUND, {kind: frozenset(names) for kind, names in declared.items()}) == (untrue, unsaid)


def test_what_a_person_reads() -> None:
    lines = [*feature_lines(FOUND), *declaration_lines([SIN], [HOOK]), summary_line("mine 1.0", FOUND)]
    assert (
        plain(lines)
        == """operators: 1 of 2
  has: exp
  lacks: sin
modes and decorators: 0 of 1
  lacks: no_grad
methods of objects, hooks: 1 of 1
  has, and answers otherwise than torch: register_hook
declared, and not there: operator sin
there, and not declared: method register_hook
mine 1.0 has 2 of 4 features; 1 of them differ from torch in every program tried
"""
    )
