"""The tests of `--corpus opinfo`: one for each operator or variant, with all programs of its samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gradconform.opinfo.programs import programs
from gradconform.opinfo.samples import Entry, entries
from gradconform.sources import Given
from gradconform.spec.dtypes import COMPLEX, FLOATING
from gradconform.spec.scenario import Source

PREFIX = "opinfo/"
USUAL = "float64"
"""The dtype that is run where none is asked for; error inputs, which have dtypes of their own, go with it."""

_LEVEL = 4  # gradients of gradients, and in-place writes
_SOURCE = Source(note="PyTorch's own samples, torch.testing._internal.common_methods_invocations.op_db")


@dataclass(frozen=True, slots=True)
class Operator:
    """What a test of an operator is about."""

    name: str
    dtypes: tuple[str, ...]
    level: int = _LEVEL
    source: Source = _SOURCE
    aliases: tuple[str, ...] = ()
    device: str | None = None

    @property
    def id(self) -> str:
        return PREFIX + self.name

    @property
    def feature(self) -> str:
        return self.name

    @property
    def says(self) -> str:
        return f"{self.name} gives PyTorch's values, gradients, gradients of gradients and errors."


@dataclass(frozen=True, slots=True)
class OperatorSamples:
    """An entry of torch's as a source of programs."""

    scenario: Operator
    entry: Entry

    @property
    def id(self) -> str:
        return self.scenario.id

    def programs(self, dtype: str, device: str, seed: int) -> Iterator[Given]:
        usual = USUAL if USUAL in self.scenario.dtypes else self.scenario.dtypes[0]
        return programs(self.entry, dtype, seed, device, errors=dtype == usual)


def operators() -> tuple[OperatorSamples, ...]:
    """The operators that autograd supports in at least one dtype, in torch's order.

    Raises UsageError where this torch has no samples, or a package that they need is missing.
    """
    found = []
    for entry in entries():
        dtypes = tuple(name for name in (*FLOATING[::-1], *COMPLEX[::-1]) if name in entry.dtypes)
        if dtypes:
            found.append(OperatorSamples(Operator(entry.name, dtypes), entry))
    return tuple(found)
