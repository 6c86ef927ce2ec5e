"""The checks of today that the zoo is held against: right engines pass them, and wrong gradients do not."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gradconform.engines.refgrad import RefgradEngine

HERE = Path(__file__).parent
EVERY = 100
"""One function of so many is checked here; `python benchmarks/detection.py` takes all."""


def _load(name: str) -> ModuleType:
    """A module beside this file."""
    sys.path.insert(0, str(HERE))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(HERE))


today = _load("today")
mutants = _load("mutants")
checks = pytest.mark.parametrize("check", today.CHECKS, ids=lambda check: check.name)


def _sample(check: Any) -> list[Any]:
    """Some of the networks, and an even sample of the calls."""
    functions = [*check.functions()]
    networks = [one for one in functions if not one.name.startswith("operators/")]
    return [*networks[:2], *functions[len(networks) :: EVERY]]


@checks
def test_torch_and_refgrad_pass(check: Any) -> None:
    sample = _sample(check)
    ways = [check.way(function) for function in sample]
    applied = [(function, way) for function, way in zip(sample, ways, strict=True) if way is not None]
    assert len(applied) >= 0.9 * len(sample)
    engine = RefgradEngine()
    complaints = {function.name: check.heard(function, way, engine) for function, way in applied}
    assert not {name: said for name, said in complaints.items() if said}


@pytest.mark.parametrize(
    ("mutant", "part"),
    [
        ("quotient_has_the_wrong_sign", "operators/div/"),
        ("quotient_has_the_wrong_sign", "classifier"),
        ("does_not_sum_what_was_broadcast", "perceptron"),
    ],
)
@checks
def test_a_wrong_gradient_is_seen(check: Any, mutant: str, part: str) -> None:
    engine = mutants.MUTANTS[mutant]()
    functions = [function for function in check.functions() if function.name.startswith(part)]
    ways = [(function, check.way(function)) for function in functions]
    assert any(check.heard(function, way, engine) for function, way in ways if way is not None)
