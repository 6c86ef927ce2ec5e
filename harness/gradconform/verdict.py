"""The closed union of verdicts: every case ends in exactly one, and each says why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal, get_args

Stage = Literal["shapes", "bits", "tolerance", "anchor", "spread"]
"""The stages of the numerical comparison that accept numbers, in order: see `gradconform.oracle.policy`. The
first is that of tensors without numbers, on the device `meta`: there was nothing but shapes and dtypes."""

STAGES: tuple[Stage, ...] = get_args(Stage)

Outcome = Literal[Stage, "inconclusive", "refused"]
"""What may come of one comparison of numbers."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many comparisons of numbers, each of one tensor or number at one step of a program, ended in each
    outcome: accepted by the stage of that name, undecided by all of them, or refused."""

    shapes: int = 0
    bits: int = 0
    tolerance: int = 0
    anchor: int = 0
    spread: int = 0
    inconclusive: int = 0
    refused: int = 0

    @property
    def last(self) -> Stage:
        """The last stage that had to accept some; "bits" where there were none."""
        return next((stage for stage in reversed(STAGES) if getattr(self, stage)), "bits")

    @classmethod
    def total(cls, several: Iterable[Numbers]) -> Numbers:
        """The sums."""
        total: Counter[str] = Counter()
        for each in several:
            total.update(asdict(each))
        return cls(**total)

    @classmethod
    def of(cls, outcomes: Mapping[Outcome, int]) -> Numbers:
        """These counts; what is not named is 0."""
        return cls(**{str(outcome): count for outcome, count in outcomes.items()})


NO_NUMBERS = Numbers()


@dataclass(frozen=True, slots=True)
class Divergence:
    """One difference.

    `what` names the property ("value", "dtype", "grad is None", "missing error", "law", ...), `where` the
    place in the program ("x.grad"), `step` the number of the first step that shows it (-1: unknown) and
    `source` that step's text. `detail` says by how much, with the tolerance that was allowed.
    """

    what: str
    where: str
    step: int
    source: str
    expected: str
    got: str
    detail: str = ""


Differs = Literal["", "engine", "device", "both"]
"""Who is not as torch on the CPU: see `gradconform.oracle.devices`. "": nobody, or nobody was asked."""


@dataclass(frozen=True, slots=True)
class Conforms:
    """All observations agree; `stage` is the last numerical stage that was needed. `numbers`, here and below:
    how the comparisons of numbers ended. differs: "device" where torch itself is not on this device as it is
    on the CPU, and device: how, with torch on the CPU as what is expected."""

    stage: Stage = "bits"
    numbers: Numbers = NO_NUMBERS
    differs: Differs = ""
    device: Divergence | None = None
    kind: Literal["conforms"] = "conforms"


@dataclass(frozen=True, slots=True)
class Diverges:
    """The engine differs from torch, or breaks a fact that torch keeps. differs: whose difference it is, on
    another device than the CPU; device: as in `Conforms`."""

    divergences: tuple[Divergence, ...]
    numbers: Numbers = NO_NUMBERS
    differs: Differs = ""
    device: Divergence | None = None
    kind: Literal["diverges"] = "diverges"


@dataclass(frozen=True, slots=True)
class Declared:
    """The engine differs from torch, and exactly as it declares. Never a pass, and no failure.

    policies: what it declares, as far as the program is about it: `relu-at-zero: half`.
    """

    policies: tuple[str, ...]
    numbers: Numbers = NO_NUMBERS
    kind: Literal["declared"] = "declared"


@dataclass(frozen=True, slots=True)
class Unsupporting:
    """The engine lacks something that the program needs. Never a pass.

    shim: whether it would be gradconform's own doing if the engine seemed to have it.
    """

    feature: str
    shim: bool = False
    kind: Literal["unsupported"] = "unsupported"


@dataclass(frozen=True, slots=True)
class Crashed:
    """The engine's process died, or the engine raised something that is no ordinary exception."""

    reason: str
    kind: Literal["crashed"] = "crashed"


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The engine did not finish within the limit that the run was given."""

    seconds: float
    kind: Literal["timed out"] = "timed out"


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """No stage of the comparison could decide."""

    reason: str
    numbers: Numbers = NO_NUMBERS
    kind: Literal["inconclusive"] = "inconclusive"


@dataclass(frozen=True, slots=True)
class OracleDisputed:
    """Torch itself breaks a fact of the spec, cannot run the program, or stands alone with a gradient against
    the engine and finite differences; never blamed on the engine."""

    reason: str
    kind: Literal["oracle-disputed"] = "oracle-disputed"


Verdict = Conforms | Diverges | Declared | Unsupporting | Crashed | TimedOut | Inconclusive | OracleDisputed

KINDS = (
    "conforms",
    "diverges",
    "declared",
    "unsupported",
    "crashed",
    "timed out",
    "inconclusive",
    "oracle-disputed",
)
