"""What engines declare: files that are read and written, and programs that are not run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from gradconform.engines import Unsupported
from gradconform.engines.capabilities import by_kind, capabilities_text, read_capabilities, undeclared
from gradconform.engines.torch import TorchEngine
from gradconform.errors import UsageError
from gradconform.execution.host import InProcess
from gradconform.execution.interpreter import Detail
from gradconform.program.needs import KINDS, Feature, needs
from gradconform.program.steps import Input
from gradconform.program.vocabulary import OPERATORS

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

X = Input("x", torch.tensor([1.0, 2.0]), True)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    has = by_kind([*(Feature("operator", name) for name in OPERATORS), Feature("other", "threads")])
    text = capabilities_text(has, "What mine has.")
    assert text.startswith("# What mine has.\noperator: [")
    assert max(map(len, text.splitlines())) <= 110
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    assert read_capabilities(file) == has
    assert has.keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[exp]", "expected lists of features by kind"),
        ("operators: [exp]", "there is no kind of features 'operators'; did you mean 'operator'?"),
        ("operator: exp", "'operator' is a list of names, got 'exp'"),
        ("operator: [1]", "'operator' is a list of names"),
        ("operator: [", "this is not YAML"),
        ("dtype: !!python/object:os.system []", "this is not YAML"),
    ],
)
def test_a_file_that_is_no_declaration(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_capabilities(file)
    assert str(caught.value).startswith(f"{file}: {message}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the file cannot be read"):
        read_capabilities(tmp_path / "none.yaml")


def test_a_program_that_needs_what_is_not_declared_is_not_run(program: MakeProgram) -> None:
    class Declaring(TorchEngine):
        features = by_kind(needs(program("y = exp(x)\ny.backward(y)", X)))

        def reset(self) -> None:
            ran.append(True)

    ran: list[bool] = []
    host = InProcess(Declaring())
    host.run(program("y = exp(x)", X), "cpu", Detail.END)
    assert ran
    ran.clear()
    with pytest.raises(Unsupported, match=r"^operator sin$"):
        host.run(program("y = sin(exp(x))", X), "cpu", Detail.END)
    assert not ran


def test_a_kind_that_is_not_declared_is_tried(program: MakeProgram) -> None:
    bound = program("with no_grad():\n    y = sin(exp(x))", X)
    assert undeclared(bound, {"operator": frozenset({"exp"})}) == (Feature("operator", "sin"),)
    assert undeclared(bound, {"operator": frozenset({"exp"}), "mode": frozenset()}) == (
        Feature("mode", "no_grad"),
        Feature("operator", "sin"),
    )
    assert undeclared(bound, {"dtype": frozenset({"float32"})}) == ()
