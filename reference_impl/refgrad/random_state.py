"""The state of torch's random numbers, which refgrad's random tensors and dropout are drawn from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


class RandomState:
    """The state at the moment when this is made, on the CPU and on the GPUs if they are in use.

    Nothing is kept unless `wanted`.
    """

    def __init__(self, wanted: bool = True) -> None:
        self._wanted = wanted
        self._cpu = torch.get_rng_state() if wanted else None
        in_use = wanted and torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        self._cuda = torch.cuda.get_rng_state_all() if in_use else None

    def restore(self) -> None:
        """Set the state again."""
        if self._cpu is not None:
            torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            torch.cuda.set_rng_state_all(self._cuda)

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        """Go back to this state inside the block; afterwards the state is what it was before."""
        now = RandomState(self._wanted)
        self.restore()
        try:
            yield
        finally:
            now.restore()
