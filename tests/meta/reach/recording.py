"""Recording which functions, or which lines, of refgrad run."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

# The folder above is on the path wherever this package can be imported.
from mutants.copies import sources  # type: ignore[import-not-found]

Key = str
"""A function by file and name (`node.py:Node.release`), what is inside of it included; or a row of the table
of derivatives (`row:exp`)."""

_ROW = "<refgrad rule "
_Trace = Callable[[FrameType, str, Any], Any]


@contextmanager
def recorded(keys: set[Key]) -> Iterator[None]:
    """Adds the functions and rows of refgrad that run inside, in any thread that starts there too."""
    codes: set[CodeType] = set()

    def trace(frame: FrameType, _event: str, _argument: object) -> None:
        codes.add(frame.f_code)

    with _traced(trace):
        yield
    keys.update(key for code in codes if (key := _key(code.co_filename, code.co_qualname)))


@contextmanager
def recorded_lines(keys: set[Key]) -> Iterator[None]:
    """Adds the lines of refgrad's files that run inside, as `node.py:17`."""
    lines: set[tuple[str, int]] = set()
    root = str(sources())

    def local(frame: FrameType, event: str, _argument: object) -> _Trace:
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
        return local

    def trace(frame: FrameType, _event: str, _argument: object) -> _Trace | None:
        return local if frame.f_code.co_filename.startswith(root) else None

    with _traced(trace):
        yield
    keys.update(f"{Path(file).relative_to(root).as_posix()}:{line}" for file, line in lines)


@contextmanager
def _traced(trace: _Trace) -> Iterator[None]:
    before = sys.gettrace()
    threading.settrace(trace)
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
        threading.settrace(before)


@cache
def _key(file: str, name: str) -> Key:
    """The key of a piece of code, "" where it is not refgrad's."""
    if file.startswith(_ROW):
        return f"row:{file.removeprefix(_ROW).rstrip('>').partition(',')[0]}"
    path = Path(file)
    if not path.is_relative_to(sources()):
        return ""
    return f"{path.relative_to(sources()).as_posix()}:{name.partition('.<locals>')[0]}"
