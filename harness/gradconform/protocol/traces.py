"""Traces as JSON documents: what a worker shows of a run.

    {"states": [{"step": 3, "live": {"x": SEEN, "y": SEEN}, "grad_enabled": true}],
     "facts": {"5": [[SEEN], [SEEN]]},
     "caught": {"2": {"step": 3, "phase": "backward", "classes": ["RuntimeError"], "message": "..."},
                "6": null},
     "warned": {"8": [{"classes": ["UserWarning"], "message": "..."}]},
     "error": null}

Keys of `facts`, `caught` and `warned` are the numbers of steps, as text. What is seen (SEEN) is null, a
boolean, a string, an integer, `{"float": 2.5}` (or "nan", "inf", "-inf", "-0.0"), `{"complex": [1.0, 2.0]}`,
a list of what is seen, `{"opaque": "array", "identity": 3}`, `{"unseen": true}`, or a tensor:

    {"dtype": "float32", "shape": [2], "data": "AACAPwAAAEA=", "device": "cpu", "requires_grad": true,
     "is_leaf": true, "has_grad_fn": false, "grad": SEEN, "identity": 0, "storage": 0}

In place of `data` (base64 as in a program document) `values` gives the numbers as lists nested like the
shape, a complex number as the list of its two parts. Of a tensor all but its numbers may be left out: what is
absent is not seen, and so not compared; an absent `device` is the one that the program was to run on.
`"grad": null` says that there is no gradient. A state without a `step` is one after the last step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from gradconform.errors import did_you_mean
from gradconform.program.json_values import (
    At,
    decode_complex,
    decode_float,
    encode_float,
    encode_tensor,
    fields,
    integer,
    items,
    tensor_of,
    text,
    truth,
    what,
)
from gradconform.protocol.numbers import tensor_of_values
from gradconform.trace import (
    UNSEEN,
    ErrorSeen,
    OpaqueSeen,
    Phase,
    Seen,
    StateSeen,
    TensorSeen,
    Trace,
    Unseen,
    WarningSeen,
)

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

FLAGS = ("requires_grad", "is_leaf", "has_grad_fn")
LABELS = ("identity", "storage")
"""Of a tensor: what is true or false of it, and what tells it apart from others."""

# writing


def encode_trace(trace: Trace) -> dict[str, Any]:
    """The document of a trace: dicts, lists, strings, numbers, booleans and None, nothing else. The engine's
    name is not part of it."""
    return {
        "states": [_encode_state(state) for state in trace.states],
        "facts": {
            str(number): [[encode_seen(seen) for seen in once] for once in runs]
            for number, runs in trace.facts.items()
        },
        "caught": {str(number): _encode_error(error) for number, error in trace.caught.items()},
        "warned": {
            str(number): [{"classes": list(one.classes), "message": one.message} for one in several]
            for number, several in trace.warned.items()
        },
        "error": _encode_error(trace.error),
    }


def _encode_state(state: StateSeen) -> dict[str, Any]:
    document: dict[str, Any] = {
        "step": state.step,
        "live": {name: encode_seen(seen) for name, seen in state.live.items()},
    }
    if state.grad_enabled is not UNSEEN:
        document["grad_enabled"] = state.grad_enabled
    return document


def _encode_error(error: ErrorSeen | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {
        "step": error.step,
        "phase": error.phase,
        "classes": list(error.classes),
        "message": error.message,
    }


def encode_seen(seen: Seen) -> Any:
    """What was seen of a value."""
    match seen:
        case None | bool() | int() | str():
            return seen
        case float():
            return {"float": encode_float(seen)}
        case complex(real=real, imag=imaginary):
            return {"complex": [encode_float(real), encode_float(imaginary)]}
        case tuple():
            return [encode_seen(item) for item in seen]
        case OpaqueSeen(kind, identity):
            return {"opaque": kind} if identity is UNSEEN else {"opaque": kind, "identity": identity}
        case TensorSeen():
            return _encode_tensor(seen)
        case Unseen():
            return {"unseen": True}


def _encode_tensor(seen: TensorSeen) -> dict[str, Any]:
    document: dict[str, Any] = encode_tensor(seen.value.detach().cpu().resolve_conj().resolve_neg())
    document["device"] = seen.device
    for name in FLAGS:
        value = getattr(seen, name)
        if value is not UNSEEN:
            document[name] = encode_seen(value)
    if seen.grad is not UNSEEN:
        document["grad"] = encode_seen(seen.grad)
    for name in LABELS:
        if (label := getattr(seen, name)) is not UNSEEN:
            document[name] = label
    return document


# reading


def decode_trace(document: object, at: At, *, engine: str, device: str, last: int | None = None) -> Trace:
    """The trace of a document.

    last: the number of the program's last step, -1 where it has none; None: it is not known. device: what the
    program was to run on, for tensors that do not say where they are; numbers stay on the CPU, as torch's do.
    Fields that are no part of a trace are left out.
    Raises GradconformError, which says where the document is wrong and what was expected.
    """
    given = fields(document, at, None)
    read = _Reader(device, last)
    return Trace(
        engine,
        _read_states(given, at, read),
        read.by_number(given.get("facts", {}), at / "facts", read.runs),
        read.by_number(given.get("caught", {}), at / "caught", read.error),
        read.by_number(given.get("warned", {}), at / "warned", _read_warnings),
        read.error(given.get("error"), at / "error"),
    )


def _read_states(given: Mapping[str, Any], at: At, read: _Reader) -> tuple[StateSeen, ...]:
    place = at / "states"
    states = tuple(read.state(item, where) for item, where in items(_of(given, "states", at), place))
    if not states:
        raise place.error("a trace has at least the state at the end")
    return states


def decode_seen(value: object, at: At, device: str = "cpu") -> Seen:
    """What was seen of a value. Raises GradconformError, located."""
    return _Reader(device, None).seen(value, at)


def _read_warnings(value: object, at: At) -> tuple[WarningSeen, ...]:
    several = []
    for item, place in items(value, at):
        given = fields(item, place, None)
        message = text(given.get("message", ""), place / "message")
        several.append(WarningSeen(_read_classes(given, place), message))
    return tuple(several)


def _read_classes(given: Mapping[str, Any], at: At) -> tuple[str, ...]:
    place = at / "classes"
    classes = tuple(text(item, where) for item, where in items(_of(given, "classes", at), place))
    if not classes:
        raise place.error("an error has at least one class")
    return classes


def _of(given: Mapping[str, Any], name: str, at: At) -> Any:
    if name not in given:
        raise at.error(f"field '{name}' is missing")
    return given[name]


class _Reader:
    """Reads what was seen on a device. last: as in `decode_trace`."""

    def __init__(self, device: str, last: int | None) -> None:
        self.device = device
        self.last = last

    def step(self, number: int, at: At) -> int:
        """The number of a step of the program; -1 stands before the first."""
        if number < -1 or (self.last is not None and number > self.last):
            last = "" if self.last is None else f"the last step of this program is {self.last}"
            raise at.error(f"there is no step {number}", last)
        return number

    def by_number(self, value: object, at: At, read: Callable[[object, At], T]) -> dict[int, T]:
        found = {}
        for key, item in fields(value, at, None).items():
            if not (key.isascii() and key.isdigit()):
                raise at.error(f"{key!r} is no number of a step")
            found[self.step(int(key), at)] = read(item, at / key)
        return found

    def error(self, value: object, at: At) -> ErrorSeen | None:
        if value is None:
            return None
        given = fields(value, at, None)
        phase = text(_of(given, "phase", at), at / "phase")
        if phase not in get_args(Phase):
            raise (at / "phase").error(
                f"unknown phase {phase!r}", f"it is one of {', '.join(get_args(Phase))}"
            )
        return ErrorSeen(
            self.step(integer(_of(given, "step", at), at / "step"), at / "step"),
            phase,  # type: ignore[arg-type]  # one of its literals, as was seen above
            _read_classes(given, at),
            text(given.get("message", ""), at / "message"),
        )

    def state(self, value: object, at: At) -> StateSeen:
        given = fields(value, at, None)
        live = fields(_of(given, "live", at), at / "live", None)
        enabled: bool | Unseen = UNSEEN
        if "grad_enabled" in given:
            enabled = truth(given["grad_enabled"], at / "grad_enabled")
        last = -1 if self.last is None else self.last
        return StateSeen(
            self.step(integer(given.get("step", last), at / "step"), at / "step"),
            {name: self.seen(item, at / "live" / name) for name, item in live.items()},
            enabled,
        )

    def runs(self, value: object, at: At) -> tuple[tuple[Seen, ...], ...]:
        return tuple(
            tuple(self.seen(item, place) for item, place in items(once, where))
            for once, where in items(value, at)
        )

    def seen(self, value: object, at: At) -> Seen:
        at.deeper()
        match value:
            case None | bool() | int() | str():
                return value
            case list():
                return tuple(self.seen(item, place) for item, place in items(value, at))
            case float():
                raise at.error('a number with a fraction is written as {"float": ...}')
            case Mapping() if "dtype" in value:
                return self.tensor(value, at)
            case Mapping():
                return self.tagged(value, at)
            case _:
                raise at.error(f"{what(value)} is nothing that can be seen")

    def tagged(self, value: Mapping[Any, Any], at: At) -> Seen:
        match value:
            case {"float": number}:
                return decode_float(number, at / "float")
            case {"complex": parts}:
                return decode_complex(parts, at / "complex")
            case {"unseen": given}:
                if given is not True:
                    raise (at / "unseen").error("it is true, or absent")
                return UNSEEN
            case {"opaque": kind}:
                return OpaqueSeen(text(kind, at / "opaque"), _label(value, "identity", at))
            case _:
                tags = ("dtype", "float", "complex", "opaque", "unseen")
                hint = did_you_mean(next(map(str, value), ""), tags)
                raise at.error("an object that is seen has one of " + ", ".join(tags), hint)

    def tensor(self, given: Mapping[str, Any], at: At) -> TensorSeen:
        device = text(given.get("device", self.device), at / "device")
        value = _read_numbers(given, at)
        requires_grad, is_leaf, has_grad_fn = (self.flag(given, name, at) for name in FLAGS)
        identity, storage = (_label(given, name, at) for name in LABELS)
        grad = self.gradient(given["grad"], at / "grad") if "grad" in given else UNSEEN
        return TensorSeen(value, device, requires_grad, is_leaf, has_grad_fn, grad, identity, storage)

    def gradient(self, value: object, at: At) -> TensorSeen | OpaqueSeen | Unseen | None:
        grad = self.seen(value, at)
        if grad is None or isinstance(grad, TensorSeen | OpaqueSeen | Unseen):
            return grad
        raise at.error("a gradient is null, a tensor, opaque or unseen")

    def flag(self, given: Mapping[str, Any], name: str, at: At) -> bool | OpaqueSeen | Unseen:
        if name not in given:
            return UNSEEN
        seen = self.seen(given[name], at / name)
        if not isinstance(seen, bool | OpaqueSeen | Unseen):
            raise (at / name).error("expected true, false, or something opaque or unseen")
        return seen


def _label(given: Mapping[str, Any], name: str, at: At) -> int | Unseen:
    return integer(given[name], at / name) if name in given else UNSEEN


def _read_numbers(given: Mapping[str, Any], at: At) -> torch.Tensor:
    import torch

    name = text(given["dtype"], at / "dtype")
    kind = getattr(torch, name, None)
    if not isinstance(kind, torch.dtype):
        known = (each for each in dir(torch) if isinstance(getattr(torch, each), torch.dtype))
        raise (at / "dtype").error(f"torch has no dtype {name!r}", did_you_mean(name, known))
    place = at / "shape"
    sizes = [integer(size, where) for size, where in items(_of(given, "shape", at), place)]
    # A shape without elements has no numbers that would bound it.
    if any(size < 0 for size in sizes) or prod(max(size, 1) for size in sizes) >= 2**63:
        raise place.error(f"{sizes} is no shape of a tensor")
    if ("data" in given) == ("values" in given):
        raise at.error("a tensor has its numbers in `data` or in `values`, and not in both")
    if "data" in given:
        return tensor_of(kind, sizes, given["data"], at / "data")
    return tensor_of_values(kind, sizes, given["values"], at / "values")
