"""How tensors print: torch's own text for the data, with what autograd adds at its end."""

from __future__ import annotations

import torch

_INDENT = len("tensor(")


def represent(data: torch.Tensor, requires_grad: bool, name: str | None) -> str:
    """Return torch's repr of a tensor with `data` whose grad_fn is called `name`, or None for a leaf.

    The suffix goes to a line of its own where the line would grow too long.
    Source: `_add_suffixes` in torch/_tensor_str.py.
    """
    text = repr(data)
    if name is not None:
        suffix = f"grad_fn=<{name}>"
    elif requires_grad:
        suffix = "requires_grad=True"
    else:
        return text
    text = text.removesuffix(")")
    line = text.rpartition("\n")[2]
    used = len(line) + 2
    if line.startswith(" " * _INDENT) and line[_INDENT:].startswith(("dtype=", "size=", "device=")):
        used = len(line)  # torch counts a suffix that has a line of its own without the comma before it
    width = torch._tensor_str.PRINT_OPTS.linewidth
    separator = ",\n" + " " * _INDENT if used + len(suffix) + 2 > width else ", "
    return f"{text}{separator}{suffix})"
