"""Moves that are meant to fail: what raises stands under `raises`, and the program goes on after it.

What comes after an error is as much torch's answer as the error itself: what a failed write or a backward
that was cut short has left behind.
"""

from __future__ import annotations

from collections.abc import Callable

from gradconform.program.steps import (
    Apply,
    Argument,
    Backward,
    Define,
    Fail,
    Grad,
    Invoke,
    Items,
    Mutate,
    Record,
    Ref,
    Within,
)
from gradconform.randomize.explore.writer import Writer, is_inexact, is_leaf


def fault(writer: Writer) -> None:
    """One of the errors on purpose."""
    FAULTS[writer.rarer("fault", tuple(FAULTS))](writer)


def _backward_of_a_constant(writer: Writer) -> None:
    names = writer.live(lambda tensor: is_inexact(tensor) and not tensor.requires_grad)
    if names:
        total = writer.temporary()
        writer.do(Apply(total, "sum", (Ref(writer.pick(names)),)), Backward((Ref(total),)))


def _backward_without_cotangent(writer: Writer) -> None:
    names = writer.live(lambda tensor: tensor.requires_grad and tensor.numel() > 1)
    if names:
        writer.do(Backward((Ref(writer.pick(names)),)))


def _cotangent_of_another_shape(writer: Writer) -> None:
    roots = writer.tracked()
    if roots:
        wrong = writer.temporary()
        writer.do(Apply(wrong, "ones", (7,)), Backward((Ref(writer.pick(roots)), Ref(wrong))))


def _backward_again(writer: Writer) -> None:
    roots = [name for name in writer.live(lambda tensor: tensor.requires_grad) if name in writer.spent]
    if roots:
        ones, root = writer.temporary(), Ref(writer.pick(roots))
        writer.do(Apply(ones, "ones_like", (root,)), Backward((root, Ref(ones))))


def _grad_of_what_is_unused(writer: Writer) -> None:
    roots = writer.tracked()
    if roots:
        root = writer.pick(roots)
        other = writer.leaf()
        ones = writer.temporary()
        options: dict[str, Argument] = {"grad_outputs": Ref(ones), "retain_graph": True}
        writer.do(
            Apply(ones, "ones_like", (Ref(root),)),
            Grad((writer.new("g"),), (Ref(root), Items((Ref(other),))), options),
        )


def _write_to_a_leaf(writer: Writer) -> None:
    names = writer.live(lambda tensor: is_leaf(tensor) and tensor.requires_grad)
    if names:
        writer.write(writer.chooser.choice(("mul_", "add_")), Ref(writer.pick(names)), 2)


def _write_to_a_view_of_a_leaf(writer: Writer) -> None:
    names = writer.live(lambda tensor: is_leaf(tensor) and tensor.requires_grad)
    if names:
        part = writer.temporary()
        writer.do(Apply(part, "getitem", (Ref(writer.pick(names)), ...)), Mutate("", "mul_", (Ref(part), 2)))


def _write_to_what_was_saved(writer: Writer) -> None:
    names = writer.live(
        lambda tensor: tensor.requires_grad and not tensor.is_complex() and tensor.numel() > 0
    )
    if names:
        bounded = writer.apply("tanh", Ref(writer.pick(names)))
        exponential = bounded and writer.apply("exp", Ref(bounded))
        if exponential and writer.write("mul_", Ref(exponential), 2):
            total = writer.temporary()
            writer.do(Apply(total, "sum", (Ref(exponential),)), Backward((Ref(total),)))


def _write_to_one_of_several_views(writer: Writer) -> None:
    names = writer.live(lambda tensor: tensor.requires_grad and not is_leaf(tensor) and tensor.dim() > 0)
    names = [name for name in names if writer[name].shape[0] == 2]
    if names:
        parts = writer.new(), writer.new()
        if writer.unpacked(parts, "unbind", Ref(writer.pick(names)), 0):
            writer.write("mul_", Ref(parts[0]), 3)


def _shapes_that_do_not_fit(writer: Writer) -> None:
    name = writer.pick(writer.numeric())
    ones = writer.temporary()
    writer.do(Apply(ones, "ones", (7, 5)), Apply(writer.new(), "add", (Ref(name), Ref(ones))))


def _index_out_of_range(writer: Writer) -> None:
    writer.apply("getitem", Ref(writer.pick(writer.numeric())), 9)


def _integers_that_require_grad(writer: Writer) -> None:
    numbers = writer.temporary()
    writer.do(Apply(numbers, "arange", (3,)), Mutate("", "requires_grad_", (Ref(numbers),)))


def _no_grad_for_what_is_no_leaf(writer: Writer) -> None:
    names = writer.live(lambda tensor: tensor.requires_grad and not is_leaf(tensor))
    if names:
        writer.write("requires_grad_", Ref(writer.pick(names)), False)


def _hook_that_fails(writer: Writer) -> None:
    names = [name for name in writer.tracked() if not is_leaf(writer[name])]
    names = [name for name in names if not writer[name]._is_view()]
    if names:
        root = Ref(writer.pick(names))
        function, handle, ones = writer.new("hook"), writer.new("handle"), writer.temporary()
        made = Define(function, ("g",), (Record(Ref("g")), Fail("ValueError")))
        if writer.do(made) and writer.do(Invoke(handle, root.name, "register_hook", (Ref(function),))):
            options = {"retain_graph": True}
            writer.do(Apply(ones, "ones_like", (root,)), Backward((root, Ref(ones)), options))
            writer.do(Invoke("", handle, "remove"))


def _error_inside_a_mode(writer: Writer) -> None:
    mode = writer.rarer("mode", ("no_grad", "enable_grad"))
    writer.do(Within(mode, (), (Fail("ValueError"),)))


FAULTS: dict[str, Callable[[Writer], None]] = {
    "backward of a constant": _backward_of_a_constant,
    "backward without cotangent": _backward_without_cotangent,
    "cotangent of another shape": _cotangent_of_another_shape,
    "backward again": _backward_again,
    "grad of what is unused": _grad_of_what_is_unused,
    "write to a leaf": _write_to_a_leaf,
    "write to a view of a leaf": _write_to_a_view_of_a_leaf,
    "write to what was saved": _write_to_what_was_saved,
    "write to one of several views": _write_to_one_of_several_views,
    "shapes that do not fit": _shapes_that_do_not_fit,
    "index out of range": _index_out_of_range,
    "integers that require grad": _integers_that_require_grad,
    "no grad for what is no leaf": _no_grad_for_what_is_no_leaf,
    "hook that fails": _hook_that_fails,
    "error inside a mode": _error_inside_a_mode,
}
"""The errors on purpose by name."""
