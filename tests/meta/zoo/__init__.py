"""The bug zoo: engines with one bug each that some autograd engine really had.

`gradconform run zoo:A02` runs one of them where the folder above is importable.
"""

from __future__ import annotations

from . import accumulation, functions, values, writes
from .base import Bug

ALL: tuple[Bug, ...] = (*accumulation.BUGS, *writes.BUGS, *values.BUGS, *functions.BUGS)
BUGS = {bug.id: bug for bug in ALL}


def __getattr__(name: str) -> Bug:
    try:
        return BUGS[name]
    except KeyError:
        raise AttributeError(f"there is no bug {name}") from None
