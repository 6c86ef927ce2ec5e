"""Grad mode: whether operations are recorded. It belongs to a thread, and every new thread starts with it on.

`no_grad`, `enable_grad` and `set_grad_enabled` are context managers and decorators with torch's own corner
cases: an object remembers one previous mode only, so entering the same object twice loses the first one; a
decorated generator has the mode while its body runs and not between its yields. Source:
https://docs.pytorch.org/docs/stable/notes/autograd.html#locally-disabling-gradient-computation and
torch/utils/_contextlib.py for the decorators.
"""

from __future__ import annotations

import functools
import inspect
import threading
import warnings
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from .thread_state import CARRIED

if TYPE_CHECKING:
    from .streams import Crossing
    from .tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])


class _Mode(threading.local):
    """The mode of the running thread; `__init__` says what each thread starts with.

    `enabled` says whether operations are recorded; `inference` whether inference mode is on. Nothing is
    recorded in inference mode whatever the grad mode, so there the grad mode is kept in `asked`.
    """

    enabled: bool
    inference: bool
    asked: bool
    # the number of the innermost backward pass of the thread, -1 if there is none; whether that or one around
    # it is restricted to some inputs; the cotangents that its caller gave; the streams that it goes to
    running: int
    restricted: bool
    given: Sequence[Tensor | None]
    crossing: Crossing | None

    def __init__(self) -> None:
        self.enabled, self.inference, self.asked = True, False, False
        self.running, self.restricted, self.given, self.crossing = -1, False, (), None


mode = _Mode()
CARRIED.append(mode)


def is_grad_enabled() -> bool:
    """Return the grad mode of this thread: whether operations are recorded, inference mode aside."""
    return mode.asked if mode.inference else mode.enabled


def set_grad_mode(enabled: bool) -> None:
    """Set the grad mode of this thread. In inference mode nothing is recorded even if it is on."""
    if mode.inference:
        mode.asked = enabled
    else:
        mode.enabled = enabled


class Mode:
    """A context manager that is also a decorator; subclasses say what entering and leaving it does.

    As a decorator it enters a fresh object at every call (`clone`), so that a function may call itself.
    """

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def clone(self) -> Mode:
        """Return a fresh object of the same mode."""
        return type(self)()

    def __call__(self, target: F) -> F:
        """Return `target` (a function, a generator function or a class) wrapped to run in this mode."""
        if inspect.isclass(target):
            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. You should "
                "only decorate functions or methods. To preserve the current behavior of class "
                "decoration, you can directly decorate the `__init__` method and nothing else.",
                FutureWarning,
                stacklevel=2,
            )
            made = cast("Callable[..., Any]", target)
            return cast("F", lambda *args, **kwargs: self._run(made, args, kwargs))
        if inspect.isgeneratorfunction(target):
            return cast("F", _wrap_generator(target, self.clone))

        @functools.wraps(target)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return self._run(target, args, kwargs)

        return cast("F", wrapped)

    def _run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with self.clone():
            return function(*args, **kwargs)


class _GradMode(Mode):
    """Sets the grad mode of its thread to `wanted`."""

    wanted: bool
    previous: bool

    def __enter__(self) -> None:
        self.previous = is_grad_enabled()
        set_grad_mode(self.wanted)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        set_grad_mode(self.previous)


def _wrap_generator(
    function: Callable[..., Generator[Any, Any, Any]], make: Callable[[], Mode]
) -> Callable[..., Any]:
    """Wrap a generator function: each resumption of its body runs in the mode, each yield leaves it."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        body = function(*args, **kwargs)
        try:
            with make():
                response = body.send(None)
            while True:
                try:
                    request = yield response
                except GeneratorExit:
                    with make():
                        body.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - handed on to the generator, whatever it is
                    with make():
                        response = body.throw(error)
                else:
                    with make():
                        response = body.send(request)
        except StopIteration as stop:
            return stop.value

    return wrapped


class _Bare(_GradMode):
    """A mode that also works as a decorator without parentheses."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Self:
        if function is None:
            return super().__new__(cls)
        return cast("Self", cls()(function))

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        """Accept what `__new__` accepts."""


class no_grad(_Bare):  # noqa: N801 - torch's name
    """Record nothing inside the block or the decorated function."""

    wanted = False


class enable_grad(_Bare):  # noqa: N801 - torch's name
    """Record inside the block or the decorated function, also where `no_grad` is around it."""

    wanted = True


class set_grad_enabled(_GradMode):  # noqa: N801 - torch's name
    """Set the mode at once; as a context manager or decorator it also puts the previous mode back."""

    def __init__(self, mode: bool) -> None:
        self.previous = is_grad_enabled()
        self.wanted = mode
        set_grad_mode(mode)

    def __call__(self, target: F) -> F:
        # The call that made this object has already switched the mode: as a decorator it must not leak.
        set_grad_mode(self.previous)
        return super().__call__(target)

    def __enter__(self) -> None:
        set_grad_mode(self.wanted)

    def clone(self) -> Mode:
        """Return an object that sets the mode only when it is entered."""
        return _Decorated(self.wanted)

    def __repr__(self) -> str:
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.wanted})"


class _Decorated(_GradMode):
    """The mode of a function decorated with `set_grad_enabled`."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted


class set_multithreading_enabled(Mode):  # noqa: N801 - torch's name
    """Whether a backward may use a thread for each device: kept for this thread, set at once.

    refgrad's backward runs on the calling thread in either case, and gives the same results, as torch's does
    on the CPU. As a context manager or decorator it puts the previous value back. Source:
    https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad_mode.set_multithreading_enabled.html
    """

    def __init__(self, mode: bool) -> None:
        self.previous = _multithreading.enabled
        self.wanted = mode
        _multithreading.enabled = mode

    def __enter__(self) -> None:
        """Do nothing: the value is set already."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        _multithreading.enabled = self.previous

    def clone(self) -> Mode:
        """Return an object that sets the same value."""
        return type(self)(self.wanted)


class _Multithreading(threading.local):
    enabled: bool = True


_multithreading = _Multithreading()
