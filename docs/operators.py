"""Writes docs/operators.md: how far refgrad has PyTorch's operators, by PyTorch's own samples in float64.

    gradconform run refgrad --corpus opinfo --results operators.jsonl
    python docs/operators.py operators.jsonl

Where several files are given, the last that has an entry counts, so that some can be run again (`--select`).
Why an operator is not there whole is told in docs/operators.yaml, by the name of its entry.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from gradconform.cases import CaseResult
from gradconform.opinfo.programs import PARTS
from gradconform.report.failure import summary
from gradconform.results import Results, read_results

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "operators.md"
REASONS = ROOT / "docs" / "operators.yaml"
LONGEST = 120
"""So much of what a case lacks is told."""

HEAD = """\
# Operators

<!-- Written by docs/operators.py from a run and docs/operators.yaml; do not edit. -->

PyTorch {torch} tests its operators with samples of its own: entries for operators and their variants, each
with inputs of many shapes and options. `gradconform run refgrad --corpus opinfo` runs every entry that
autograd supports on refgrad and on PyTorch, in float64 on the CPU: values, flags and gradients (first order),
gradients of the gradients by the inputs and by the cotangents (second order), the forms in place, and the
calls that PyTorch refuses. A cell has the cases that conform, of those that are run.

| of {entries} entries | conform on every sample | share |
|---|---:|---:|
| first order | {first} | {first_share} |
| first and second order | {second} | {second_share} |
| all of it, in place and refused calls too | {whole} | {whole_share} |

| samples | run | conform |
|---|---:|---:|
"""


@dataclass(frozen=True, slots=True)
class Row:
    """An entry. counts: by part, the cases that conform and all of them. missing: what the first case that
    does not conform shows."""

    name: str
    counts: Mapping[str, tuple[int, int]]
    missing: str = ""

    def conforms(self, parts: Iterable[str]) -> bool:
        """Whether every case of these parts does."""
        return all(kept == run for part, (kept, run) in self.counts.items() if part in parts)


def rows(runs: Sequence[Results]) -> tuple[Row, ...]:
    """A row for each entry, in the order of the names, from the last run that has it."""
    cases: dict[str, list[CaseResult]] = {}
    for results in runs:
        for name in {case.feature for case in results.cases}:
            cases[name] = [case for case in results.cases if case.feature == name]
    return tuple(_row(name, cases[name]) for name in sorted(cases, key=str.lower))


def _row(name: str, cases: list[CaseResult]) -> Row:
    run = Counter(case.part for case in cases)
    kept = Counter(case.part for case in cases if case.verdict.kind == "conforms")
    open_cases = [case for case in cases if case.verdict.kind != "conforms"]
    open_cases.sort(key=lambda case: PARTS.index(case.part))
    missing = f"{open_cases[0].part}: {summary(open_cases[0].verdict)}" if open_cases else ""
    return Row(name, {part: (kept[part], run[part]) for part in PARTS}, missing)


def reasons() -> dict[str, str]:
    """Why an entry is not there whole, by its name."""
    return yaml.safe_load(REASONS.read_text("utf-8")) or {}


def page(runs: Sequence[Results], why: Mapping[str, str]) -> str:
    """The page as Markdown."""
    found = rows(runs)
    first = sum(row.conforms(PARTS[:1]) for row in found)
    second = sum(row.conforms(PARTS[:2]) for row in found)
    whole = sum(row.conforms(PARTS) for row in found)
    head = HEAD.format(
        torch=runs[-1].head.torch.partition("+")[0],
        entries=len(found),
        first=first,
        second=second,
        whole=whole,
        first_share=_share(first, found),
        second_share=_share(second, found),
        whole_share=_share(whole, found),
    )
    return head + "\n".join([*_samples(found), "", *_table(found, why), ""])


def _share(count: int, found: tuple[Row, ...]) -> str:
    return f"{100 * count / len(found):.1f} %"


def _samples(found: tuple[Row, ...]) -> Iterator[str]:
    for part in PARTS:
        kept, run = (sum(row.counts[part][index] for row in found) for index in (0, 1))
        yield f"| {part} | {run} | {kept} |"


def _table(found: tuple[Row, ...], why: Mapping[str, str]) -> Iterator[str]:
    yield "| entry | first order | second order | in place | error | what is missing |"
    yield "|---|---:|---:|---:|---:|---|"
    for row in found:
        cells = (f"{kept} of {run}" if run else "" for kept, run in row.counts.values())
        missing = "; ".join(filter(None, (_cell(row.missing), why.get(row.name, "") if row.missing else "")))
        yield f"| `{row.name}` | {' | '.join(cells)} | {missing} |"


def _cell(text: str) -> str:
    short = text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
    return " ".join(short.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page([read_results(Path(name)) for name in sys.argv[1:]], reasons()), "utf-8")
