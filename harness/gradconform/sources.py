"""Where the programs of a test come from: a scenario that is drawn from, or samples that are given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gradconform.program.steps import Program
    from gradconform.spec.scenario import Source


class Subject(Protocol):
    """What a test is about, as plans, results and reports name it: a scenario, or an operator."""

    @property
    def id(self) -> str:
        """`accumulation/two-branches`, `opinfo/linalg.qr`."""

    @property
    def feature(self) -> str:
        """What reports put it together with."""

    @property
    def level(self) -> int:
        """From 1 to 6, as in docs/levels.md."""

    @property
    def says(self) -> str:
        """One sentence."""

    @property
    def source(self) -> Source:
        """Where it is documented."""

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The dtypes that it can be run in."""

    @property
    def device(self) -> str | None:
        """What it needs of the device that it runs on, a key of `gradconform.spec.scenario.DEVICES`."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Further names that select it."""


@dataclass(frozen=True, slots=True)
class Given:
    """A program that was not drawn. part: what it is about, such as "first order". sample: its number among
    the samples, from 0. lack: why there is no program for the sample; the program is empty then."""

    part: str
    sample: int
    program: Program
    lack: str = ""


class Samples(Protocol):
    """A subject whose programs are given."""

    @property
    def id(self) -> str:
        """The subject's id."""

    @property
    def scenario(self) -> Subject:
        """The subject."""

    def programs(self, dtype: str, device: str, seed: int) -> Iterator[Given]:
        """Its programs in a dtype, on a device; the same seed gives the same ones."""
