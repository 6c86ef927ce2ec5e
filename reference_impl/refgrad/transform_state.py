"""Whether a transform of `func` is running: what may not be done inside of one asks here. A thread's own
state.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from .thread_state import CARRIED


class _State(threading.local):
    """How many transforms of the running thread are running, one within the other."""

    depth: int = 0


_state = _State()
CARRIED.append(_state)


def active() -> bool:
    """Return whether a transform is running in this thread."""
    return _state.depth > 0


def refuse_flags() -> None:
    """Raise torch's RuntimeError about requires_grad_() inside a transform."""
    if active():
        raise RuntimeError(
            "You are attempting to call Tensor.requires_grad_() (or perhaps using "
            "torch.autograd.functional.* "
            "APIs) inside of a function being transformed by a functorch transform. This is unsupported, "
            "please attempt to use the functorch transforms (e.g. grad, vjp, jacrev, jacfwd, hessian) or "
            "call requires_grad_() outside of a function being transformed instead."
        )


@contextlib.contextmanager
def transform() -> Iterator[None]:
    """Run a transform inside the block."""
    _state.depth += 1
    try:
        yield
    finally:
        _state.depth -= 1
