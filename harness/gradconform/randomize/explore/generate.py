"""A whole random program from a chooser: moves of all kinds, by weight."""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

import torch

from gradconform.engines.torch import TorchEngine
from gradconform.execution.quick import Quick
from gradconform.program.script import SEED
from gradconform.program.steps import Program
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.explore import (
    faults,
    memory,
    operations,
    passes,
    surroundings,
    table,
)
from gradconform.randomize.explore.writer import Feature, Profile, Writer


def _nothing(writer: Writer) -> None:
    """Nothing comes next."""


def _mode(writer: Writer) -> None:
    surroundings.mode(writer, lambda inner: _ONES[inner.chooser.below(len(_ONES))](inner))


def _leaf(writer: Writer) -> None:
    dtype = writer.chooser.choice(writer.profile.dtypes) if writer.one_in(3) else ""
    writer.leaf(dtype=dtype, requires_grad=not writer.one_in(4))


Move = Callable[[Writer], None]

MOVES: dict[str, tuple[int, Move]] = {
    "nothing": (1, _nothing),
    "unary": (9, operations.unary),
    "binary": (12, operations.binary),
    "reduction": (5, operations.reduction),
    "product": (2, operations.product),
    "joined": (2, operations.joined),
    "converted": (2, operations.converted),
    "compared": (2, operations.compared),
    "table": (10, table.table),
    "leaf": (2, _leaf),
    "view": (9, memory.view),
    "write": (8, memory.write),
    "detached": (2, memory.detached),
    "deleted": (2, memory.deleted),
    "backward": (7, passes.backward),
    "several": (2, passes.backward_of_several),
    "grad": (4, passes.grad),
    "gradient": (4, passes.gradient),
    "mode": (3, _mode),
    "hook": (4, surroundings.hook),
    "removed": (1, surroundings.removed),
    "retained": (2, surroundings.retained),
    "custom": (1, surroundings.custom),
    "fault": (3, faults.fault),
}
"""What a program is made of: each move with its weight, the simplest first."""

_NAMES = tuple(MOVES)
_ENDS = tuple(accumulate(weight for weight, _ in MOVES.values()))
_ONES: tuple[Move, ...] = (
    operations.unary,
    operations.binary,
    memory.view,
    memory.write,
    operations.reduction,
    passes.backward,
)


@dataclass(frozen=True, slots=True)
class Written:
    """A random program, how torch ran it, and what it covers."""

    program: Program
    expected: Quick
    features: frozenset[Feature]


def write(chooser: Chooser, profile: Profile, engine: TorchEngine, device: str = "cpu") -> Written:
    """A random program, run on torch while it was written.

    The choices and the profile alone decide it, for one release of torch.
    """
    torch.default_generator.manual_seed(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _write(Writer(chooser, profile, engine, device))


def _write(writer: Writer) -> Written:
    chooser, profile = writer.chooser, writer.profile
    low, high = profile.steps
    for number in range(1 + chooser.below(3)):
        writer.leaf(requires_grad=not number or chooser.below(4) < 3)
    statements = low + chooser.below(high - low + 1)
    for _ in range(statements):  # some moves make several statements, and some none
        if writer.run.statements >= statements:
            break
        name = _NAMES[bisect_right(_ENDS, chooser.below(_ENDS[-1]))]
        MOVES[name][1](writer)
    passes.finish(writer)
    features = frozenset(writer.summary())
    return Written(writer.run.program, writer.run.finish(), features)
