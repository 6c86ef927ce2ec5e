"""A call of torch as steps: whatever it asks torch to do with the tensors of a program is written down.

Torch tells a `TorchFunctionMode` of every call of its functions and methods from Python, and of none that
such a function makes in its turn. A call that touches a tensor of the program is a step; what touches none
(factories, random numbers, sizes) happens now, and a tensor that comes of it is an input of the program.
Plain values that are read from tensors of the program (sizes, flags, numbers) are constants from then on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from numbers import Complex, Integral, Real
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode, resolve_name

from gradconform.program.checking import is_name
from gradconform.program.constants import INTEGER_BITS
from gradconform.program.layouts import fresh
from gradconform.program.names import uses
from gradconform.program.sizes import size_error
from gradconform.program.steps import (
    Apply,
    Argument,
    Dtype,
    Get,
    Input,
    Items,
    Layout,
    Let,
    Mutate,
    Named,
    Program,
    Ref,
    Slice,
    Step,
)
from gradconform.program.vocabulary import (
    CONSTANTS,
    DTYPES,
    FURTHER_DTYPES,
    OPERATORS,
    arity_error,
    call_error,
)

_REFLECTED = {
    "__radd__": "add",
    "__rsub__": "sub",
    "__rmul__": "mul",
    "__rtruediv__": "div",
    "__rdiv__": "div",
    "__rpow__": "pow",
    "__rmatmul__": "matmul",
    "__rmod__": "remainder",
}
"""Methods that Python calls for its right-hand operand."""

_SPECIAL = {"__getitem__": "getitem", "__setitem__": "setitem"}

_LAYOUTS: tuple[Layout, ...] = ("transposed", "strided", "expanded")

_OBJECTS: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {
    "LinearCrossEntropyOptions": lambda made: {name: getattr(made, name) for name in made.__slots__},
    "PairwiseDistance": lambda made: {"p": made.norm, "eps": made.eps, "keepdim": made.keepdim},
}
"""Objects of `torch.nn` that calls take, with the options that make another one like it."""


Call = Apply | Mutate | Get


class Unrecordable(Exception):  # noqa: N818 - a statement about a call, not an error
    """A call that programs have no words for; the text says what is missing."""


class Recording:
    """The inputs and steps of a program on its way, and the tensors that its names stand for."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.inputs: list[Input] = []
        self.steps: list[Step] = []
        self._names: dict[int, str] = {}
        self._taken: set[str] = set()
        self._held: list[object] = []  # so that an id stays that of one tensor

    def input(self, stem: str, tensor: torch.Tensor, *, requires_grad: bool) -> torch.Tensor:
        """Makes an input with the numbers of a tensor; the tensor that stands for it from now on.

        Raises Unrecordable for a tensor that no input can hold.
        """
        item = Input(self.name(stem), _numbers(tensor), requires_grad, _layout(tensor))
        self.inputs.append(item)
        made = fresh(item, "cpu").requires_grad_(requires_grad)
        self._know(made, item.name)
        return made

    def name(self, stem: str) -> str:
        """A name that is not taken yet, and that programs may have."""
        stem = stem.strip("_") or "y"
        candidates = (f"{stem}{tail}" for tail in ("", *range(1, len(self._taken) + 3)))
        name = next(
            name for name in candidates if name not in self._taken and is_name(name, temporaries=False)
        )
        self._taken.add(name)
        return name

    def knows(self, value: object) -> bool:
        """Whether a value is a tensor of the program, or a list that holds one."""
        if isinstance(value, torch.Tensor):
            return id(value) in self._names
        return isinstance(value, list | tuple) and any(map(self.knows, value))

    def ref(self, tensor: torch.Tensor) -> Ref:
        """The name of a tensor. One that the program has not made is an input with the numbers that it has
        now."""
        if id(tensor) not in self._names:
            constant = _numbers(tensor)
            item = Input(self.name("constant"), constant, tensor.requires_grad, _layout(tensor))
            self.inputs.append(item)
            self._know(tensor, item.name)
        return Ref(self._names[id(tensor)])

    def targets(self, result: object, stem: str) -> str | tuple[str, ...]:
        """Names for what a step gives; lists in lists are taken apart by steps of their own."""
        if not isinstance(result, list | tuple):
            name = self.name(stem)
            self._know(result, name)
            return name
        return tuple(self.name(f"{stem}_{index}") for index in range(len(result)))

    def add(self, step: Step, result: object, names: str | tuple[str, ...]) -> None:
        """A step whose results have these names."""
        self.steps.append(step)
        if not isinstance(names, tuple) or not isinstance(result, list | tuple):
            return
        for name, item in zip(names, result, strict=True):
            if isinstance(item, list | tuple):
                inner = self.targets(item, name)
                self.add(Let(inner, Ref(name)), item, inner)
            else:
                self._know(item, name)

    def program(self, *further: Step, inputs: tuple[Input, ...] = (), scenario: str = "") -> Program:
        """The program so far with further steps and inputs, less the inputs that it does not use."""
        steps = (*self.steps, *further)
        bare = Program((), steps)
        used = {name for _, step in bare.walk() for name in uses(step)}
        kept = (item for item in (*self.inputs, *inputs) if item.name in used)
        return Program(tuple(kept), steps, scenario)

    def argument(self, value: Any) -> Argument:
        """A value as an argument of a step. Raises Unrecordable for what no argument can be."""
        match value:
            case torch.Tensor():
                return self.ref(value)
            case None | bool() | str():
                return value
            case _ if value is ...:
                return ...
            case slice():
                return Slice(*map(self.argument, (value.start, value.stop, value.step)))
            case list():
                return Items(tuple(map(self.argument, value)))
            case tuple():
                return Items(tuple(map(self.argument, value)), "tuple")
            case torch.device():
                return self.device if value.type == "cpu" else str(value)
            case torch.dtype() | torch.memory_format() | torch.layout():
                return _constant(value)
            case Integral() if abs(int(value)) < 2 ** (INTEGER_BITS - 1):
                return int(value)
            case Real():
                return float(value)
            case Complex():
                return complex(value)
            case _ if type(value).__name__ in _OBJECTS and hasattr(torch.nn, type(value).__name__):
                return self._made(value)
            case _:
                raise Unrecordable(f"an argument of type {type(value).__name__}")

    def call(
        self, function: Any, arguments: tuple[Any, ...], options: Mapping[str, Any], *, worded: bool = True
    ) -> Call:
        """The step that makes a call of torch, without its results. worded: in words of the language where
        there are some. Raises Unrecordable."""
        place, name = _place(function)
        if place == "get":
            return Get("", self.ref(arguments[0]).name, name)
        if not arguments and "input" in options:
            arguments, options = (options["input"],), {key: options[key] for key in options if key != "input"}
        given = tuple(map(self.argument, arguments))
        named = {key: self.argument(value) for key, value in options.items()}
        operator = f"{place}.{name}"
        if place == "Tensor" and not isinstance(given[0], Ref):
            raise Unrecordable(f"a method of tensors called on a {type(given[0]).__name__}")
        if worded:
            if place == "Tensor" and name in _REFLECTED and len(given) == 2:
                place, name, given = "torch", _REFLECTED[name], given[::-1]
            operator = _word(place, name, given, tuple(named)) or operator
        verb = Mutate if OPERATORS[operator].effect == "write" else Apply
        return verb("", operator, given, named)

    def _made(self, value: object) -> Ref:
        kind = type(value).__name__
        options = {name: self.argument(option) for name, option in _OBJECTS[kind](value).items()}
        name = self.name("options")
        self.steps.append(Apply(name, f"torch.nn.{kind}", (), options))
        return Ref(name)

    def _know(self, value: object, name: str) -> None:
        if isinstance(value, torch.Tensor):
            self._held.append(value)
            self._names.setdefault(id(value), name)


