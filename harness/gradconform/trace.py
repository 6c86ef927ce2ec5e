"""What can be seen of a program's run on one engine: plain values, no handles of the engine.

A trace is the only thing the oracle reads. Values that an engine does not let be seen are `UNSEEN`; they are
never compared and never count as a match.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import torch

Phase = Literal["forward", "backward"]


RECORDED: Final = "recorded()"
"""What the log of a run stands under in its states."""


class Unseen(Enum):
    """The type of `UNSEEN`: the engine does not show this property."""

    UNSEEN = "unseen"


UNSEEN: Final = Unseen.UNSEEN


@dataclass(frozen=True, slots=True)
class OpaqueSeen:
    """A value that is no tensor and is not compared further (an optimizer, an array): its kind is seen.

    identity: equal labels within a trace mean the same object.
    """

    kind: str
    identity: int | Unseen = field(default=UNSEEN, compare=False)


@dataclass(frozen=True, slots=True)
class TensorSeen:
    """One tensor at one moment.

    value: a detached copy (any shape, the engine's dtype) on the CPU; on `meta` where there are no numbers.
    device: where the engine's tensor lives.
    grad: None (no gradient), a tensor, or UNSEEN; three different things.
    identity: equal labels within a trace mean the same object. storage: equal labels mean shared memory.
    """

    value: torch.Tensor
    device: str
    requires_grad: bool | OpaqueSeen | Unseen
    is_leaf: bool | OpaqueSeen | Unseen
    has_grad_fn: bool | OpaqueSeen | Unseen
    grad: TensorSeen | OpaqueSeen | Unseen | None
    identity: int | Unseen
    storage: int | Unseen


Seen = TensorSeen | OpaqueSeen | Unseen | bool | int | float | complex | str | tuple["Seen", ...] | None


@dataclass(frozen=True, slots=True)
class ErrorSeen:
    """An exception that a step raised. `classes` is its class and its bases by name, nearest first."""

    step: int
    phase: Phase
    classes: tuple[str, ...]
    message: str

    @property
    def kind(self) -> str:
        return self.classes[0]


@dataclass(frozen=True, slots=True)
class WarningSeen:
    """A warning. `classes` is its class and its bases by name, nearest first."""

    classes: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class StateSeen:
    """All live names after a step that can change state, or after the last one; and the grad mode then.

    What `record` has logged so far stands under `recorded()`, in programs that record.
    """

    step: int
    live: Mapping[str, Seen]
    grad_enabled: bool | Unseen


@dataclass(frozen=True, slots=True)
class Trace:
    """The observations of one program on one engine.

    states: in order of execution. facts: what each assertion's places showed, by the step's number, each
    time that it was reached. caught: what each `raises` block caught, by the block's number (None where
    nothing was raised). warned: the warnings of each `warns` block, by the block's number. For a block that
    ran more than once it is what the last time gave.
    error: the exception that ended the program, if one did.
    """

    engine: str
    states: tuple[StateSeen, ...] = ()
    facts: Mapping[int, tuple[tuple[Seen, ...], ...]] = field(default_factory=dict)
    caught: Mapping[int, ErrorSeen | None] = field(default_factory=dict)
    warned: Mapping[int, tuple[WarningSeen, ...]] = field(default_factory=dict)
    error: ErrorSeen | None = None
