"""Which tests notice a mutant of refgrad."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

# The folder above is on the path wherever this package can be imported.
from forks import Ended, Tell, several  # type: ignore[import-not-found]
from mutants.copies import Edit, MutatedEngine, copy_of_refgrad, forget, sources  # type: ignore[import-not-found]
from reach import Key, recorded_lines  # type: ignore[import-not-found]

from gradconform.engines.refgrad import RefgradEngine

from .sites import Mutation, mutations

if TYPE_CHECKING:
    from reach.tests import Record, Test  # type: ignore[import-not-found]

LIMIT = 300
"""So many tests are tried for one mutant, those that reach the fewest lines first; of a line that runs while
refgrad is loaded, which says nothing of where it matters, one of each documented behaviour too."""

DRAWN = 20
"""So many of them are tried again with random draws, where none noticed the mutant without."""

CPU = 120
"""Seconds of CPU time that a mutant may take: many times what its tests take without it."""

_TABLE = "rules/"
_DERIVED = ("operators/", "points/")


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one mutant. by: the test that caught it, "" where none did. how: the first thing that
    was wrong. tried, reach: how many tests were run, and how many reach the line."""

    mutation: Mutation
    by: str
    how: str
    tried: int
    reach: int


def all_mutations() -> Iterator[Mutation]:
    """The mutants of all files of refgrad without the table of derivatives, in the order of their paths."""
    for file in sorted(sources().rglob("*.py")):
        path = file.relative_to(sources()).as_posix()
        if not path.startswith(_TABLE):
            yield from mutations(path, file.read_text("utf-8"))


def lines_of_loading() -> frozenset[Key]:
    """The lines that run while refgrad is imported."""
    keys: set[Key] = set()
    with recorded_lines(keys):
        package = copy_of_refgrad(()).__name__
    forget(package)
    return frozenset(keys)


@dataclass(frozen=True, slots=True)
class Hunter:
    """Runs tests on mutants. tests: those that refgrad passes. drawn: the same ones with random draws, by
    name. loading: the lines of `lines_of_loading`."""

    tests: Sequence[tuple[Test, Record]]
    drawn: Mapping[str, Test]
    loading: frozenset[Key]
    limit: int = LIMIT

    def reaching(self, mutation: Mutation) -> list[Test]:
        """The tests that run a line of a mutant, those that run the fewest lines first; of a line that runs
        while refgrad is loaded, tests from all over the corpus."""
        return self._running(mutation, mutation.lines)

    def _loads(self, mutation: Mutation) -> bool:
        return any(f"{mutation.path}:{line}" in self.loading for line in mutation.lines)

    def _running(self, mutation: Mutation, numbers: Iterable[int]) -> list[Test]:
        lines = {f"{mutation.path}:{line}" for line in numbers}
        if lines & self.loading:
            return self._from_everywhere()
        found = [(test, record) for test, record in self.tests if lines & record.reach]
        return [test for test, _ in sorted(found, key=lambda pair: (len(pair[1].reach), pair[0].name))]

    def _from_everywhere(self) -> list[Test]:
        """One test of each documented behaviour, and up to the limit of those derived from tables."""
        told: dict[str, Test] = {}
        derived: list[Test] = []
        for test, _ in self.tests:
            if test.name.startswith(_DERIVED):
                derived.append(test)
            else:
                told.setdefault(test.name.partition("[")[0], test)
        return [*told.values(), *derived[:: max(len(derived) // self.limit, 1)]]

    def hunted(self, sample: Sequence[Mutation], jobs: int) -> Iterator[Found]:
        """What becomes of mutants, in the order in which that is known."""
        for mutation, ended in several(sample, self.work, jobs, CPU):
            yield self.found(mutation, ended)

    def work(self, mutation: Mutation, tell: Tell) -> tuple[str, str, int]:
        """The test that fails, how, and how many were run."""
        tell("import")
        whole = (sources() / mutation.path).read_text("utf-8")
        try:
            engine = MutatedEngine("mutant", (Edit(mutation.path, whole, mutation.text),))
        except Exception as error:  # noqa: BLE001 - a mutant that cannot be loaded is noticed by everything
            return "import", type(error).__name__, 0
        tried = 0
        reaching = self.reaching(mutation)
        # A draw may come to a line that no example comes to.
        near = reaching or self._running(mutation, mutation.around)
        drawn = [self.drawn[test.name] for test in near[:DRAWN]]
        few = reaching if self._loads(mutation) else reaching[: self.limit]
        for test in (*few, *drawn):
            tell(test.name)
            tried += 1
            how, _ = test.run(engine)
            if how and (test not in drawn or not test.run(RefgradEngine())[0]):
                return test.name, how, tried
        return "", "", tried

    def found(self, mutation: Mutation, ended: Ended[tuple[str, str, int]]) -> Found:
        """What became of a mutant; one that ends its process, or does not end, is caught."""
        reach = len(self.reaching(mutation))
        if ended.result is None:
            return Found(mutation, ended.last, ended.death, 0, reach)
        test, how, tried = ended.result
        return Found(mutation, test, how, tried, reach)
