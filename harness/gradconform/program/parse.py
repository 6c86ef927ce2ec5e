"""From a scenario's program text to a checked template that can be bound to draws."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gradconform.errors import Problem, SpecError, did_you_mean
from gradconform.program import vocabulary as words
from gradconform.program.constants import INTEGER_BITS, constant_names
from gradconform.program.scope import Report, Scope
from gradconform.program.subset import Checker
from gradconform.spec.examples import values_problems
from gradconform.spec.scenario import (
    ChoiceDomain,
    Draft,
    LikeDomain,
    Nested,
    Number,
    OperatorDomain,
    Scenario,
    TensorDomain,
    domain_operator,
)

MAX_TEXT = 2_000_000
"""Characters in one program: twenty for each of its steps, as known failures write them out."""

MAX_DEPTH = 64
"""How deep statements and expressions may be nested, a chain of operators included."""


@dataclass(frozen=True, slots=True)
class Template:
    """A scenario with the checked syntax tree of its program; `bind` turns it into a Program for one draw.

    own: the names that the program's text gives a value to.
    """

    scenario: Scenario
    tree: ast.Module
    own: frozenset[str]

    @property
    def id(self) -> str:
        """The scenario's id."""
        return self.scenario.id


def parse(scenario: Scenario) -> Template:
    """Parses and checks a scenario's program.

    Raises SpecError with every problem of the program, each at its place in the YAML file.
    """
    return Template(scenario, *_checked(scenario))


def check_draft(draft: Draft) -> None:
    """Checks the program of a scenario whose metadata has problems, so that all of them are told at once.

    Raises SpecError as `parse` does; variables that are broken may be used in any way that fits their kind.
    """
    _checked(draft)


def _checked(scenario: Scenario | Draft) -> tuple[ast.Module, frozenset[str]]:
    """The syntax tree of a program, and the names that it gives a value to."""
    problems: list[Problem] = []
    lines = scenario.text.text.split("\n")

    def report(node: ast.AST, message: str, hint: str) -> None:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        problems.append(Problem(scenario.text.place(line, column), message, scenario.id, text[:200], hint))

    tree = _tree(scenario, lines)
    deep = _too_deep(tree)
    if deep is not None:
        report(deep, f"this is nested more than {MAX_DEPTH} deep", "give parts of it names of their own")
        raise SpecError(problems)
    if not tree.body:
        problems.append(Problem(scenario.place, "the program is empty", scenario.id))
    problems += _variables(scenario)
    scope = _scope(scenario, tuple(ast.walk(tree)), report)
    Checker(scope).block(tree.body)
    if problems:
        raise SpecError(problems)
    return tree, scope.own


def _variables(scenario: Scenario | Draft) -> Iterator[Problem]:
    """What the words of the language forbid about the variables of `let`."""
    for name, domain in scenario.let.items():
        if name in words.RESERVED:
            message = f"variable '{name}' is a word of the step language"
            yield Problem(domain.place, message, scenario.id, name, "choose another name")
        if isinstance(domain, OperatorDomain) and domain.example not in words.holes(domain.kind):
            known = words.holes(domain.kind)
            message = (
                f"the example '{domain.example}' of '{name}' is no {domain.kind} operator of the language"
            )
            hint = did_you_mean(domain.example, known) or f"they are {', '.join(known)}"
            yield Problem(domain.place, message, scenario.id, domain.example, hint)
        if isinstance(domain, TensorDomain | LikeDomain):
            operator = scenario.let.get(domain_operator(domain.values) or "")
            row = words.OPERATORS.get(operator.example) if isinstance(operator, OperatorDomain) else None
            numbers = ((domain.place, number) for number in _numbers(domain.example))
            if row is not None and any(values_problems(numbers, row.domain)):
                message = (
                    f"the example of '{name}' is outside the domain of '{row.name}': {row.domain} numbers"
                )
                yield Problem(domain.place, message, scenario.id, name, "change one of the two examples")


def _numbers(example: Nested) -> Iterator[Number]:
    if isinstance(example, tuple):
        for part in example:
            yield from _numbers(part)
    else:
        yield example


def _tree(scenario: Scenario | Draft, lines: list[str]) -> ast.Module:
    """The syntax tree of a program. Raises SpecError where it has none."""
    text = scenario.text.text
    if len(text) > MAX_TEXT:
        message = f"the program has more than {MAX_TEXT} characters"
        raise SpecError([Problem(scenario.place, message, scenario.id, "", "split it")])
    for number, line in enumerate(lines, 1):
        if line.isprintable():
            continue
        for column, character in enumerate(line):
            if not (character.isprintable() or character == "\t"):
                place = scenario.text.place(number, len(line[:column].encode()))
                message = f"the program holds the character U+{ord(character):04X}, which cannot be seen"
                raise SpecError([Problem(place, message, scenario.id, "", "take it out")])
    try:
        with warnings.catch_warnings():
            # An invalid escape in a string is a warning, or an error, depending on Python's version.
            warnings.simplefilter("error")
            return ast.parse(text)
    except SyntaxError as error:
        number = min(max(error.lineno or 1, 1), len(lines))
        column = len(lines[number - 1][: max((error.offset or 1) - 1, 0)].encode())
        why, shown = error.msg, lines[number - 1].strip()[:200]
    except (ValueError, RecursionError, MemoryError) as error:
        number, column, shown = 1, 0, ""
        why = "it is nested too deeply" if isinstance(error, RecursionError | MemoryError) else str(error)
    message = f"the program is not Python syntax: {why}"
    if "integer string conversion" in why:
        # Python's own words speak of a setting of its interpreter.
        message = f"an integer must fit in {INTEGER_BITS} bits"
    raise SpecError([Problem(scenario.text.place(number, column), message, scenario.id, shown)])


def _too_deep(tree: ast.Module) -> ast.AST | None:
    """The first node that is nested too deeply, found without recursion."""
    level: Iterable[ast.AST] = tree.body
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return None
    return next((node for node in level if hasattr(node, "lineno")), None)


def _scope(scenario: Scenario | Draft, nodes: tuple[ast.AST, ...], report: Report) -> Scope:
    tensors, constants = [], ["dtype"]
    choices: dict[str, tuple[str, ...]] = {}
    for name, kind in scenario.broken.items() if isinstance(scenario, Draft) else ():
        if kind in {"tensor", "like"}:
            tensors.append(name)
        else:
            constants.append(name)
            choices |= {} if kind in {"integer", "boolean"} else {name: ()}
    for name, domain in scenario.let.items():
        match domain:
            case TensorDomain() | LikeDomain():
                tensors.append(name)
            case OperatorDomain():
                choices[name] = words.holes(domain.kind)
            case ChoiceDomain() if all(isinstance(option, str) for option in domain.options):
                constants.append(name)
                choices[name] = tuple(str(option) for option in domain.options)
            case _:
                constants.append(name)
    targets = [node.target for node in nodes if isinstance(node, ast.For)]
    return Scope(
        report,
        live={*tensors, *constants},
        constants=constant_names(nodes, constants, tensors),
        fixed=frozenset({*constants, *(target.id for target in targets if isinstance(target, ast.Name))}),
        choices=choices,
        given=frozenset(scenario.let),
        own=words.bound(nodes),
    )
