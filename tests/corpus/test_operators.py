"""Each row of the operator tables against torch: its signature, its domain, its kinks, what it says it is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gradconform.engines.torch import TorchEngine
from gradconform.execution.interpreter import Detail, run
from gradconform.program.bind import bind
from gradconform.program.parse import Template
from gradconform.randomize import draws
from gradconform.randomize.direct import DirectChooser
from gradconform.spec.corpus import operator_files
from gradconform.spec.operator_model import OperatorFile, RowEntry
from gradconform.spec.source import Report, read_source
from gradconform.spec.tree import parse_yaml, plain
from gradconform.trace import TensorSeen


def _rows() -> Iterator[RowEntry]:
    for path in operator_files():
        source = read_source(path)
        root = parse_yaml(Report(source, []))  # type: ignore[arg-type]
        yield from OperatorFile.model_validate(plain(root)).rows  # type: ignore[arg-type]


ROWS = [pytest.param(row, id=row.name) for row in _rows()]
"""Several rows may be of one operator, in forms that differ in more than their calls."""


def _found(name: str) -> Callable[..., Any]:
    found: Any = torch
    for part in name.split("."):
        found = getattr(found, part, None)
    # torch.float is a dtype, and Tensor.float a method.
    return found if callable(found) else getattr(torch.Tensor, name)  # type: ignore[no-any-return]


def _parameters(name: str) -> set[str]:
    """The names of the parameters of a function of torch: those of its Python signature, of the calls in its
    documentation, and of the operators of that name that it is made of."""
    function = _found(name)
    base = name.rpartition(".")[2]
    text = function.__doc__ or ""
    calls = re.findall(rf"^\s*(?:torch\.)?[\w.]*\b{base}\((.*?)\)(?:\s*->|$)", text, re.MULTILINE)
    names = {re.split(r"[=:]", part)[0].strip(" *") for call in calls for part in call.split(",")}
    operators = getattr(torch.ops.aten, base, None)
    for overload in operators.overloads() if operators is not None else ():
        names |= {argument.name for argument in getattr(operators, overload)._schema.arguments}
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:  # a builtin has none that can be asked for
        return {name.split()[-1] for name in names if name}
    return {name.split()[-1] for name in names if name} | set(parameters)


@pytest.mark.parametrize("row", ROWS)
def test_the_signature_is_torchs(row: RowEntry) -> None:
    stated = [re.split(r"=", part)[0].strip(" *") for part in row.signature.split(",") if part.strip(" *")]
    known = _parameters(row.name)
    # The first is given by position, and is called input, self or A; a dispatcher takes whatever comes.
    assert not set(stated[1:]) - known or "args" in known, f"torch has {sorted(known)}"


@pytest.mark.parametrize("row", ROWS)
def test_kinks_are_kinks(row: RowEntry) -> None:
    for variable, points in row.kinks.items():
        for point in points:
            low, high = (_slope(row, variable, point, side) for side in (-1, 1))
            smooth = abs(low - high) <= 1e-3 * (1 + abs(low))
            assert not smooth, f"{row.name} is smooth at {variable} = {point}"


def _slope(row: RowEntry, variable: str, point: float, side: int) -> float:
    """The slope of the function between a point and one just beside it; inf at a step."""
    step = side * 1e-7
    call = row.call or next(iter(row.forms.values())).call
    values = {name: torch.tensor(0.5, dtype=torch.float64) for name in row.let}
    ends = []
    for at in (point, point + step):
        values[variable] = torch.tensor(at, dtype=torch.float64)
        ends.append(float(_evaluated(call, values)))
    return (ends[1] - ends[0]) / step


def _evaluated(call: str, values: dict[str, torch.Tensor]) -> torch.Tensor:
    """A call of the corpus, which is trusted text of this repository, on plain torch."""
    space = {name: getattr(torch, name) for name in dir(torch) if not name.startswith("_")}
    return eval(call, space, dict(values))  # type: ignore[no-any-return] # noqa: S307


def _gradients(corpus: tuple[Template, ...]) -> list[Template]:
    return [t for t in corpus if t.id.startswith("operators/") and t.id.endswith("gradients")]


def test_gradients_are_finite_inside_of_the_domain(corpus: tuple[Template, ...]) -> None:
    engine, wrong = TorchEngine(), []
    for template in _gradients(corpus):
        if not template.scenario.text.derived or "float64" not in template.scenario.dtypes:
            continue
        for seed in range(3):
            program = bind(template, draws.draw(template.scenario, DirectChooser(seed), "float64"))
            trace = run(program, engine, "cpu", Detail.END)
            grads = [
                seen.grad.value
                for seen in trace.states[-1].live.values()
                if isinstance(seen, TensorSeen) and isinstance(seen.grad, TensorSeen)
            ]
            if trace.error is None and not all(bool(grad.isfinite().all()) for grad in grads):
                wrong.append((template.id, seed))
    assert not wrong


def test_every_family_says_where_it_is_documented() -> None:
    for path in operator_files():
        assert Path(path).read_text("utf-8").startswith("# yaml-language-server: $schema=")
