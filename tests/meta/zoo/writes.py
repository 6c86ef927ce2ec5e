"""Bugs of in-place writes, views and freed graphs."""

from __future__ import annotations

from .base import Bug

BUGS: tuple[Bug, ...] = ()
