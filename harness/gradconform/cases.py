"""A case and how it ended: what sessions produce, result files store and reports show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradconform.program.steps import Program
    from gradconform.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Example:
    """The smallest program that shows a verdict. text: its inputs and steps in the step language. script: the
    same for plain torch, ready to run."""

    program: Program
    text: str
    script: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case: scenario x device x dtype x draw. Draw 0 is the documented example; the others count up from
    1. Of samples, draws are their numbers from 0, and `part` says which program of the sample it is.
    derivation: the name of the rewrite that the program went through, if any; that of the documented example,
    which is counted with the draws.

    `example` stands with every verdict but `conforms` and `unsupported`, unless the program has more numbers
    than can be written out.
    """

    scenario: str
    feature: str
    level: int
    device: str
    dtype: str
    draw: int
    verdict: Verdict
    example: Example | None = None
    part: str = ""
    derivation: str = ""

    @property
    def id(self) -> str:
        """`accumulation/two-branches[cpu-float32]`: what one test of a test run is called."""
        return f"{self.scenario}[{self.device}-{self.dtype}]"
