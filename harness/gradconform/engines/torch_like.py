"""The base for imperative engines: a module that mirrors torch's names, and tensors with torch's methods.

    from gradconform.engines import TorchLikeEngine
    engine = TorchLikeEngine(module, name="mine")

Tensors cross through numpy unless `to_torch` and `from_torch` are overridden. A name that the module or its
tensors lack is unsupported; nothing is imitated on the engine's behalf.
"""

from __future__ import annotations

import copy
import operator as python
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import UnionType
from typing import TYPE_CHECKING, Any

from gradconform.engines.base import Engine, Handle
from gradconform.errors import AdapterError, Unsupported
from gradconform.program.vocabulary import ATTRIBUTES, OPERATORS, WRITABLE
from gradconform.trace import UNSEEN, Unseen

if TYPE_CHECKING:
    import torch

SYMBOLS: dict[str, Callable[..., Any]] = {
    "add": python.add,
    "sub": python.sub,
    "mul": python.mul,
    "div": python.truediv,
    "pow": python.pow,
    "matmul": python.matmul,
    "neg": python.neg,
    "eq": python.eq,
    "ne": python.ne,
    "lt": python.lt,
    "le": python.le,
    "gt": python.gt,
    "ge": python.ge,
    "getitem": python.getitem,
    "setitem": python.setitem,
}
"""Operators that programs write with Python's own notation."""

_SPECIAL = {**{name: f"__{name}__" for name in SYMBOLS}, "div": "__truediv__"}

IN_PLACE: dict[str, Callable[..., Any]] = {
    "add_": python.iadd,
    "sub_": python.isub,
    "mul_": python.imul,
    "div_": python.itruediv,
}
"""`x += v` and its like, for what is no tensor of the engine (an array, a number)."""

_MISSING = object()

PLAIN = frozenset({type(None), bool, int, float, complex, str, tuple, list, dict})
"""Types of Python's own values, which have no attribute of a tensor in torch either."""


