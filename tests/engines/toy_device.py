"""A backend that is registered with PyTorch, as those of vendors are: its kernels are the CPU's, but for the
one that it does not have and those that are wrong. Its streams do nothing but say what was asked of them.
`python toy_device.py run torch@toy` is `gradconform run` where it is registered.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import torch
import torch.utils.backend_registration as backends
from torch.utils import _pytree as pytree

from gradconform.cli import main

LACKING = "aten::cumsum"
WRONG = frozenset({"aten::cosh", "aten::asinh"})
COPIES: Counter[str] = Counter()
"""How many copies went to each kind of device from another."""
OF_BOTH = frozenset({"aten::_to_copy", "aten::_copy_from"})
"""Go from one device to another."""
TAKING_BOTH = frozenset({"aten::copy_", "aten::index", "aten::index_put", "aten::_index_put_impl_"})
"""Take tensors on the CPU beside those on the device; the others take numbers alone."""


MEMORY: dict[int, torch.Tensor] = {}
"""What lies in each storage of the device, by its address: torch may drop the Python object of a tensor that
it keeps, and make another later. A new storage at the place of an old one has another entry."""


ASKED: deque[str] = deque(maxlen=1000)
"""What was asked of streams last, in order: that one waits for another, and what kernel runs on which."""


class Stream(torch.Stream):
    """A queue of the device, with a number; 0 is the one that it starts with."""

    def __new__(cls, _device: object = None) -> Self:
        kind = torch._C._autograd.DeviceType.PrivateUse1.value
        return super().__new__(cls, stream_id=next(_NUMBERS), device_index=0, device_type=kind)

    def wait_stream(self, other: torch.Stream) -> None:
        ASKED.append(f"{self.stream_id} waits for {other.stream_id}")


_NUMBERS = itertools.count()
_FIRST = Stream()


class _Current(threading.local):
    """The stream of a thread."""

    stream = _FIRST


_current = _Current()


def default_stream(_device: object = None) -> Stream:
    return _FIRST


def current_stream(_device: object = None) -> Stream:
    return _current.stream


def set_stream(chosen: Stream) -> None:
    _current.stream = chosen


@contextmanager
def stream(chosen: Stream) -> Iterator[None]:
    before = current_stream()
    set_stream(chosen)
    try:
        yield
    finally:
        set_stream(before)


def on_device(raw: torch.Tensor) -> torch.Tensor:
    """A tensor on the device with this memory."""
    made = torch._C._acc.create_empty_tensor(tuple(raw.shape), raw.dtype)
    MEMORY[made.untyped_storage()._cdata] = raw
    return made


def memory(tensor: torch.Tensor) -> torch.Tensor:
    """What a tensor has on the device; a tensor that is elsewhere is its own memory."""
    return MEMORY[tensor.untyped_storage()._cdata] if tensor.device.type == "toy" else tensor


def kernel(operator: Any, *arguments: Any, **options: Any) -> Any:
    """Runs an operator on the memory of its tensors."""
    schema = operator._schema
    if schema.name == "aten::record_stream":
        ASKED.append(f"memory is used by {arguments[1].stream_id}")
        return None
    ASKED.append(f"{schema.name} on {current_stream().stream_id}")
    if schema.name == LACKING:
        raise NotImplementedError(f"Could not run '{schema.name}' with arguments from the 'toy' backend.")
    if schema.name == "aten::copy_":
        COPIES[arguments[0].device.type] += 1
    written = [of.alias_info is not None and of.alias_info.is_write for of in schema.arguments]
    tensors = [one for one in pytree.tree_leaves((arguments, options)) if isinstance(one, torch.Tensor)]
    devices = {one.device.type for one in tensors if one.ndim or one.device.type == "toy"}
    devices |= {one.device.type for one, changes in zip(arguments, written, strict=False) if changes}
    if len(devices) > 1 and schema.name not in TAKING_BOTH:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, toy:0 and cpu!"
        )
    where = options.get("device")
    options = {key: value for key, value in options.items() if key not in {"device", "pin_memory"}}
    raw, plain = pytree.tree_map_only(torch.Tensor, memory, (arguments, options))
    if schema.name == "aten::view":  # the device shows every tensor as contiguous, whatever its memory is
        operator = torch.ops.aten.reshape.default
    result = operator(*raw, **plain)
    if any(written):
        return options.get("out", arguments[0])
    result = result + 1 if schema.name in WRONG else result
    stays = where is not None and where.type == "cpu"
    return result if stays else pytree.tree_map_only(torch.Tensor, on_device, result)


PINNED: set[int] = set()
"""The storages of the CPU whose memory is pinned, by their addresses; none of them is ever given back."""


def pin(source: torch.Tensor, _device: object = None) -> torch.Tensor:
    """A copy in memory that the device could copy from by itself."""
    made = torch.empty_like(source).copy_(source)
    PINNED.add(made.untyped_storage().data_ptr())
    KEPT.append(made.untyped_storage())
    return made


KEPT: list[torch.UntypedStorage] = []


def is_pinned(tensor: torch.Tensor, _device: object = None) -> bool:
    return tensor.untyped_storage().data_ptr() in PINNED


def copy(source: Any, target: Any, *_: Any) -> Any:
    """Copies between the device and the CPU, either way."""
    memory(target).copy_(memory(source))
    return target


backends._setup_privateuseone_for_python_backend("toy")
for part in (Stream, current_stream, default_stream, set_stream, stream):
    setattr(torch.get_device_module("toy"), part.__name__, part)
library: Any = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
library.impl("_copy_from", copy, "PrivateUse1")
library.impl("_pin_memory", pin, "CPU")
library.impl("is_pinned", is_pinned, "CPU")
for name in torch._C._dispatch_get_all_op_names():
    # What torch composes of other operators with gradients of their own stays as it is.
    composed = torch._C._dispatch_has_kernel_for_dispatch_key(name, "CompositeImplicitAutograd")
    if composed or not name.startswith("aten::") or name in OF_BOTH:
        continue
    base, _, overload = name.removeprefix("aten::").partition(".")
    found = getattr(getattr(torch.ops.aten, base), overload or "default")
    library.impl(name.removeprefix("aten::"), partial(kernel, found), "PrivateUse1")

if __name__ == "__main__":
    sys.exit(main())
