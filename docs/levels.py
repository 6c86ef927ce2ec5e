"""Writes docs/levels.md, and the levels of the scenarios, by the rule of gradconform.program.levels.

python docs/levels.py           writes the page
python docs/levels.py --specs   also writes `level:` into specs/*.yaml where it is another one
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gradconform.program import levels
from gradconform.program.library import load_library
from gradconform.program.parse import Template
from gradconform.spec.corpus import all_files, corpus_files

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "levels.md"

HEAD = """\
# Levels

<!-- Written by docs/levels.py from gradconform.program.levels and the specs; do not edit. -->

Every scenario has a level from 1 to 6, so that a person who writes an engine knows what to build next. A
scenario's level is the highest of the levels of what its text asks for: verbs, operators, attributes,
options and the dtypes of its variables. Nobody chooses it; `python docs/levels.py --specs` writes it into the
specs, and a test compares. `gradconform show ID` prints a scenario with its level.

An engine has reached a level where every applicable scenario of this level and of those below passes, and at
each of them some scenario does ([the score](adapters.md#the-score)).

"""


def page(templates: Sequence[Template]) -> str:
    """The text of docs/levels.md."""
    return HEAD + "\n".join(_lines(templates)) + "\n"


def _lines(templates: Sequence[Template]) -> Iterator[str]:
    found = Counter(map(levels.level_of, templates))
    yield from ("| level | an engine has | scenarios |", "|---|---|---:|")
    yield from (f"| {level} | {title} | {found[level]} |" for level, title in levels.TITLES.items())
    yield from ("", "## The rule", "", "| what a scenario asks for | level |", "|---|---|")
    yield from (f"| {what} | {level} |" for what, level in _rule())
    yield from ("", "## Where to go next", "", "The features that have most scenarios at each level.", "")
    yield from ("| level | features |", "|---|---|")
    features: dict[int, Counter[str]] = defaultdict(Counter)
    for template in templates:
        features[levels.level_of(template)][template.scenario.feature] += 1
    for level in levels.TITLES:
        ranked = sorted(features[level].items(), key=lambda item: (-item[1], item[0]))[:8]
        yield f"| {level} | {', '.join(f'{name} ({count})' for name, count in ranked)} |"


def _rule() -> Iterator[tuple[str, int]]:
    yield f"the operators {_listed(levels.FIRST)}, `x.backward(v)`, `x.grad`", 1
    yield "several backward passes, indexing, zeroing or assigning `.grad`", 2
    yield "another pure operator, a factory, a reshape, a plain value (`item()`)", 2
    yield "an in-place operator, writing through an index, assigning `.data`", levels.EFFECTS["write"]
    yield "views together with in-place writes", levels.ALIASING
    yield "`def`, `class`, a method that takes a function, another object", levels.EFFECTS["object"]
    yield "complex numbers", 6
    yield f"a loop of {levels.DEEP} rounds or more, which makes deep graphs", 6
    for table in (levels.WORDS, levels.OPTIONS, levels.ATTRIBUTES, levels.PREFIXES):
        by_level: Mapping[int, list[str]] = defaultdict(list)
        for word, level in table.items():
            by_level[level].append(word)
        what = {id(levels.OPTIONS): "options ", id(levels.ATTRIBUTES): "attributes "}.get(id(table), "")
        yield from ((what + _listed(names), level) for level, names in sorted(by_level.items()))
    yield "any other attribute", 5


def _listed(names: Iterator[str] | list[str] | frozenset[str]) -> str:
    return ", ".join(f"`{name}{'...' if name.endswith('.') else ''}`" for name in sorted(names))


def write_specs(templates: Sequence[Template]) -> int:
    """Writes each scenario's level into its file; how many were other ones."""
    changed = 0
    for path in corpus_files("documented"):
        text = path.read_text("utf-8")
        for template in templates:
            if Path(template.scenario.place.file) != path:
                continue
            level = levels.level_of(template)
            if template.scenario.level != level:
                text = _with_level(text, template.id, level)
                changed += 1
        path.write_text(text, "utf-8")
    return changed


def _with_level(text: str, name: str, level: int) -> str:
    start = text.index(f"- id: {name}\n")
    end = text.find("\n- id: ", start)
    entry = text[start:] if end < 0 else text[start:end]
    new, count = re.subn(r"^  level: \d$", f"  level: {level}", entry, count=1, flags=re.MULTILINE)
    if not count:
        new = re.sub(
            r"^(?=  (?:let|fixed|dtypes|program):)", f"  level: {level}\n", entry, count=1, flags=re.MULTILINE
        )
    return text.replace(entry, new, 1)


if __name__ == "__main__":
    corpus = load_library(all_files())
    if "--specs" in sys.argv[1:]:
        sys.stdout.write(f"{write_specs(corpus)} levels written\n")
    PAGE.write_text(page(corpus), "utf-8")
