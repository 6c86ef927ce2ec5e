"""What an operation says to an operand that is no tensor, or one whose history must not be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from .dimensions import wrapped
from .grad_mode import mode
from .optional import ABSENT
from .tensor import Tensor


def refuse_operands(name: str, operands: Mapping[str, Any]) -> None:
    """Raise TypeError for the first of `operands`, by the names of their row, that is no tensor.

    Compiled operations ask this after an attribute that tensors have was missing, so that what is in order
    costs nothing. Source: `FunctionSignature::parse` in torch/csrc/utils/python_arg_parser.cpp.
    """
    for position, (argument, operand) in enumerate(operands.items(), 1):
        if isinstance(operand, Tensor) or operand is ABSENT:
            continue
        advice = "; wrap torch tensors with refgrad.from_torch" if isinstance(operand, torch.Tensor) else ""
        raise TypeError(
            f"{name}(): argument '{'input' if argument == 'self' else argument}' (position {position}) must "
            f"be Tensor, not {type(operand).__name__}{advice}"
        )


def refuse_untold(*operands: Any) -> None:
    """Raise torch's RuntimeError for the first of `operands` whose history torch refuses to tell.

    Operations ask this where a kernel has raised an error: torch collects histories before it computes.
    Source: `collect_next_edges` in torch/csrc/autograd/function.h.
    """
    if mode.enabled:
        for operand in operands:
            if isinstance(operand, Tensor):
                operand._check_history()


def computed(kernel: Callable[[], Any], *operands: Tensor) -> Any:
    """Return what `kernel` makes of the data of `operands`; where it raises, see `refuse_untold`."""
    try:
        return kernel()
    except Exception:
        refuse_untold(*operands)
        raise


def along(operand: Tensor, dim: int, *, scalar: bool = True) -> int:
    """Return the dimension `dim` of `operand`, counted from the front, as its kernel takes it; see `wrapped`.

    Raises IndexError for a dimension that is not there.
    """
    place: int = computed(lambda: wrapped(dim, operand.ndim, scalar=scalar), operand)
    return place
