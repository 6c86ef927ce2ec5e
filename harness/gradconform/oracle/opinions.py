"""What the second opinions have in common: how they vote, and how they run a program again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gradconform.program.steps import Program
from gradconform.trace import Trace

Rerun = Callable[[Program], Trace]
"""Runs a program on torch, on the device of the case, and looks at the steps that are in question."""

Vote = Literal["for", "against", "torch is off", "unsure", "none"]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a second opinion says of the engine's numbers, and why.

    "torch is off": torch itself misses the truth. "unsure": the miss is too small to tell. "none": nothing
    could be found out.
    """

    vote: Vote
    reason: str = ""
