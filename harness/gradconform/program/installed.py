"""Whether the torch that is installed has the operators that a table names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from gradconform.errors import Problem, did_you_mean
from gradconform.program.vocabulary import OPERATORS, written
from gradconform.spec.scenario import Operator as Row


def lacking(rows: Iterable[Row]) -> Iterator[Problem]:
    """A problem for each row of an operator that this torch does not have, in place or otherwise. A row that
    says it needs a newer torch has none.
    """
    for row in rows:
        if row.torch is not None and _version(torch.__version__) < _version(row.torch):
            continue
        if not _known(row):
            kind = "method of tensors" if row.method else "operator"
            yield _problem(row, f"torch {torch.__version__} has no {kind} '{row.name}'", row.name)
        name = written(row)
        if name and not hasattr(torch.Tensor, name):
            yield _problem(row, f"the tensors of torch {torch.__version__} have no method '{name}'", name)


def _known(row: Row) -> bool:
    if row.method:
        return hasattr(torch.Tensor, row.name)
    if row.name in OPERATORS and OPERATORS[row.name].symbol:  # `x[i]` has no name in torch
        return True
    return callable(_found(torch, row.name)) or hasattr(torch.Tensor, row.name)


def _found(module: Any, path: str) -> Any:
    for part in path.split("."):
        module = getattr(module, part, None)
    return module


def _problem(row: Row, message: str, name: str) -> Problem:
    folder, _, last = name.rpartition(".")
    names = {*dir(_found(torch, folder) if folder else torch), *(() if folder else dir(torch.Tensor))}
    hint = did_you_mean(last, (one for one in names if not one.startswith("__")))
    return Problem(
        row.place, message, row.name, hint=hint or "where a newer torch has it, give the row `torch: VERSION`"
    )


def _version(text: str) -> tuple[int, ...]:
    """The first two numbers of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
