"""The closed union of verdicts: every case ends in exactly one, and each says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["bits", "tolerance", "anchor", "spread"]
"""Which stage of the numerical comparison decided: see `gradconform.oracle.tolerance`."""


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


@dataclass(frozen=True, slots=True)
class Conforms:
    """All observations agree; `stage` is the last numerical stage that was needed."""

    stage: Stage = "bits"
    kind: Literal["conforms"] = "conforms"


@dataclass(frozen=True, slots=True)
class Diverges:
    """The engine differs from torch, or breaks a fact that torch keeps."""

    divergences: tuple[Divergence, ...]
    kind: Literal["diverges"] = "diverges"


@dataclass(frozen=True, slots=True)
class Unsupporting:
    """The engine lacks something that the program needs. Never a pass."""

    feature: str
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
    kind: Literal["inconclusive"] = "inconclusive"


@dataclass(frozen=True, slots=True)
class OracleDisputed:
    """Torch itself breaks a fact of the spec, or cannot run the program; never blamed on the engine."""

    reason: str
    kind: Literal["oracle-disputed"] = "oracle-disputed"


Verdict = Conforms | Diverges | Unsupporting | Crashed | TimedOut | Inconclusive | OracleDisputed

KINDS = ("conforms", "diverges", "unsupported", "crashed", "timed out", "inconclusive", "oracle-disputed")
