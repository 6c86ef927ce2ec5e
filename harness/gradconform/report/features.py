"""What an engine has, for a person: the features of each kind, and where it declares something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gradconform.program.needs import KINDS, Feature
from gradconform.report.lines import Line

WORDS = {
    "conforms": "has",
    "differs": "has, and answers otherwise than torch",
    "missing": "lacks",
}


def feature_lines(found: Mapping[Feature, str]) -> Iterator[Line]:
    """The table by kind: how many there are of each, and their names by what was found."""
    for kind, title in KINDS.items():
        of_kind = {feature.name: finding for feature, finding in found.items() if feature.kind == kind}
        if not of_kind:
            continue
        has = sum(finding != "missing" for finding in of_kind.values())
        yield Line(f"{title}: {has} of {len(of_kind)}", "title")
        for finding, word in WORDS.items():
            names = sorted(name for name, what in of_kind.items() if what == finding)
            if names:
                yield Line(f"  {word}: {', '.join(names)}")


def declaration_lines(untrue: Sequence[Feature], unsaid: Sequence[Feature]) -> Iterator[Line]:
    """Where a declaration and the behaviour differ."""
    if untrue:
        yield Line(f"declared, and not there: {', '.join(map(str, untrue))}", "bad")
    if unsaid:
        yield Line(f"there, and not declared: {', '.join(map(str, unsaid))}", "bad")


def failure_lines(failures: Sequence[str]) -> Iterator[Line]:
    """What became of programs at which the adapter failed."""
    if failures:
        programs = "one program" if len(failures) == 1 else f"{len(failures)} programs"
        told = f"the adapter failed at {programs}, which would end a run; the first: {failures[0]}"
        yield Line(told, "bad")


def summary_line(engine: str, found: Mapping[Feature, str]) -> Line:
    """The outcome in one line."""
    has = sum(finding != "missing" for finding in found.values())
    differs = sum(finding == "differs" for finding in found.values())
    rest = f"; {differs} of them differ from torch in every program tried" if differs else ""
    return Line(f"{engine} has {has} of {len(found)} features{rest}")
