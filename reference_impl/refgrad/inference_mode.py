"""Inference mode: nothing is recorded, and what is made can never take part in a recorded computation.

Inside, operations are not recorded, whatever the grad mode says, and there is no forward mode. Tensors made
inside are inference tensors for good: they have no version counter and their views are not tracked
(`versions` and `views`). Outside they may be read, and be operands of what saves nothing of them; they may
not be written to, and saving one for a backward is an error. An operation that has inference tensors alone
for operands is recorded nowhere. Normal tensors stay normal inside: they may be written to, leaves too, and
their version goes up; their views may not be written to outside.

The mode belongs to a thread. It sets the grad mode too: off, or on where `inference_mode(False)` is entered.
Sources: https://docs.pytorch.org/docs/stable/notes/autograd.html#inference-mode,
https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad_mode.inference_mode.html,
c10/core/InferenceMode.h.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from .grad_mode import Mode, mode

if TYPE_CHECKING:
    from .tensor import Tensor


def is_inference_mode_enabled() -> bool:
    """Return whether this thread is in inference mode."""
    return mode.inference


def is_inference(input: Tensor) -> bool:
    """Return whether a tensor was made in inference mode, or is a view of one that was."""
    return input.is_inference()


class inference_mode(Mode):  # noqa: N801 - torch's name
    """Switch inference mode on, or off with `mode=False`, for a block or a decorated function.

    Works as a decorator with and without parentheses.
    """

    wanted: bool
    previous: tuple[bool, bool, bool]

    def __new__(cls, mode: Any = True) -> Self:
        """Return the mode, or the decorated function if one is given in the place of a bool."""
        if isinstance(mode, bool):
            return super().__new__(cls)
        return cast("Self", cls()(mode))

    def __init__(self, mode: Any = True) -> None:
        self.wanted = mode

    def __enter__(self) -> None:
        self.previous = mode.inference, mode.enabled, mode.asked
        mode.inference, mode.enabled, mode.asked = self.wanted, not self.wanted, False

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        mode.inference, mode.enabled, mode.asked = self.previous

    def clone(self) -> inference_mode:
        """Return a fresh object of the same mode."""
        return type(self)(self.wanted)
