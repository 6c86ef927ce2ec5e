"""Moves around others: grad modes, hooks of all kinds, retained gradients, custom functions."""

from __future__ import annotations

from collections.abc import Callable

from gradconform.program.steps import (
    Apply,
    Class,
    Define,
    Get,
    Invoke,
    Record,
    Ref,
    Return,
    Step,
)
from gradconform.randomize.explore.writer import Writer, is_leaf


def mode(writer: Writer, inner: Callable[[Writer], None]) -> None:
    """A grad mode around one to three moves."""
    chosen = writer.rarer("mode", ("no_grad", "enable_grad", "set_grad_enabled"))
    if not writer.profile.banned.isdisjoint((chosen, "clone")):
        return
    writer.features.add(("mode", chosen))
    arguments = (writer.chooser.boolean(),) if chosen == "set_grad_enabled" else ()
    with writer.run.block(chosen, *arguments):
        # The first statement is certain, lest the block be empty.
        writer.apply("clone", Ref(writer.pick(writer.numeric())))
        for _ in range(writer.chooser.below(3)):
            inner(writer)


def hook(writer: Writer) -> None:
    """A hook on a tensor: it looks, and perhaps changes what goes on."""
    names = _hookable(writer)
    if not names:
        return
    name = writer.pick(names)
    function, handle = writer.new("hook"), writer.new("handle")
    kind = writer.rarer("hook", ("record", "double", "clone", "replace", "accumulated"))
    if kind == "accumulated" and not is_leaf(writer[name]):
        kind = "record"
    if kind == "accumulated":
        temporary, method = writer.temporary(), "register_post_accumulate_grad_hook"
        made = Define(function, ("p",), (Get(temporary, "p", "grad"), Record(Ref(temporary))))
    else:
        method, made = "register_hook", Define(function, ("g",), _body(writer, kind))
    if method in writer.profile.banned:
        return
    if writer.do(made) and writer.do(Invoke(handle, name, method, (Ref(function),))):
        writer.features.add(("hook", kind))


def _body(writer: Writer, kind: str) -> tuple[Step, ...]:
    temporary = writer.temporary()
    match kind:
        case "double":
            return (Record(Ref("g")), Apply(temporary, "mul", (Ref("g"), 2)), Return(Ref(temporary)))
        case "clone":
            return (Apply(temporary, "clone", (Ref("g"),)), Return(Ref(temporary)))
        case "replace":
            return (Record(Ref("g")), Apply(temporary, "ones_like", (Ref("g"),)), Return(Ref(temporary)))
        case _:
            return (Record(Ref("g")),)


def _hookable(writer: Writer) -> list[str]:
    """What requires grad and is no view of written memory, where a hook would crash torch."""
    return writer.live(
        lambda tensor: tensor.requires_grad and not (tensor._is_view() and tensor._version > 0)
    )


def removed(writer: Writer) -> None:
    """A hook that goes."""
    handles = [name for name in writer.run.environment if name.startswith("handle")]
    if handles:
        writer.do(Invoke("", writer.pick(handles), "remove"))


def retained(writer: Writer) -> None:
    """A tensor that is no leaf and keeps its gradient."""
    names = [name for name in _hookable(writer) if not is_leaf(writer[name])]
    if names:
        writer.write("retain_grad", Ref(writer.pick(names)))


def custom(writer: Writer) -> None:
    """A custom function: x * x with a rule of its own."""
    name = writer.pick(writer.numeric())
    square = _square(*(writer.temporary() for _ in range(3)))
    if "Square" in writer.run.environment or writer.do(square):
        writer.do(Invoke(writer.new(), "Square", "apply", (Ref(name),)))


def _square(squared: str, product: str, doubled: str) -> Class:
    forward = (
        Invoke("", "ctx", "save_for_backward", (Ref("x"),)),
        Apply(squared, "mul", (Ref("x"), Ref("x"))),
        Return(Ref(squared)),
    )
    backward = (
        Get(("x",), "ctx", "saved_tensors"),
        Record(Ref("g")),
        Apply(product, "mul", (Ref("g"), Ref("x"))),
        Apply(doubled, "mul", (Ref(product), 2)),
        Return(Ref(doubled)),
    )
    methods = (Define("forward", ("ctx", "x"), forward), Define("backward", ("ctx", "g"), backward))
    return Class("Square", "autograd.Function", methods)
