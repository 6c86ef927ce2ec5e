"""PyTorch on another device, held against PyTorch on the CPU: `torch@cuda`, or any other backend.

Each input goes to the device with its layout, and factories make their tensors there. What comes back shows
the CPU in place of the device; everything else is torch's own answer. A kernel that the backend does not have
is unsupported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from gradconform.engines import bulk
from gradconform.engines.base import Glance, Handle, Leaves
from gradconform.engines.devices import absence, missing_kernel, require_numbers
from gradconform.engines.torch import TorchEngine
from gradconform.errors import EngineError, Unsupported
from gradconform.program.vocabulary import OPERATORS, RANDOM

if TYPE_CHECKING:
    import torch

OF_THE_CPU = frozenset({"numpy", "asarray", "from_numpy"})
"""Operators that know the memory of the CPU alone."""


class TorchOnDevice(TorchEngine):
    """PyTorch on one device.

    Raises UsageError for a name that is no device or has no numbers to compare (`meta`), and EngineError for
    one that is not here.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self.name = f"torch@{device}"
        require_numbers(device)
        reason = absence(device)
        if reason:
            raise EngineError(f"engine '{self.name}': device {device} cannot be used here: {reason}")
        # With the number that torch gives it.
        self.there: torch.device = self.module.ones(1, device=device).device
        self._elsewhere = self.there.type != "cpu"

    # tensors in and out

    def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> Handle:
        if tensor.device.type != "cpu":
            raise Unsupported(f"device {tensor.device} of the run beside {self.name}")
        if self._elsewhere:
            tensor = self._moved(tensor)
        return super().from_torch(tensor, requires_grad=requires_grad)

    def _moved(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor on the device, with its strides, and with what lies between its numbers."""
        try:
            if tensor.is_contiguous():
                return tensor.to(self.there)
            places = tensor.untyped_storage().nbytes() // tensor.element_size()
            memory = tensor.as_strided((places,), (1,), 0).to(self.there)
            return memory.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset()).data
        except (TypeError, NotImplementedError) as error:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise Unsupported(f"dtype {kind} on {self.there.type}") from error

    def to_torch(self, handle: Handle) -> torch.Tensor:
        return super().to_torch(handle).cpu()

    # what programs do

    def stream(self, device: str) -> AbstractContextManager[None]:  # noqa: ARG002 - that of the run is the CPU
        return super().stream(str(self.there))

    def operation(self, name: str) -> Callable[..., Any]:
        found = self._operations.get(name)
        if found is None:
            found = self._operations[name] = self._there(name, super().operation(name))
        return found

    def _there(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """An operation on the device."""
        if not self._elsewhere:
            return function
        if name in OF_THE_CPU or name in RANDOM:
            raise Unsupported(f"operator {name} away from the CPU")
        makes = OPERATORS[name].effect == "factory"

        def call(*arguments: Any, **options: Any) -> Any:
            with self._kernels():
                if makes:
                    options.setdefault("device", self.there)
                return function(*arguments, **options)

        return call

    def backward(self, *arguments: Any, **options: Any) -> None:
        with self._kernels():
            super().backward(*arguments, **options)

    def backward_function(self, *arguments: Any, **options: Any) -> None:
        with self._kernels():
            super().backward_function(*arguments, **options)

    def grad(self, *arguments: Any, **options: Any) -> tuple[Handle | None, ...]:
        with self._kernels():
            return super().grad(*arguments, **options)

    @contextmanager
    def _kernels(self) -> Iterator[None]:
        """What torch says of a kernel that the backend does not have is no answer to the program."""
        try:
            yield
        except NotImplementedError as error:
            kernel = missing_kernel(str(error)) if self._elsewhere else ""
            if not kernel:
                raise
            raise Unsupported(f"{kernel} on {self.there.type}") from error

    # what can be seen

    def get(self, handle: Handle, attribute: str) -> Any:
        found = super().get(handle, attribute)
        return self._shown_as(found) if attribute == "device" else found

    def device(self, handle: Handle) -> str:
        return str(self._shown_as(handle.device))

    def _shown_as(self, device: torch.device) -> torch.device:
        return self.module.device("cpu") if device == self.there else device

    def glance(self, handles: Sequence[Handle]) -> Glance:
        _, requires_grad, identities, storages = super().glance(handles)
        # Detached, so that nothing of a copy is recorded.
        numbers = bulk.brought_home([super(TorchOnDevice, self).to_torch(handle) for handle in handles])
        return numbers, requires_grad, identities, storages

    def glance_at_grads(self, handles: Sequence[Handle]) -> Leaves:
        return bulk.leaves(handles)
