"""Finding an engine by its registered name, or as `package.module:attribute`; with `@device` behind it where
the engine is one for each device."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from typing import Any

from gradconform.engines.base import Engine
from gradconform.engines.capabilities import require_declaration
from gradconform.errors import AdapterError, EngineError, GradconformError, did_you_mean

GROUP = "gradconform.engines"


def registered() -> tuple[str, ...]:
    """The names of all registered engines, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def find_engine(name: str) -> Engine:
    """The engine with a registered name, or the one that `package.module:attribute` names: an Engine, or a
    callable that makes one. What stands behind an `@` (`torch@cuda`) is what the callable is given.

    Raises EngineError where there is none or its import fails, AdapterError where what is found is no engine.
    """
    target, *device = name.split("@", 1)
    extra = ""
    if ":" not in target:
        points = [point for point in entry_points(group=GROUP) if point.name == target]
        if not points:
            known = registered()
            hint = did_you_mean(target, known) or f"registered engines: {', '.join(known) or 'none'}"
            raise EngineError(
                f"no engine is registered as '{target}'; {hint}; or name one as package.module:attribute"
            )
        extra = _extra(points[0])
        target = points[0].value
    return _make(target, name, extra, *device)


def _extra(point: EntryPoint) -> str:
    """The extra of its distribution that has an engine's name, which installs what it needs; or ""."""
    if point.dist is None or point.name not in (point.dist.metadata.get_all("Provides-Extra") or ()):
        return ""
    return f"{point.dist.name}[{point.name}]"


def _make(target: str, name: str, extra: str, *device: str) -> Engine:
    module_name, _, attribute = target.partition(":")
    found: Any = _import(module_name, name, extra)
    for part in filter(None, attribute.split(".")):
        found = _attribute(found, part, module_name, name)
    if device and (isinstance(found, Engine) or not _takes(found, *device)):
        raise EngineError(f"engine '{name}': it is not made for a device; name it without '@{device[0]}'")
    if isinstance(found, Engine):
        return _named(found, name)
    if not callable(found):
        raise AdapterError(
            f"engine '{name}' is a {type(found).__name__}; expected an Engine or a callable that makes one"
        )
    try:
        engine = found(*device)
    except GradconformError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise AdapterError(f"engine '{name}' could not be made: {_reason(error)}") from error
    if not isinstance(engine, Engine):
        raise AdapterError(
            f"engine '{name}': calling {target} gave a {type(engine).__name__}; expected an Engine "
            "(TorchLikeEngine(module, name=...) makes one)"
        )
    return _named(engine, name)


def _takes(make: Any, *arguments: str) -> bool:
    """Whether a callable can be called with these arguments."""
    try:
        signature(make).bind(*arguments)
    except (TypeError, ValueError):
        return False
    return True


def _named(engine: Engine, name: str) -> Engine:
    called: object = getattr(engine, "name", None)
    if not (isinstance(called, str) and called.strip() and called.isprintable()):
        raise AdapterError(f"engine '{name}' is called {called!r}; expected a name of printable characters")
    for what in ("policies", "composed"):
        told: object = getattr(engine, what)
        if not isinstance(told, Mapping):
            raise AdapterError(f"engine '{name}': its {what} are {told!r:.60}; expected a mapping of strings")
    require_declaration(called, engine.features)
    return engine


def _attribute(owner: Any, part: str, module_name: str, name: str) -> Any:
    try:
        return getattr(owner, part)
    except AttributeError:
        hint = did_you_mean(part, (word for word in dir(owner) if not word.startswith("_")))
        hint = f"; {hint}" if hint else ""
        raise EngineError(f"engine '{name}': module {module_name} has no attribute '{part}'{hint}") from None
    except Exception as error:
        message = f"engine '{name}': reading '{part}' of module {module_name} failed: {_reason(error)}"
        raise EngineError(message) from error


def _import(module_name: str, name: str, extra: str) -> Any:
    if not module_name or module_name.startswith(".") or {"/", "\\"} & set(module_name):
        raise EngineError(
            f"engine '{name}': '{module_name}' is not the name of a module; write package.module:attribute, "
            "with no path before it"
        )
    try:
        if ":" not in name:
            return import_module(module_name)
        with _working_directory():
            return import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            hint = "; a module is named without .py" if module_name.endswith(".py") else ""
            raise EngineError(
                f"engine '{name}': there is no module '{error.name}' to import{hint}"
            ) from error
        hint = f"; pip install '{extra}'" if extra else ""
        raise EngineError(
            f"engine '{name}' needs the module '{error.name}', which is not installed{hint}"
        ) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise EngineError(f"engine '{name}': importing {module_name} failed: {_reason(error)}") from error


@contextmanager
def _working_directory() -> Iterator[None]:
    """Lets an adapter be imported from the working directory, which a console script does not search.

    Afterwards the directory stays in the last place, for what the adapter imports later: in the first one, a
    stray file in it could stand in for a module that torch imports late.
    """
    sys.path.insert(0, "")
    try:
        yield
    finally:
        sys.path.remove("")
        if "" not in sys.path:
            sys.path.append("")


def _reason(error: BaseException) -> str:
    """The class, the message and the last place of an exception, in one line."""
    from traceback import extract_tb

    frames = extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"
