"""Derivations of a program's inputs: other memory, other shapes, fewer of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from gradconform.program.names import targets
from gradconform.program.rename import read_as
from gradconform.program.steps import Apply, Input, Layout, Mutate, Program, Ref, Step, body_of, flatten
from gradconform.program.vocabulary import OPERATORS
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.derivations.base import Names, Steps, apply, derivation, leaves

if TYPE_CHECKING:
    import torch


def _each_input(program: Program, change: Callable[[Input], Input]) -> Program | None:
    """The program with changed inputs, or None where nothing changes."""
    inputs = tuple(map(change, program.inputs))
    same = all(new is old for new, old in zip(inputs, program.inputs, strict=True))
    return None if same else replace(program, inputs=inputs)


_SEES_MEMORY = frozenset({"as_strided", "resize_", "resize_as_", "set_"})


def _sees_memory(program: Program) -> bool:
    """Whether a program may look at memory between or behind the elements of its inputs, of which nobody
    says what is there."""
    steps = (step for step in flatten(program.steps) if isinstance(step, Apply | Mutate))
    return any(step.operator in _SEES_MEMORY for step in steps)


def _laid_out(program: Program, layout: Layout, dims: int) -> Program | None:
    if _sees_memory(program):
        return None

    def change(item: Input) -> Input:
        fits = item.layout == "contiguous" and item.data.dim() >= dims
        return replace(item, layout=layout) if fits else item

    return _each_input(program, change)


@derivation("the inputs are transposed in memory")
def transposed_inputs(program: Program, _chooser: Chooser) -> Program | None:
    """Inputs of two dimensions or more lie in memory column by column."""
    return _laid_out(program, "transposed", 2)


@derivation("the inputs have gaps in memory")
def strided_inputs(program: Program, _chooser: Chooser) -> Program | None:
    """Inputs lie in memory with gaps between their elements."""
    return _laid_out(program, "strided", 0)


@derivation("the rows of each input are one row, expanded")
def expanded_inputs(program: Program, _chooser: Chooser) -> Program | None:
    """All rows of an input are the first one, in the same memory, so that nobody may write to it."""
    if _sees_memory(program):
        return None

    def change(item: Input) -> Input:
        data = item.data
        if item.layout != "contiguous" or not data.dim() or data.shape[0] < 2:
            return item
        return replace(item, data=data[:1].expand(data.shape).contiguous(), layout="expanded")

    return _each_input(program, change)


def _common_shape(program: Program) -> torch.Size | None:
    """The shape of all inputs, if they have one in common."""
    shapes = {item.data.shape for item in program.inputs}
    return next(iter(shapes)) if len(shapes) == 1 else None


@derivation("each input is its first element, without dimensions")
def zero_dim_inputs(program: Program, _chooser: Chooser) -> Program | None:
    """Inputs of one shape become 0-d tensors."""
    shape = _common_shape(program)
    if not shape or not shape.numel():
        return None
    return _each_input(
        program, lambda item: replace(item, data=item.data.reshape(-1)[0].clone(), layout="contiguous")
    )


@derivation("the inputs have no elements")
def zero_size_inputs(program: Program, _chooser: Chooser) -> Program | None:
    """Inputs of one shape lose all their rows."""
    shape = _common_shape(program)
    if not shape or not shape[0]:
        return None
    return _each_input(program, lambda item: replace(item, data=item.data[:0].clone(), layout="contiguous"))


@derivation("an input does not require grad")
def constant_input(program: Program, chooser: Chooser) -> Program | None:
    """One of several leaves is a constant."""
    several = leaves(program)
    if len(several) < 2:
        return None
    chosen = chooser.choice(several)
    return _each_input(program, lambda item: replace(item, requires_grad=False) if item is chosen else item)


@derivation("one tensor stands for two inputs")
def same_tensor(program: Program, chooser: Chooser) -> Program | None:
    """The first of two alike inputs takes the place of the second."""
    pairs = [
        (first, second)
        for number, second in enumerate(program.inputs)
        for first in program.inputs[:number]
        if first.data.shape == second.data.shape and first.data.dtype == second.data.dtype
        if first.requires_grad == second.requires_grad
    ]
    if not pairs:
        return None
    first, second = chooser.choice(pairs)
    if _given_again(program, second.name):
        return None
    inputs = tuple(item for item in program.inputs if item is not second)
    return replace(program, inputs=inputs, steps=read_as(program.steps, second.name, first.name))


def _given_again(program: Program, name: str) -> bool:
    """Whether a program gives another value to a name."""
    return any(name in targets(step) or getattr(step, "name", "") == name for step in flatten(program.steps))


def _through(program: Program, chooser: Chooser, copy: Callable[[str, Ref], Apply]) -> Program | None:
    """A leaf is used through a copy or a view of it wherever it is an operand."""
    if not leaves(program):
        return None
    leaf = chooser.choice(leaves(program))
    if _given_again(program, leaf.name) or _written_to(program.steps, leaf.name):
        return None
    name = Names(program).new(f"{leaf.name}_again")
    steps = tuple(_operand(step, leaf.name, name) for step in program.steps)
    if steps == program.steps:
        return None
    return replace(program, steps=(copy(name, Ref(leaf.name)), *steps))


def _written_to(steps: Steps, name: str) -> bool:
    return any(isinstance(step, Mutate) and Ref(name) in step.arguments for step in flatten(steps))


def _operand(step: Step, old: str, new: str) -> Step:
    if isinstance(step, Apply) and not body_of(step) and OPERATORS[step.operator].effect in {"pure", "view"}:
        return read_as((step,), old, new)[0]
    return step


@derivation("a leaf is used through a clone")
def cloned_leaf(program: Program, chooser: Chooser) -> Program | None:
    """Operations take a clone of a leaf; its gradient flows through."""
    return _through(program, chooser, lambda name, leaf: apply(name, "clone", leaf))


@derivation("a leaf is used through a view")
def viewed_leaf(program: Program, chooser: Chooser) -> Program | None:
    """Operations take a view of a leaf; its gradient flows through."""
    return _through(program, chooser, lambda name, leaf: apply(name, "view_as", leaf, leaf))
