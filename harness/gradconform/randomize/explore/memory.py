"""Moves about memory: views and chains of views, in-place writes, detached tensors, names that go away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gradconform.engines.torch_like import storage_of
from gradconform.program.steps import Argument, Delete, Get, Items, Ref, Slice
from gradconform.randomize.explore.writer import (
    MAX_NUMBERS,
    Writer,
    broadcast,
    is_inexact,
    is_leaf,
    lowest,
    overlaps,
    peak,
)
from gradconform.trace import UNSEEN

_WRITES = (
    "mul_", "add_", "sub_", "div_", "neg_", "exp_", "tanh_", "sigmoid_", "zero_", "fill_", "copy_", "setitem",
    "masked_fill_", "square_", "sin_", "abs_", "relu_", "clamp_", "sqrt_", "cos_",
)  # fmt: skip
_COMPLEX_WRITES = ("mul_", "add_", "sub_", "neg_", "zero_", "fill_", "copy_", "setitem")


def view(writer: Writer) -> None:
    """A view of a live tensor; its own views are as good as itself."""
    name = writer.pick(writer.numeric())
    tensor = writer[name]
    operator = writer.rarer("verb", _views(tensor))
    rank, chooser = tensor.dim(), writer.chooser
    it = Ref(name)
    match operator:
        case "reshape" | "view":
            writer.apply(operator, it, *chooser.choice(_layouts_of(tensor)))
        case "unsqueeze":
            writer.apply(operator, it, chooser.below(rank + 1))
        case "transpose":
            writer.apply(operator, it, 0, rank - 1)
        case "permute":
            writer.apply(operator, it, *range(1, rank), 0)
        case "expand":
            sizes = tuple(3 if size == 1 else size for size in tensor.shape)
            writer.apply(operator, it, *((2, *sizes) if chooser.boolean() or not sizes else sizes))
        case "narrow":
            dim = chooser.below(rank)
            start = chooser.below(tensor.shape[dim])
            writer.apply(operator, it, dim, start, 1 + chooser.below(tensor.shape[dim] - start))
        case "select":
            dim = chooser.below(rank)
            writer.apply(operator, it, dim, chooser.below(tensor.shape[dim]))
        case "getitem":
            writer.apply(operator, it, chooser.choice(_indices(tensor)))
        case "unbind" | "chunk" | "split":
            parts = _parts(operator, tensor)
            writer.unpacked(tuple(writer.new() for _ in range(parts)), operator, it, *_ARGUMENTS[operator])
        case "unfold":
            writer.apply(operator, it, 0, 2 if tensor.shape[0] > 1 else 1, 1)
        case _:
            writer.apply(operator, it)


def _views(tensor: torch.Tensor) -> tuple[str, ...]:
    """The views that a tensor of this shape has."""
    rank = tensor.dim()
    names = ["reshape", "unsqueeze", "getitem", "flatten", "squeeze"]
    if tensor.is_contiguous():
        names.append("view")
    if tensor.numel() * 6 <= MAX_NUMBERS:
        names.append("expand")
    if rank:
        names.append("unbind" if 0 < tensor.shape[0] <= 4 else "flatten")
    if rank and 0 not in tensor.shape:
        names += ["narrow", "select", "chunk", "split", "unfold"]
    if rank == 2:
        names.append("t")
    if rank > 1:
        names += ["transpose", "permute", "diagonal"]
    if tensor.is_complex():
        names += ["conj", "view_as_real"]
    return tuple(names)


def _layouts_of(tensor: torch.Tensor) -> tuple[tuple[int, ...], ...]:
    """Shapes with as many elements."""
    count = tensor.numel()
    found: list[tuple[int, ...]] = [(-1,) if count else (0,), (count, 1), (1, count)]
    found += [(size, count // size) for size in (2, 3) if count and count % size == 0]
    return tuple(found)


def _indices(tensor: torch.Tensor) -> tuple[Argument, ...]:
    """Indices that fit; the first is simplest."""
    found: list[Argument] = [..., None]
    if tensor.dim() and tensor.shape[0]:
        found += [0, Slice(1, None), Slice(None, None, 2), -1]
    if tensor.dim() > 1 and tensor.shape[1]:
        found += [Items((Slice(), 0), "tuple"), Items((..., Slice(0, 1)), "tuple")]
    return tuple(found)


_ARGUMENTS = {"unbind": (), "chunk": (2,), "split": (2,)}


def _parts(operator: str, tensor: torch.Tensor) -> int:
    """How many results a view has that has several."""
    return len(getattr(tensor.detach(), operator)(*_ARGUMENTS[operator]))


def write(writer: Writer) -> None:
    """An in-place operation on a live tensor, a view or one that has views perhaps.

    Leaves that require grad are left to `faults` and to blocks without grad.
    """
    recording, alike = torch.is_grad_enabled(), settled(writer)

    def allowed(tensor: torch.Tensor) -> bool:
        if not is_inexact(tensor) or overlaps(tensor) or not alike(tensor):
            return False
        return not (recording and _of_a_leaf(tensor))

    names = writer.live(allowed)
    if not names:
        view(writer)
        return
    name = writer.pick(names)
    tensor = writer[name]
    operator = writer.rarer("verb", _COMPLEX_WRITES if tensor.is_complex() else _WRITES)
    if operator not in writer.profile.banned:
        writer.features.add(("view-write", writer.made_by.get(name, "leaf"), operator))
        _write(writer, operator, name)


def _write(writer: Writer, operator: str, name: str) -> None:
    tensor, it, chooser = writer[name], Ref(name), writer.chooser
    large = peak(tensor)
    if operator in ("exp_", "square_") and large > 4:
        operator = "tanh_"
    if operator == "sqrt_" and not lowest(tensor) > 0.01:
        operator = "cos_"
    match operator:
        case "mul_" | "add_" | "sub_" | "div_" | "copy_":
            partner = writer.pick([*_partners(writer, tensor), ""])
            small = not partner or large * peak(writer[partner]) <= 2500
            if operator == "div_" or (operator == "mul_" and not small):
                writer.write(operator, it, 2)
            elif partner:
                writer.write(operator, it, Ref(partner))
            elif operator == "copy_":
                writer.write("fill_", it, 0.5)
            else:
                writer.write(operator, it, chooser.choice((2, -1, 0.5)))
        case "fill_":
            writer.write(operator, it, chooser.choice((1.0, 0.5, -2.0)))
        case "clamp_":
            writer.write(operator, it, min=-0.5, max=1.0)
        case "masked_fill_":
            mask = writer.apply("gt", it, 0.5)
            if mask:
                writer.write(operator, it, Ref(mask), 1.5)
        case "setitem":
            _set_item(writer, name)
        case _:
            writer.write(operator, it)


def _set_item(writer: Writer, name: str) -> None:
    tensor = writer[name]
    index = writer.chooser.choice(_indices(tensor))
    part = tensor.detach()[_plain(index)]
    partners = _partners(writer, part, name)
    partner = writer.pick([*partners, ""])
    value = Ref(partner) if partner else 0.5
    writer.write("setitem", Ref(name), index, value)


def _plain(index: Argument) -> Any:
    """An index as Python has it."""
    match index:
        case Slice(start, stop, step):
            return slice(start, stop, step)
        case Items(items):
            return tuple(map(_plain, items))
        case _:
            return index


def _partners(writer: Writer, tensor: torch.Tensor, but: str = "") -> list[str]:
    """The live tensors that may be written into this one."""

    def fits(other: torch.Tensor) -> bool:
        if not is_inexact(other) or other.is_complex() != tensor.is_complex():
            return False
        return broadcast(other, tensor) == tuple(tensor.shape)

    return [name for name in writer.live(fits) if name != but]


def _of_a_leaf(tensor: torch.Tensor) -> bool:
    """Whether it is a leaf that requires grad, or a view of one."""
    base = tensor._base if tensor._is_view() else tensor
    return base is not None and is_leaf(base) and base.requires_grad


def settled(writer: Writer) -> Callable[[torch.Tensor], bool]:
    """Which tensors torch treats alike whether or not somebody looks at them in between: not the views of
    what no name stands for, nor those whose base has joined the graph since, nor the later ones of several
    results, nor memory of which there is a view that requires grad other than its base: once its base was cut
    from the graph."""
    tensors = list(writer.run.tensors())
    bases = {id(tensor) for _, tensor in tensors}
    joined = {id(tensor) for name, tensor in tensors if name in writer.constants and tensor.requires_grad}
    torn = {_memory_of(tensor) for _, tensor in tensors if _differs_from_base(tensor)}

    def alike(tensor: torch.Tensor) -> bool:
        if _memory_of(tensor) in torn:
            return False
        base = tensor._base
        if base is None:
            return tensor.output_nr == 0
        return base.output_nr == 0 and id(base) in bases and id(tensor) not in joined

    return alike


def _memory_of(tensor: torch.Tensor) -> tuple[str, int]:
    """What tells memory apart: its storage, or where that is empty, the tensor that it was made for."""
    storage = storage_of(tensor)
    if storage != UNSEEN:
        return "storage", storage
    return "tensor", id(tensor if tensor._base is None else tensor._base)


def _differs_from_base(tensor: torch.Tensor) -> bool:
    base = tensor._base
    return base is not None and base.requires_grad != tensor.requires_grad


def detached(writer: Writer) -> None:
    """A tensor outside of the graph, in the same memory."""
    name = writer.pick(writer.numeric())
    how = writer.rarer("verb", ("detach", "get", "requires_grad_", "detach_"))
    tensor = writer[name]
    if how == "get":
        writer.do(Get(writer.new(), name, "data"))
    elif how == "requires_grad_" and not tensor.requires_grad and settled(writer)(tensor):
        writer.write("requires_grad_", Ref(name))
    elif how == "detach_" and not tensor._is_view():
        writer.write("detach_", Ref(name))
    else:
        writer.apply("detach", Ref(name))


def deleted(writer: Writer) -> None:
    """A name that goes away; the tensor lives on where the graph needs it."""
    names = writer.live(lambda tensor: not is_leaf(tensor))
    if len(names) > 2:
        writer.do(Delete(writer.pick(names)))
