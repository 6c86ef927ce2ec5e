"""Writing a program's inputs as torch expressions that give the same bits back, laid out in the same way."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from gradconform.program.layouts import fresh
from gradconform.program.steps import Input

if TYPE_CHECKING:
    import torch


def input_text(item: Input, device: str = "cpu") -> str:
    """A torch expression that makes an input, in its layout; a leaf."""
    laid_out = fresh(item, "cpu")
    size, stride = tuple(laid_out.shape), laid_out.stride()
    where = f"dtype={item.data.dtype}" + ("" if device == "cpu" else f", device={device!r}")
    flag = ", requires_grad=True" if item.requires_grad else ""
    if not item.data.numel():
        # tensor([]) and tensor([[]]) lose the sizes behind the first empty one.
        return f"torch.empty({size}, {where}{flag})"
    if laid_out.is_contiguous():
        return f"torch.tensor({numbers(item.data)}, {where}{flag})"
    if any(step == 0 and length > 1 for step, length in zip(stride, size, strict=True)):
        row = laid_out[tuple(slice(0, 1) if step == 0 else slice(None) for step in stride)]
        made = f"torch.tensor({numbers(row)}, {where}).expand({size})"
    else:
        made = f"torch.empty_strided({size}, {stride}, {where})"
        made += f".copy_(torch.tensor({numbers(item.data)}, dtype={item.data.dtype}))"
    return made + (".requires_grad_()" if item.requires_grad else "")


def numbers(tensor: torch.Tensor) -> str:
    """A tensor's numbers as a literal that gives them back in its dtype."""
    return _written(tensor.tolist())


def _written(value: object) -> str:
    match value:
        case list():
            return f"[{', '.join(map(_written, value))}]"
        case complex(real=real, imag=imaginary):
            return f"complex({_written(real)}, {_written(imaginary)})"
        case float() if not isfinite(value):
            return f'float("{value}")'
        case _:
            return repr(value)
