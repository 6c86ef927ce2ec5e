"""Making a failing program smaller: steps and inputs that it does not need are left out.

Hypothesis shrinks what was drawn; this shrinks the program's text, which no draw decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from gradconform.program.check import check
from gradconform.program.names import is_temporary, targets, uses
from gradconform.program.rename import read_as
from gradconform.program.steps import Apply, Program, Ref, Step, Within, body_of, with_body
from gradconform.program.vocabulary import LIKE, OPERATORS

Steps = tuple[Step, ...]

# Loops are unrolled, so a program may have a thousand steps; each call runs them all several times.
_LONG = 50


def reduce(program: Program, fails: Callable[[Program], bool], *, calls: int = 200) -> Program:
    """The smallest program for which `fails` holds: one step after another is left out, the last first.

    `fails` is asked about well-formed programs only, up to `calls` times, where `_LONG` steps more count as a
    call more; it must hold for `program` itself.

    A program with threads at the same time is returned as it is. What is left of it may deadlock torch:
    where a leaf is the root in one thread while another records it for the first time, one has the lock of
    the leaf and waits for Python's, and the other the reverse. Nor need a race fail again.
    """
    if any(isinstance(step, Within) and step.mode == "concurrently" for _, step in program.walk()):
        return program
    left = calls
    smaller = True
    while smaller and left > 0:
        smaller = False
        for candidate in _candidates(program):
            if check(candidate):
                continue
            left -= 1 + len(candidate.steps) // _LONG
            if left < 0:
                break
            if fails(candidate):
                program, smaller = candidate, True
                break
    return program


def _candidates(program: Program) -> Iterator[Program]:
    for steps in _shorter(program.steps):
        yield without_unused_inputs(replace(program, steps=steps))


def _shorter(steps: Steps) -> Iterator[Steps]:
    """Each way to leave out one statement or one operation, from the last to the first; a block may also be
    replaced by its body."""
    for index in range(len(steps) - 1, -1, -1):
        step, after = steps[index], steps[index + 1 :]
        if any(map(is_temporary, targets(step))):
            yield from _bridged(steps[:index], step, after)
            continue  # alone, it goes with the statement that uses it
        before = _without(steps[:index], {name for name in uses(step) if is_temporary(name)})
        yield before + after
        yield from _bridged(steps[:index], step, after)
        if isinstance(step, Within):
            yield before + step.body + after
        for body in _shorter(body_of(step)):
            yield (*steps[:index], with_body(step, body), *after)


def _bridged(before: Steps, step: Step, after: Steps) -> Iterator[Steps]:
    """Each way to leave out an operation and use one of its operands for its result."""
    if not (isinstance(step, Apply) and isinstance(step.target, str) and step.target):
        return
    # A cotangent of ones says more than the tensor that it has the shape of.
    if step.operator in LIKE or OPERATORS[step.operator].effect not in ("pure", "view"):
        return
    operands = [argument.name for argument in step.arguments if isinstance(argument, Ref)]
    for operand in dict.fromkeys(operands):
        others = {name for name in uses(step) if is_temporary(name) and name != operand}
        yield _without(before, others) + read_as(after, step.target, operand)


def _without(steps: Steps, temporaries: set[str]) -> Steps:
    """The steps less those that compute these temporaries, and what is computed for them alone."""
    kept: list[Step] = []
    for step in reversed(steps):
        if temporaries.isdisjoint(targets(step)):
            kept.append(step)
        else:
            temporaries |= {name for name in uses(step) if is_temporary(name)}
    return tuple(reversed(kept))


def without_unused_inputs(program: Program) -> Program:
    """The program with those of its inputs that a step reads."""
    used = {name for _, step in program.walk() for name in uses(step)}
    return replace(program, inputs=tuple(item for item in program.inputs if item.name in used))
