"""Copies of refgrad with changed source text, beside the refgrad that is installed.

A copy is a package of its own: its modules are loaded once more, from the same files, under another name,
with a few lines changed on the way. Nothing of refgrad itself is replaced, so there is nothing to put back,
and a mutant cannot be seen by anything but its own engine.
"""

from __future__ import annotations

import builtins
import functools
import itertools
import linecache
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from gradconform.engines.refgrad import RefgradEngine
from gradconform.engines.torch_like import TorchLikeEngine

ORIGINAL = "refgrad"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: `old`, which stands once in the file `path` of refgrad, becomes `new`."""

    path: str
    old: str
    new: str


@functools.cache
def sources() -> Path:
    """The folder of refgrad's sources. refgrad is not imported."""
    spec = find_spec(ORIGINAL)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def changed(text: str, edits: Sequence[Edit]) -> str:
    """The text of a file with its edits made.

    Raises ValueError where what an edit changes is not there exactly once: refgrad was written anew, and the
    mutant has to be.
    """
    for edit in edits:
        count = text.count(edit.old)
        if count != 1:
            raise ValueError(f"refgrad/{edit.path} has this {count} times, expected once:\n{edit.old}")
        text = text.replace(edit.old, edit.new)
    return text


# --- loading ---

# One text is compiled once for all copies: rows as well as files.
_compile = functools.cache(compile)


_row_texts: dict[str, str] = {}


def _remembering(source: Callable[[Any], str]) -> Callable[[Any], str]:
    """`generate.source`, with the texts of rows made once for all copies that do not change them."""

    def text(rule: Any) -> str:
        if rule.name not in _row_texts:
            _row_texts[rule.name] = source(rule)
        return _row_texts[rule.name]

    return text


class _Copy(Loader):
    """Loads the modules of one copy."""

    def __init__(self, package: str, edits: tuple[Edit, ...]) -> None:
        self.edits = edits
        self.keeps_rows = not any(edit.path.startswith(("generate", "rules/")) for edit in edits)

        def import_(
            name: str,
            globals: Mapping[str, object] | None = None,
            locals: Mapping[str, object] | None = None,
            fromlist: Sequence[str] | None = (),
            level: int = 0,
        ) -> ModuleType:
            top, dot, rest = name.partition(".")
            if level == 0 and top == ORIGINAL:
                name = f"{package}{dot}{rest}"
            return builtins.__import__(name, globals, locals, fromlist, level)

        # Modules that say `from refgrad.x import y` mean their own copy.
        self.builtins = {**vars(builtins), "__import__": import_, "compile": _compile}

    def exec_module(self, module: ModuleType) -> None:
        assert module.__file__ is not None
        file = Path(module.__file__)
        path = file.relative_to(sources()).as_posix()
        vars(module)["__builtins__"] = self.builtins
        text = changed(file.read_text(encoding="utf-8"), [edit for edit in self.edits if edit.path == path])
        exec(_compile(text, str(file), "exec", dont_inherit=True), vars(module))  # noqa: S102
        if path == "generate.py" and self.keeps_rows:
            vars(module)["source"] = _remembering(vars(module)["source"])


class _Finder(MetaPathFinder):
    """Finds the modules of all copies."""

    def __init__(self) -> None:
        self.copies: dict[str, _Copy] = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        package, _, rest = fullname.partition(".")
        loader = self.copies.get(package)
        if loader is None:
            return None
        place = sources().joinpath(*rest.split(".")) if rest else sources()
        if place.is_dir():
            return spec_from_file_location(
                fullname, place / "__init__.py", loader=loader, submodule_search_locations=[str(place)]
            )
        file = place.with_suffix(".py")
        return spec_from_file_location(fullname, file, loader=loader) if file.exists() else None


_finder = _Finder()


def copy_of_refgrad(edits: tuple[Edit, ...]) -> ModuleType:
    """A new copy of refgrad with these edits. `forget` lets go of it."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    package = f"{ORIGINAL}_copy_{next(_numbers)}"
    _finder.copies[package] = _Copy(package, edits)
    # The text of a row is kept for tracebacks under a name that copies share.
    lines = dict(linecache.cache)
    try:
        return import_module(package)
    except BaseException:
        forget(package)
        raise
    finally:
        linecache.cache.update(lines)


def forget(package: str) -> None:
    """Takes a copy out of the modules that can be imported."""
    del _finder.copies[package]
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


# --- engines ---


@dataclass(frozen=True, slots=True)
class Mutant:
    """refgrad with one mechanism broken: `says` tells which, and `meant` is the scenario that is there to
    notice."""

    name: str
    says: str
    meant: str
    edits: tuple[Edit, ...]

    def __call__(self) -> MutatedEngine:
        """Makes the engine, on a copy of its own."""
        return MutatedEngine(self.name, self.edits)


class MutatedEngine(RefgradEngine):
    """A copy of refgrad as an engine. The copy goes with it."""

    def __init__(self, name: str, edits: tuple[Edit, ...]) -> None:
        module = copy_of_refgrad(edits)
        TorchLikeEngine.__init__(self, module, name=name)
        weakref.finalize(self, forget, module.__name__)


def mutant(name: str, says: str, meant: str, *edits: tuple[str, str, str]) -> Mutant:
    """A mutant by its edits, each a file of refgrad, what stands there, and what takes its place."""
    return Mutant(name, says, meant, tuple(Edit(*edit) for edit in edits))
