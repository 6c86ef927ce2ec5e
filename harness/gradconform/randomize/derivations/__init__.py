"""Derivations: named rewrites of a program, for which torch tells the truth as well.

A scenario's draw varies what the scenario leaves open; a derivation varies the rest: memory, aliasing, the
way that gradients are asked for, and what happens around. A find names the derivation that it needs.
"""

from __future__ import annotations

import hashlib

from gradconform.program.check import check
from gradconform.program.steps import Program
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.derivations import inputs, passes, surroundings
from gradconform.randomize.derivations.base import DERIVATIONS, Derivation, without_facts

__all__ = ["DERIVATIONS", "Derivation", "applicable", "in_turn", "inputs", "passes", "surroundings"]


def applicable(program: Program, name: str, chooser: Chooser) -> Program | None:
    """The program under a derivation, well-formed and without facts, or None where it does not allow it."""
    plain = without_facts(program)
    found = None if plain is None else DERIVATIONS[name].rewrite(plain, chooser)
    return None if found is None or check(found) else found


def in_turn(key: str) -> tuple[str, ...]:
    """All derivations in an order of its own for each key, the same in every run."""
    return tuple(sorted(DERIVATIONS, key=lambda name: hashlib.sha256(f"{key}/{name}".encode()).digest()))
