"""What an operation says to an operand that is no tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

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
