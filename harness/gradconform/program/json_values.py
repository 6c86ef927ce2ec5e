"""The values of a program document: arguments, expressions and tensors, written and read exactly."""

from __future__ import annotations

import sys
from base64 import b64decode, b64encode
from binascii import Error as BinasciiError
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import copysign, isfinite, prod
from typing import TYPE_CHECKING, Any

from gradconform.errors import GradconformError, did_you_mean
from gradconform.program.constants import INTEGER_BITS
from gradconform.program.expressions import Constant, Expression, Operation, Shown
from gradconform.program.steps import Dtype, Items, Named, Ref, Slice
from gradconform.program.vocabulary import CONSTANTS, DTYPES, FURTHER_DTYPES
from gradconform.spec.shapes import MAX_ELEMENTS, MAX_RANK

if TYPE_CHECKING:
    import torch

MAX_DEPTH = 64
"""How deep lists and expressions may be nested."""

_FLOATS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf"), "-0.0": -0.0}


@dataclass(frozen=True, slots=True)
class At:
    """A place in a document: `steps[3].arguments[0]`. kind: of document, as messages call it."""

    path: tuple[str | int, ...] = ()
    kind: str = "program document"

    def __truediv__(self, part: str | int) -> At:
        return At((*self.path, part), self.kind)

    def __str__(self) -> str:
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return "".join(parts).removeprefix(".") or "the document"

    def error(self, message: str, hint: str = "") -> GradconformError:
        """What is wrong at this place, ready to be raised."""
        return GradconformError(f"{self.kind}: {self}: {message}" + (f"; {hint}" if hint else ""))

    def deeper(self) -> None:
        """Raises GradconformError where values are nested too deeply to go on."""
        if len(self.path) > 3 * MAX_DEPTH:
            raise At(self.path[:4], self.kind).error(f"values are nested more than {MAX_DEPTH} deep")


# reading what JSON has


def fields(value: object, at: At, names: tuple[str, ...] | None) -> Mapping[str, Any]:
    """An object that has exactly these fields; any with `None`."""
    if not isinstance(value, Mapping):
        raise at.error(f"expected an object, not {what(value)}")
    for name in value:
        if not isinstance(name, str):
            raise at.error(f"{name!r} is no name of a field")
        if names is not None and name not in names:
            raise (at / name).error("unknown field", did_you_mean(name, names))
    for name in names or ():
        if name not in value:
            raise at.error(f"field '{name}' is missing")
    return value


def items(value: object, at: At) -> Iterator[tuple[object, At]]:
    """The items of a list, each with its place."""
    if not isinstance(value, list | tuple):
        raise at.error(f"expected a list, not {what(value)}")
    yield from ((item, at / index) for index, item in enumerate(value))


def text(value: object, at: At) -> str:
    """A string."""
    if not isinstance(value, str):
        raise at.error(f"expected a string, not {what(value)}")
    return value


def truth(value: object, at: At) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise at.error(f"expected true or false, not {what(value)}")
    return value


def integer(value: object, at: At) -> int:
    """An integer of 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise at.error(f"expected an integer, not {what(value)}")
    if not -(2 ** (INTEGER_BITS - 1)) <= value < 2 ** (INTEGER_BITS - 1):
        raise at.error(f"an integer must fit in {INTEGER_BITS} bits")
    return value


def what(value: object) -> str:
    """What JSON calls a value, for a message."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "an object"
        case _:
            return f"a {type(value).__name__}"


# arguments


def encode_float(value: float) -> object:
    """A number, or the text of one that JSON has no numbers for."""
    if not isfinite(value):
        return str(value)
    return "-0.0" if value == 0 and copysign(1.0, value) < 0 else value


def decode_float(value: object, at: At) -> float:
    """The number of `encode_float`."""
    if isinstance(value, str) and value in _FLOATS:
        return _FLOATS[value]
    # A language without separate integers writes 2.0 as 2.
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return float(value)
    raise at.error(f"expected a number or one of {', '.join(_FLOATS)}, not {value!r}")


