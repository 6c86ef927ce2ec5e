"""How to run, as a person writes it: options of a command over `[tool.gradconform]` in pyproject.toml.

Importing this module costs nothing: `tomllib` is imported where a file is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradconform.errors import Place, UsageError, did_you_mean

TABLE = "tool.gradconform"
SHIPPED = ("shipped", "documented", "operators")
"""The corpora that are spec files: all of them, or the documented behaviours, or the tables of operators and
of points alone."""

CORPORA = (*SHIPPED, "opinfo")
"""The shipped scenarios, and PyTorch's own operator samples."""

SHOWN = 100
"""Characters of a wrong value that a message quotes."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """How an engine runs. isolate: whether one of Python has a process of its own, as a worker has always.
    timeout: seconds that such a process may take for a program, and memory: GiB that it may hold; None: the
    usual ones. specs: spec files whose operators it has to know."""

    isolate: bool = False
    timeout: float | None = None
    memory: float | None = None
    specs: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of a run; each field is an option of `gradconform run` and a key of `[tool.gradconform]`.

    specs: spec files or folders to run beside the corpus. corpus: which corpus to run, one of CORPORA, or
    "none". known: files of known failures. results: where to write the results (JSON lines). jobs: how
    many processes run the tests; 0: as many as there are cores, and one for few tests. isolate, timeout,
    memory: as in Isolation. The rest is as in `gradconform.plan.Settings`.
    """

    device: tuple[str, ...] = ("cpu",)
    dtype: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    examples: int = 20
    seed: int = 0
    specs: tuple[Path, ...] = ()
    corpus: str = "shipped"
    known: tuple[Path, ...] = ()
    results: Path | None = None
    fail_fast: bool = False
    jobs: int = 0
    isolate: bool = False
    timeout: float | None = None
    memory: float | None = None

    @property
    def isolation(self) -> Isolation:
        """How the engine runs."""
        return Isolation(self.isolate, self.timeout, self.memory, self.specs)


def words(text: str) -> tuple[str, ...]:
    """`cpu, cuda` as ("cpu", "cuda")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def options(start: Path, given: Mapping[str, Any]) -> Options:
    """The options that were given over those of the nearest pyproject.toml at or above the folder `start`.

    given: by the names of Options; None and () stand for "not given". Raises UsageError, located, for a file
    that is not TOML, a key that is no setting or a value of another kind.
    """
    found = {**from_file(start), **{name: value for name, value in given.items() if value not in (None, ())}}
    return Options(**found)


def from_file(start: Path) -> dict[str, Any]:
    """The settings of the nearest pyproject.toml at or above a folder, by the names of Options; {} without
    any."""
    start = start.absolute()
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if _is_file(file):
            return _File(file).settings()
    return {}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise UsageError(f"{path}: the file cannot be read: {error.strerror}") from None


class _File:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: the file cannot be read: {error}") from None

    def settings(self) -> dict[str, Any]:
        if "gradconform" not in self.text:
            return {}
        import tomllib

        try:
            tool = tomllib.loads(self.text).get("tool", {})
        except RecursionError:
            raise UsageError(f"{Place(str(self.path), 1, 1)}: this TOML is nested too deeply") from None
        except ValueError as error:
            message = str(error)
            at = re.search(r" \(at line (\d+), column (\d+)\)$", message)
            if at:
                place, message = Place(str(self.path), int(at[1]), int(at[2])), message[: at.start()]
            else:
                place = Place(str(self.path), len(self.text.splitlines()), 1)
            raise UsageError(f"{place}: this is not TOML: {message}") from None
        if not isinstance(tool, dict):
            place = self.place("tool", within="")
            raise UsageError(f"{place}: 'tool' is a table, that of [{TABLE}]; got {_shown(tool)}")
        table = tool.get("gradconform", {})
        if not isinstance(table, dict):
            place = self.place("gradconform", within="tool")
            raise UsageError(f"{place}: [{TABLE}] is a table of settings, got {_shown(table)}")
        return {key.replace("-", "_"): self.value(key, value) for key, value in table.items()}

    def value(self, key: str, value: object) -> Any:
        """A setting's value as Options has it."""
        if key not in _READERS:
            hint = did_you_mean(key, _READERS) or f"the settings are {', '.join(_READERS)}"
            raise UsageError(f"{self.place(key)}: [{TABLE}] has no setting '{key}'; {hint}")
        wanted, read = _READERS[key]
        try:
            return read(value, self.path.parent)
        except ValueError:
            raise UsageError(
                f"{self.place(key)}: [{TABLE}] '{key}' is {wanted}; got {_shown(value)}"
            ) from None

    def place(self, key: str, within: str = TABLE) -> Place:
        """Where a key of a table stands ("": that of no table). tomllib does not say, so the line is looked
        for below the table's header."""
        names = within.split(".") if within else []
        header = r"\s*\[\s*" + r"\s*\.\s*".join(names) + r"\s*\]\s*(#.*)?"
        inside = not names
        for number, line in enumerate(self.text.splitlines(), 1):
            if line.lstrip().startswith("["):
                inside = bool(names) and re.fullmatch(header, line) is not None
            match = re.match(rf"""\s*["']?({re.escape(key)})["']?\s*[=.]""", line) if inside else None
            if match:
                return Place(str(self.path), number, match.start(1) + 1)
        return Place(str(self.path), 1, 1)


def _shown(value: object) -> str:
    """A value as a message quotes it: not all of a long one."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deeply; an integer of too many digits
        return f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else text[:SHOWN] + " ..."


def _words(value: object, _folder: Path) -> tuple[str, ...]:
    if isinstance(value, str):
        return words(value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(part for text in value for part in words(text))
    raise ValueError


def _count(value: object, _folder: Path) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _integer(value: object, _folder: Path) -> int:
    if type(value) is not int:
        raise ValueError
    return value


def _amount(value: object, _folder: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError
    return float(value)


def _flag(value: object, _folder: Path) -> bool:
    if value is True or value is False:
        return value
    raise ValueError


def _corpus(value: object, _folder: Path) -> str:
    if value in CORPORA:
        return str(value)
    return "shipped" if _flag(value, _folder) else "none"


def _path(value: object, folder: Path) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError
    return folder / value


def _paths(value: object, folder: Path) -> tuple[Path, ...]:
    return tuple(_path(each, folder) for each in (value if isinstance(value, list) else [value]))


_WORDS = ("a string or a list of strings", _words)
_READERS: dict[str, tuple[str, Callable[[object, Path], Any]]] = {
    "device": _WORDS,
    "dtype": _WORDS,
    "select": _WORDS,
    "examples": ("a number of random draws, 0 or more", _count),
    "seed": ("an integer", _integer),
    "specs": ("a path or a list of paths, relative to this file", _paths),
    "corpus": ("true, false or the name of a corpus", _corpus),
    "known": ("a path or a list of paths, relative to this file", _paths),
    "results": ("a path, relative to this file", _path),
    "fail-fast": ("true or false", _flag),
    "jobs": ("a number of processes, or 0 for as many as there are cores", _count),
    "isolate": ("true or false", _flag),
    "timeout": ("a number of seconds above 0", _amount),
    "memory": ("a number of GiB above 0", _amount),
}
"""What each setting may be, and how it is read."""
