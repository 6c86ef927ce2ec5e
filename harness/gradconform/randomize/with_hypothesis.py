"""The hypothesis backend: the same tests, with choices that hypothesis generates and shrinks.

Importing this module imports hypothesis (90 ms): import it where it is used.

Only hypothesis's public interface is used. Its choices and a chooser's are the same numbers one for one, so
that the failing choices of any backend can be handed over: a first run whose every draw leaves one number to
draw makes hypothesis write the choices down in its own encoding, and a second one finds that entry in its
database of failures and shrinks it.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity, configuration, strategies
from hypothesis.database import ExampleDatabase
from hypothesis.errors import Flaky, HypothesisException

from gradconform.randomize.chooser import Choices, Chooser, Failure, Test, nothing_to_choose, raised_at
from gradconform.randomize.direct import ReplayChooser

Origin = Callable[[Exception], Hashable]
Draw = Callable[[strategies.SearchStrategy[Any]], Any]

SHRINKS = 1000
"""Runs of a test that shrinking one failure may take."""


class HypothesisChooser(Chooser):
    """Choices that hypothesis makes; `draw` is what `hypothesis.strategies.composite` hands out."""

    __slots__ = ("_draw",)

    def __init__(self, draw: Draw) -> None:
        super().__init__()
        self._draw = draw

    def below(self, bound: int) -> int:
        if bound < 2:
            return nothing_to_choose(bound)
        number: int = self._draw(_numbers(bound)) - _offset(bound)
        self._made.append(number)
        return number


def search(
    test: Test,
    *,
    examples: int,
    seed: int,
    on_failure: Callable[[Failure], None] | None = None,
    shrinks: int = SHRINKS,
    origin: Origin = raised_at,
) -> Failure | None:
    """Runs the test on up to `examples` sequences of choices of hypothesis; shrinks the first failure.

    The same seed gives the same sequences. `on_failure` is told of the first failure and of each smaller one.
    Shrinking runs the test at most `shrinks` times and keeps to failures of the same `origin`.
    Returns the smallest failure, or None where every example passed. A test that draws differently after the
    same choices cannot be searched: that is a flaky failure too, with hypothesis's explanation as its
    exception.
    """
    watch = _Watch(test, origin, on_failure, examples + shrinks)
    flaky = _run(watch.fails, (Phase.generate, Phase.shrink), examples=examples, seed=seed)
    if watch.best is None and flaky is not None:
        return Failure(watch.last, flaky, watch.calls, flaky=True)
    return watch.confirmed()


def shrink(test: Test, failure: Failure, *, calls: int = SHRINKS, origin: Origin = raised_at) -> Failure:
    """The smallest failure of the same origin that hypothesis finds from this one in about `calls` runs.

    A failure that does not come back when its choices are replayed is returned as flaky. Only `choices` and
    `exception` of the failure are read.
    """
    chooser = _BoundsChooser(failure.choices)
    try:
        test(chooser)
    except Exception as exception:  # noqa: BLE001 - whatever a test raises is its failure
        found = Failure(chooser.choices, exception)
    else:
        return Failure(failure.choices, failure.exception, 1, flaky=True)
    if not found.choices:
        return found
    watch = _Watch(test, origin, None, calls, found)
    entry = _encode(found.choices, chooser.bounds)
    _run(watch.fails, (Phase.reuse, Phase.shrink), examples=calls, seed=0, database=entry)
    if watch.first != found.choices:
        message = (
            f"hypothesis {hypothesis.__version__} did not replay the failing choices it was handed, so the "
            "failure is reported as it was found and not shrunk; please report this to gradconform"
        )
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    return watch.confirmed() or found


class _Watch:
    """Runs the test for hypothesis and keeps the smallest failure of the first failure's origin."""

    def __init__(
        self,
        test: Test,
        origin: Origin,
        on_failure: Callable[[Failure], None] | None,
        limit: int,
        known: Failure | None = None,
    ) -> None:
        self.test = test
        self.origin = origin
        self.on_failure = on_failure
        self.limit = limit
        self.best = known
        self.calls = 0 if known is None else known.calls
        self.first: Choices | None = None
        self.last: Choices = ()

    def fails(self, draw: Draw) -> bool:
        if self.calls >= self.limit:
            raise _LimitReached
        self.calls += 1
        chooser = HypothesisChooser(draw)
        try:
            self.test(chooser)
        except HypothesisException:
            raise
        except Exception as exception:  # noqa: BLE001 - whatever a test raises is its failure
            return self.failed(chooser.choices, exception)
        finally:
            self.last = chooser.choices
            if self.first is None:
                self.first = self.last
        return False

    def failed(self, choices: Choices, exception: Exception) -> bool:
        best = self.best
        if best is not None and self.origin(exception) != self.origin(best.exception):
            return False
        if best is None or (len(choices), choices) < (len(best.choices), best.choices):
            self.best = Failure(choices, exception, self.calls)
            if self.on_failure is not None:
                self.on_failure(self.best)
        return True

    def confirmed(self) -> Failure | None:
        """The smallest failure, after one more run of its choices."""
        best = self.best
        if best is None:
            return None
        calls = self.calls + 1
        try:
            self.test(ReplayChooser(best.choices))
        except Exception as exception:  # noqa: BLE001 - whatever a test raises is its failure
            if self.origin(exception) == self.origin(best.exception):
                return Failure(best.choices, exception, calls)
        return Failure(best.choices, best.exception, calls, flaky=True)


