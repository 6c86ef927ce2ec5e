"""What programs cannot do on the device `meta`, whose tensors have no numbers."""

from __future__ import annotations

from gradconform.errors import Unsupported
from gradconform.program.steps import Apply, Program, Within

FORWARD_MODE = "autograd.forward_ad."
BY_FORWARD_MODE = frozenset({"func.jvp", "func.jacfwd", "func.hessian", "func.linearize"})


def is_meta(device: str) -> bool:
    """Whether tensors on a device have no numbers."""
    return device.partition(":")[0] == "meta"


def require_runnable(program: Program, device: str) -> None:
    """Raises Unsupported for a program in forward mode on `meta`.

    There torch's forward mode may raise in the midst of an operator (`quantile` in torch 2.13) and leave
    autograd switched off for the rest of the thread, now or when memory is collected: every later program
    would be another one.
    """
    if is_meta(device) and any(_is_forward(step) for _, step in program.walk()):
        raise Unsupported("forward mode on meta")


def _is_forward(step: object) -> bool:
    match step:
        case Apply(operator=name):
            return name.startswith(FORWARD_MODE) or name in BY_FORWARD_MODE
        case Within(mode=name):
            return name.startswith(FORWARD_MODE)
        case _:
            return False
