"""Moves that go backward: backward passes of all kinds, autograd.grad, and what programs do with .grad."""

from __future__ import annotations

import torch

from gradconform.program import cotangents
from gradconform.program.steps import Apply, Argument, Backward, Get, Grad, Items, Mutate, Ref, Set, Step
from gradconform.randomize.explore.writer import Writer, is_inexact, is_leaf


def backward(writer: Writer) -> None:
    """`root.backward(...)`."""
    roots = writer.tracked()
    if not roots:
        return
    root = writer.pick(roots)
    options = _modes(writer)
    if writer.one_in(5):
        options["inputs"] = _some(writer, root)
    steps, start, cotangent = _start(writer, root)
    given = () if cotangent is None else (cotangent,)
    writer.do(*steps, Backward((start, *given), options))
    _spend(writer, options)


def backward_of_several(writer: Writer) -> None:
    """`autograd.backward([...], [...])`, with None where a root is a single number."""
    roots = writer.tracked()
    if not roots:
        return
    chosen = list(dict.fromkeys(writer.pick(roots) for _ in range(2 + writer.chooser.below(2))))
    options = _modes(writer)
    started = [_start(writer, root) for root in chosen]
    steps = [step for before, _, _ in started for step in before]
    tensors = Items(tuple(start for _, start, _ in started))
    cotangents_given = Items(tuple(cotangent for _, _, cotangent in started))
    # Temporaries are used in the order in which they were made: those of the roots come first.
    ordered = sorted(steps, key=lambda step: isinstance(step, Apply) and step.operator in _COTANGENTS)
    writer.do(*ordered, Backward((tensors, cotangents_given), options, function=True))
    _spend(writer, options)


_COTANGENTS = ("ones_like", cotangents.NAME)


def grad(writer: Writer) -> None:
    """`autograd.grad(...)`, whose results are live."""
    roots = writer.tracked()
    if not roots:
        return
    root = writer.pick(roots)
    options = _modes(writer, often=True)
    if not writer.one_in(4):
        options["allow_unused"] = True
    if writer.one_in(6):
        options["materialize_grads"] = True
    inputs = _some(writer, root)
    steps, start, cotangent = _start(writer, root)
    if cotangent is not None:
        options = {"grad_outputs": cotangent, **options}
    names = tuple(writer.new("g") for _ in inputs.items)
    writer.do(*steps, Grad(names, (start, inputs), options))
    _spend(writer, options)


def _modes(writer: Writer, *, often: bool = False) -> dict[str, Argument]:
    """Whether the graph is kept, and whether the pass is recorded."""
    drawn = writer.chooser.below(4 if often else 6)
    if drawn == 1:
        return {"create_graph": True}
    return {"retain_graph": True} if drawn == 2 or (drawn == 3 and not often) else {}


def _some(writer: Writer, root: str) -> Items:
    """One to three tensors that require grad, leaves above all; the root itself is one of them seldom."""
    tracked = writer.live(lambda tensor: tensor.requires_grad)
    leaves = [name for name in tracked if is_leaf(writer[name])]
    older = [name for name in tracked if name != root] or tracked
    pools = [leaves or tracked, leaves or tracked, older]
    count = 1 + writer.chooser.below(3)
    chosen = [writer.pick(writer.chooser.choice(pools)) for _ in range(count)]
    return Items(tuple(map(Ref, dict.fromkeys(chosen))))


def _start(writer: Writer, root: str) -> tuple[tuple[Step, ...], Ref, Argument]:
    """What has to be computed first, the tensor that a pass starts from, and its cotangent or None."""
    tensor = writer[root]
    alike = writer.live(
        lambda other: other.shape == tensor.shape and other.dtype == tensor.dtype and not other.requires_grad
    )
    single = tensor.numel() == 1 and not tensor.is_complex()
    number = writer.chooser.below(6)
    if single and number < 3:
        return (), Ref(root), None
    if number < 2 and not tensor.is_complex():
        total = writer.temporary()
        return (Apply(total, "sum", (Ref(root),)),), Ref(total), None
    if number == 5 and alike:
        return (), Ref(root), Ref(writer.pick(alike))
    name = writer.temporary()
    if number == 3:
        return (Apply(name, "ones_like", (Ref(root),)),), Ref(root), Ref(name)
    seed = writer.chooser.below(8)
    return (Apply(name, cotangents.NAME, (Ref(root), seed)),), Ref(root), Ref(name)


def _spend(writer: Writer, options: dict[str, Argument]) -> None:
    """Notes that the graph of what is live is gone, unless it was kept."""
    if not (options.get("retain_graph") or options.get("create_graph")):
        writer.spent.update(writer.live(lambda tensor: tensor.requires_grad and not is_leaf(tensor)))


def gradient(writer: Writer) -> None:
    """Something that programs do with a gradient."""
    names = writer.live(lambda tensor: is_leaf(tensor) and tensor.grad is not None)
    if not names:
        backward(writer)
        return
    name = writer.pick(names)
    gradient = writer[name].grad
    how = writer.rarer("gradient", ("read", "zero", "none", "scale", "clone", "add"))
    if not writer.profile.banned.isdisjoint(("get grad", "set grad")):
        return
    writer.features.add(("gradient", how))
    temporary = writer.temporary()
    read = Get(temporary, name, "grad")
    match how:
        case "read":
            writer.do(Get(writer.new("g"), name, "grad"))
        case "none":
            writer.do(Set(name, "grad", None))
        case "zero":
            writer.do(read, Mutate("", "zero_", (Ref(temporary),)))
        case "scale" if gradient is not None and not gradient.requires_grad:
            writer.do(read, Mutate("", "mul_", (Ref(temporary), 0.5)))
        case "clone":
            copied = writer.temporary()
            writer.do(read, Apply(copied, "clone", (Ref(temporary),)), Set(name, "grad", Ref(copied)))
        case _:
            writer.do(read, Apply(writer.new(), "mul", (Ref(temporary), 2)))


def finish(writer: Writer) -> None:
    """A last pass from what no pass has started from yet, so that nothing was computed for nothing."""
    roots = [name for name in writer.tracked() if name not in writer.spent and not is_leaf(writer[name])]
    if not roots or not torch.is_grad_enabled():
        return
    root = writer.pick([name for name in roots if is_inexact(writer[name])])
    steps, start, cotangent = _start(writer, root)
    writer.do(*steps, Backward((start,) if cotangent is None else (start, cotangent), {}))
