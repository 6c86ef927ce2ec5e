"""A program as text that a person reads and that gives the very program back: its inputs, one expression
each, and its statements.

    x: tensor([1.0, 2.0], dtype=float32, requires_grad=True)
    w: tensor([[0.0]], dtype=dtype, layout=strided)
    e: tensor([], dtype=float32, shape=[0, 3])

In place of a dtype's name may stand `dtype`, that of the test, in the statements too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import torch

from gradconform.errors import GradconformError, Place, did_you_mean
from gradconform.program.bind import Draw, bind
from gradconform.program.constants import ConstantError, Constants, Unknown
from gradconform.program.inputs_text import numbers
from gradconform.program.json_form import to_json
from gradconform.program.names import TEMPORARY
from gradconform.program.parse import parse
from gradconform.program.render import program_text
from gradconform.program.steps import Dtype, Input, Layout, Program
from gradconform.program.vocabulary import DTYPES
from gradconform.spec.names import variable_name_error
from gradconform.spec.scenario import ProgramText, Scenario, TensorDomain
from gradconform.spec.shapes import AnyShape

OPTIONS = ("dtype", "requires_grad", "layout", "shape")
NOWHERE = Place("<program>", 1, 1)


@dataclass(frozen=True, slots=True)
class ExactText:
    """The inputs by name, each as its expression, and the statements."""

    inputs: Mapping[str, str]
    program: str


def exact_text(program: Program, dtype: str | None = None) -> ExactText | None:
    """A program's text, or None where no text gives the very program back: it was recorded and has words that
    the language lacks, is too long, or holds a NaN of other bits than the usual one.

    dtype: what to write `dtype` for; None where that is only wanted without it.
    """
    try:
        text = ExactText({item.name: _written(item) for item in program.inputs}, program_text(program))
        if dtype is not None:
            text = _generic(text, dtype)
        same = _canonical(read_exact(text, program.scenario, dtype)) == _canonical(program)
    except (GradconformError, KeyError):  # KeyError: an operator that is no word
        return None
    return text if same else None


def read_exact(text: ExactText, scenario: str, dtype: str | None = None, place: Place = NOWHERE) -> Program:
    """The program of a text.

    scenario: the id that it is to have. dtype: the test's, which `dtype` stands for. place: where the text
    stands. Raises GradconformError, which says what is wrong: SpecError, located, for the statements.
    """
    inputs = tuple(_read(name, expression, dtype) for name, expression in text.inputs.items())
    domains = {
        item.name: TensorDomain(AnyShape(nonempty=False), "any", "real", "contiguous", False, 1.0, place)
        for item in inputs
    }
    statements = ProgramText(text.program, place.file, place.line, place.column, derived=True)
    template = parse(Scenario(scenario, "", "", 1, statements, place, let=domains))
    constants = {} if dtype is None else {"dtype": Dtype(dtype)}
    return bind(template, Draw(inputs, constants, example=True))


def _generic(text: ExactText, dtype: str) -> ExactText:
    """The text with `dtype` in place of the name."""
    word = re.compile(rf"\b{dtype}\b")
    inputs = {name: word.sub("dtype", expression) for name, expression in text.inputs.items()}
    return ExactText(inputs, word.sub("dtype", text.program))


def _canonical(program: Program) -> object:
    """What two programs share that differ in lines and in the names of temporaries alone. Temporaries are
    numbered anew; nothing shows them."""
    temporaries: dict[str, str] = {}

    def visit(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: visit(each) for key, each in value.items() if key != "line"}
        if isinstance(value, list):
            return [visit(each) for each in value]
        if isinstance(value, str) and value.startswith(TEMPORARY):
            return temporaries.setdefault(value, f"{TEMPORARY}{len(temporaries)}")
        return value

    return visit(to_json(program))


def _written(item: Input) -> str:
    empty = item.data.numel() == 0
    dtype = str(item.data.dtype).removeprefix("torch.")
    parts = ["[]" if empty else numbers(item.data), f"dtype={dtype}"]
    if item.requires_grad:
        parts.append("requires_grad=True")
    if item.layout != "contiguous":
        parts.append(f"layout={item.layout}")
    if empty:
        parts.append(f"shape={list(item.data.shape)}")
    return f"tensor({', '.join(parts)})"


def _read(name: str, expression: str, dtype: str | None) -> Input:
    """The input of an expression. Raises GradconformError."""
    wrong = variable_name_error(name)
    if wrong is not None:
        raise GradconformError(f"{wrong[0]}; {wrong[1]}")
    try:
        node = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _wrong(name, "this is no expression") from None
    match node:
        case ast.Call(func=ast.Name("tensor"), args=[data], keywords=keywords):
            options = {str(keyword.arg): keyword.value for keyword in keywords}
        case _:
            raise _wrong(name, "this is no tensor")
    for option in options:
        if option not in OPTIONS:
            hint = did_you_mean(option, OPTIONS) or f"the options are {', '.join(OPTIONS)}"
            raise _wrong(name, f"a tensor has no option '{option}'; {hint}")
    kind = getattr(torch, _dtype(name, options.get("dtype"), dtype))
    tensor = _tensor(name, data, options.get("shape"), kind)
    grad = options.get("requires_grad", ast.Constant(False))
    if not isinstance(grad, ast.Constant) or not isinstance(grad.value, bool):
        raise _wrong(name, "requires_grad is True or False")
    layout = options.get("layout", ast.Name("contiguous"))
    if not isinstance(layout, ast.Name) or layout.id not in get_args(Layout):
        raise _wrong(name, f"layout is one of {', '.join(get_args(Layout))}")
    return Input(name, tensor, grad.value, layout.id)  # type: ignore[arg-type]  # one of its literals


def _wrong(name: str, message: str) -> GradconformError:
    example = "tensor([1.0, 2.0], dtype=float32, requires_grad=True)"
    return GradconformError(f"input {name}: {message}; write for instance {example}")


def _dtype(name: str, node: ast.expr | None, case: str | None) -> str:
    word = node.id if isinstance(node, ast.Name) else ""
    if word == "dtype" and case is not None:
        return case
    if word not in DTYPES:
        raise _wrong(name, f"'{word}' is no dtype" if word else "its dtype is missing")
    return word


def _tensor(name: str, node: ast.expr, shape: ast.expr | None, dtype: torch.dtype) -> torch.Tensor:
    values = _nested(name, node)
    try:
        if shape is None:
            return torch.tensor(values, dtype=dtype)
        sizes = _nested(name, shape)
        if values != [] or not isinstance(sizes, list) or 0 not in sizes:
            raise _wrong(name, "a shape stands with [] alone, for a tensor without numbers")
        return torch.empty(sizes, dtype=dtype)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise _wrong(name, f"these numbers make no tensor ({str(error).partition(chr(10))[0]})") from None


def _nested(name: str, node: ast.expr) -> Any:
    if isinstance(node, ast.List):
        return [_nested(name, part) for part in node.elts]
    try:
        return Constants().evaluate(node)
    except (Unknown, ConstantError):
        raise _wrong(name, f"{ast.unparse(node)} is no number") from None