class TorchLikeEngine(Engine):
    """An engine whose module mirrors torch's names.

    module: has `tensor`, `no_grad`, `autograd.grad`, ... as far as the engine supports them. Handles need not
    be torch tensors. torch_errors: whether the engine means to raise torch's exception classes.
    """

    def __init__(self, module: Any, *, name: str, torch_errors: bool = True) -> None:
        self.module = module
        self.name = name
        self.torch_errors = torch_errors
        found = getattr(module, "Tensor", None)
        self._tensor_type: type | UnionType | None = found if isinstance(found, type) else None
        self._operations: dict[str, Callable[..., Any]] = {}
        # Whether a program listens to warnings.
        self._loud = False

    # tensors in and out

    def from_torch(self, tensor: torch.Tensor, *, requires_grad: bool = False) -> Handle:
        import torch

        if tensor.dtype == torch.bfloat16:
            raise Unsupported("dtype bfloat16 (override from_torch: numpy has none)")
        if tensor.device.type != "cpu":
            raise Unsupported(f"device {tensor.device.type} (override from_torch: numpy has none)")
        # A transposed or strided tensor keeps its strides in numpy; whether the engine does is its affair.
        handle = self.lookup("tensor")(tensor.numpy())
        if requires_grad:
            handle.requires_grad = True
        return handle

    def to_torch(self, handle: Handle) -> torch.Tensor:
        import numpy as np
        import torch

        detach = getattr(handle, "detach", None)
        array = np.asarray((detach() if callable(detach) else handle).numpy())
        if not array.flags.writeable or any(stride < 0 for stride in array.strides):
            array = array.copy()  # torch has neither
        try:
            return torch.from_numpy(array)
        except TypeError as error:
            raise AdapterError(
                f"engine {self.name}: a tensor came back as numpy dtype {array.dtype}, which torch does not "
                f"have; override to_torch ({error})"
            ) from None

    def is_tensor(self, value: object) -> bool:
        kind = self._tensor_type
        return hasattr(value, "backward") if kind is None else isinstance(value, kind)

    # what programs do

    def lookup(self, path: str) -> Any:
        """`module.path`, for a dotted path. Raises Unsupported where a part is missing."""
        found: Any = self.module
        for part in path.split("."):
            found = getattr(found, part, _MISSING)
            if found is _MISSING:
                raise Unsupported(f"operator {path}" if path in OPERATORS else path)
        return found

    def operation(self, name: str) -> Callable[..., Any]:
        found = self._operations.get(name)
        if found is None:
            found = self._operations[name] = self._resolve(name)
        return found

    def _resolve(self, name: str) -> Callable[..., Any]:
        if name in SYMBOLS:
            kind, special = self._tensor_type, _SPECIAL[name]
            # Every object compares: what is inherited from `object` is no operator of the engine.
            if kind is not None and getattr(kind, special, None) in {None, getattr(object, special, None)}:
                raise Unsupported(f"operator {name}")
            return SYMBOLS[name]
        if name in _PYTHON:
            return _PYTHON[name]
        if name in IN_PLACE:
            return self._in_place(name)
        row = OPERATORS[name]
        if row.method:
            return _method(row.word)
        try:
            return self.lookup(row.word)  # type: ignore[no-any-return]
        except Unsupported:
            if self._tensor_type is not None and hasattr(self._tensor_type, row.word):
                return _method(row.word)
            raise Unsupported(f"operator {row.word}") from None

    def _in_place(self, name: str) -> Callable[..., Any]:
        on_tensor, on_others = _method(name), IN_PLACE[name]

        def call(handle: Any, *arguments: Any, **options: Any) -> Any:
            if handle is None or self.is_tensor(handle):
                return on_tensor(handle, *arguments, **options)
            return on_others(handle, *arguments, **options)

        return call

    def mode(self, name: str) -> Callable[..., AbstractContextManager[Any]]:
        return self.lookup(name)  # type: ignore[no-any-return]

    def base(self, name: str) -> type:
        return self.lookup(name)  # type: ignore[no-any-return]

    @contextmanager
    def every_warning(self) -> Iterator[None]:
        before, self._loud = self._loud, True
        try:
            yield
        finally:
            self._loud = before

    def backward(self, *arguments: Any, **options: Any) -> None:
        root, *rest = arguments
        if not (rest or options):
            root.backward()
            return
        with self._about_cycles(arguments, options):
            root.backward(*rest, **options)

    def backward_function(self, *arguments: Any, **options: Any) -> None:
        with self._about_cycles(arguments, options):
            self.lookup("autograd.backward")(*arguments, **options)

    def grad(self, *arguments: Any, **options: Any) -> tuple[Handle | None, ...]:
        return self.lookup("autograd.grad")(*arguments, **options)  # type: ignore[no-any-return]

    def _about_cycles(
        self, arguments: tuple[Any, ...], options: Mapping[str, Any]
    ) -> AbstractContextManager[None]:
        """Silence about the reference cycle that create_graph makes. torch warns of it and an engine that
        mirrors torch may too: where warnings are errors it must not become one."""
        recorded = options.get("create_graph") or len(arguments) > 3
        return _quiet() if recorded and not self._loud else _AS_IT_IS

    def get(self, handle: Handle, attribute: str) -> Any:
        if attribute == "grad" and not self._loud and getattr(handle, "is_leaf", True) is False:
            # torch warns about this read; an engine that mirrors it may too. What it answers is what counts.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._get(handle, attribute)
        return self._get(handle, attribute)

    def peek(self, handle: Handle, attribute: str) -> Any:
        before, self._loud = self._loud, False
        try:
            return self.get(handle, attribute)
        finally:
            self._loud = before

    def _get(self, handle: Handle, attribute: str) -> Any:
        found = getattr(handle, attribute, _MISSING)
        if found is _MISSING:
            # Of a plain value, or one that the program itself has to set.
            if type(handle) in PLAIN or attribute not in ATTRIBUTES:
                raise AttributeError(f"'{type(handle).__name__}' object has no attribute '{attribute}'")
            raise Unsupported(f"attribute {attribute}")
        return found

    def set(self, handle: Handle, attribute: str, value: Any) -> None:
        # The class is asked first: reading .grad of a non-leaf warns. What is no attribute of tensors is the
        # program's own.
        known = attribute not in WRITABLE or hasattr(type(handle), attribute) or hasattr(handle, attribute)
        if type(handle) not in PLAIN and not known:
            raise Unsupported(f"attribute {attribute}")
        setattr(handle, attribute, value)

    def unset(self, handle: Handle, attribute: str) -> None:
        known = hasattr(type(handle), attribute) or hasattr(handle, attribute)
        if type(handle) not in PLAIN and not known:
            raise Unsupported(f"attribute {attribute}")
        delattr(handle, attribute)

    def invoke(
        self, thing: object, method: str, arguments: tuple[Any, ...], options: Mapping[str, Any]
    ) -> Any:
        found = getattr(thing, method, _MISSING)
        if found is _MISSING:
            raise Unsupported(f"method {method} of {type(thing).__name__}")
        return found(*arguments, **options)  # type: ignore[operator]

    # what can be seen

    def dtype(self, name: str) -> Any:
        found = getattr(self.module, name, _MISSING)
        if found is _MISSING:
            raise Unsupported(f"dtype {name}")
        return found

    def constant(self, name: str) -> Any:
        return self.lookup(name)

    def is_grad_enabled(self) -> bool | Unseen:
        enabled = getattr(self.module, "is_grad_enabled", None)
        return enabled() if enabled is not None else UNSEEN

    def storage(self, handle: Handle) -> int | Unseen:
        return storage_of(handle)

    def device(self, handle: Handle) -> str:
        return str(getattr(handle, "device", "cpu"))

    def reset(self) -> None:
        enable = getattr(self.module, "set_grad_enabled", None)
        if enable is not None:
            enable(True)


def storage_of(handle: Any) -> int | Unseen:
    """The address of the storage of a tensor."""
    storage = getattr(handle, "untyped_storage", None)
    if storage is None:
        return UNSEEN
    try:
        # An empty storage has no address; nothing can be shared in it.
        return storage().data_ptr() or UNSEEN
    except RuntimeError:  # a tensor without memory, such as the zeros that torch's abs gives back
        return UNSEEN


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


_AS_IT_IS = nullcontext()


def _method(name: str) -> Callable[..., Any]:
    """Calls the method of its first argument. A tensor without it is unsupported; a plain value without it is
    the program's own AttributeError, as in torch (`x.grad.zero_()` before any backward)."""

    def call(handle: Any, *arguments: Any, **options: Any) -> Any:
        method = getattr(handle, name, _MISSING)
        if method is _MISSING:
            if type(handle) in PLAIN:
                raise AttributeError(f"'{type(handle).__name__}' object has no attribute '{name}'")
            raise Unsupported(f"operator {name}")
        return method(*arguments, **options)  # type: ignore[operator]

    return call


def _asarray(handle: Any) -> Any:
    import numpy as np

    return np.asarray(handle)


_PYTHON: dict[str, Callable[..., Any]] = {
    **{f"builtins.{kind.__name__}": kind for kind in (float, int, bool)},
    "asarray": _asarray,
    "dict": dict,
    "next": next,
    "repr": repr,
    "deepcopy": copy.deepcopy,
}
"""Operators that are functions of Python, or of numpy, rather than of the engine's module."""
