"""Derivations of what happens around a program's own steps."""

from __future__ import annotations

from dataclasses import replace

from gradconform.program.names import is_temporary, targets, uses
from gradconform.program.steps import (
    Apply,
    Backward,
    Define,
    Delete,
    Expect,
    Fail,
    Invoke,
    Mutate,
    Program,
    Record,
    Ref,
    Return,
    Within,
    flatten,
    own_steps,
)
from gradconform.program.vocabulary import OPERATORS
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.derivations.base import (
    Names,
    apply,
    before_statement,
    derivation,
    last_backward,
    leaves,
    spliced,
)


def _place(program: Program) -> int | None:
    """The place of the statement of the last backward pass."""
    place = last_backward(program)
    return None if place is None else before_statement(program, place)


@derivation("grad modes are nested around the program")
def nested_modes(program: Program, _chooser: Chooser) -> Program | None:
    """`enable_grad` inside of `no_grad` records as if there were neither."""
    if any(isinstance(step, Define) for step in program.steps) or not program.steps:
        return None
    inner = Within("enable_grad", (), program.steps)
    return replace(program, steps=(Within("no_grad", (), (inner,)),))


@derivation("an exception leaves a grad mode on the way")
def exception_on_the_way(program: Program, _chooser: Chooser) -> Program | None:
    """A mode is restored when an exception leaves its block."""
    block = Expect("RuntimeError", (Within("no_grad", (), (Fail("RuntimeError"),)),))
    return replace(program, steps=(block, *program.steps))


@derivation("a branch is computed that nothing uses")
def unrelated_branch(program: Program, chooser: Chooser) -> Program | None:
    """A branch off a leaf that no root reaches adds nothing to its gradient."""
    place = _place(program)
    if place is None or not leaves(program):
        return None
    leaf = Ref(chooser.choice(leaves(program)).name)
    names = Names(program)
    branch, end = names.new("branch"), names.new("branch_end")
    return spliced(program, place, apply(branch, "mul", leaf, 2), apply(end, "mul", Ref(branch), leaf), of=0)


@derivation("a leaf has a gradient already")
def gradient_before(program: Program, chooser: Chooser) -> Program | None:
    """An earlier backward pass has left a gradient, to which the program's own is added."""
    place = _place(program)
    if place is None or not leaves(program):
        return None
    leaf = Ref(chooser.choice(leaves(program)).name)
    names = Names(program)
    earlier = names.new("earlier")
    ones = names.new("earlier_ones")
    steps = (
        apply(earlier, "mul", leaf, 3),
        apply(ones, "ones_like", leaf),
        Backward((Ref(earlier), Ref(ones))),
    )
    return spliced(program, place, *steps, of=0)


@derivation("names are deleted before the backward pass")
def forgotten_values(program: Program, _chooser: Chooser) -> Program | None:
    """The graph keeps what it needs, whatever the program still has a name for."""
    place = _place(program)
    if place is None:
        return None
    later = {name for step in own_steps(program.steps[place:]) for name in uses(step)}
    if any(isinstance(step, Define) for step in program.steps):
        return None
    made = dict.fromkeys(
        name
        for step in program.steps[:place]
        if isinstance(step, Apply)
        for name in targets(step)
        if not is_temporary(name) and name not in later
    )
    gone = {step.name for step in program.steps[:place] if isinstance(step, Delete)}
    deleted = tuple(Delete(name) for name in made if name not in gone)
    return spliced(program, place, *deleted, of=0) if deleted else None


_WITHOUT_HISTORY = frozenset({"cotangent", "detach", "ones_like", "zeros_like"})
"""Operations whose results have none, whatever they are made from."""


def _intermediate(program: Program, place: int, chooser: Chooser) -> Ref | None:
    """A named result of an operation before a place, or None.

    None too where something is written before: a hook on a view whose history is stale ends the process in
    torch 2.11 and 2.13 (`v = y.view_as(y); v[0][0] = 3; v.register_hook(hook)`).
    """
    if any(isinstance(step, Mutate) for step in flatten(program.steps[:place])):
        return None
    reached = {leaf.name for leaf in leaves(program)}
    found = []
    for step in program.steps[:place]:
        if not isinstance(step, Apply) or OPERATORS[step.operator].effect not in {"pure", "view"}:
            continue
        if reached.intersection(uses(step)) and step.operator not in _WITHOUT_HISTORY:
            reached.update(targets(step))
            if isinstance(step.target, str) and not is_temporary(step.target):
                found.append(step.target)
    return Ref(chooser.choice(found)) if found else None


@derivation("an intermediate value retains its gradient")
def retained_gradient(program: Program, chooser: Chooser) -> Program | None:
    """retain_grad on a value in the middle of the graph."""
    place = _place(program)
    value = None if place is None else _intermediate(program, place, chooser)
    if place is None or value is None:
        return None
    return spliced(program, place, Mutate("", "retain_grad", (value,)), of=0)


@derivation("a hook changes a gradient")
def hooked_value(program: Program, chooser: Chooser) -> Program | None:
    """A hook on a leaf or on a value in the middle sees the gradient, and doubles it."""
    place = _place(program)
    if place is None or not leaves(program):
        return None
    value = _intermediate(program, place, chooser) if chooser.boolean() else None
    value = value or Ref(chooser.choice(leaves(program)).name)
    names = Names(program)
    hook, seen, twice = names.new("hook"), names.new("seen"), names.new("twice")
    body = (Record(Ref(seen)), apply(twice, "mul", Ref(seen), 2), Return(Ref(twice)))
    return spliced(
        program,
        place,
        Define(hook, (seen,), body),
        Invoke("", value.name, "register_hook", (Ref(hook),)),
        of=0,
    )


@derivation("a detached copy goes its own way")
def detached_branch(program: Program, chooser: Chooser) -> Program | None:
    """What is computed from a detached leaf has no history, though it shares the leaf's memory."""
    place = _place(program)
    if place is None or not leaves(program):
        return None
    leaf = Ref(chooser.choice(leaves(program)).name)
    names = Names(program)
    apart, alone = names.new("apart"), names.new("alone")
    return spliced(program, place, apply(apart, "detach", leaf), apply(alone, "mul", Ref(apart), 2), of=0)
