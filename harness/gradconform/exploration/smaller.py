"""A find made small: hypothesis shrinks the choices that wrote the program, then steps are left out of it.

A smaller program counts where the engine fails in the same way: the same property differs.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from gradconform.exploration.batches import Failing, cause_of, judged
from gradconform.program.names import is_temporary, targets
from gradconform.program.steps import Program, flatten
from gradconform.randomize import with_hypothesis
from gradconform.randomize.chooser import Chooser, Failure, raised_at
from gradconform.randomize.direct import ReplayChooser
from gradconform.randomize.explore.generate import write
from gradconform.randomize.explore.writer import Profile, verb_of
from gradconform.randomize.reduce import reduce
from gradconform.session import Failed, Session
from gradconform.verdict import Crashed, Diverges, Verdict

SHRINKS = 150
"""Runs of a program that hypothesis may take."""

REDUCTIONS = 800
"""Runs that leaving out steps may take."""


@dataclass(frozen=True, slots=True)
class Small:
    """The smallest program that was found, and the verdict on it with every step looked at."""

    program: Program
    verdict: Verdict


def smallest(session: Session, profile: Profile, failing: Failing, device: str) -> Small | None:
    """The smallest program that fails like this one; None where it does not fail when it is written again."""

    def test(chooser: Chooser) -> None:
        program = write(chooser, profile, session.torch, device).program
        verdict = judged(session, program, device)
        if isinstance(verdict, Diverges | Crashed):
            raise Failed(program, verdict)

    def origin(error: Exception) -> Hashable:
        if not isinstance(error, Failed):
            return raised_at(error)
        return cause_of(error.program, error.verdict).what

    try:
        test(ReplayChooser(failing.choices))
    except Failed as found:
        failed = found
    else:
        return None
    shrunk = with_hypothesis.shrink(test, Failure(failing.choices, failed), calls=SHRINKS, origin=origin)
    if isinstance(shrunk.exception, Failed):
        failed = shrunk.exception
    return _reduced(session, failed, device)


def _reduced(session: Session, failed: Failed, device: str) -> Small:
    what = cause_of(failed.program, failed.verdict).what

    def fails(candidate: Program) -> bool:
        verdict = judged(session, candidate, device)
        return isinstance(verdict, Diverges | Crashed) and cause_of(candidate, verdict).what == what

    program = reduce(failed.program, fails, calls=REDUCTIONS)
    verdict = judged(session, program, device)
    if isinstance(verdict, Diverges):
        verdict = session.located(program, verdict, device)
    return Small(program, verdict)


def signature(small: Small) -> tuple[str, ...]:
    """What finds are told apart by: the property that differs, and the verbs of the smallest program."""
    cause = cause_of(small.program, small.verdict)
    verbs = {verb_of(step) for step in flatten(small.program.steps)}
    return (cause.what, *sorted(verbs))


def statements(program: Program) -> int:
    """How many statements a program has: temporaries stand in those that use them."""
    return sum(1 for step in flatten(program.steps) if not any(map(is_temporary, targets(step))))
