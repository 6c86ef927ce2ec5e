"""Bugs of shapes, hooks, custom functions, higher order, threads and infinities."""

from __future__ import annotations

from .base import Bug

BUGS: tuple[Bug, ...] = ()
