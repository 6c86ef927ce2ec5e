"""Streams: a node runs backward on the stream on which its operation ran, as in torch.

Where torch has a device with streams, a sequence number that is given out on another stream than the default
one of the device says on which. So no node has a place for its stream, and without such a device nothing is
asked. A backward pass in which another stream has a part goes from stream to stream as its nodes do: each
waits for the one before it, the first for that of the caller, and at the end the caller's for the last. The
host waits for none. In one thing torch does more: branches whose forwards ran on two streams may run backward
at the same time there, and here one after the other.

Memory belongs to the stream on which it was allocated, so what flows from one stream to another is marked as
used by both.

Sources: https://docs.pytorch.org/docs/stable/notes/cuda.html#stream-semantics-of-backward-passes,
`Engine::evaluate_function` and `InputBuffer::add` in torch/csrc/autograd, `Tensor.record_stream`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import torch

FIRST = 1 << 62
"""The sequence number of what runs as soon as it can."""

Stream = Any
"""A stream of the device's own module in torch, such as torch.cuda.Stream."""


def _module() -> Any:
    """The part of torch that has to do with the streams of a device; None where there is no such device."""
    device = torch.accelerator.current_accelerator()
    module = None if device is None else torch.get_device_module(device)
    needed = ("current_stream", "default_stream", "set_stream")
    return module if all(hasattr(module, name) for name in needed) else None


STREAMS = _module()


def _finder() -> Callable[[], Stream | None]:
    """The function `aside` for this device."""
    initialized = getattr(STREAMS, "is_initialized", lambda: True)

    def find() -> Stream | None:
        if not initialized():
            return None
        now = STREAMS.current_stream()
        return None if now == STREAMS.default_stream() else now

    def find_on_cuda() -> Stream | None:
        """The same without making a Stream, which takes as long as an operation; the default one is 0."""
        if not initialized() or not torch._C._cuda_getCurrentRawStream(torch._C._cuda_getDevice()):
            return None
        return torch.cuda.current_stream()

    if STREAMS is None:
        return lambda: None
    return find_on_cuda if STREAMS is torch.cuda else find


aside = _finder()
"""The current stream of this thread on the current device; None where that is the device's default one."""


class _OnStream(int):
    """A sequence number given out on a stream other than the default one."""

    stream: Stream


class _Numbers:
    """Sequence numbers that say on which stream they were given out."""

    def __init__(self) -> None:
        self._count = itertools.count()
        self.any_aside = False

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        number = next(self._count)
        stream = aside()
        if stream is None:
            return number
        self.any_aside = True
        marked = _OnStream(number)
        marked.stream = stream
        return marked


def numbers() -> Iterator[int]:
    """Numbers from 0 on for what is recorded; any thread may take the next."""
    return itertools.count() if STREAMS is None else _Numbers()


class Crossing:
    """One backward pass on its way from stream to stream.

    arrived: the gradients that wait for their nodes, whatever the pass makes of them.
    """

    def __init__(self, arrived: Mapping[Any, Any]) -> None:
        self._arrived = arrived
        self._now = STREAMS.current_stream()
        self._before = {self._now.device: self._now}

    def enter(self, number: int, grad: Any) -> None:
        """Go on where the operation with this sequence number ran, if it ran on the device of its cotangent.

        What runs as soon as it can, whatever its operation was, stays on the stream where it is.
        """
        device = next((one.device for one in _tensors(grad)), None)
        if device is None or device.type != self._now.device.type or number >= FIRST:
            return
        stream = getattr(number, "stream", None)
        if stream is None or stream.device != device:
            stream = STREAMS.default_stream(device)
        if stream == self._now:
            return
        for waiting in (grad, *self._arrived.values()):
            for tensor in _tensors(waiting):
                if tensor.device.type == device.type:
                    tensor.record_stream(stream)
        if device not in self._before:
            self._before[device] = STREAMS.current_stream(device)
        self._go_to(stream)

    def leave(self) -> None:
        """Go back to the stream of the caller. What he does next waits for the pass, on each device of it."""
        last, (caller, *others) = self._now, self._before.values()
        for stream in (*others, caller):
            if stream != last:
                stream.wait_stream(last)
            STREAMS.set_stream(stream)

    def _go_to(self, stream: Stream) -> None:
        stream.wait_stream(self._now)
        STREAMS.set_stream(stream)
        self._now = stream


def crossing(numbers: Iterator[int], arrived: Mapping[Any, Any]) -> Crossing | None:
    """What a pass has to do with streams; None where nothing so far ran on any but the default one.

    numbers: those of the tape.
    """
    if STREAMS is None:
        return None
    if not cast("_Numbers", numbers).any_aside and aside() is None:
        return None
    return Crossing(arrived)


def _tensors(grad: Any) -> Iterator[torch.Tensor]:
    """The plain tensors in what a node is given: one, one of refgrad's, parts of one, or nothing."""
    if grad is None:
        return
    if isinstance(grad, torch.Tensor):
        yield grad
    elif (parts := getattr(grad, "grads", None)) is not None:
        for part in parts.values():
            yield from _tensors(part)
    else:
        yield grad._data