def encode_argument(value: object) -> object:
    """An argument of a step, or a constant of a fact, whose nested lists are tuples."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return {"float": encode_float(value)}
        case complex(real=real, imag=imaginary):
            return {"complex": [encode_float(real), encode_float(imaginary)]}
        case Ref(name):
            return {"ref": name}
        case Dtype(name):
            return {"dtype": name}
        case Named(name):
            return {"named": name}
        case Slice(start, stop, step) | slice(start=start, stop=stop, step=step):
            return {"slice": [encode_argument(part) for part in (start, stop, step)]}
        case Items(values, kind):
            return {kind: [encode_argument(item) for item in values]}
        case tuple():
            return {"tuple": [encode_argument(item) for item in value]}
        case _ if value is ...:
            return {"ellipsis": True}
        case _:
            raise TypeError(f"a {type(value).__name__} is no argument of a step")


def decode_argument(value: object, at: At) -> Any:
    """An argument of a step."""
    at.deeper()
    match value:
        case None | bool() | str():
            return value
        case int():
            return integer(value, at)
        case Mapping() if len(value) == 1:
            ((key, inner),) = value.items()
            read = _TAGS.get(key) if isinstance(key, str) else None
            if read is None:
                raise at.error(f"unknown kind of value {key!r}", did_you_mean(str(key), _TAGS))
            return read(inner, at / key)
        case float():
            raise at.error('a number with a fraction is written as {"float": ...}')
        case _:
            raise at.error(f"{what(value)} is no argument", f"it is an object with one of {', '.join(_TAGS)}")


def decode_complex(value: object, at: At) -> complex:
    """A complex number from the list of its two parts."""
    parts = [decode_float(part, place) for part, place in items(value, at)]
    if len(parts) != 2:
        raise at.error(f"a complex number has 2 parts, not {len(parts)}")
    return complex(*parts)


def _decode_dtype(value: object, at: At) -> Dtype:
    name = text(value, at)
    if name not in DTYPES and name not in FURTHER_DTYPES:
        raise at.error(f"unknown dtype {name!r}", did_you_mean(name, DTYPES))
    return Dtype(name)


def _decode_named(value: object, at: At) -> Named:
    name = text(value, at)
    if name not in CONSTANTS:
        raise at.error(f"unknown constant {name!r}", did_you_mean(name, CONSTANTS))
    return Named(name)


def _decode_slice(value: object, at: At) -> Slice:
    parts = _decode_items(value, at)
    if len(parts) != 3:
        raise at.error(f"a slice has 3 parts, not {len(parts)}")
    return Slice(*parts)


def _decode_items(value: object, at: At) -> tuple[Any, ...]:
    return tuple(decode_argument(item, place) for item, place in items(value, at))


def _decode_ellipsis(value: object, at: At) -> Any:
    if value is not True:
        raise at.error("an ellipsis is true")
    return ...


_TAGS: dict[str, Callable[[object, At], Any]] = {
    "float": decode_float,
    "complex": decode_complex,
    "ref": lambda value, at: Ref(text(value, at)),
    "dtype": _decode_dtype,
    "named": _decode_named,
    "slice": _decode_slice,
    "list": lambda value, at: Items(_decode_items(value, at), "list"),
    "tuple": lambda value, at: Items(_decode_items(value, at), "tuple"),
    "ellipsis": _decode_ellipsis,
}


# expressions of facts


def encode_expression(expression: Expression) -> dict[str, object]:
    """What the oracle evaluates."""
    match expression:
        case Shown(index):
            return {"place": index}
        case Constant(value):
            return {"constant": encode_argument(value)}
        case Operation(name, operands, options):
            return {
                "operation": name,
                "operands": [encode_expression(operand) for operand in operands],
                "options": {key: encode_argument(value) for key, value in options.items()},
            }


def decode_expression(value: object, at: At) -> Expression:
    """What the oracle evaluates."""
    at.deeper()
    match value:
        case {"place": index}:
            fields(value, at, ("place",))
            return Shown(integer(index, at / "place"))
        case {"constant": constant}:
            fields(value, at, ("constant",))
            return Constant(_as_constant(decode_argument(constant, at / "constant"), at / "constant"))
        case {"operation": name}:
            given = fields(value, at, ("operation", "operands", "options"))
            operands = tuple(
                decode_expression(item, place) for item, place in items(given["operands"], at / "operands")
            )
            place = at / "options"
            options = {
                key: _as_constant(decode_argument(option, place / key), place / key)
                for key, option in fields(given["options"], place, None).items()
            }
            return Operation(text(name, at / "operation"), operands, options)
        case _:
            raise at.error("an expression is an object with `place`, `constant` or `operation`")


def _as_constant(value: object, at: At) -> object:
    """A constant of a fact: lists are tuples there, slices Python's own."""
    match value:
        case Items(values, "tuple"):
            return tuple(_as_constant(item, at) for item in values)
        case Slice(start, stop, step):
            return slice(start, stop, step)
        case Ref() | Dtype() | Named() | Items():
            raise at.error("a constant holds no names, dtypes or lists", "tuples and strings stand for them")
        case _:
            return value


