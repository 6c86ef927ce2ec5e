"""From a scenario's program text to a checked template that can be bound to draws."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from gradconform.errors import Problem, SpecError, did_you_mean
from gradconform.program import vocabulary as words
from gradconform.program.subset import Checker, Report
from gradconform.spec.scenario import (
    BooleanDomain,
    ChoiceDomain,
    Draft,
    IntegerDomain,
    LikeDomain,
    OperatorDomain,
    Scenario,
    TensorDomain,
)

MAX_TEXT = 20_000
"""Characters in one program; a longer one is no smallest example of anything."""


@dataclass(frozen=True, slots=True)
class Template:
    """A scenario with the checked syntax tree of its program; `bind` turns it into a Program for one draw."""

    scenario: Scenario
    tree: ast.Module

    @property
    def id(self) -> str:
        return self.scenario.id


def parse(scenario: Scenario) -> Template:
    """Parses and checks a scenario's program.

    Raises SpecError with every problem of the program, each at its place in the YAML file.
    """
    return Template(scenario, _tree(scenario))


def check_draft(draft: Draft) -> None:
    """Checks the program of a scenario whose metadata has problems, so that all of them are told at once.

    Raises SpecError as `parse` does; variables that are broken may be used in any way that fits their kind.
    """
    _tree(draft)


def _tree(scenario: Scenario | Draft) -> ast.Module:
    problems: list[Problem] = []
    lines = scenario.text.text.splitlines()

    def report(node: ast.AST, message: str, hint: str) -> None:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        problems.append(Problem(scenario.text.place(line, column), message, scenario.id, text, hint))

    if len(scenario.text.text) > MAX_TEXT:
        problems.append(
            Problem(
                scenario.place,
                f"the program has more than {MAX_TEXT} characters",
                scenario.id,
                "",
                "split it",
            )
        )
        raise SpecError(problems)
    try:
        tree = ast.parse(scenario.text.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        column = max((getattr(error, "offset", None) or 1) - 1, 0)
        text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        message = f"the program is not Python syntax: {getattr(error, 'msg', None) or error or type(error).__name__}"
        raise SpecError([Problem(scenario.text.place(line, column), message, scenario.id, text)]) from None
    if not tree.body:
        problems.append(Problem(scenario.place, "the program is empty", scenario.id))
    for name, domain in scenario.let.items():
        if isinstance(domain, OperatorDomain) and domain.example not in words.holes(domain.kind):
            message = f"the example '{domain.example}' of '{name}' is no {domain.kind} operator of the step language"
            known = words.holes(domain.kind)
            hint = did_you_mean(domain.example, known) or f"they are {', '.join(known)}"
            problems.append(Problem(domain.place, message, scenario.id, domain.example, hint))
    _checker(scenario, report).block(tree.body)
    if problems:
        raise SpecError(problems)
    return tree


def _checker(scenario: Scenario | Draft, report: Report) -> Checker:
    tensors: list[str] = []
    constants: list[str] = []
    choices: dict[str, tuple[str, ...]] = {}
    for name, kind in scenario.broken.items() if isinstance(scenario, Draft) else ():
        if kind in ("tensor", "like"):
            tensors.append(name)
        else:
            constants.append(name)
            choices |= {} if kind in ("integer", "boolean") else {name: ()}
    for name, domain in scenario.let.items():
        match domain:
            case TensorDomain() | LikeDomain():
                tensors.append(name)
            case IntegerDomain() | BooleanDomain():
                constants.append(name)
            case OperatorDomain():
                choices[name] = words.holes(domain.kind)
            case ChoiceDomain():
                constants.append(name)
                if all(isinstance(option, str) for option in domain.options):
                    choices[name] = tuple(str(option) for option in domain.options)
    return Checker(report, names=tensors, constants=constants, choices=choices)
