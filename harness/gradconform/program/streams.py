"""`with stream():`, a block whose work on the device goes to a stream of its own.

The stream waits for what was asked for before the block, and what comes after the block waits for the stream:
the order in which PyTorch documents a backward pass to be right without further ado. Where the device has no
streams, or an engine does not compute with torch, the block runs as it is.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#stream-semantics-of-backward-passes
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator

NAME = "stream"
"""The word of the step language."""


@contextlib.contextmanager
def stream(device: str) -> Iterator[None]:
    """A new stream of a device, which torch's kernels run on inside."""
    import torch

    kind = torch.device(device).type
    streams = torch if kind in ("cpu", "meta") else torch.get_device_module(kind)
    if not hasattr(streams, "current_stream"):
        yield
        return
    outer, inner = streams.current_stream(device), streams.Stream(device)
    inner.wait_stream(outer)
    try:
        with streams.stream(inner):
            yield
    finally:
        outer.wait_stream(inner)


def source() -> tuple[str, ...]:
    """The function as a script has it, line by line, without its annotations and its documentation."""
    lines = inspect.getsource(stream).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("    kind"))
    return ("import contextlib", "@contextlib.contextmanager", f"def {NAME}(device):", *lines[start:])
