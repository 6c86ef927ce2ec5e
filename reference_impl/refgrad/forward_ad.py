"""`refgrad.autograd.forward_ad`: dual tensors, with torch's names, checks and messages.

Inside a `dual_level()` a tensor and a tangent make a dual tensor; what is computed from it has a tangent as
well, the Jacobian-vector product (`tangents` says how). Both are recorded in grad mode like anything else, so
a tangent can be differentiated backward, and a gradient has a tangent. A level does not nest with another one
of this module; `func.jvp` opens levels of its own, and those nest. Source:
https://docs.pytorch.org/docs/stable/autograd.html#forward-mode-automatic-differentiation and
torch/autograd/forward_ad.py
"""

from __future__ import annotations

from typing import Any, NamedTuple

from . import levels
from .levels import LEVELS, Level
from .ops import OPERATIONS
from .rules.formulas import laid_out
from .tensor import Tensor

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]

# The open level of this module: at most one, and torch calls it 0.
_open: list[Level] = []


class UnpackedDualTensor(NamedTuple):
    """A dual tensor taken apart: the tensor without its tangent, and the tangent, None if it has none."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Open a level and return its number, 0; raise RuntimeError if one is open."""
    if _open:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _open.append(levels.enter())
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the open level: all its tangents vanish. Raises RuntimeError if there is none, or another than
    `level`.
    """
    if level is None:
        level = len(_open) - 1
    if level < 0:
        raise RuntimeError("Dual level must be a positive number.")
    if level != len(_open) - 1:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not "
            "supported."
        )
    levels.leave(_open.pop())


class dual_level:  # noqa: N801 - torch's name
    """A block in which dual tensors may be made."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exception: object) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """Return a view of `tensor` that has `tangent`, a tensor of its shape, as its tangent.

    Raises RuntimeError outside of a level, for a tangent of another size and for a tensor that has a tangent;
    ValueError for dtypes that are neither floating point nor complex.
    """
    if not _open or (level is not None and level < 0):
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for name, value in (("primal", tensor), ("tangent", tangent)):
        dtype = value.dtype
        if not (dtype.is_floating_point or dtype.is_complex):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {dtype}")
    if levels.tangent_of(tensor, _open[-1]) is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 "
            "is not supported."
        )
    return dual(tensor, tangent, _open[-1])


def dual(tensor: Tensor, tangent: Tensor, level: Level) -> Tensor:
    """Return a view of `tensor` with `tangent` as its tangent at `level`; raise RuntimeError if the sizes
    differ.
    """
    if tangent.shape != tensor.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, "
            f"this is not supported. Tensor is of size {list(tensor.shape)} while the given forward "
            f"gradient is of size {list(tangent.shape)}."
        )
    out: Tensor = OPERATIONS["view"].apply(tensor, tuple(tensor.shape))
    levels.set_tangent(out, level, laid_out(tangent, tensor._data.stride()))
    return out


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """Return a view of `tensor` without its tangent, and the tangent; outside of a level `tensor` itself and
    None.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"_unpack_dual(): argument 'dual' (position 1) must be Tensor, not {type(tensor).__name__}"
        )
    if not _open or (level is not None and level < 0):
        return UnpackedDualTensor(tensor, None)
    return apart(tensor, _open[-1])


def apart(tensor: Tensor, level: Level) -> UnpackedDualTensor:
    """Return a view of `tensor` without its tangents from `level` on inwards, and its tangent at `level`."""
    with levels.below(LEVELS.index(level)):
        primal: Any = OPERATIONS["alias"].apply(tensor)
    return UnpackedDualTensor(primal, levels.tangent_of(tensor, level))
