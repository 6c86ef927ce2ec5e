"""Every word of the step language occurs in the program of some shipped scenario: what no scenario says, no
engine is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gradconform.program.bind import bind
from gradconform.program.parse import Template
from gradconform.program.steps import Apply, Backward, Expect, Get, Grad, Invoke, Mutate, Program, Set, Within
from gradconform.program.vocabulary import (
    ATTRIBUTES,
    METHODS_OF_OBJECTS,
    MODES,
    OPERATORS,
    WRITABLE,
    holes,
)
from gradconform.randomize import draws
from gradconform.randomize.direct import DirectChooser
from gradconform.spec.scenario import ChoiceDomain, OperatorDomain

DRAWS = 12
"""Random draws of each scenario, beside its example."""


def words(program: Program) -> Iterator[str]:
    """The words that a program says to an engine. An assignment is `grad=`, an option of a backward call
    `backward(inputs=)`."""
    for _, step in program.walk():
        match step:
            case Apply() | Mutate():
                yield step.operator
            case Get():
                yield f".{step.attribute}"
            case Set():
                yield f".{step.attribute}"
                yield f".{step.attribute}="
            case Invoke():
                yield f".{step.method}()"
            case Within():
                yield step.mode
            case Backward():
                call = "autograd.backward" if step.function else "backward"
                yield from (f"{call}({option}=)" for option in step.options)
            case Grad():
                yield from (f"autograd.grad({option}=)" for option in step.options)
            case Expect():
                yield step.error
            case _:
                # What a fact looks at is read from the engine as well.
                for place in getattr(step, "places", ()):
                    yield from (f".{attribute}" for attribute in place.path if place.name)
                    yield from (place.path if not place.name else ())


def variables(template: Template) -> Iterator[str]:
    """The words that the free variables of a scenario range over."""
    for domain in template.scenario.let.values():
        if isinstance(domain, OperatorDomain):
            yield from holes(domain.kind)
        elif isinstance(domain, ChoiceDomain):
            yield from (option for option in domain.options if isinstance(option, str))


@pytest.fixture(scope="module")
def said(corpus: tuple[Template, ...]) -> set[str]:
    found: set[str] = set()
    for template in corpus:
        found.update(variables(template))
        scenario = template.scenario
        chosen = [draws.example(scenario, scenario.dtypes[0])]
        # A choice or a boolean may decide which words a program says.
        chosen += [draws.draw(scenario, DirectChooser(seed), scenario.dtypes[0]) for seed in range(DRAWS)]
        for draw in chosen:
            found.update(words(bind(template, draw)))
    return found


def test_every_operator(said: set[str]) -> None:
    assert set(OPERATORS) - said == set()


def test_every_attribute_read_and_written(said: set[str]) -> None:
    assert {f".{name}" for name in ATTRIBUTES} - said == set()
    assert {f".{name}=" for name in WRITABLE} - said == set()


def test_every_mode_and_every_method_of_objects(said: set[str]) -> None:
    assert set(MODES) - said == set()
    assert {f".{name}()" for name in METHODS_OF_OBJECTS} - said == set()


@pytest.mark.parametrize(
    ("call", "options"),
    [
        ("backward", ("gradient", "retain_graph", "create_graph", "inputs")),
        ("autograd.backward", ("retain_graph",)),
        ("autograd.grad", ("retain_graph", "create_graph", "allow_unused", "materialize_grads")),
    ],
)
def test_every_option_of_a_backward_call(said: set[str], call: str, options: tuple[str, ...]) -> None:
    assert {f"{call}({option}=)" for option in options} - said == set()
