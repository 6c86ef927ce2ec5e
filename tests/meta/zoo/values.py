"""Bugs of modes, flags, dtypes, complex numbers, kinks, ties and indices."""

from __future__ import annotations

from .base import Bug

BUGS: tuple[Bug, ...] = ()
