"""Recording which lines of refgrad run."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

# The folder above is on the path wherever this package can be imported.
from mutants.copies import sources  # type: ignore[import-not-found]

Key = str
"""A line by file and number (`node.py:17`), or a row of the table of derivatives (`row:exp`)."""

_ROW = "<refgrad rule "
_Trace = Callable[[FrameType, str, Any], Any]


class Watch:
    """Records which of some lines of refgrad's files run, and which rows: seconds are then hardly more than
    without."""

    def __init__(self, lines: Collection[Key]) -> None:
        self._lines = frozenset(line for line in lines if not line.startswith("row:"))
        self._of_codes: dict[CodeType, dict[int, Key]] = {}

    @contextmanager
    def __call__(self, keys: set[Key]) -> Iterator[None]:
        """Adds what runs inside, in any thread that starts there too."""

        def local(frame: FrameType, event: str, _argument: object) -> _Trace:
            if event == "line" and (key := self._of_codes[frame.f_code].get(frame.f_lineno)):
                keys.add(key)
            return local

        def trace(frame: FrameType, _event: str, _argument: object) -> _Trace | None:
            code = frame.f_code
            watched = self._of_codes.get(code)
            if watched is None:
                watched = self._of_codes[code] = self._watched(code)
            if code.co_filename.startswith(_ROW):
                keys.add(f"row:{code.co_filename.removeprefix(_ROW).rstrip('>').partition(',')[0]}")
            return local if watched and not keys.issuperset(watched.values()) else None

        with _traced(trace):
            yield

    def _watched(self, code: CodeType) -> dict[int, Key]:
        path = Path(code.co_filename)
        if not path.is_relative_to(sources()):
            return {}
        name = path.relative_to(sources()).as_posix()
        numbers = {number for _, _, number in code.co_lines() if number is not None}
        return {number: key for number in numbers if (key := f"{name}:{number}") in self._lines}


def recorded_lines(keys: set[Key]) -> AbstractContextManager[None]:
    """Adds all lines of refgrad's files that run inside, and the rows."""
    return _every_line()(keys)


@cache
def _every_line() -> Watch:
    return Watch(
        [
            f"{path.relative_to(sources()).as_posix()}:{number}"
            for path in sources().rglob("*.py")
            for number, _ in enumerate(path.read_text("utf-8").splitlines(), 1)
        ]
    )


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
