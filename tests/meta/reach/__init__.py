"""Which functions of refgrad a test runs, and which a change of its text touches: a test that runs none of
those that were changed goes as it went before."""

from __future__ import annotations

from .changes import Everything, touched
from .recording import Key, recorded, recorded_lines

__all__ = ["Everything", "Key", "recorded", "recorded_lines", "touched"]
