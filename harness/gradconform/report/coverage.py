"""What random programs have covered: how many had each kind of structure, and what is rare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from gradconform.report.lines import Line

_KINDS = {
    "verb": "verbs (operators, methods, statements)",
    "row": "rows of the operator tables",
    "pair": "pairs of verbs, one on what the other made",
    "view-write": "in-place writes by what made the tensor",
    "gradient": "uses of .grad",
    "hook": "hooks",
    "mode": "grad modes",
    "error": "errors by the verb that raised them",
    "dtype": "dtypes of the leaves",
    "fan-out": "most uses of one tensor",
    "depth": "longest chain of statements",
}
_SHOWN = 6


def coverage_lines(features: Mapping[tuple[str, ...], int], programs: int) -> Iterator[Line]:
    """A line for each kind of structure: how many different ones there were, the commonest and the rarest."""
    yield Line(f"structure of the {programs} programs:", "title")
    for kind, words in _KINDS.items():
        counts = Counter({feature[1:]: count for feature, count in features.items() if feature[0] == kind})
        if not counts:
            continue
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        told = ", ".join(f"{' '.join(name)} {count}" for name, count in ordered[:_SHOWN])
        if len(ordered) > 2 * _SHOWN:
            rare = ", ".join(f"{' '.join(name)} {count}" for name, count in ordered[-3:])
            told += f"; rarest: {rare}"
        elif len(ordered) > _SHOWN:
            told = ", ".join(f"{' '.join(name)} {count}" for name, count in ordered)
        yield Line(f"  {words}: {len(counts)} ({told})")
