"""A stretch of random programs, run on torch and on an engine, and judged where they are not the same.

A batch depends on the seed, the profile and its numbers alone, so that batches may run in any process.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from gradconform.engines.base import Engine
from gradconform.errors import AdapterError, Unsupported
from gradconform.execution.interpreter import Detail
from gradconform.execution.stepwise import Stepwise
from gradconform.program.steps import Program, Step, body_of
from gradconform.randomize.chooser import Choices
from gradconform.randomize.direct import DirectChooser
from gradconform.randomize.explore.generate import Written, write
from gradconform.randomize.explore.writer import Feature, Profile, verb_of, words_of
from gradconform.session import Session
from gradconform.verdict import Conforms, Crashed, Declared, Diverges, TimedOut, Unsupporting, Verdict
from gradconform.volume import Pair

FAILING = Diverges | Crashed | TimedOut
"""The verdicts that are finds."""

_RAISED = re.compile(r"\b[A-Z]\w*(Error|Exit|Exception|Interrupt)\b")
"""The class of an exception in the reason of a crash."""

WHOLE = 16
"""One of so many programs is looked at wherever its state can change, whether or not its end is the same:
what later steps hide is seen there alone."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What tells finds apart before they are made small. what: the property that differs. verb: of the first
    step that shows it."""

    what: str
    verb: str


@dataclass(frozen=True, slots=True)
class Failing:
    """A program on which the engine fails. number: of the program, for the run's seed. choices: those that
    write it again."""

    number: int
    choices: Choices
    cause: Cause


@dataclass(slots=True)
class Tally:
    """What came of some programs. kinds: of verdicts. features: how many programs had each. lacking: what the
    engine does not support. banned: the words of the language that made it say so. undecided: the programs on
    which there is no verdict about the engine, and why."""

    programs: int = 0
    steps: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    features: Counter[Feature] = field(default_factory=Counter)
    lacking: Counter[str] = field(default_factory=Counter)
    banned: set[str] = field(default_factory=set)
    undecided: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Counts further programs."""
        self.programs += other.programs
        self.steps += other.steps
        self.kinds += other.kinds
        self.features += other.features
        self.lacking += other.lacking
        self.banned |= other.banned
        self.undecided += other.undecided


@dataclass(slots=True)
class Batch(Tally):
    """What came of a stretch of programs, and those on which the engine fails."""

    failing: list[Failing] = field(default_factory=list)


def run_batch(session: Session, profile: Profile, seed: int, numbers: Iterable[int], device: str) -> Batch:
    """Writes the programs with these numbers, and judges them."""
    batch = Batch()
    engine = session.host.engine
    pair = Pair(engine, device) if engine else None
    for number in numbers:
        chooser = DirectChooser(program_seed(seed, number))
        written = write(chooser, profile, session.torch, device)
        verdict = verdict_on(session, pair, written, device, whole=number % WHOLE == 0)
        written.expected.forget()
        batch.programs += 1
        batch.steps += len(written.program.steps)
        if not isinstance(verdict, Unsupporting):
            batch.features.update(written.features)
        batch.kinds[verdict.kind] += 1
        match verdict:
            case Unsupporting(feature):
                batch.lacking[feature] += 1
                batch.banned |= lacking_words(engine, written.program, device) if engine else {_word(feature)}
            case Crashed() | TimedOut():  # once more would cost the engine's process once more
                cause = cause_of(written.program, verdict)
                batch.failing.append(Failing(number, chooser.choices, cause))
            case Diverges():
                located = judged(session, written.program, device, Detail.STEPS, hasty=True)
                cause = cause_of(written.program, located if isinstance(located, Diverges) else verdict)
                batch.failing.append(Failing(number, chooser.choices, cause))
            case Conforms() | Declared():
                pass
            case _:
                batch.undecided.append(f"program {number}: {verdict.kind}: {getattr(verdict, 'reason', '')}")
    return batch


def program_seed(seed: int, number: int) -> int:
    """The seed of one program of a run."""
    return int.from_bytes(hashlib.sha256(f"{seed}/explore/{number}".encode()).digest()[:6])


def verdict_on(
    session: Session, pair: Pair | None, written: Written, device: str, *, whole: bool = False
) -> Verdict:
    """The verdict on a program that torch has run already. pair: torch and the engine, where that is in this
    process and can be run without looking."""
    try:
        same = pair is not None and _agree(pair, written)
    except Unsupported as lack:
        return Unsupporting(str(lack.feature), lack.shim)
    return Conforms() if same and not whole else judged(session, written.program, device)


def _agree(pair: Pair, written: Written) -> bool:
    """Whether the engine ends the program as torch did. Raises Unsupported; where the engine or its adapter
    raises anything else, they do not agree, and it is the interpreter's to say why."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as the interpreter does
            return pair.agree(written.program, written.expected)
    except (Unsupported, KeyboardInterrupt):
        raise
    except BaseException:  # noqa: BLE001 - SystemExit too: no engine ends the exploration
        return False


def judged(
    session: Session, program: Program, device: str, detail: Detail = Detail.CHANGES, *, hasty: bool = False
) -> Verdict:
    """The verdict of the interpreter and the oracle; what the adapter raises of its own is a crash."""
    try:
        return session.judge(program, device, detail, hasty=hasty)
    except AdapterError as error:
        return Crashed(str(error))


def cause_of(program: Program, verdict: Verdict) -> Cause:
    """The cause of a failure, as far as it can be told from a program of any size."""
    if not isinstance(verdict, Diverges):
        raised = _RAISED.search(getattr(verdict, "reason", ""))
        return Cause(f"{verdict.kind} {raised[0]}" if raised else verdict.kind, "")
    first = verdict.divergences[0]
    steps = dict(program.walk())
    return Cause(first.what, verb_of(steps[first.step]) if first.step in steps else "")


def lacking_words(engine: Engine, program: Program, device: str) -> set[str]:
    """The words of the language that the engine does not have, as far as a program shows them: it is run
    statement by statement, and what cannot be run is left out."""
    run = Stepwise(engine, device)
    lacking: set[str] = set()
    try:
        for item in program.inputs:
            run.input(item)
        for step in program.steps:
            try:
                run.do(step)
            except Unsupported as lack:
                lacking.update(_words(step, str(lack.feature)))
    except Unsupported as lack:
        lacking.add(str(lack.feature))
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001, S110 - what is more than a lack shows in programs without one
        pass
    finally:
        engine.reset()
    return lacking


def _words(step: Step, feature: str) -> Iterable[str]:
    """The words that a step is left out for: of one with a body, what the engine names."""
    if feature.startswith("dtype "):
        return (feature,)
    return (_word(feature),) if body_of(step) else words_of(step)


def _word(feature: str) -> str:
    """The word of the language that a lack names."""
    return feature.removeprefix("operator ")
