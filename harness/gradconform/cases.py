"""A case and how it ended: what sessions produce, result files store and reports show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

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


Standing = Literal["fails as known", "conforms", "fails otherwise"]


@dataclass(frozen=True, slots=True)
class Known:
    """How the pinned program of a known failure stands: as its entry says, or not. entry: the entry's id.
    expected: how it says that the program fails, in words. reason, link: what its author says about it."""

    entry: str
    standing: Standing
    expected: str
    reason: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case: scenario x device x dtype x draw. Draw 0 is the documented example; the others count up from
    1. Of samples, draws are their numbers from 0, and `part` says which program of the sample it is.
    corner, derivation: the name of the corner where the program stands (`randomize.corners`), and that of the
    rewrite that it went through, if any; both start from the documented example, and are counted with the
    draws. known: of the pinned program of a known failure, which has draw 0.

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
    corner: str = ""
    derivation: str = ""
    known: Known | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is a failure that is known, and neither a pass nor a failure of the run."""
        return self.known is not None and self.known.standing == "fails as known"

    @property
    def id(self) -> str:
        """`accumulation/two-branches[cpu-float32]`: what one test of a test run is called."""
        return f"{self.scenario}[{self.device}-{self.dtype}]"
