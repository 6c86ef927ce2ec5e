"""A trace as a person reads it: each statement of the program, and what it changed."""

from __future__ import annotations

from collections.abc import Iterator

from gradconform.oracle.failures import describe_error
from gradconform.oracle.text import describe
from gradconform.program.steps import Program
from gradconform.report.lines import Line
from gradconform.report.listing import input_line, statements
from gradconform.trace import UNSEEN, ErrorSeen, Seen, StateSeen, TensorSeen, Trace

Shown = dict[str, str]
"""What a state shows, as text by place: `x`, `x.grad`, `grad mode`."""


def trace_lines(program: Program, trace: Trace) -> Iterator[Line]:
    """The inputs, then every statement with the numbers of its steps and what it changed: values, flags,
    gradients, errors, the grad mode. The trace has to be one of every step (`Detail.STEPS`)."""
    return _Story(program, trace).lines()


class _Story:
    def __init__(self, program: Program, trace: Trace) -> None:
        self.program = program
        self.trace = trace
        self.body = statements(program)
        self.width = max((len(one.steps) for one in self.body), default=0)
        self.raised: dict[int, ErrorSeen] = {}
        self.skipped: set[int] = set()
        for block, error in trace.caught.items():
            self._ended(error, self._block(self._index(block)))
        self._ended(trace.error, range(len(self.body)))

    def lines(self) -> Iterator[Line]:
        """The whole trace."""
        for item in self.program.inputs:
            yield self._below(input_line(item))
        before = self._inputs()
        told = 0
        for state in self.trace.states:
            index = self._index(state.step)
            block = self._block(index)
            last = block[-1] if block else index
            for one in range(told, last + 1):
                yield from self._statement(one)
            now = _shown(state)
            changed = list(_changes(before, now))
            after = "after the block: " if block else ""
            yield from (self._below(f"{self._indent(index)}    {after}{text}") for text in changed)
            told, before = max(told, last + 1), now

    def _statement(self, index: int) -> Iterator[Line]:
        one = self.body[index]
        skipped = "  # not reached" if index in self.skipped else ""
        for line in one.lines:
            yield Line(f"  {one.steps:>{self.width}}  {line}{skipped}", "title")
        if index in self.raised:
            yield self._below(f"{self._indent(index)}    raises {describe_error(self.raised[index])}")

    def _below(self, text: str) -> Line:
        return Line(f"  {'':>{self.width}}  {text}")

    def _indent(self, index: int) -> str:
        return "    " * self.body[index].depth

    def _index(self, step: int) -> int:
        """The statement that a step belongs to."""
        return next(index for index, one in enumerate(self.body) if one.first <= step <= one.last)

    def _block(self, index: int) -> range:
        """The statements in the body of a `with`; none for any other statement."""
        end = index + 1
        while end < len(self.body) and self.body[end].depth > self.body[index].depth:
            end += 1
        return range(index + 1, end)

    def _ended(self, error: ErrorSeen | None, within: range) -> None:
        """Remembers the statement that raised, and those of the same block that were not reached for it."""
        if error is not None and error.step >= 0:
            raising = self._index(error.step)
            self.raised[raising] = error
            self.skipped.update(index for index in within if index > raising)

    def _inputs(self) -> Shown:
        """What the inputs show before the first step."""
        live = {
            item.name: TensorSeen(item.data, "cpu", item.requires_grad, True, False, None, 0, UNSEEN)
            for item in self.program.inputs
        }
        return _shown(StateSeen(-1, live, grad_enabled=True))


def _shown(state: StateSeen) -> Shown:
    shown: Shown = {}
    for name, seen in state.live.items():
        shown[name] = _value(seen)
        if isinstance(seen, TensorSeen):
            shown[f"{name}.grad"] = describe(seen.grad)
    if isinstance(state.grad_enabled, bool):
        shown["grad mode"] = "on" if state.grad_enabled else "off"
    return shown


def _value(seen: Seen) -> str:
    if not isinstance(seen, TensorSeen):
        return describe(seen)
    flags = (
        ("requires_grad", seen.requires_grad is True),
        ("leaf", seen.is_leaf is True),
        ("grad_fn", seen.has_grad_fn is True),
    )
    return ", ".join((describe(seen), *(name for name, holds in flags if holds)))


def _changes(before: Shown, now: Shown) -> Iterator[str]:
    for place, text in now.items():
        if before.get(place) != text and not (
            place not in before and text == "None" and place.endswith(".grad")
        ):
            yield f"{place}: {text}" if place == "grad mode" else f"{place} = {text}"
    yield from (f"{place} is gone" for place in before if place not in now and not place.endswith(".grad"))
