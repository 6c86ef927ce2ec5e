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


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of a run; each field is an option of `gradconform run` and a key of `[tool.gradconform]`.

    specs: spec files or folders to run beside the corpus. corpus: whether to run the corpus. results: where
    to write the results (JSON lines). The rest is as in `gradconform.plan.Settings`.
    """

    device: tuple[str, ...] = ("cpu",)
    dtype: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    examples: int = 20
    seed: int = 0
    specs: tuple[Path, ...] = ()
    corpus: bool = True
    results: Path | None = None
    fail_fast: bool = False


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
    file = next(
        (
            folder / "pyproject.toml"
            for folder in (start, *start.parents)
            if (folder / "pyproject.toml").is_file()
        ),
        None,
    )
    return {} if file is None else _File(file).settings()


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
            table = tomllib.loads(self.text).get("tool", {}).get("gradconform", {})
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{self.path}: this is not TOML: {error}") from None
        if not isinstance(table, dict):
            raise UsageError(f"{self.path}: [{TABLE}] is a table of settings, got {table!r}")
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
            raise UsageError(f"{self.place(key)}: [{TABLE}] '{key}' is {wanted}; got {value!r}") from None

    def place(self, key: str) -> Place:
        """Where a key stands. tomllib does not say, so the line is looked for below the table's header."""
        inside = False
        for number, line in enumerate(self.text.splitlines(), 1):
            if line.lstrip().startswith("["):
                inside = re.fullmatch(r"\s*\[\s*tool\s*\.\s*gradconform\s*\]\s*(#.*)?", line) is not None
            match = re.match(rf"""\s*["']?({re.escape(key)})["']?\s*=""", line) if inside else None
            if match:
                return Place(str(self.path), number, match.start(1) + 1)
        return Place(str(self.path), 1, 1)


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


def _flag(value: object, _folder: Path) -> bool:
    if value is True or value is False:
        return value
    raise ValueError


def _path(value: object, folder: Path) -> Path:
    if not isinstance(value, str) or not value:
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
    "corpus": ("true or false", _flag),
    "results": ("a path, relative to this file", _path),
    "fail-fast": ("true or false", _flag),
}
"""What each setting may be, and how it is read."""
