"""Mutants of refgrad: each is the reference engine with exactly one mechanism broken.

`gradconform run mutants:overwrites_grad` runs one of them when the folder above is importable. Each names
the scenario that is there to notice it. The engine `unchanged` is a copy of refgrad like theirs, without a
change.
"""

from __future__ import annotations

from . import formulas, gradients, graphs, modes, transforms, user_code, writes
from .copies import Mutant

ALL = (
    *gradients.MUTANTS,
    *graphs.MUTANTS,
    *modes.MUTANTS,
    *writes.MUTANTS,
    *user_code.MUTANTS,
    *transforms.MUTANTS,
    *formulas.MUTANTS,
)

MUTANTS = {mutant.name: mutant for mutant in ALL}
MEANT = {mutant.name: mutant.meant for mutant in ALL}
"""The scenario that is meant for each mutant."""

unchanged = Mutant("unchanged", "Nothing is broken.", "", ())


def __getattr__(name: str) -> Mutant:
    try:
        return MUTANTS[name]
    except KeyError:
        raise AttributeError(f"there is no mutant {name}") from None
