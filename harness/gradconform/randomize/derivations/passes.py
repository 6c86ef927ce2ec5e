"""Derivations of a program's last backward pass."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Expect,
    Grad,
    Items,
    Options,
    Program,
    Ref,
    Step,
    Within,
)
from gradconform.randomize.chooser import Chooser
from gradconform.randomize.derivations.base import (
    Names,
    Steps,
    apply,
    backward_at,
    cotangent_of,
    derivation,
    last_backward,
    leaves,
    named,
    options_of,
    root_of,
    spliced,
    with_options,
)


@dataclass(frozen=True, slots=True)
class _Last:
    """A program's last backward pass, with a root and a cotangent that may be asked for more than once.

    step: the pass. options: its own, without the cotangent, which is `given`. names: new ones.
    """

    program: Program
    before: Steps
    step: Backward
    root: Ref
    given: Argument
    after: Steps
    names: Names

    @property
    def options(self) -> Options:
        return options_of(self.step)

    def replaced(self, *steps: Step) -> Program:
        """The program with these steps in the place of the pass."""
        return replace(self.program, steps=(*self.before, *steps, *self.after))


def _again(program: Program) -> _Last | None:
    """The last backward pass, its root named; None where there is none, or where a temporary that cannot
    be named is its root or its cotangent."""
    place = last_backward(program)
    if place is None:
        return None
    step = backward_at(program, place)
    names = Names(program)
    before, root = named(root_of(step), place, program, names)
    given = cotangent_of(step)
    if root.name.startswith("_") or (isinstance(given, Ref) and given.name.startswith("_")):
        return None
    step = replace(step, arguments=(root, *step.arguments[1:]))
    return _Last(program, before, step, root, given, program.steps[place + 1 :], names)


@derivation("autograd.grad stands for backward()")
def grad_for_backward(program: Program, _chooser: Chooser) -> Program | None:
    """The gradients are returned instead of accumulated."""
    place = last_backward(program)
    if place is None or not leaves(program):
        return None
    step = backward_at(program, place)
    if step.options.keys() - {"gradient", "retain_graph", "create_graph"} or len(step.arguments) > 2:
        return None
    names = Names(program)
    made = tuple(names.new(f"{leaf.name}_gradient") for leaf in leaves(program))
    wanted = Items(tuple(Ref(leaf.name) for leaf in leaves(program)))
    options = options_of(step)
    arguments: tuple[Argument, ...] = (root_of(step), wanted)
    if cotangent_of(step) is not None:
        arguments = (*arguments, cotangent_of(step))
    return spliced(program, place, Grad(made, arguments, {**options, "allow_unused": True}))


@derivation("the backward pass is two passes with parts of the cotangent")
def split_backward(program: Program, _chooser: Chooser) -> Program | None:
    """Gradients are linear in the cotangent, and accumulate."""
    last = _again(program)
    if last is None or not isinstance(last.given, Ref | None):
        return None
    whole = [] if last.given else [apply(last.names.new("whole"), "ones_like", last.root)]
    cotangent = last.given or Ref(str(whole[0].target))
    part, rest = last.names.new("part"), last.names.new("rest")
    return last.replaced(
        *whole,
        apply(part, "mul", cotangent, 0.25),
        apply(rest, "sub", cotangent, Ref(part)),
        Backward((last.root, Ref(part)), {**last.options, "retain_graph": True}),
        Backward((last.root, Ref(rest)), last.options),
    )


@derivation("a random cotangent stands for ones")
def random_cotangent(program: Program, chooser: Chooser) -> Program | None:
    """A cotangent of ones hides mistakes in the order of indices: `y.sum().backward()` becomes
    `y.backward(v)`, and so does a cotangent made by ones_like."""
    place = last_backward(program)
    if not place:
        return None
    step = backward_at(program, place)
    names = Names(program)
    root, given, before = root_of(step), cotangent_of(step), program.steps[place - 1]
    if not (isinstance(before, Apply) and before.arguments and isinstance(before.arguments[0], Ref)):
        return None
    seed = chooser.below(1000)
    operand = before.arguments[0]
    total = before.operator == "sum" and before.target == root.name and len(before.arguments) == 1
    if given is None and total and not before.options:
        if operand.name.startswith("_"):
            return None
        v = names.new("v")
        first = 1 if root.name.startswith("_") else 0  # a named sum is used elsewhere too
        steps = (apply(v, "cotangent", operand, seed), replace(step, arguments=(operand, Ref(v))))
        return spliced(program, place - first, *steps, of=1 + first)
    if isinstance(given, Ref) and before.operator == "ones_like" and before.target == given.name:
        return spliced(program, place - 1, apply(given.name, "cotangent", operand, seed))
    return None


@derivation("the cotangent has gaps in memory")
def strided_cotangent(program: Program, _chooser: Chooser) -> Program | None:
    """The cotangent is every second number of a tensor."""
    place = last_backward(program)
    if place is None:
        return None
    step = backward_at(program, place)
    given = cotangent_of(step)
    if not isinstance(given, Ref) or given.name.startswith("_") or "gradient" in step.options:
        return None
    names = Names(program)
    pair, strided = names.new("pair"), names.new("strided")
    return spliced(
        program,
        place,
        apply(pair, "stack", Items((given, given)), -1),
        apply(strided, "select", Ref(pair), -1, 0),
        replace(step, arguments=(step.arguments[0], Ref(strided))),
    )


@derivation("the backward pass runs twice")
def backward_twice(program: Program, _chooser: Chooser) -> Program | None:
    """The graph is retained, and the gradients are accumulated again."""
    last = _again(program)
    return None if last is None else last.replaced(with_options(last.step, retain_graph=True), last.step)


@derivation("the graph is freed, and asked again")
def backward_after_freeing(program: Program, _chooser: Chooser) -> Program | None:
    """A second pass through a graph that was not retained is refused, where it has saved tensors."""
    last = _again(program)
    if last is None:
        return None
    return last.replaced(last.step, Expect("RuntimeError", (last.step,), "backward"))


@derivation("the gradients are recorded")
def create_graph(program: Program, _chooser: Chooser) -> Program | None:
    """The backward pass is recorded; the numbers stay what they are."""
    place = last_backward(program)
    if place is None or "create_graph" in backward_at(program, place).options:
        return None
    return spliced(program, place, with_options(backward_at(program, place), create_graph=True))


@derivation("only one leaf is asked for")
def only_inputs(program: Program, chooser: Chooser) -> Program | None:
    """`inputs=` names one of the leaves; the others' gradients stay as they are."""
    place = last_backward(program)
    if place is None or not leaves(program) or "inputs" in backward_at(program, place).options:
        return None
    leaf = Items((Ref(chooser.choice(leaves(program)).name),))
    return spliced(program, place, with_options(backward_at(program, place), inputs=leaf))


@derivation("the backward pass has two roots")
def two_roots(program: Program, _chooser: Chooser) -> Program | None:
    """Twice the root is a root as well."""
    last = _again(program)
    if last is None or not isinstance(last.given, Ref | None):
        return None
    twice = last.names.new("twice")
    roots: tuple[Argument, ...] = (Items((last.root, Ref(twice))),)
    if last.given is not None:
        roots = (*roots, Items((last.given, last.given)))
    return last.replaced(apply(twice, "mul", last.root, 2), Backward(roots, last.options, function=True))


@derivation("the backward pass runs where nothing is recorded")
def backward_without_grad(program: Program, _chooser: Chooser) -> Program | None:
    """The grad mode around a backward pass does not matter to it."""
    place = last_backward(program)
    if place is None:
        return None
    return spliced(program, place, Within("no_grad", (), (backward_at(program, place),)))


@derivation("the backward pass runs in another thread")
def backward_in_a_thread(program: Program, _chooser: Chooser) -> Program | None:
    """A graph may be asked for its gradients from any thread."""
    place = last_backward(program)
    if place is None:
        return None
    return spliced(program, place, Within("thread", (), (backward_at(program, place),)))
