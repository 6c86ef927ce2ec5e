"""A program as a person reads it: its inputs, then its statements with the numbers of their steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gradconform.oracle.text import dtype_name, number
from gradconform.program.names import is_temporary, targets, uses
from gradconform.program.render import step_texts
from gradconform.program.steps import Input, Program, Step, body_of
from gradconform.report.folding import loop, runs


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a program. Its steps are `first` to `last`, the nested expressions included (both
    count from 0, as divergences do); `depth` says in how many blocks it stands."""

    first: int
    last: int
    depth: int
    text: str

    @property
    def lines(self) -> tuple[str, ...]:
        """Its text, indented; a definition has a line for each of its decorators."""
        return tuple("    " * self.depth + line for line in self.text.split("\n"))

    @property
    def steps(self) -> str:
        return str(self.last) if self.first == self.last else f"{self.first}-{self.last}"


def statements(program: Program) -> tuple[Statement, ...]:
    """The statements of a program in the order of its text."""
    texts = step_texts(program)
    used = frozenset(name for _, step in program.walk() for name in uses(step))
    found: list[Statement] = []
    count = 0
    first = 0

    def visit(steps: tuple[Step, ...], depth: int) -> None:
        nonlocal count, first
        for step in steps:
            here, count = count, count + 1
            names = targets(step)
            if len(names) == 1 and is_temporary(names[0]) and names[0] in used:
                continue  # a part of the statement that uses it
            found.append(Statement(first, here, depth, texts[here]))
            first = count
            visit(body_of(step), depth + 1)

    visit(program.steps, 0)
    return tuple(found)


def statement_of(program: Program, step: int) -> Statement | None:
    """The statement that a step belongs to, or None where there is no such step."""
    return next((one for one in statements(program) if one.first <= step <= one.last), None)


def listing(program: Program, marked: int = -1) -> tuple[str, ...]:
    """The lines of a program: its inputs, then its statements with their steps' numbers; `>` marks the
    statement that the step `marked` belongs to. Statements that repeat are told as a loop."""
    body = statements(program)
    marks = [one.first <= marked <= one.last for one in body]
    numbered = [("", "", text) for text in map(input_line, program.inputs)]
    # The marked statement is equal to no other, so that it stands alone.
    for run in runs([(one.depth, (one.text, mark)) for one, mark in zip(body, marks, strict=True)]):
        first, last = body[run.start], body[run.start + run.period * run.times - 1]
        if run.times > 1:
            numbered.append(("", f"{first.first}-{last.last}", "    " * first.depth + loop(run.times)))
            repeated = body[run.start : run.start + run.period]
            numbered += (("", "", f"    {line}") for one in repeated for line in one.lines)
        else:
            mark = ">" if marks[run.start] else ""
            numbered += ((mark, first.steps, line) for line in first.lines)
    width = max(len(steps) for _, steps, _ in numbered) if numbered else 0
    return tuple(f"{mark:1} {steps:>{width}}  {line}" for mark, steps, line in numbered)


def program_lines(program: Program) -> Iterator[str]:
    """The inputs and the statements alone."""
    yield from map(input_line, program.inputs)
    yield from (line for one in statements(program) for line in one.lines)


def input_line(item: Input) -> str:
    """`x = tensor([1.0, 2.0], dtype=float32, requires_grad=True)`, with a remark where the layout is not
    contiguous or the numbers do not show the shape."""
    flag = ", requires_grad=True" if item.requires_grad else ""
    dtype = dtype_name(item.data.dtype)
    made = f"{item.name} = tensor({_nested(item.data.tolist(), item)}, dtype={dtype}{flag})"
    remarks: list[str] = [] if item.layout == "contiguous" else [item.layout]
    if item.data.numel() == 0:
        remarks.append(f"shape {tuple(item.data.shape)}")
    return made + (f"  # {', '.join(remarks)}" if remarks else "")


def _nested(value: object, item: Input) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_nested(part, item) for part in value)}]"
    assert isinstance(value, bool | int | float | complex)  # noqa: S101 - what `tolist` is made of
    return number(value, item.data.dtype)
