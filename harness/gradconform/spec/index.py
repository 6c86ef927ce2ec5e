"""A cached list of the scenarios, so that `gradconform list` answers without YAML, pydantic or torch.

For each set of spec files a JSON file with its key (gradconform's version; path, modification time and size
of each file) and a row a scenario. A stale, broken or unwritable cache costs time and is never an error.
This module is on the way of every start, so it imports next to nothing: no dataclasses, no platformdirs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from gradconform import __version__

FORMAT = 2
"""Changes when the rows do."""


class Row(NamedTuple):
    """What `list` says about a scenario. file and line: where its id stands."""

    id: str
    feature: str
    level: int
    says: str
    file: str
    line: int
    aliases: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    device: str | None = None


def read_index(files: Iterable[Path], build: Callable[[], Iterable[Row]]) -> tuple[Row, ...]:
    """The rows of the scenarios in these files, from the cache where it is fresh.

    build: makes the rows anew; only where scenarios are checked is it known which are valid. What it raises
    is passed on, and nothing is cached then. Raises FileNotFoundError for a file that is not there.
    """
    paths = tuple(files)
    # Taken before the files are read: one that changes meanwhile makes the cache stale, not wrong.
    key = _key(paths)
    folder = cache_folder()
    if folder is None:
        return tuple(build())
    cache = folder / f"index-{_digest(paths)}.json"
    rows = _read(cache, key)
    if rows is None:
        rows = tuple(build())
        _write(cache, {"key": key, "rows": rows})
    return rows


def cache_folder() -> Path | None:
    """Where caches go: $GRADCONFORM_CACHE, or the user's cache folder for gradconform; None if homeless."""
    chosen = os.environ.get("GRADCONFORM_CACHE")
    if chosen:
        return Path(chosen)
    system = sys.platform
    if system.startswith("linux"):
        # What platformdirs does there, without its 10 ms.
        base = os.environ.get("XDG_CACHE_HOME", "")
        try:
            return (Path(base) if base.strip() else Path.home() / ".cache") / "gradconform"
        except RuntimeError:
            return None
    from platformdirs import user_cache_path

    return user_cache_path("gradconform", appauthor=False)


def _key(paths: tuple[Path, ...]) -> list[object]:
    states = [(path, path.stat()) for path in paths]
    files = [[os.path.abspath(path), state.st_mtime_ns, state.st_size] for path, state in states]  # noqa: PTH100
    return [FORMAT, __version__, *files]


def _digest(paths: tuple[Path, ...]) -> str:
    """A name for a set of files: different sets do not take each other's place in the cache."""
    from zlib import crc32

    return f"{crc32(repr([str(path) for path in paths]).encode(errors='surrogateescape')):08x}"


def _read(cache: Path, key: list[object]) -> tuple[Row, ...] | None:
    """The cached rows, or None where there are none for this key, or none that can be read."""
    try:
        found = json.loads(cache.read_bytes())
        if found["key"] != key:
            return None
        return tuple(_row(row) for row in found["rows"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _row(values: list[object]) -> Row:
    """A row as it was written. Raises ValueError where it is anything else."""
    match values:
        case [
            str(id),
            str(feature),
            int(level),
            str(says),
            str(file),
            int(line),
            list(aliases),
            list(dtypes),
            str() | None as device,
        ]:
            names, kinds = tuple(map(str, aliases)), tuple(map(str, dtypes))
            return Row(id, feature, level, says, file, line, names, kinds, device)
        case _:
            raise ValueError(f"no row of an index: {values!r}")


def _write(cache: Path, content: object) -> None:
    """Writes the file whole or not at all: another process may be reading it."""
    temporary = cache.with_name(f"{cache.name}.{os.getpid()}")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(cache)
    except OSError:
        # A read-only home or a full disk: the next start is slow again, and nothing else.
        try:
            temporary.unlink(missing_ok=True)
        except OSError:
            return
