"""docs/adapters.md: what it shows runs, and its table of policies is that of the code."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gradconform.engines import FunctionalEngine
from gradconform.execution.host import InProcess
from gradconform.plan import Settings
from gradconform.program.steps import Input
from gradconform.session import Session
from gradconform.verdict import Conforms, Unsupporting

if TYPE_CHECKING:
    from tests.conftest import MakeProgram

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "adapters.md").read_text("utf-8")
X = Input("x", torch.tensor([1.0, 2.0]), True)


def test_the_table_of_policies_is_that_of_the_code() -> None:
    spec = spec_from_file_location("policies_page", DOCS / "policies.py")
    assert spec is not None
    assert spec.loader is not None
    page = module_from_spec(spec)
    spec.loader.exec_module(page)
    assert page.page(TEXT) == TEXT, "run python docs/policies.py"


def test_the_functional_adapter_of_the_page_works(program: MakeProgram) -> None:
    section = TEXT.partition("## Functional engines")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)  # noqa: S102 - it is what the reader runs
    engine = names["Functions"]()
    assert isinstance(engine, FunctionalEngine)
    session = Session(InProcess(engine), Settings())
    conforming = "y = sin(x * x + x)\n(g,) = autograd.grad(y, x, x, create_graph=True)\ng.sum().backward()"
    assert isinstance(session.judge(program(conforming, X), "cpu"), Conforms)
    accumulating = "(x * x).sum().backward()\n(x * x).sum().backward()"
    assert session.judge(program(accumulating, X), "cpu") == Unsupporting("accumulation", shim=True)
    assert session.judge(program("y = exp(x)", X), "cpu") == Unsupporting("operator exp")
