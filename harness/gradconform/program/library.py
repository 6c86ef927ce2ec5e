"""Loading a corpus whole: every spec file read, every program parsed, every problem reported at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from gradconform.errors import Problem, SpecError
from gradconform.program.levels import level_of
from gradconform.program.parse import Template, check_draft, parse
from gradconform.program.vocabulary import learn
from gradconform.spec.corpus import operator_files, specs_root
from gradconform.spec.load import load_files
from gradconform.spec.scenario import Scenario


@cache
def learn_shipped() -> tuple[Problem, ...]:
    """Makes the operators of the shipped tables words of the language, for the specs of others too."""
    return tuple(learn(load_files(operator_files()).operators))


def load_library(
    paths: Iterable[Path], wanted: Callable[[Scenario], bool] | None = None
) -> tuple[Template, ...]:
    """The templates of all scenarios in the files, in file order.

    wanted: which of the shipped scenarios are asked for; of the others the programs are not read. What is not
    shipped is checked whole, whoever asks.
    Raises SpecError with all problems of all files, of the YAML and of the programs alike.
    """
    loaded = load_files(paths)
    problems: list[Problem] = list(loaded.problems)
    problems.extend(learn_shipped())
    problems.extend(learn(loaded.operators))
    templates = []
    shipped = f"{specs_root()}{os.sep}"
    for scenario in loaded.scenarios:
        if wanted is not None and scenario.place.file.startswith(shipped) and not wanted(scenario):
            continue
        try:
            template = parse(scenario)
            if scenario.text.derived:
                scenario = replace(scenario, level=level_of(template))  # noqa: PLW2901
                template = replace(template, scenario=scenario)
            templates.append(template)
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