# tensors


def encode_tensor(data: torch.Tensor) -> dict[str, object]:
    """dtype, shape and numbers of a CPU tensor."""
    import torch

    flat = data.reshape(-1)
    if flat.stride(0) != 1:  # also of one number, which torch calls contiguous whatever its stride is
        flat = torch.empty_like(flat, memory_format=torch.contiguous_format).copy_(flat)
    raw = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return {
        "dtype": str(data.dtype).removeprefix("torch."),
        "shape": list(data.shape),
        "data": b64encode(little_endian(raw, _width(data.dtype))).decode("ascii"),
    }


def _width(dtype: torch.dtype) -> int:
    """Bytes of one number; a complex one is two."""
    return dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize


def little_endian(raw: bytes, width: int, order: str = sys.byteorder) -> bytes:
    """The bytes of numbers of `width` bytes each, from the order of this machine to little-endian or back."""
    if order == "little":
        return raw
    return b"".join(raw[start : start + width][::-1] for start in range(0, len(raw), width))


def decode_tensor(dtype: object, shape: object, data: object, at: At) -> torch.Tensor:
    """The tensor of `encode_tensor`, in memory of its own."""
    import torch

    kind = getattr(torch, _decode_dtype(dtype, at / "dtype").name)
    sizes = [integer(size, place) for size, place in items(shape, at / "shape")]
    if len(sizes) > MAX_RANK or any(size < 0 for size in sizes) or prod(sizes) > MAX_ELEMENTS:
        raise (at / "shape").error(
            f"{sizes} is no shape of a tensor with at most {MAX_RANK} dimensions and {MAX_ELEMENTS} elements"
        )
    return tensor_of(kind, sizes, data, at / "data")


def tensor_of(kind: torch.dtype, sizes: list[int], data: object, place: At) -> torch.Tensor:
    """The tensor of a dtype and shape with the numbers of `encode_tensor`, in memory of its own."""
    import torch

    try:
        raw = b64decode(text(data, place), validate=True)
    except (BinasciiError, ValueError) as error:
        raise place.error(f"this is no base64: {error}") from None
    expected = prod(sizes) * kind.itemsize
    if len(raw) != expected:
        raise place.error(f"{len(raw)} bytes; a {kind} tensor of shape {sizes} has {expected}")
    if not raw:
        return torch.empty(sizes, dtype=kind)
    if kind == torch.bool and not set(raw) <= {0, 1}:
        raise place.error("a boolean is the byte 0 or 1")
    raw = little_endian(raw, _width(kind))
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(kind).reshape(sizes)
