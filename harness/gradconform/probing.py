"""Finding out what an engine has: a tiny program for each feature, from the documented examples.

A feature is there where any program that needs it runs. Which one fails for it alone cannot be told, so those
with the fewest features that are still in doubt come first, and what one program confirms the next may use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from gradconform.errors import AdapterError
from gradconform.execution.interpreter import Detail
from gradconform.program.bind import bind
from gradconform.program.needs import Feature, needs
from gradconform.program.parse import Template
from gradconform.program.steps import Apply, Input, Program, Ref
from gradconform.program.vocabulary import DTYPES, holes
from gradconform.randomize import draws
from gradconform.randomize.derivations import applicable
from gradconform.randomize.direct import DirectChooser
from gradconform.session import Session
from gradconform.verdict import Conforms, Declared, Diverges

TRIES = 6
"""So many programs are run for one feature that none of them has confirmed."""

SMALL = 8
"""Steps of a program that is tried with numbers in place of its inputs."""

Finding = Literal["conforms", "differs", "missing"]
"""Of a feature: there and as in torch, there and otherwise in each program that was tried, not there."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A program, and the features that it needs."""

    program: Program
    features: frozenset[Feature]

    @property
    def size(self) -> tuple[int, int]:
        return len(self.features), sum(1 for _ in self.program.walk())


@dataclass(slots=True)
class Probing:
    """What is known of an engine. found: of each feature that was looked for. failures: what its adapter said
    where it failed at a program, which is then none that it has the features of."""

    session: Session
    probes: Sequence[Probe]
    found: dict[Feature, Finding] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _ran: dict[int, Finding] = field(default_factory=dict)

    def run(self) -> Iterator[Feature]:
        """Looks for every feature of the probes; yields each when it is settled."""
        by_feature: dict[Feature, list[int]] = {}
        for index, probe in enumerate(self.probes):
            for feature in probe.features:
                by_feature.setdefault(feature, []).append(index)
        smallest = {
            feature: min(self.probes[index].size for index in indices)
            for feature, indices in by_feature.items()
        }
        missing = []
        for feature in sorted(by_feature, key=lambda feature: (smallest[feature], feature)):
            self._look_for(feature, by_feature[feature])
            if self.found[feature] == "missing":
                missing.append(feature)
            yield feature
        for feature in missing:  # what was in doubt beside it may have been confirmed since
            self._look_for(feature, by_feature[feature])

    def _look_for(self, feature: Feature, indices: Sequence[int]) -> None:
        best: Finding = self.found.get(feature, "missing")
        for index in sorted(indices, key=self._doubtful)[:TRIES]:
            if best == "conforms":
                break
            finding = self._finding(index)
            if finding == "missing":
                continue
            for confirmed in self.probes[index].features:
                # Where a program differs, its facts may not have been reached.
                if finding == "conforms" or confirmed.kind != "showing":
                    self._better(confirmed, finding)
            best = self.found.get(feature, best)
        self.found.setdefault(feature, best)

    def _better(self, feature: Feature, finding: Finding) -> None:
        if finding == "conforms" or self.found.get(feature, "missing") == "missing":
            self.found[feature] = finding

    def _doubtful(self, index: int) -> tuple[int, int, int, int]:
        """Programs whose features are known to be there come first, then small ones."""
        probe = self.probes[index]
        known = [self.found.get(feature) for feature in probe.features]
        return known.count("missing"), known.count(None), *probe.size

    def _finding(self, index: int) -> Finding:
        found = self._ran.get(index)
        if found is None:
            found = self._ran[index] = self._judged(self.probes[index].program)
        return found

    def _judged(self, program: Program) -> Finding:
        try:
            verdict = self.session.judge(program, self.session.settings.devices[0], Detail.END, hasty=True)
        except AdapterError as error:
            self.failures.append(str(error))
            return "missing"
        match verdict:
            case Conforms() | Declared():
                return "conforms"
            # What raises where torch does not has not done what comes after.
            case Diverges(divergences) if divergences[0].what != "unexpected error":
                return "differs"
            case _:
                return "missing"


def probes_of(templates: Iterable[Template]) -> tuple[Probe, ...]:
    """The documented examples of the scenarios, and inputs alone of every kind. Those that are small come as
    tensors without dimensions too, for engines that have nothing else."""
    programs = [
        *_inputs(),
        *_operators(),
        *(program for template in templates for program in _examples(template)),
    ]
    return tuple(Probe(program, needs(program)) for program in programs)


def _examples(template: Template) -> Iterator[Program]:
    scenario = template.scenario
    for dtype in scenario.dtypes[:1] if scenario.text.derived else scenario.dtypes:
        program = bind(template, draws.example(scenario, dtype))
        yield program
        if not scenario.text.derived and sum(1 for _ in program.walk()) <= SMALL:
            number = applicable(program, "zero-dim-inputs", DirectChooser(0))
            if number is not None:
                yield number


def _inputs() -> Iterator[Program]:
    for name in DTYPES:
        dtype = getattr(torch, name)
        for data in (torch.ones(2, dtype=dtype), torch.ones((), dtype=dtype), torch.ones(0, dtype=dtype)):
            yield Program((Input("x", data),), ())
        for layout in ("transposed", "strided", "expanded"):
            yield Program((Input("x", torch.ones(2, 2, dtype=dtype), layout=layout),), ())


def _operators() -> Iterator[Program]:
    """The simplest operators, one at a time and without any gradient."""
    x = Ref("x")
    calls = [
        *(Apply("y", name, (x,)) for name in holes("unary")),
        *(Apply("y", name, (x, x)) for name in holes("binary")),
        Apply("y", "pow", (x, 2)),
    ]
    for dtype in (torch.float32, torch.float64):
        for data in (torch.ones(2, dtype=dtype), torch.ones((), dtype=dtype)):
            yield from (Program((Input("x", data),), (call,)) for call in calls)


def differing(
    found: Mapping[Feature, Finding], declared: Mapping[str, frozenset[str]]
) -> tuple[list[Feature], list[Feature]]:
    """Features that an engine declares and does not have, and those that it has and does not declare; of the
    kinds that it declares."""
    has = {feature for feature, finding in found.items() if finding != "missing"}
    looked_for = {feature for feature in found if feature.kind in declared}
    said = {feature for feature in looked_for if feature.name in declared[feature.kind]}
    return sorted(said - has), sorted((looked_for & has) - said)
