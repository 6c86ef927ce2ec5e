"""The corpus tested: a wrong row in refgrad's table of derivatives is caught.

The whole table takes `python benchmarks/wrong_rules.py`; here a sample of it, chosen by a fixed stride.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

import refgrad
from gradconform.plan import Task, tasks_of
from gradconform.program.library import load_library
from refgrad.ops import OPERATIONS
from refgrad.rules import TABLE

HERE = Path(__file__).parent
SPECS = HERE.parents[1] / "specs"
SAMPLE = 25


def _load(name: str) -> ModuleType:
    """A module of the package beside this file."""
    sys.path.insert(0, str(HERE))
    try:
        return import_module(f"wrong_rules.{name}")
    finally:
        sys.path.remove(str(HERE))


faults = _load("faults")
planting = _load("planting")
hunt = _load("hunt")


def sample() -> list[Task]:
    """Gradients of operators, evenly spread over the tables, in float64 and in complex numbers."""
    templates = load_library(sorted(SPECS.glob("operators/*.yaml")))
    chosen = [template for template in templates if template.id.endswith("gradients")]
    chosen = chosen[:: max(len(chosen) // SAMPLE, 1)]
    return list(tasks_of(chosen, ("cpu",), ("float64", "complex128")))


def test_planted_faults_are_caught() -> None:
    tasks = sample()
    reach = hunt.Reach()
    reach.learn(tasks)
    counts = {row: count for row, count in hunt.rows_of(reach).items() if count}
    hunter = hunt.Hunter(tasks, reach, limit=8, every=5)
    own = {min(reach.rows[task.id], key=counts.__getitem__) for task in tasks if reach.rows[task.id]}
    found = [each for number, row in enumerate(sorted(own)) for each in hunter.row(row, number)]
    # The sample has no scenario of forward mode.
    counted = [each for each in found if not each.equal and not each.fault.forward_mode]
    survivors = [str(each.fault) for each in counted if not each.by]
    assert len(counted) >= 20
    assert len(survivors) <= 0.1 * len(counted), survivors


def test_the_faults_of_a_row_are_the_slips_that_its_formulas_allow() -> None:
    found = {(each.kind, *each.formulas.items()) for each in faults.faults(TABLE["mul"])}
    assert found == {
        ("zeros", ("self", "zeros_like(grad * conj(other))")),
        ("sign", ("self", "-(grad * conj(other))")),
        ("factor dropped", ("self", "grad")),
        ("conj dropped", ("self", "grad * other")),
        ("zeros", ("other", "zeros_like(grad * conj(self))")),
        ("sign", ("other", "-(grad * conj(self))")),
        ("factor dropped", ("other", "grad")),
        ("conj dropped", ("other", "grad * self")),
        ("formulas swapped", ("self", "grad * conj(self)"), ("other", "grad * conj(other)")),
    }


def test_indices_and_edges_of_masks_are_moved() -> None:
    wrong = dict(faults._wrong("(grad * (self >= 1)).unsqueeze(dim)", {"dim"}))
    assert wrong["edge of a mask"] == "(grad * (self > 1)).unsqueeze(dim)"
    assert wrong["off by one"] in {
        "(grad * (self >= 2)).unsqueeze(dim)",
        "(grad * (self >= 1)).unsqueeze(dim + 1)",
    }
    assert wrong["factor dropped"] == "grad.unsqueeze(dim)"


def gradient() -> float:
    x = refgrad.tensor(3.0, requires_grad=True)
    y = x.exp() * x
    y.backward()
    assert x.grad is not None
    return float(x.grad._data)


def test_a_planted_row_is_used_by_functions_that_were_there_before_and_goes_again() -> None:
    right = gradient()
    rule = TABLE["exp"]
    kept = OPERATIONS["exp"]
    with planting.planted(planting.wrong(rule, {"self": "grad"})):
        assert gradient() == pytest.approx(1.0 * 3 + torch.tensor(3.0).exp().item())
    assert gradient() == right
    assert OPERATIONS["exp"] is kept
    assert TABLE["exp"] is rule


def test_a_watched_run_tells_its_rows_and_leaves_nothing_behind() -> None:
    right = gradient()
    code = OPERATIONS["exp"].apply.__code__
    seen = planting.Seen()
    with planting.watched(seen):
        assert gradient() == right
    assert {"exp", "mul"} <= seen.rows
    assert seen.calls["exp"]
    assert OPERATIONS["exp"].apply.__code__ is code
    seen.rows.clear()
    gradient()
    assert not seen.rows


@pytest.mark.parametrize(
    ("row", "formula", "apart"),
    [
        ("exp", "result * grad", True),  # conj matters to complex numbers
        ("exp", "conj(result) * grad", False),
        ("relu", "threshold_backward(grad, result, -0.0)", False),
        ("relu", "grad * (self >= 0)", True),
        ("relu", "grad * (self > 0)", False),
    ],
)
def test_formulas_that_say_the_same_are_told_from_others(row: str, formula: str, apart: bool) -> None:
    rule = TABLE[row]
    calls = [(torch.tensor([0.5, -1.0, 2.0, 0.0]),)]
    assert planting.differs(rule, planting.wrong(rule, {"self": formula}), calls) is apart
