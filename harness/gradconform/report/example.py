"""The smallest program of a verdict, as a report shows it."""

from __future__ import annotations

import re

from gradconform.cases import Example
from gradconform.program.script import torch_script
from gradconform.program.steps import Program
from gradconform.report.listing import program_lines
from gradconform.verdict import Divergence, Diverges, Verdict

_PLACE = re.compile(r"[a-z]\w*(\.\w+)*", re.IGNORECASE)


def make_example(program: Program, verdict: Verdict, device: str, engine: str) -> Example:
    """The program of a verdict, as text and as a script that prints the places that differ."""
    remarks: dict[str, str] = {}
    if isinstance(verdict, Diverges):
        for difference in verdict.divergences:
            place = _printable(difference)
            if place:
                remark = f"torch: {difference.expected}; {engine}: {difference.got}".replace("\n", " ")
                remarks.setdefault(place, remark)  # the first is the one to understand first
    return Example(
        program, "\n".join(program_lines(program)), torch_script(program, device, tuple(remarks), remarks)
    )


def _shared(difference: Divergence) -> str:
    """Whether two tensors share memory, as an expression, where one side says that they do."""
    for text in (difference.expected, difference.got):
        other = text.removeprefix("shares memory with ")
        if other != text and _PLACE.fullmatch(other):
            pointers = (f"{name}.untyped_storage().data_ptr()" for name in (difference.where, other))
            return " == ".join(pointers)
    return ""


def _printable(difference: Divergence) -> str:
    """What a torch script prints to show one side of a divergence, or "" where no expression shows it."""
    where = difference.where
    if where == "is_grad_enabled()":
        return f"torch.{where}"
    if not _PLACE.fullmatch(where):
        return ""
    match difference.what:
        case "shape" | "dtype" | "device" | "requires_grad" | "is_leaf":
            return f"{where}.{difference.what}"
        case "has_grad_fn":
            return f"{where}.grad_fn is not None"
        case "shared memory":
            return _shared(difference)
        case "identity":
            return ""
        case _:
            return where
