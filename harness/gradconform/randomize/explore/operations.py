"""Moves that compute: arithmetic, functions of single numbers, reductions, conversions, comparisons.

The numbers decide what comes next, so that nearly all of them stay finite and inside the operators' domains:
where a function would leave its domain or overflow, one that is bounded takes its place.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from gradconform.program.steps import Dtype, Items, Ref
from gradconform.randomize.explore.writer import (
    MAX_NUMBERS,
    Writer,
    broadcast,
    is_inexact,
    lowest,
    name_of,
    overlaps,
    peak,
)
from gradconform.spec.dtypes import COMPLEX, FLOATING

if TYPE_CHECKING:
    import torch

_BOUNDED = ("sin", "cos", "tanh", "sigmoid")
_REAL = (
    "neg", "sin", "cos", "tanh", "sigmoid", "exp", "log", "sqrt", "rsqrt", "reciprocal", "square", "abs",
    "relu", "clone", "expm1", "log1p", "asinh", "sinc", "sign", "floor", "round", "positive", "contiguous",
)  # fmt: skip
_COMPLEX = (
    "neg",
    "sin",
    "cos",
    "tanh",
    "exp",
    "reciprocal",
    "square",
    "abs",
    "clone",
    "sgn",
    "conj",
    "positive",
)
_POSITIVE = frozenset({"log", "sqrt", "rsqrt", "reciprocal", "log1p"})
_GROWING = {"exp": 4.0, "expm1": 4.0, "square": 100.0}
_BINARY = ("mul", "add", "sub", "div", "maximum", "minimum", "where", "atan2", "pow")
_COMPLEX_BINARY = ("mul", "add", "sub", "div")
_NUMBERS = (2, 0.5, -1, 3, 0, 1.5)

LARGE = 50.0
"""Magnitudes from which on only bounded functions and reductions to a mean are applied."""


def unary(writer: Writer) -> None:
    """A function of single numbers."""
    names = writer.numeric()
    name = writer.pick(names)
    tensor = writer[name]
    operator = writer.rarer("verb", _COMPLEX if tensor.is_complex() else _REAL)
    writer.apply(_tamed(operator, tensor), Ref(name))


def _tamed(operator: str, tensor: torch.Tensor) -> str:
    """The operator, or one that can be applied to these numbers without leaving the finite."""
    if tensor.is_complex():
        return "tanh" if operator in _GROWING and peak(tensor) > _GROWING[operator] else operator
    if operator in _POSITIVE and not lowest(tensor) > 0.01:
        return _BOUNDED[len(operator) % len(_BOUNDED)]
    if operator in _GROWING and peak(tensor) > _GROWING[operator]:
        return _BOUNDED[len(operator) % len(_BOUNDED)]
    return operator


def binary(writer: Writer) -> None:
    """Arithmetic on two tensors, or on a tensor and a number."""
    names = writer.numeric()
    left = writer.pick(names)
    tensor = writer[left]
    operator = writer.rarer("verb", _COMPLEX_BINARY if tensor.is_complex() else _BINARY)
    mixes = operator in _COMPLEX_BINARY
    partners = [name for name in names if _fits(tensor, writer[name], mixes=mixes)]
    if not partners or (writer.chooser.below(4) == 3 and operator != "where"):
        _with_number(writer, operator, left)
        return
    right = writer.pick(partners)
    other = writer[right]
    if peak(tensor) * peak(other) > LARGE**2 or (operator == "div" and _nearest_zero(other) < 0.01):
        operator = "add" if peak(tensor) < LARGE**2 else "sub"
    if operator == "pow" and (not lowest(tensor) > 0.01 or peak(other) > 3):
        operator = "mul"
    if operator == "where":
        mask = writer.apply("gt", Ref(left), Ref(right))
        if mask:
            writer.apply("where", Ref(mask), Ref(left), Ref(right))
        return
    writer.apply(operator, Ref(left), Ref(right))


def _nearest_zero(tensor: torch.Tensor) -> float:
    """The smallest magnitude in a tensor; 1 where it is empty."""
    return float(tensor.detach().abs().amin()) if tensor.numel() else 1.0


def _with_number(writer: Writer, operator: str, name: str) -> None:
    number = writer.chooser.choice(_NUMBERS)
    if operator == "where":
        operator = "mul"
    if operator in ("maximum", "minimum", "atan2"):
        writer.apply("clamp", Ref(name), min=number)
        return
    if operator == "pow" and (number not in (2, 3, 1.5) or peak(writer[name]) > 10):
        operator = "mul"
    if operator == "div" and number == 0:
        operator = "sub"
    if writer.chooser.boolean() and operator != "pow":
        writer.apply(operator if operator != "div" else "mul", number, Ref(name))
    else:
        writer.apply(operator, Ref(name), number)


def _fits(left: torch.Tensor, right: torch.Tensor, *, mixes: bool) -> bool:
    """Whether two tensors broadcast to something small. mixes: whether one may be complex and one real."""
    if left.is_complex() != right.is_complex() and not mixes:
        return False
    shape = broadcast(left, right)
    return shape is not None and prod(shape) <= MAX_NUMBERS


def reduction(writer: Writer) -> None:
    """A reduction or a scan, over all dimensions or one."""
    name = writer.pick(writer.numeric())
    tensor = writer[name]
    plain = ("sum", "mean") if tensor.is_complex() else ("sum", "mean", "prod", "max", "min")
    along = ("sum", "mean", "cumsum") if tensor.is_complex() else _ALONG
    if not tensor.dim() or writer.chooser.boolean():
        operator = writer.rarer("verb", plain)
        if operator == "prod" and peak(tensor) > 4:
            operator = "mean"
        writer.apply(operator, Ref(name))
        return
    operator = writer.rarer("verb", along)
    dim = writer.chooser.below(tensor.dim())
    if operator in ("cumprod", "prod") and peak(tensor) > 4:
        operator = "cumsum"
    if operator == "median" and overlaps(tensor):
        # Which of several equal elements it takes depends, of such a tensor, on what memory happens to hold.
        operator = "min"
    if operator in ("max", "min", "sort", "median"):
        # Their second result is a tensor of places, which is live as well.
        target = writer.new(), writer.new("i")
        writer.unpacked(target, operator, Ref(name), dim)
    elif operator in ("sum", "mean", "amax", "amin") and writer.chooser.boolean():
        writer.apply(operator, Ref(name), dim, keepdim=True)
    else:
        writer.apply(operator, Ref(name), dim)


_ALONG = (
    "sum", "mean", "amax", "amin", "softmax", "cumsum", "cumprod", "logsumexp", "log_softmax", "max", "min",
    "sort", "median", "prod",
)  # fmt: skip


def product(writer: Writer) -> None:
    """A matrix product of two live tensors, or of one with its own transpose."""
    names = writer.live(lambda tensor: is_inexact(tensor) and tensor.dim() == 2)
    if not names:
        unary(writer)
        return
    left = writer.pick(names)
    tensor = writer[left]
    alike = [name for name in names if writer[name].dtype == tensor.dtype]
    partners = [name for name in alike if writer[name].shape[0] == tensor.shape[1]]
    if peak(tensor) > LARGE:
        writer.apply("tanh", Ref(left))
    elif partners:
        writer.apply("matmul", Ref(left), Ref(writer.pick(partners)))
    else:
        turned = writer.apply("t", Ref(left))
        if turned:
            writer.apply("matmul", Ref(left), Ref(turned))


def joined(writer: Writer) -> None:
    """Cat or stack of two or three live tensors of one shape."""
    name = writer.pick(writer.numeric())
    tensor = writer[name]
    alike = writer.live(lambda other: other.shape == tensor.shape and other.dtype == tensor.dtype)
    chosen = [name, *(writer.pick(alike) for _ in range(1 + writer.chooser.below(2)))]
    if tensor.numel() * len(chosen) > MAX_NUMBERS:
        chosen = chosen[:1]
    operator = "cat" if tensor.dim() and writer.chooser.boolean() else "stack"
    dim = writer.chooser.below(tensor.dim() + (operator == "stack"))
    writer.apply(operator, Items(tuple(map(Ref, chosen))), dim=dim)


def converted(writer: Writer) -> None:
    """A tensor in another dtype."""
    name = writer.pick(writer.numeric())
    tensor = writer[name]
    banned = writer.profile.banned
    wide = [
        dtype
        for dtype in ((*FLOATING, *COMPLEX) if not tensor.is_complex() else COMPLEX)
        if f"dtype {dtype}" not in banned and dtype != name_of(tensor.dtype)
    ]
    if peak(tensor) > LARGE:
        wide = [dtype for dtype in wide if dtype != "float16"]
    if wide:
        writer.apply("to", Ref(name), Dtype(writer.rarer("to", wide)))


def compared(writer: Writer) -> None:
    """A comparison, and what a mask is good for."""
    names = writer.live(lambda tensor: tensor.dtype.is_floating_point)
    if not names:
        unary(writer)
        return
    name = writer.pick(names)
    operator = writer.rarer("verb", ("gt", "le", "eq", "ne"))
    mask = writer.apply(operator, Ref(name), writer.chooser.choice((0, 1, 0.5)))
    if mask:
        use = writer.rarer("verb", ("where", "masked_fill", "mul"))
        if use == "where":
            writer.apply("where", Ref(mask), Ref(name), 0.5)
        elif use == "masked_fill":
            writer.apply("masked_fill", Ref(name), Ref(mask), 2.0)
        else:
            writer.apply("mul", Ref(name), Ref(mask))
