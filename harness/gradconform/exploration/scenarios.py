"""A find as a scenario: a spec file of its own that `gradconform validate` accepts.

The inputs are free variables with the find's numbers as the documented example, so that further draws try
others. Where torch does not keep the program for other numbers, or an input cannot be written so, the numbers
stand in the program itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from gradconform.errors import GradconformError
from gradconform.plan import Task
from gradconform.program.library import load_library
from gradconform.program.render import program_text
from gradconform.program.steps import Apply, Argument, Dtype, Input, Items, Mutate, Program, Ref, Step
from gradconform.session import Session
from gradconform.verdict import Conforms

_SMALL = 1e-30
"""Numbers that are nearer to zero than this are special ones."""


def scenario_text(id: str, says: str, program: Program, torch_session: Session) -> str:
    """The text of a spec file with this one scenario.

    torch_session: one that holds torch against itself, to see whether it keeps the scenario.
    """
    drawn = _file(id, says, program, fixed=False)
    return drawn if _kept(drawn, torch_session) else _file(id, says, program, fixed=True)


def _file(id: str, says: str, program: Program, *, fixed: bool) -> str:
    dtypes = list(dict.fromkeys(str(item.data.dtype).removeprefix("torch.") for item in program.inputs))
    case = next((name for name in dtypes if name in _CASES), "float32")
    lines = [
        "schema: 1",
        "feature: explored",
        "about: Programs that random exploration has found.",
        "scenarios:",
        f"- id: {id}",
        f"  says: {_quoted(says)}",
        "  source: {note: gradconform explore}",
        f"  dtypes: [{case}]",
    ]
    if fixed:
        lines.append("  fixed: The find depends on its numbers.")
        program = replace(program, inputs=(), steps=(*_made(program.inputs), *program.steps))
    elif program.inputs:
        lines += ["  let:", *(f"    {item.name}: {_variable(item, case)}" for item in program.inputs)]
    text = program_text(program, facts=False)
    lines += ["  program: |", *(f"    {line}" for line in text.split("\n"))]
    return "\n".join(lines) + "\n"


_CASES = ("float32", "float64", "float16", "bfloat16", "complex64", "complex128")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _variable(item: Input, case: str) -> str:
    data = item.data
    dtype = str(data.dtype).removeprefix("torch.")
    parts = [f'tensor: "{list(data.shape)}"' if data.dim() else "tensor: scalar"]
    if dtype != case:
        parts.append(f"dtype: {dtype}")
    if _is_special(data):
        parts.append("values: special")
    if item.layout != "contiguous":
        parts.append(f"layout: {item.layout}")
    parts.append(f"example: {_literal(data.tolist())}")
    if item.requires_grad:
        parts.append("requires_grad: true")
    return "{" + ", ".join(parts) + "}"


def _is_special(data: torch.Tensor) -> bool:
    if not (data.is_floating_point() or data.is_complex()):
        return False
    parts = torch.view_as_real(data) if data.is_complex() else data
    near = (parts != 0) & (parts.abs() < _SMALL)
    return bool((near | ~parts.isfinite()).any())


def _literal(value: object) -> str:
    match value:
        case list():
            return f"[{', '.join(map(_literal, value))}]"
        case bool():
            return str(value).lower()
        case float() if not isfinite(value):
            return str(value)
        case complex():
            return str(value).strip("()")
        case float():
            text = repr(value)
            # YAML 1.1 takes 1e-05 for text: an exponent needs a point before it.
            return text if "e" not in text or "." in text else text.replace("e", ".0e")
        case _:
            return repr(value)


def _made(inputs: tuple[Input, ...]) -> Iterator[Step]:
    """Steps that make the inputs, contiguous."""
    for item in inputs:
        data = item.data
        dtype = Dtype(str(data.dtype).removeprefix("torch."))
        if data.numel():
            value = _nested(data.tolist())
            yield Apply(item.name, "tensor", (value,), {"dtype": dtype})
        else:
            yield Apply(item.name, "zeros", tuple(data.shape), {"dtype": dtype})
        if item.requires_grad:
            yield Mutate("", "requires_grad_", (Ref(item.name),))


def _nested(value: Any) -> Argument:
    """A nested list of numbers as the language has it."""
    if isinstance(value, list):
        return Items(tuple(map(_nested, value)))
    number: Argument = value
    return number


def _kept(text: str, session: Session) -> bool:
    """Whether the file can be read, and torch keeps its scenario for every draw."""
    with TemporaryDirectory(prefix="gradconform-") as folder:
        path = Path(folder) / "find.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            (template,) = load_library((path,))
            results = session.check(Task(template, "cpu", template.scenario.dtypes[0]))
            return all(isinstance(result.verdict, Conforms) for result in results)
        except GradconformError:
            return False
