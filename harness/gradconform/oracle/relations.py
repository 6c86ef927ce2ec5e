"""The relations that facts are made of: when two observed values are equal, the same, or share memory.

They are stricter than torch's own: nothing is broadcast or promoted, and the answer is one bool.

- Two tensors are equal when their shape, dtype and numbers are (nan equals nan). A literal takes the dtype of
  the tensor that it stands against; its shape must be the tensor's. Other values are equal as in Python, but
  a bool is no number.
- Two values are the same when they are one object of the engine, both None, or equal plain values of one
type.

Values are looked at on the CPU, so that a fact need not know on which device its case runs. A tensor on the
device `meta` has no numbers: what asks for them is undecided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from gradconform.oracle.policy import compared
from gradconform.oracle.text import describe, tensor
from gradconform.oracle.tolerance import TOLERANCES, Miss, parts
from gradconform.trace import OpaqueSeen, TensorSeen, Unseen


class UndecidedError(Exception):
    """The engine does not show something that the fact asks about."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """A relation that does not hold: its two sides as text, what differs, and where that is numbers alone,
    whether the tolerance for the dtype would have let them pass ("within") or not ("beyond")."""

    expected: str
    got: str
    detail: str = ""
    numbers: Literal["", "within", "beyond"] = ""


def equal(got: object, expected: object, *, tolerant: bool) -> Misfit | None:
    """None where the two are equal, otherwise why they are not.

    tolerant: whether numbers may differ within the tolerance for their dtype; plain ones within float32's,
    since a plain number does not say which dtype it comes from. Raises UndecidedError.
    """
    a, b = plain(got), plain(expected)
    if isinstance(b, torch.Tensor) and not isinstance(a, torch.Tensor):
        a = _literal(a, b)
    elif isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor):
        b = _literal(b, a)
    match a, b:
        case torch.Tensor(), torch.Tensor():
            return _tensors_equal(a, b, tolerant=tolerant)
        case tuple(), tuple():
            if len(a) != len(b):
                return Misfit(text(b), text(a), f"{len(b)} items expected, {len(a)} seen")
            misfits = (equal(x, y, tolerant=tolerant) for x, y in zip(a, b, strict=True))
            return next(filter(None, misfits), None)
        case ((int() | float() | complex()), (int() | float() | complex())) if _inexact(a, b):
            dtype = torch.complex64 if isinstance(a, complex) or isinstance(b, complex) else torch.float32
            if a == b or not tolerant:
                return None if a == b else Misfit(text(b), text(a))
            return _tensors_equal(torch.tensor(a, dtype=dtype), torch.tensor(b, dtype=dtype), tolerant=True)
        case _:
            known = type(a) is type(b) and not isinstance(a, OpaqueSeen)
            return None if known and a == b else Misfit(text(b), text(a))


def exact(got: object, expected: object, *, signs: bool) -> Misfit | None:
    """None where the two are equal to the last bit, otherwise why they are not; rounding is no excuse.

    signs: whether zeros must have the same signs too. Raises UndecidedError.
    """
    misfit = equal(got, expected, tolerant=False)
    if misfit:
        return Misfit(misfit.expected, misfit.got, misfit.detail)
    a, b = plain(got), plain(expected)
    if not signs or not isinstance(a, torch.Tensor):
        return None
    b = _literal(b, a)
    if not isinstance(b, torch.Tensor) or a.dtype not in TOLERANCES:
        return None
    zeros = [(value == 0) & value.signbit() for value in (parts(a), parts(b))]
    return None if torch.equal(*zeros) else Misfit(text(b), text(a), "the signs of zeros differ")


def same(left: object, right: object) -> bool:
    """`left is right`. Raises UndecidedError for two objects that are no tensors, whose identity is not
    seen."""
    if isinstance(left, Unseen) or isinstance(right, Unseen):
        raise UndecidedError
    if isinstance(left, TensorSeen) and isinstance(right, TensorSeen):
        if isinstance(left.identity, Unseen) or isinstance(right.identity, Unseen):
            raise UndecidedError("identities")
        return left.identity == right.identity
    if isinstance(left, OpaqueSeen) and isinstance(right, OpaqueSeen):
        if isinstance(left.identity, Unseen) or isinstance(right.identity, Unseen):
            raise UndecidedError("identities")
        return left.identity == right.identity
    if isinstance(left, OpaqueSeen | TensorSeen) or isinstance(right, OpaqueSeen | TensorSeen):
        return False
    return type(left) is type(right) and left == right


def shares_storage(left: object, right: object) -> bool:
    """Whether two tensors share memory. Raises UndecidedError where the engine does not show it."""
    if not (isinstance(left, TensorSeen) and isinstance(right, TensorSeen)):
        return False
    if isinstance(left.storage, Unseen) or isinstance(right.storage, Unseen):
        raise UndecidedError("shared memory")
    return left.storage == right.storage


def plain(value: object) -> object:
    """A tensor for what shows one; other values as they are. Raises UndecidedError."""
    if isinstance(value, Unseen):
        raise UndecidedError
    if not isinstance(value, TensorSeen):
        return value
    if value.value.is_meta:
        raise UndecidedError("numbers")
    return value.value


def text(value: object) -> str:
    """A value of a fact for people to read."""
    if isinstance(value, torch.Tensor):
        return tensor(value)
    return describe(value)  # type: ignore[arg-type]  # what is no tensor here is a Seen or a literal


def _inexact(a: complex, b: complex) -> bool:
    """Whether two plain numbers are compared as floats; bools are none, and integers are compared exactly."""
    if isinstance(a, bool) or isinstance(b, bool):
        return False
    return type(a) is not type(b) or not isinstance(a, int)


def _literal(value: object, like: torch.Tensor) -> object:
    """Numbers, also nested, as a tensor of the dtype of `like`; anything else unchanged."""

    def numeric(item: object) -> bool:
        return all(map(numeric, item)) if isinstance(item, tuple) else isinstance(item, int | float | complex)

    if not numeric(value):
        return value
    literal = torch.tensor(value)
    if like.dtype not in TOLERANCES and literal.numel() and literal.dtype in TOLERANCES:
        return value  # 0.5 is no int64; converted, it would equal 0
    return torch.tensor(value, dtype=like.dtype)


def _tensors_equal(got: torch.Tensor, expected: torch.Tensor, *, tolerant: bool) -> Misfit | None:
    ours, theirs = ((list(t.shape), t.dtype) for t in (expected, got))
    if ours != theirs:
        parts = [f"{a} expected, {b} seen" for a, b in zip(ours, theirs, strict=True) if a != b]
        return Misfit(text(expected), text(got), ", ".join(parts).replace("torch.", ""))
    result = compared(expected, got)
    if result == "bits" or (result == "tolerance" and tolerant):
        return None
    if isinstance(result, Miss):
        return Misfit(text(expected), text(got), str(result), "beyond")
    return Misfit(text(expected), text(got), "they differ by rounding, and a law is exact", "within")