class _FoundError(Exception):
    """Tells hypothesis that the test failed."""


class _LimitReached(BaseException):
    """Ends hypothesis's run; an Exception would be taken for a failure of the test."""


class _BoundsChooser(ReplayChooser):
    """Replays choices and records the bounds of those that it made."""

    __slots__ = ("bounds",)

    def __init__(self, choices: Choices) -> None:
        super().__init__(choices)
        self.bounds: list[int] = []

    def below(self, bound: int) -> int:
        if bound > 1:
            self.bounds.append(bound)
        return super().below(bound)


class _OneEntry(ExampleDatabase):
    """A database of failures that keeps the first entry that is saved, whatever its key."""

    def __init__(self) -> None:
        super().__init__()
        self.entry: bytes | None = None

    def save(self, key: bytes, value: bytes) -> None:  # noqa: ARG002
        if self.entry is None:
            self.entry = value

    def fetch(self, key: bytes) -> Iterator[bytes]:  # noqa: ARG002
        if self.entry is not None:
            yield self.entry

    def delete(self, key: bytes, value: bytes) -> None:
        """Nothing is deleted."""


def _offset(bound: int) -> int:
    # hypothesis mixes integers from the source of whatever modules happen to be imported into its draws, from
    # 100 upwards: with a large range moved to where no source has a literal, the seed alone decides.
    return 0 if bound <= 100 else 2**80


@cache
def _numbers(bound: int) -> strategies.SearchStrategy[int]:
    return strategies.integers(_offset(bound), _offset(bound) + bound - 1)


def _run(
    fails: Callable[[Draw], bool],
    phases: tuple[Phase, ...],
    *,
    examples: int,
    seed: int,
    database: ExampleDatabase | None = None,
) -> Flaky | None:
    """Lets hypothesis generate, replay or shrink draws for which `fails` returns true.

    Returns what hypothesis says of a test that does not do the same thing twice.
    """

    settings = hypothesis.settings(
        phases=phases,
        max_examples=examples,
        database=database,
        deadline=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=_HEALTH_CHECKS,
        verbosity=Verbosity.quiet,
    )
    # Seeding a test takes its database away, so the settings are applied after it.
    test = settings(hypothesis.seed(seed)(hypothesis.given(strategies.composite(fails)())(_passes)))
    with _away_from_home(), suppress(_FoundError, _LimitReached):
        try:
            test()
        except Flaky as flaky:
            return flaky
    return None


_HEALTH_CHECKS = list(HealthCheck)


def _passes(failed: bool) -> None:  # hypothesis parses its text for each search: it is short
    if failed:
        raise _FoundError


def _encode(choices: Choices, bounds: Sequence[int]) -> _OneEntry:
    """A database with the choices in hypothesis's own encoding, as it saves a failure."""

    def exactly(draw: Draw) -> bool:
        for number, bound in zip(choices, bounds, strict=True):
            value = number + _offset(bound)
            draw(strategies.integers(value, value))
        # One more than the test draws: an entry that can be replayed to its end counts as shrunk already.
        draw(strategies.booleans())
        return True

    database = _OneEntry()
    _run(exactly, (Phase.generate,), examples=1, seed=0, database=database)
    return database


@contextmanager
def _away_from_home() -> Iterator[None]:
    """Lets hypothesis keep its caches in a temporary directory instead of a .hypothesis where one works. It
    makes that directory where it has something to write, which is seldom."""
    before = vars(configuration).get("__hypothesis_home_directory")
    directory = Path(tempfile.gettempdir(), f"gradconform-{token_hex(8)}")
    configuration.set_hypothesis_home_dir(directory)
    try:
        yield
    finally:
        configuration.set_hypothesis_home_dir(before)
        if directory.exists():
            shutil.rmtree(directory, ignore_errors=True)
