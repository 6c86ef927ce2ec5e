"""What all tests share: deterministic settings, one thread, no leaked grad mode, programs made from text."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Literal, Protocol

import pytest
import torch
from hypothesis import settings

from gradconform.errors import Place
from gradconform.program.bind import Draw, bind
from gradconform.program.library import learn_shipped
from gradconform.program.parse import Template, parse
from gradconform.program.steps import Dtype, Input, Program
from gradconform.program.vocabulary import FUNCTIONS, METHODS, OPERATORS, holes
from gradconform.spec.scenario import (
    ChoiceDomain,
    Domain,
    IntegerDomain,
    OperatorDomain,
    ProgramText,
    Scenario,
    TensorDomain,
)
from gradconform.spec.shapes import AnyShape

torch.set_num_threads(1)
# No deadline, since machines are slow at times; derandomized and without a database, so that a failing run
# can be repeated anywhere.
settings.register_profile("gradconform", deadline=None, derandomize=True, database=None, print_blob=False)
settings.load_profile("gradconform")

FILE = "specs/tests.yaml"
LINE, COLUMN = 10, 5
"""Where the program of a test's scenario is said to stand."""


def pytest_configure(config: pytest.Config) -> None:
    """Gives all tests, those in other processes too, one index of the corpus, which takes seconds to make."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="gradconform-tests-")
        os.environ["GRADCONFORM_CACHE"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def torch_is_whole() -> None:
    """Has torch load what it loads with its first optimizer and cannot load twice: pytester drops modules
    that were loaded since it came."""
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)


@pytest.fixture(autouse=True)
def colours_are_nobodys_taste(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested does not depend on who runs the tests."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def what_a_test_teaches_is_forgotten() -> Iterator[None]:
    """The words of the language are one table for a process: those of a test's own specs end with it."""
    learn_shipped()
    operators, functions, methods = dict(OPERATORS), set(FUNCTIONS), set(METHODS)
    yield
    OPERATORS.clear()
    OPERATORS.update(operators)
    for words, before in ((FUNCTIONS, functions), (METHODS, methods)):
        words.intersection_update(before)
        words.update(before)


@pytest.fixture(autouse=True)
def grad_mode_does_not_leak() -> Iterator[None]:
    """Fails a test that leaves another grad mode behind than it found, in torch or in refgrad."""
    yield
    for name in ("torch", "refgrad"):
        module = sys.modules.get(name)
        if module is not None and not module.is_grad_enabled():
            module.set_grad_enabled(True)
            pytest.fail(f"the test left {name}'s grad mode switched off")


class MakeTemplate(Protocol):
    """The checked template of a program text. Its variables: tensors, integers, choices (each of these
    words), operators ("unary" or "binary")."""

    def __call__(
        self,
        text: str,
        *,
        tensors: tuple[str, ...] = ("x",),
        integers: tuple[str, ...] = (),
        choices: Mapping[str, tuple[str, ...]] | None = None,
        operators: Mapping[str, Literal["unary", "binary"]] | None = None,
    ) -> Template: ...


class MakeProgram(Protocol):
    """Binds a program text to inputs, constants (integers and words) and operators. Without inputs it has
    one: x = [1.0, 2.0], which requires grad."""

    def __call__(
        self,
        text: str,
        *inputs: Input,
        constants: Mapping[str, int | str] | None = None,
        operators: Mapping[str, str] | None = None,
        example: bool = True,
    ) -> Program: ...


def make_template(
    text: str,
    *,
    tensors: tuple[str, ...] = ("x",),
    integers: tuple[str, ...] = (),
    choices: Mapping[str, tuple[str, ...]] | None = None,
    operators: Mapping[str, Literal["unary", "binary"]] | None = None,
) -> Template:
    place = Place(FILE, 1, 1)
    let: dict[str, Domain] = {}
    for name in tensors:
        let[name] = TensorDomain(AnyShape(nonempty=False), "any", "real", "contiguous", False, 1.0, place)
    for name in integers:
        let[name] = IntegerDomain(-100, 10**9, 1, place)
    for name, options in (choices or {}).items():
        let[name] = ChoiceDomain(options, options[0], place)
    for name, kind in (operators or {}).items():
        let[name] = OperatorDomain(kind, holes(kind)[0], place)
    program = ProgramText(text, FILE, LINE, COLUMN)
    return parse(Scenario("tests/one", "tests", "A rule.", 1, program, place, let=let))


def make_program(
    text: str,
    *inputs: Input,
    constants: Mapping[str, int | str] | None = None,
    operators: Mapping[str, str] | None = None,
    example: bool = True,
) -> Program:
    given = inputs or (Input("x", torch.tensor([1.0, 2.0]), requires_grad=True),)
    known = constants or {}
    made = make_template(
        text,
        tensors=tuple(item.name for item in given),
        integers=tuple(name for name, value in known.items() if isinstance(value, int)),
        choices={name: (value,) for name, value in known.items() if isinstance(value, str)},
        operators={
            name: "binary" if value in holes("binary") else "unary"
            for name, value in (operators or {}).items()
        },
    )
    return bind(made, Draw(given, {"dtype": Dtype("float32"), **known}, operators or {}, example))


@pytest.fixture(scope="session")
def template() -> MakeTemplate:
    """Makes templates from program texts."""
    return make_template


@pytest.fixture(scope="session")
def program() -> MakeProgram:
    """Makes programs from their texts."""
    return make_program
