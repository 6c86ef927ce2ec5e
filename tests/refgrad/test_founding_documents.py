"""The five documents that this project started from: their code, run with refgrad in the place of torch.

`founding/*.cells` holds the code of each document, cell by cell, without its prose. Where a document plots,
the numpy conversion that plotting does stands in. As in a notebook, a cell prints its last expression.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import refgrad

Written = Callable[[str, str], ast.Module]
CELLS = Path(__file__).parent / "founding"
DOCUMENTS = sorted(CELLS.glob("*.cells"))


def run(document: Path, library: str, written: Written) -> list[str]:
    """Return what each cell prints, with every import of torch made an import of `library`."""
    names: dict[str, object] = {}
    printed = []
    torch.manual_seed(1)
    for cell in document.read_text(encoding="utf-8").split("# %%\n"):
        tree = written(cell, library)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(tree, document.name, "exec"), names)  # noqa: S102 - this project's own files
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), document.name, "eval"), names)  # noqa: S307
                if value is not None:
                    print(value)  # noqa: T201 - as a notebook does
        printed.append(re.sub(r"0x[0-9a-f]+", "0x", out.getvalue()))
    return printed


def test_all_documents_are_here() -> None:
    assert [document.stem[:3] for document in DOCUMENTS] == ["000", "001", "002", "003", "004"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_prints_what_torch_prints(document: Path, written: Written, poison: Callable[[], None]) -> None:
    expected = run(document, "torch", written)
    assert any(expected)
    poison()
    assert run(document, "refgrad", written) == expected


def test_known_values() -> None:
    # Hand-computed, so that a mistake shared by both runs would show.
    x = refgrad.ones(2, 2, requires_grad=True)
    y = x + 2
    (y * y * 3).mean().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[4.5, 4.5], [4.5, 4.5]]
    x = refgrad.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x + 2
    (y * y * 2).backward(refgrad.tensor([1.0, 1.5, 1.5]))
    assert x.grad is not None
    assert x.grad.tolist() == [12.0, 24.0, 30.0]
