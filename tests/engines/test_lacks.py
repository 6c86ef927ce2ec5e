"""What autograd and MLX say that they lack is a lack, in whatever kind of exception they say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.engines.conftest import Answers


@pytest.mark.parametrize(
    ("engine", "scenario", "lack"),
    [
        ("autograd", "operators/expand/gradients", "Can't handle extra leading dims"),
        ("autograd", "operators/clamp/tensors-gradients", "VJP wrt argnum 1 not defined"),
        (
            "mlx",
            "operators/nan_to_num/gradients",
            "operator nan_to_num ([nan_to_num] Does not yet support given type: float64.)",
        ),
    ],
)
def test_what_an_engine_says_that_it_lacks(engine: str, scenario: str, lack: str, answers: Answers) -> None:
    assert answers(engine, scenario) == {scenario: lack}
