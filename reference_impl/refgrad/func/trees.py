"""Trees: what transforms take and return are tensors in tuples, lists and dicts, nested at will.

Everything else is a leaf, None as well. Source: https://docs.pytorch.org/docs/stable/func.ux_limitations.html
and torch/utils/_pytree.py
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Structure:
    """The shape of a tree: `kind` is the type of a container, None for a leaf; `keys` are those of a dict."""

    kind: Any
    keys: tuple[Any, ...] = ()
    parts: tuple[Structure, ...] = ()

    @property
    def leaves(self) -> int:
        """How many leaves the tree has."""
        return 1 if self.kind is None else sum(part.leaves for part in self.parts)

    def build(self, leaves: Iterable[Any]) -> Any:
        """Return the tree of this structure with the given leaves, in order."""
        return self._build(iter(leaves))

    def _build(self, leaves: Iterator[Any]) -> Any:
        if self.kind is None:
            return next(leaves)
        parts = [part._build(leaves) for part in self.parts]
        if issubclass(self.kind, dict):
            return self.kind(zip(self.keys, parts, strict=True))
        if hasattr(self.kind, "_fields"):
            return self.kind(*parts)
        return self.kind(parts)

    def __str__(self) -> str:
        if self.kind is None:
            return "*"
        if issubclass(self.kind, dict):
            return (
                "{"
                + ", ".join(f"{key!r}: {part}" for key, part in zip(self.keys, self.parts, strict=True))
                + "}"
            )
        inside = ", ".join(map(str, self.parts))
        if issubclass(self.kind, list):
            return f"[{inside}]"
        return f"({inside},)" if len(self.parts) == 1 else f"({inside})"


_LEAF = Structure(None)


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Return the leaves of `tree` in order, and its structure."""
    if type(tree) in {dict, OrderedDict}:
        children, keys = list(tree.values()), tuple(tree)
    elif type(tree) in {tuple, list} or (isinstance(tree, tuple) and hasattr(tree, "_fields")):
        children, keys = list(tree), ()
    else:
        return [tree], _LEAF
    leaves: list[Any] = []
    parts = []
    for child in children:
        inside, structure = flatten(child)
        leaves += inside
        parts.append(structure)
    return leaves, Structure(type(tree), keys, tuple(parts))


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """Return `tree` with `function` of each leaf in its place."""
    leaves, structure = flatten(tree)
    return structure.build([function(leaf) for leaf in leaves])
