"""Loading a corpus whole: every spec file read, every program parsed, every problem reported at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from gradconform.errors import Problem, SpecError
from gradconform.program.levels import level_of
from gradconform.program.parse import Template, check_draft, parse
from gradconform.program.vocabulary import learn
from gradconform.spec.corpus import operator_files, spec_files
from gradconform.spec.load import load_files, load_operators
from gradconform.spec.scenario import Operator


@cache
def learn_shipped() -> tuple[Problem, ...]:
    """Makes the operators of the shipped tables words of the language, for the specs of others too."""
    return tuple(learn(load_operators(operator_files())))


def learn_tables(paths: Iterable[Path]) -> None:
    """Makes the operators of the shipped tables, and of those in spec files or folders that a run has checked
    already, words of the language."""
    learn_shipped()
    files = (file for path in paths for file in spec_files(path))
    tuple(learn(load_operators(files)))


def _lacking(operators: Iterable[Operator]) -> Iterable[Problem]:
    """What the installed torch lacks of the tables of others: an older one may lack what the shipped ones
    have, which a run then says of each scenario."""
    shipped = {str(path.resolve()) for path in operator_files()}
    own = [row for row in operators if str(Path(row.place.file).resolve()) not in shipped]
    if not own:
        return ()
    from gradconform.program.installed import lacking

    return lacking(own)


def load_library(paths: Iterable[Path]) -> tuple[Template, ...]:
    """The templates of all scenarios in the files, in file order.

    Raises SpecError with all problems of all files, of the YAML and of the programs alike.
    """
    loaded = load_files(paths)
    problems: list[Problem] = list(loaded.problems)
    problems.extend(learn_shipped())
    problems.extend(learn(loaded.operators))
    problems.extend(_lacking(loaded.operators))
    templates = []
    for scenario in loaded.scenarios:
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
