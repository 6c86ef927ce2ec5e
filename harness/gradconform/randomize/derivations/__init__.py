"""Derivations: named rewrites of a program, for which torch tells the truth as well.

A scenario's draw varies what the scenario leaves open; a derivation varies the rest: memory, aliasing, the
way that gradients are asked for, and what happens around. A find names the derivation that it needs.
"""

from __future__ import annotations

from collections.abc import Callable

from gradconform.program.check import check
from gradconform.program.steps import Program
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.derivations import inputs, passes, surroundings
from gradconform.randomize.derivations.base import DERIVATIONS, Derivation, without_facts

__all__ = ["DERIVATIONS", "Derivation", "applicable", "derive", "inputs", "passes", "surroundings"]


def applicable(program: Program, name: str, chooser: Chooser) -> Program | None:
    """The program under a derivation, well-formed and without facts, or None where it does not allow it."""
    plain = without_facts(program)
    found = None if plain is None else DERIVATIONS[name].rewrite(plain, chooser)
    return None if found is None or check(found) else found


def derive(
    program: Program, chooser: Chooser, allowed: Callable[[Program], bool] = lambda _: True
) -> tuple[Program, str]:
    """A program under a derivation that the chooser picks, and its name; the program itself and "" where none
    fits. The simplest choice is the first derivation.

    allowed: whether a derived program may be run at all. Torch's own kernels are not safe everywhere: beyond
    the domains that a scenario states for its inputs, some end the process.
    """
    names = tuple(DERIVATIONS)
    first = chooser.below(len(names))
    for name in (*names[first:], *names[:first]):
        found = applicable(program, name, chooser)
        if found is not None and allowed(found):
            return found, name
    return program, ""
