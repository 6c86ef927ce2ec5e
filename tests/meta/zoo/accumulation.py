"""Bugs of what arrives in .grad: accumulation, aliases, graphs, broadcasting."""

from __future__ import annotations

from .base import Bug

BUGS: tuple[Bug, ...] = ()
