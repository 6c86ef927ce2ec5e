"""Looking at an engine's values: from handles to what a trace can hold."""

from __future__ import annotations

from typing import Any

from gradconform.engines.base import Engine, Handle
from gradconform.errors import AdapterError, Unsupported
from gradconform.program.steps import Place, is_temporary
from gradconform.trace import UNSEEN, OpaqueSeen, Seen, StateSeen, TensorSeen, Unseen

NAMES = ("dtype", "device")
"""Attributes that are compared by their name as torch writes it, whatever object an engine uses for them."""


class Observer:
    """Sees the values of one run. Labels of identity and storage count up in the order of first sight."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # The handle is kept so that its id stays its own for as long as the run lasts.
        self._objects: dict[int, tuple[int, Handle]] = {}
        self._storages: dict[int, int] = {}

    def state(self, number: int, environment: dict[str, Any]) -> StateSeen:
        """All live names after the step with this number."""
        live = {name: self.see(value) for name, value in environment.items() if not is_temporary(name)}
        return StateSeen(number, live, self.engine.is_grad_enabled())

    def see(self, value: Any) -> Seen:
        """A value of any kind."""
        if value is None or isinstance(value, bool | int | float | complex | str):
            return value
        if self.engine.is_tensor(value):
            return self.tensor(value, self.gradient(value))
        if isinstance(value, tuple | list):
            return tuple(self.see(item) for item in value)
        return OpaqueSeen("array" if hasattr(value, "__array_interface__") else "object")

    def tensor(self, handle: Handle, grad: TensorSeen | Unseen | None) -> TensorSeen:
        """A tensor, given what its gradient shows."""
        engine = self.engine
        try:
            value = engine.to_torch(handle).detach().clone()
        except (AdapterError, Unsupported):
            raise
        except Exception as error:
            raise AdapterError(
                f"engine {engine.name}: to_torch failed on a {type(handle).__name__}: "
                f"{type(error).__name__}: {error}"
            ) from error
        return TensorSeen(
            value=value,
            device=engine.device(handle),
            requires_grad=self.flag(handle, "requires_grad"),
            is_leaf=self.flag(handle, "is_leaf"),
            has_grad_fn=self.presence(handle, "grad_fn"),
            grad=grad,
            identity=self._identity(handle),
            storage=self._storage(handle),
        )

    def gradient(self, handle: Handle) -> TensorSeen | Unseen | None:
        """What `.grad` shows."""
        try:
            grad = self.engine.get(handle, "grad")
        except Unsupported:
            return UNSEEN
        return None if grad is None else self.tensor(grad, UNSEEN)

    def flag(self, handle: Handle, attribute: str) -> bool | Unseen:
        """A boolean attribute."""
        try:
            return bool(self.engine.get(handle, attribute))
        except Unsupported:
            return UNSEEN

    def presence(self, handle: Handle, attribute: str) -> bool | Unseen:
        """Whether an attribute is not None."""
        try:
            return self.engine.get(handle, attribute) is not None
        except Unsupported:
            return UNSEEN

    def place(self, place: Place, environment: dict[str, Any]) -> Seen:
        """What a place of a fact shows.

        A path that leads through None shows an opaque value that no fact accepts.
        """
        if not place.name:
            return self.engine.is_grad_enabled()
        value = environment[place.name]
        try:
            for index, part in enumerate(place.path):
                if value is None:
                    return OpaqueSeen(f"nothing: {place.name}.{'.'.join(place.path[:index])} is None")
                value = self._part(value, part)
        except Unsupported:
            return UNSEEN
        return self.see(value)

    def _part(self, value: Any, part: str) -> Any:
        if part == "name()":
            method = getattr(value, "name", None)
            if not callable(method):
                raise Unsupported("grad_fn.name()")
            return method()
        found = self.engine.get(value, part)
        return str(found).removeprefix("torch.") if part in NAMES else found

    def _identity(self, handle: Handle) -> int:
        return self._objects.setdefault(id(handle), (len(self._objects), handle))[0]

    def _storage(self, handle: Handle) -> int | Unseen:
        storage = self.engine.storage(handle)
        return storage if storage is UNSEEN else self._storages.setdefault(storage, len(self._storages))
