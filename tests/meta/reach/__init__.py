"""Which lines of refgrad a test runs, and which a change of its text is at: a test that runs none of those
goes as it went before."""

from __future__ import annotations

from .changes import Everything, touched
from .recording import Key, Watch, recorded_lines

__all__ = ["Everything", "Key", "Watch", "recorded_lines", "touched"]
