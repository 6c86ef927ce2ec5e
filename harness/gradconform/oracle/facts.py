"""The vote of the spec: what a scenario states, held against what one engine showed.

Laws (`assert`) are exact; shown values (`shows`) are literals that a document rounded, so they have the
tolerance of their dtype. A `raises` block states that its body raises, and may state the class, the phase and
the text. What the engine does not show is not decided, and never counts as kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from gradconform.oracle.evaluate import Evaluation
from gradconform.oracle.failures import describe_error
from gradconform.oracle.relations import Misfit, UndecidedError
from gradconform.oracle.text import describe
from gradconform.program.steps import Expect, Fact, Program, Step, Warns
from gradconform.trace import UNSEEN, Seen, Trace
from gradconform.verdict import Divergence


@dataclass(frozen=True, slots=True)
class Facts:
    """What became of a program's facts in one trace; the differences' `source` is still empty.

    broken: facts that do not hold. apart, rounded: laws and shown values of which only the numbers are wrong,
    beyond the tolerance for the dtype, or within it (laws only, since they are exact). kept: how many facts
    hold. undecided: what those ask about that the engine does not show, by the number of the step and how
    often it was reached before.
    """

    broken: tuple[Divergence, ...] = ()
    apart: tuple[Divergence, ...] = ()
    rounded: tuple[Divergence, ...] = ()
    kept: int = 0
    undecided: Mapping[tuple[int, int], str] = field(default_factory=dict)


def check(program: Program, trace: Trace, *, torch_errors: bool = True) -> Facts:
    """Holds every fact that the program reached against the trace.

    torch_errors: whether the engine means to raise torch's exceptions; otherwise the class and the text of an
    expected error are not asked for, only that there is one and in which phase.
    """
    found: dict[str, list[Divergence]] = {"": [], "beyond": [], "within": []}
    kept, undecided = 0, {}
    for number, step in program.walk():
        questions = _questions(number, step, trace, torch_errors=torch_errors)
        for time, holds in enumerate(questions):
            try:
                difference, numbers = holds()
            except UndecidedError as lack:
                undecided[number, time] = str(lack) or _unseen(step, trace.facts[number][time])
                continue
            if difference is None:
                kept += 1
            else:
                found[numbers].append(difference)
    return Facts(tuple(found[""]), tuple(found["beyond"]), tuple(found["within"]), kept, undecided)


def _questions(
    number: int, step: Step, trace: Trace, *, torch_errors: bool
) -> Iterator[Callable[[], tuple[Divergence | None, str]]]:
    """What a step asks, each time that the program reached it."""
    match step:
        case Fact():
            for shown in trace.facts.get(number, ()):
                yield partial(_fact, number, step, shown)
        case Expect() if number in trace.caught:
            yield lambda: (_expectation(number, step, trace, torch_errors=torch_errors), "")
        case Warns() if number in trace.warned:
            yield lambda: (_warning(number, step, trace, torch_errors=torch_errors), "")


def _fact(number: int, fact: Fact, shown: tuple[Seen, ...]) -> tuple[Divergence | None, str]:
    """The difference of a fact that does not hold, and how its numbers miss where they alone are wrong.

    Raises UndecidedError.
    """
    what = "law" if fact.law else "shown value"
    where = ", ".join(dict.fromkeys(map(str, fact.places))) or fact.text
    evaluation = Evaluation(shown, tolerant=not fact.law)
    try:
        if evaluation.holds(fact.expression):
            return None, ""
    except UndecidedError:
        raise
    except Exception as error:  # noqa: BLE001 - torch raises any of them where the values do not fit the fact
        reason = str(error).partition("\n")[0]
        detail = (
            f"on what was seen it cannot be computed: {type(error).__name__}: {reason}; {_seen(fact, shown)}"
        )
        return Divergence(what, where, number, "", fact.text, "no answer", detail), ""
    misfit = evaluation.misfit or Misfit("true", "false")
    detail = "; ".join(part for part in (misfit.detail, _seen(fact, shown)) if part)
    return Divergence(what, where, number, "", misfit.expected, misfit.got, detail), misfit.numbers


def _seen(fact: Fact, shown: tuple[Seen, ...]) -> str:
    pairs = zip(fact.places, shown, strict=True)
    return "seen: " + ", ".join(f"{place} = {describe(seen)}" for place, seen in pairs) if fact.places else ""


def _unseen(step: Step, shown: tuple[Seen, ...]) -> str:
    """What a fact asks about that is not shown: the first of its places, by the attribute alone."""
    places = step.places if isinstance(step, Fact) else ()
    unseen = (place for place, seen in zip(places, shown, strict=False) if seen is UNSEEN)
    return next((place.path[-1] if place.path else str(place) for place in unseen), "")


def _warning(number: int, step: Warns, trace: Trace, *, torch_errors: bool) -> Divergence | None:
    wanted = f"{step.category}: ...{step.match}..." if step.match else step.category
    seen = trace.warned[number]
    for one in seen:
        if not torch_errors or (step.category in one.classes and step.match in one.message):
            return None
    got = "; ".join(f"{one.classes[0]}: {one.message}" for one in seen) or "no warning"
    return Divergence("missing warning", f"step {number}", number, "", wanted, got)


def _expectation(number: int, step: Expect, trace: Trace, *, torch_errors: bool) -> Divergence | None:
    error = trace.caught[number]
    what = f"{step.error}{f' ({step.phase})' if step.phase else ''}"
    if error is None:
        return Divergence("missing error", f"step {number}", number, "", what, "no error")
    seen = describe_error(error)
    if step.phase is not None and error.phase != step.phase:
        return Divergence("error phase", f"step {error.step}", error.step, "", what, seen)
    if torch_errors and step.error not in error.classes:
        return Divergence("error class", f"step {error.step}", error.step, "", what, seen)
    if torch_errors and step.match not in error.message:
        detail = f"the whole message: {error.message}"
        what = f"a message that contains {step.match!r}"
        return Divergence("error text", f"step {error.step}", error.step, "", what, seen, detail)
    return None
