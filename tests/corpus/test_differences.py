"""What finite differences say of the corpus's gradients, torch says as well.

All of it takes `python benchmarks/differences.py`; here a sample of it, chosen by a fixed stride.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from gradconform.program.parse import Template

EVERY = 12


@pytest.fixture(scope="module")
def differences() -> ModuleType:
    """The benchmark, which is a script."""
    path = Path(__file__).parents[2] / "benchmarks" / "differences.py"
    spec = importlib.util.spec_from_file_location("benchmarks_differences", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_torch_agrees_with_differences(differences: ModuleType, corpus: tuple[Template, ...]) -> None:
    found = differences.survey(corpus[::EVERY], count=1, seed=7)
    assert found.apart.keys() <= differences.excused(), found.apart
    # They are no use where they do not speak: of gradients of first order they tell nearly all.
    assert found.said["all"] > 500
    assert found.said["all"] > 10 * found.said["none"]


def test_a_quirk_of_torch_is_found(differences: ModuleType, corpus: tuple[Template, ...]) -> None:
    polar = [template for template in corpus if template.id == "points/polar-at-the-origin"]
    found = differences.survey(polar)
    assert found.apart.keys() == {"points/polar-at-the-origin"}


def test_a_contradiction_is_an_error(
    differences: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    select = ["--select", "operators/exp/gradients"]
    assert differences.main(select) == 0
    original: Callable[..., None] = torch.Tensor.backward
    monkeypatch.setattr(torch.Tensor, "backward", lambda root, gradient: original(root, gradient * 1.001))
    assert differences.main(select) == 1
    assert "APART: operators/exp/gradients: x.grad: differences" in capsys.readouterr().out
