"""The page of the mutants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from .hunt import Found


def page(
    found: Sequence[Found], count: int, setting: str, why: Mapping[str, str], torch: str
) -> Iterator[str]:
    """The lines of the page. count: of so many mutants these are a sample. setting: the options that drew and
    ran them. why: the reasons of survivors. torch: its version."""
    reached = [each for each in found if each.reach or each.by]
    equal = [each for each in reached if not each.by and str(each.mutation) in why]
    caught = [each for each in reached if each.by]
    counted = len(reached) - len(equal)
    yield "# Mutants of refgrad"
    yield ""
    yield "Written by `python benchmarks/mutation.py --write`: slips made in refgrad's own text one at a"
    yield "time, and whether the scenarios that run the changed line notice. The table of derivatives has a"
    yield "page of its own, [wrong-rules.md](wrong-rules.md)."
    yield ""
    yield f"torch {torch}. A sample of {len(found)} of {count} mutants (`{setting}`);"
    yield f"scenarios reach {len(reached)} of them."
    share = 100 * len(caught) / max(counted, 1)
    yield f"**{len(caught)} of {counted} mutants in these are caught, {share:.1f} %.**"
    yield (
        f"Another {len(equal)} change nothing that is seen or promised, as docs/mutation.yaml tells, and are "
        "not counted."
    )
    yield ""
    yield "| slip | made | caught | explained |"
    yield "|---|---|---|---|"
    made, hits, same = (Counter(each.mutation.kind for each in part) for part in (reached, caught, equal))
    yield from (
        f"| {kind} | {number} | {hits[kind]} | {same[kind]} |" for kind, number in sorted(made.items())
    )
    for title, part, reason in (
        ("Survivors", [each for each in reached if not each.by and each not in equal], False),
        ("Survivors that are explained", equal, True),
        ("Mutants that no scenario reaches", [each for each in found if each not in reached], True),
    ):
        yield ""
        yield f"## {title}"
        yield ""
        yield from _table(part, why if reason else None) if part else ["None."]


def summary(text: str) -> list[str]:
    """What the page of the kill matrix has of the text of this one: the score and the survivors."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("torch "))
    survivors, explained = lines.index("## Survivors"), lines.index("## Survivors that are explained")
    told = lines[start : lines.index("", start)]
    return [*told, "", "Those that survive:", *lines[survivors + 1 : explained - 1]]


def _table(found: Sequence[Found], why: Mapping[str, str] | None) -> Iterator[str]:
    """A table of mutants, with reasons or with the number of tests that were tried."""
    last = "tests tried, reaching" if why is None else "why"
    yield f"| place | function | slip | before | after | {last} |"
    yield "|---|---|---|---|---|---|"
    for each in sorted(found, key=lambda each: (each.mutation.path, each.mutation.line)):
        one = each.mutation
        last = f"{each.tried}, {each.reach}" if why is None else why.get(str(one), "not explained")
        slip = f"{one.kind} | {_code(one.old)} | {_code(one.new)}"
        yield f"| {one.path}:{one.line} | `{one.function}` | {slip} | {last} |"


def _code(text: str) -> str:
    one = " ".join(text.split()).replace("|", "\\|")
    return f"`{one if len(one) <= 120 else one[:117] + '...'}`"