class Recorder(TorchFunctionMode):
    """Writes down what is done to the tensors of a recording while it is on.

    refused: the step that raised last, without its results; it is not among the steps.
    """

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self.recording = recording
        self.refused: Call | None = None

    def __torch_function__(
        self, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """What torch calls for each call of it."""
        kwargs = kwargs or {}
        if not any(map(self.recording.knows, (*args, *kwargs.values()))):
            return func(*args, **kwargs)
        before = len(self.recording.steps)
        step = self.recording.call(func, args, kwargs)
        try:
            result = func(*args, **kwargs)
        except Exception:
            self.refused = self.recording.call(func, args, kwargs, worded=False)
            raise
        if isinstance(step, Mutate) or _holds_tensor(result):
            self._add(step, result)
        else:  # a size, a flag: what was written down for its arguments is not used
            del self.recording.steps[before:]
        return result

    def _add(self, step: Call, result: object) -> None:
        for one in tensors(result):
            require_strided(one)
        names = "" if result is None else self.recording.targets(result, "y")
        if isinstance(step, Mutate) and isinstance(names, tuple):
            raise Unrecordable(f"several results of {step.operator}")
        self.recording.add(replace(step, target=names), result, names)  # type: ignore[arg-type]


def _word(place: str, name: str, arguments: tuple[Argument, ...], options: tuple[str, ...]) -> str:
    """The word of the language that says the same as a call of torch, or ""."""
    word = _SPECIAL.get(name, name)
    row = OPERATORS.get(word)
    if row is None or row.effect not in {"pure", "view", "write"} or call_error(row, len(arguments), options):
        return ""
    if row.forms == "function" if place == "Tensor" else row.forms == "method" and not row.method:
        return ""
    if row.symbol and not any(isinstance(one, Ref) for one in arguments):
        return ""
    if row.method and not isinstance(arguments[0], Ref):
        return ""
    if row.method and place != "Tensor" and arity_error(row.signature, len(arguments), options):
        return ""  # what a table says of the function need not hold for the method
    return "" if size_error(word, arguments, {}) else word


@cache
def _place(func: Any) -> tuple[str, str]:
    """Where torch has a function, "torch" or "Tensor", and its name there; ("get", name) for the reading of
    an attribute.

    Raises Unrecordable for a function that torch has in no place that is known.
    """
    path = resolve_name(func) or ""
    own = getattr(func, "__name__", "")
    if path.startswith("torch.") and own and getattr(torch, own, None) is func:
        return (
            "torch",
            own,
        )  # as it is documented: torch.cdist stands in torch.functional too, torch.mm is spmm
    if path.endswith(".__get__"):
        return "get", path.split(".")[-2]
    if path.startswith("torch.Tensor."):
        return "Tensor", path.removeprefix("torch.Tensor.")
    if path.startswith("torch."):
        return "torch", path.removeprefix("torch.")
    if path.startswith("aten."):
        return "torch", f"ops.{path}"
    for owner, prefix in ((torch, ""), (torch.sparse, "sparse.")):
        if own and hasattr(owner, own):
            return "torch", prefix + own
    raise Unrecordable(f"a call of {own or func!r}")


def _constant(value: torch.dtype | torch.memory_format | torch.layout) -> Argument:
    name = str(value).removeprefix("torch.")
    if isinstance(value, torch.dtype) and (name in DTYPES or name in FURTHER_DTYPES):
        return Dtype(name)
    if name not in CONSTANTS:
        raise Unrecordable(f"{value} as an argument")
    return Named(name)


def _numbers(tensor: torch.Tensor) -> torch.Tensor:
    """What an input keeps of a tensor. Raises Unrecordable for one that no input can hold."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    require_strided(tensor)
    if tensor.device.type != "cpu":
        raise Unrecordable(f"a tensor on device {tensor.device}")
    if dtype not in DTYPES and dtype not in FURTHER_DTYPES:
        raise Unrecordable(f"a tensor of dtype {dtype}")
    plain = tensor.detach().resolve_conj().resolve_neg()
    return plain.clone(memory_format=torch.contiguous_format)


def _layout(tensor: torch.Tensor) -> Layout:
    """The layout that has the strides of a tensor; contiguous where none has."""
    if tensor.is_contiguous():
        return "contiguous"
    numbers = _numbers(tensor)
    for layout in _LAYOUTS:
        if layout == "expanded" and tensor.stride()[0] != 0:
            continue
        if fresh(Input("x", numbers, layout=layout), "cpu").stride() == tensor.stride():
            return layout
    return "contiguous"


def require_strided(tensor: torch.Tensor) -> None:
    """Raises Unrecordable for a tensor that is not dense."""
    if tensor.layout is not torch.strided:
        raise Unrecordable(f"a tensor of layout {str(tensor.layout).removeprefix('torch.')}")


def _holds_tensor(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_tensor, value))
    return isinstance(value, torch.Tensor)


def tensors(value: object) -> Iterator[torch.Tensor]:
    """The tensors in lists, tuples and dicts, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """All random numbers of the process start from a seed inside; their former state comes back."""
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002 - torch's samples use it
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])  # noqa: NPY002
