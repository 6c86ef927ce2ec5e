"""A find made small: hypothesis shrinks the choices that wrote the program, then steps are left out of it.

A smaller program counts where the engine fails in the same way: the same property differs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace

from gradconform.exploration.batches import Failing, cause_of, judged
from gradconform.program.check import check
from gradconform.program.names import is_temporary, targets
from gradconform.program.steps import Apply, Backward, Grad, Program, Ref, Step, flatten
from gradconform.program.vocabulary import OPERATORS
from gradconform.randomize import with_hypothesis
from gradconform.randomize.chooser import Chooser, Failure, raised_at
from gradconform.randomize.direct import ReplayChooser
from gradconform.randomize.explore.generate import write
from gradconform.randomize.explore.writer import Profile, words_of
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
    plain = _plainer(program, fails)
    if plain is not program:
        program = reduce(plain, fails, calls=REDUCTIONS)
    verdict = judged(session, program, device)
    if isinstance(verdict, Diverges):
        verdict = session.located(program, verdict, device)
    return Small(program, verdict)


def _plainer(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The program with what any other would do as well in the plainest form: operators that need not be these
    are negations, and options that need not be given are left out. So finds of one cause come to look alike.
    """
    for place in range(len(program.steps)):
        for step in _plainer_steps(program.steps[place]):
            candidate = replace(program, steps=(*program.steps[:place], step, *program.steps[place + 1 :]))
            if not check(candidate) and fails(candidate):
                program = candidate
    return program


def _plainer_steps(step: Step) -> Iterator[Step]:
    match step:
        case Apply(str(), operator, (Ref() as first, *_)) if OPERATORS[operator].effect in ("pure", "view"):
            if operator not in GENERIC:
                yield Apply(step.target, "neg", (first,))
        case Backward() | Grad():
            for name in step.options:
                left = {key: value for key, value in step.options.items() if key != name}
                yield replace(step, options=left)


GENERIC = frozenset({"neg", "sum", "ones_like", "cotangent"})
"""Operators that say nothing about the cause of a find."""


def signature(small: Small) -> tuple[str, ...]:
    """What finds are told apart by: the property that differs, and the words of the smallest program."""
    return cause_of(small.program, small.verdict).what, *words(small.program)


def words(program: Program) -> tuple[str, ...]:
    """What a program does, sorted, each word as often as it is done; what is generic is left out."""
    found = (word for step in program.steps for word in words_of(step))
    return tuple(sorted(word for word in found if word not in GENERIC))


def statements(program: Program) -> int:
    """How many statements a program has: temporaries stand in those that use them."""
    return sum(1 for step in flatten(program.steps) if not any(map(is_temporary, targets(step))))
