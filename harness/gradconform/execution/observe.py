"""Looking at an engine's values: from handles to what a trace can hold."""

from __future__ import annotations

import reprlib
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from gradconform.engines.base import Engine, Handle
from gradconform.errors import AdapterError, Unsupported
from gradconform.program.expressions import ALIVE, Place
from gradconform.program.names import is_temporary
from gradconform.trace import RECORDED, UNSEEN, OpaqueSeen, Seen, StateSeen, TensorSeen, Unseen

NAMES = ("dtype", "device", "grad_dtype")
"""Attributes that are compared by their name as torch writes it, whatever object an engine uses for them."""


def message_of(error: BaseException) -> str:
    """The message of an exception, whatever making it does."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an engine's exception may be broken itself
        return "(making the message failed)"


def in_words(error: BaseException) -> str:
    """The class and the message of an exception, in one line."""
    return f"{type(error).__name__}: {message_of(error)}"


def _nothing() -> None:
    return None


def _hold(value: object) -> Callable[[], object]:
    """A weak reference to an object, or a strong one where Python has no weak one to it."""
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value


def _apart(seen: Seen) -> Seen:
    """A value that was seen, without the labels of its memory."""
    match seen:
        case TensorSeen(grad=TensorSeen() as grad):
            return replace(seen, storage=UNSEEN, grad=replace(grad, storage=UNSEEN))
        case TensorSeen():
            return replace(seen, storage=UNSEEN)
        case tuple():
            return tuple(map(_apart, seen))
        case _:
            return seen


@dataclass(frozen=True, slots=True)
class Watched:
    """What `watch` gives. there: returns None once the object is gone."""

    there: Callable[[], object | None]


class Observer:
    """Sees the values of one run. Labels of identity count up in the order of first sight; those of storage
    do so anew in each state and each fact, since memory that is free again may be given to another tensor.

    log: what the program has recorded. away: whether any numbers that were seen lie on another device than
    the CPU.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.log: list[Seen] = []
        self.away = False
        # What is looked at is held weakly, so that looking keeps nothing alive; what cannot be is kept, so
        # that its id stays its own for as long as the run lasts.
        self._objects: dict[int, tuple[int, Callable[[], object]]] = {}
        self._held: dict[int, Callable[[], object]] = {}
        self._count = 0
        self._storages: dict[int, int] = {}

    def state(self, number: int, environment: dict[str, Any]) -> StateSeen:
        """All live names after the step with this number."""
        self._storages.clear()
        live = {name: self.see(value) for name, value in environment.items() if not is_temporary(name)}
        if self.log:
            live[RECORDED] = tuple(map(self._lasting, self.log))
        return StateSeen(number, live, self.engine.is_grad_enabled())

    def entry(self, value: Any) -> Seen:
        """A value for the log, as it is seen now. Which memory it shares is not said: by the time the log is
        looked at, its memory may be another's."""
        return _apart(self.see(value))

    def see(self, value: Any) -> Seen:
        """A value of any kind."""
        if value is None or isinstance(value, bool | int | float | complex | str):
            return value
        if self.engine.is_tensor(value):
            return self.tensor(value, self.gradient(value))
        if isinstance(value, tuple | list):
            return tuple(self.see(item) for item in value)
        kind = "array" if hasattr(value, "__array_interface__") else "object"
        return OpaqueSeen(kind, self._label(id(value), value))

    def tensor(self, handle: Handle, grad: TensorSeen | OpaqueSeen | Unseen | None) -> TensorSeen:
        """A tensor, given what its gradient shows."""
        engine = self.engine
        device = engine.device(handle)
        return TensorSeen(
            value=self.numbers(handle, device),
            device=device,
            requires_grad=self.flag(handle, "requires_grad"),
            is_leaf=self.flag(handle, "is_leaf"),
            has_grad_fn=self.presence(handle, "grad_fn"),
            grad=grad,
            identity=self._identity(handle),
            storage=self._storage(handle),
        )

    def numbers(self, handle: Handle, device: str) -> torch.Tensor:
        """A copy of a tensor's numbers, on the device that it shows. Raises AdapterError where the adapter
        gives no such thing."""
        engine = self.engine
        try:
            value: object = engine.to_torch(handle)
            shown = ""
            if isinstance(value, torch.Tensor) and value.layout is torch.strided:
                if not value.is_quantized and value.device.type == device.partition(":")[0]:
                    self.away = self.away or value.device.type != "cpu"
                    return value.detach().clone()
                shown = f"a tensor on {value.device} of {value.dtype}"
        except (AdapterError, Unsupported):
            raise
        except Exception as error:
            raise AdapterError(
                f"engine {engine.name}: to_torch failed on a {type(handle).__name__}: {in_words(error)}"
            ) from error
        raise AdapterError(
            f"engine {engine.name}: to_torch gave {shown or reprlib.repr(value)} for a "
            f"{type(handle).__name__}; expected a dense torch tensor on {device} with the tensor's numbers"
        )

    def gradient(self, handle: Handle) -> TensorSeen | OpaqueSeen | Unseen | None:
        """What `.grad` shows."""
        grad = self.read(handle, "grad")
        if grad is None or grad is UNSEEN or isinstance(grad, OpaqueSeen):
            return grad
        return self.tensor(grad, UNSEEN) if self.engine.is_tensor(grad) else OpaqueSeen("object")

    def flag(self, handle: Handle, attribute: str) -> bool | OpaqueSeen | Unseen:
        """A boolean attribute."""
        value = self.read(handle, attribute)
        if value is UNSEEN or isinstance(value, OpaqueSeen):
            return value
        try:
            return bool(value)
        except Exception:  # noqa: BLE001 - an array, for instance, is neither true nor false
            return OpaqueSeen(f"neither true nor false: {type(value).__name__}")

    def presence(self, handle: Handle, attribute: str) -> bool | OpaqueSeen | Unseen:
        """Whether an attribute is not None."""
        value = self.read(handle, attribute)
        return value if value is UNSEEN or isinstance(value, OpaqueSeen) else value is not None

    def read(self, handle: Handle, attribute: str) -> Any:
        """An attribute; that reading it raises is an observation too."""
        try:
            return self.engine.peek(handle, attribute)
        except Unsupported:
            return UNSEEN
        except AdapterError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is an observation
            return OpaqueSeen(f"reading .{attribute} raises {type(error).__name__}")

    def places(self, places: tuple[Place, ...], environment: dict[str, Any]) -> tuple[Seen, ...]:
        """What the places of one fact show."""
        self._storages.clear()
        return tuple(self.place(place, environment) for place in places)

    def place(self, place: Place, environment: dict[str, Any]) -> Seen:
        """What a place of a fact shows.

        A path that leads through None shows an opaque value that no fact accepts.
        """
        if not place.name:
            return (
                tuple(map(self._lasting, self.log))
                if place.path == ("recorded",)
                else self.engine.is_grad_enabled()
            )
        value = environment[place.name]
        try:
            for index, part in enumerate(place.path):
                if value is None:
                    return OpaqueSeen(f"nothing: {place.name}.{'.'.join(place.path[:index])} is None")
                value = self._part(value, part)
        except Unsupported:
            return UNSEEN
        except AttributeError as error:  # the program reads what it never set
            return OpaqueSeen(in_words(error))
        return self.see(value)

    def _part(self, value: Any, part: str) -> Any:
        if part == "name()":
            method = getattr(value, "name", None)
            if not callable(method):
                raise Unsupported("grad_fn.name()")
            return method()
        if part == ALIVE:
            return value.there() is not None if isinstance(value, Watched) else OpaqueSeen("not watched")
        found = self.engine.peek(value, part)
        return str(found).removeprefix("torch.") if part in NAMES and found is not None else found

    def _identity(self, handle: Handle) -> int | Unseen:
        identity = self.engine.identity(handle)
        if identity is UNSEEN:
            return identity
        return self._label(identity, handle)

    def _label(self, identity: int, value: object) -> int:
        """The label of an object; a new one where the id has passed on from an object that is gone."""
        label, held = self._objects.get(identity, (-1, _nothing))
        if label >= 0 and held() is not None:
            return label
        label, self._count = self._count, self._count + 1
        held = _hold(value) if identity == id(value) else lambda: value
        self._objects[identity] = label, held
        self._held[label] = held
        return label

    def _lasting(self, seen: Seen) -> Seen:
        """An entry of the log, without the identity of objects that are gone: nobody could tell whether a
        later one is the same."""
        match seen:
            case TensorSeen(identity=int(label)) if self._held[label]() is None:
                return replace(seen, identity=UNSEEN)
            case tuple():
                return tuple(map(self._lasting, seen))
            case _:
                return seen

    def _storage(self, handle: Handle) -> int | Unseen:
        storage = self.engine.storage(handle)
        return storage if storage is UNSEEN else self._storages.setdefault(storage, len(self._storages))
