"""A file of known failures as people keep it, and cases of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gradconform.cases import CaseResult, Example, Known, Standing
from gradconform.program.steps import Apply, Backward, Input, Program, Ref
from gradconform.verdict import Conforms, Divergence, Diverges, Verdict

KEPT = """\
# The failures of mine. Ask Ada before adding any.
known: 1
engine: mine   # as it calls itself

failures:
# --- accumulation ---

# Waits for the new tape.
- id: accumulation/two-branches   # both branches
  fails: diverges
  what: value
  where: x.grad
  # found by Ada
  reason: 'it   overwrites'
  link: "https://example.org/1"
  expires: 2999-01-31
  inputs:
    x: tensor([1.0], dtype=dtype, requires_grad=True)
  program: |
    y = x * 3
    # this is of the program
    y.backward(ones_like(y))
# A crash.
- id: hooks/order[cpu-float32]
  fails: crashed
  reason: ""
  program: |
    y = ones(1)

# The end: nothing below.
"""


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "known.yaml"
    path.write_text(KEPT)
    return path


MakeCase = Callable[..., CaseResult]


@pytest.fixture
def case() -> MakeCase:
    """Makes a case of a program that multiplies x by a number and goes backward, or conforms."""

    def make(
        scenario: str,
        dtype: str = "float32",
        *,
        factor: float = 3.0,
        where: str | None = "x.grad",
        verdict: Verdict | None = None,
        known: tuple[str, Standing, str] | None = None,
        draw: int = 0,
        long: bool = False,
    ) -> CaseResult:
        x = Input("x", torch.tensor([1.0], dtype=getattr(torch, dtype)), requires_grad=True)
        more = (Apply("z", "mul", (Ref("x"), 2.0)),) if long else ()
        steps = (Apply("y", "mul", (Ref("x"), factor)), *more, Backward((Ref("y"),)))
        example = Example(Program((x,), steps, scenario), "", "")
        found: Verdict = Conforms()
        if where is not None:
            found = Diverges((Divergence("value", where, 1, "", "[1.0]", "[2.0]"),))
        standing = Known(*known) if known else None
        failing = verdict or found
        shown = None if isinstance(failing, Conforms) else example
        return CaseResult(
            scenario, scenario.partition("/")[0], 1, "cpu", dtype, draw, failing, shown, known=standing
        )

    return make
