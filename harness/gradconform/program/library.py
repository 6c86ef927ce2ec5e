"""Loading a corpus whole: every spec file read, every program parsed, every problem reported at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gradconform.errors import Problem, SpecError
from gradconform.program.parse import Template, check_draft, parse
from gradconform.spec.load import load_files


def load_library(paths: Iterable[Path]) -> tuple[Template, ...]:
    """The templates of all scenarios in the files, in file order.

    Raises SpecError with all problems of all files, of the YAML and of the programs alike.
    """
    loaded = load_files(paths)
    problems: list[Problem] = list(loaded.problems)
    templates = []
    for scenario in loaded.scenarios:
        try:
            templates.append(parse(scenario))
        except SpecError as error:
            problems.extend(error.problems)
    for draft in loaded.drafts:
        try:
            check_draft(draft)
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecError(problems)
    return tuple(templates)
