"""A find made small: hypothesis shrinks the choices that wrote the program, then steps are left out of it.

A smaller program counts where the engine fails in the same way: the same property differs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace

from gradconform.exploration.batches import FAILING, Failing, cause_of, judged
from gradconform.program.check import check
from gradconform.program.names import is_temporary, targets
from gradconform.program.steps import Apply, Backward, Grad, Program, Ref, Step, flatten
from gradconform.program.vocabulary import OPERATORS
from gradconform.randomize import with_hypothesis
from gradconform.randomize.chooser import Choices, Chooser, Failure, raised_at
from gradconform.randomize.direct import ReplayChooser
from gradconform.randomize.explore.generate import write
from gradconform.randomize.explore.writer import Profile, words_of
from gradconform.randomize.reduce import reduce, without_unused_inputs
from gradconform.session import Failed, Session
from gradconform.verdict import Crashed, Diverges, TimedOut, Verdict

SHRINKS = 150
"""Runs of a program that hypothesis may take."""

REDUCTIONS = 800
"""Runs that leaving out steps may take."""

DEAR = 25
"""So many smaller programs may fail where each failure costs the engine's process; hypothesis, which runs
what fails again and again, is not asked at all then."""


@dataclass(frozen=True, slots=True)
class Small:
    """The smallest program that was found, and the verdict on it with every step looked at."""

    program: Program
    verdict: Verdict


def smallest(session: Session, profile: Profile, failing: Failing, device: str) -> Small | None:
    """The smallest program that fails like this one; None where it does not fail when it is written again.

    The search asks for no second opinion on numbers that no rounding explains, which is ten times as fast;
    where the full verdict on what it found is another, the search is made again with all opinions. A program
    that takes too long stays as it is: each step of the search would take as long.
    """
    for hasty in (True, False):
        found = _Search(session, profile, device, hasty).smallest(failing.choices)
        if found is None:
            continue
        verdict = judged(session, found, device)
        if isinstance(verdict, Diverges):
            return Small(found, session.located(found, verdict, device))
        if isinstance(verdict, Crashed | TimedOut):
            return Small(found, verdict)
    return None


@dataclass(frozen=True, slots=True)
class _Search:
    """A search for a smaller program. hasty: whether it judges without second opinions."""

    session: Session
    profile: Profile
    device: str
    hasty: bool

    def smallest(self, choices: Choices) -> Program | None:
        """The smallest program that fails like the one that these choices write."""
        found = self.failed(choices)
        if found is None:
            return None
        if isinstance(found.verdict, TimedOut):
            return found.program
        dear = isinstance(found.verdict, Crashed) and self.session.host.engine is None
        shorter = _shortest(choices, lambda some: _alike(found, self.failed(some)))
        shortest = self.failed(shorter) or found
        if dear:
            return self.reduced(shortest, most=DEAR)
        failure = Failure(shorter, shortest)
        shrunk = with_hypothesis.shrink(self.test, failure, calls=SHRINKS, origin=_origin).exception
        return self.reduced(shrunk if isinstance(shrunk, Failed) else found)

    def verdict(self, program: Program) -> Verdict:
        return judged(self.session, program, self.device, hasty=self.hasty)

    def test(self, chooser: Chooser) -> None:
        """Raises Failed where the program that is chosen fails."""
        program = write(chooser, self.profile, self.session.torch, self.device).program
        verdict = self.verdict(program)
        if isinstance(verdict, FAILING):
            raise Failed(program, verdict)

    def failed(self, choices: Choices) -> Failed | None:
        """How the program of these choices fails, or None."""
        try:
            self.test(ReplayChooser(choices))
        except Failed as found:
            return found
        return None

    def reduced(self, failed: Failed, most: int = REDUCTIONS) -> Program:
        """The program with fewer steps, and in the plainest form. most: smaller programs that may fail."""
        what = cause_of(failed.program, failed.verdict).what

        left = most

        def fails(candidate: Program) -> bool:
            nonlocal left
            if not left:
                return False
            verdict = self.verdict(candidate)
            alike = isinstance(verdict, FAILING) and cause_of(candidate, verdict).what == what
            left -= alike
            return alike

        used = without_unused_inputs(failed.program)
        program = reduce(used if fails(used) else failed.program, fails, calls=REDUCTIONS)
        plain = _plainer(program, fails)
        return program if plain is program else reduce(plain, fails, calls=REDUCTIONS)


def _origin(error: Exception) -> Hashable:
    """Keeps a search to failures of one kind."""
    if not isinstance(error, Failed):
        return raised_at(error)
    return cause_of(error.program, error.verdict).what


def _alike(one: Failed, other: Failed | None) -> bool:
    """Whether two failures are of the same kind."""
    if other is None:
        return False
    return cause_of(one.program, one.verdict).what == cause_of(other.program, other.verdict).what


def _shortest(choices: Choices, fails: Callable[[Choices], bool]) -> Choices:
    """The shortest beginning that fails too, as far as halving finds it: what comes after it is left out of
    the program, which is sooner done than by hypothesis, choice by choice."""
    low, high = 0, len(choices)
    while low < high:
        middle = (low + high) // 2
        if fails(choices[:middle]):
            high = middle
        else:
            low = middle + 1
    return choices[:high]


def _plainer(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The program with what any other would do as well in the plainest form: operators that need not be these
    are negations, or products where something has to be saved; options that need not be given are left out.
    So finds of one cause come to look alike.
    """
    place = 0
    while place < len(program.steps):
        before, after = program.steps[:place], program.steps[place + 1 :]
        candidates = (
            replace(program, steps=(*before, step, *after)) for step in _plainer_steps(program.steps[place])
        )
        plainer = next((each for each in candidates if not check(each) and fails(each)), None)
        if plainer is None:
            place += 1
        else:
            program = plainer
    return program


def _plainer_steps(step: Step) -> Iterator[Step]:
    match step:
        case Apply(str(), operator, (Ref() as first, *_)) if OPERATORS[operator].effect in ("pure", "view"):
            if operator not in GENERIC:
                yield Apply(step.target, "neg", (first,))
                if operator != "mul":  # of what saves something for its gradient, the plainest
                    yield Apply(step.target, "mul", (first, first))
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
