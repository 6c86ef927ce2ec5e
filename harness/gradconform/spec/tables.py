"""The kinds of tables that scenarios are derived from, each known by a key of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gradconform.spec.derive import ROOT as OPERATORS
from gradconform.spec.derive import derive, words
from gradconform.spec.model import Entry
from gradconform.spec.operator_model import OperatorFile, PointFile
from gradconform.spec.points import ROOT as POINTS
from gradconform.spec.points import points
from gradconform.spec.scenario import Operator
from gradconform.spec.source import Report
from gradconform.spec.tree import Node, Table


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of table. key: what a file has instead of `feature`, and the ids of its scenarios start with.

    derive: the scenarios of a file of this form. words: the operators that it makes words of the language.
    """

    key: str
    model: type[Entry]
    derive: Callable[[Any, Table, Report], Iterable[Table]]
    words: Callable[[Any, Table], Iterable[Operator]]


KINDS = (
    Kind(OPERATORS, OperatorFile, derive, words),
    Kind(POINTS, PointFile, points, lambda file, root: ()),  # noqa: ARG005 - points have no words of their own
)


def kind_of(root: Node | None) -> Kind | None:
    """The kind of table that a file is, or None for a file of scenarios."""
    keys = root.fields if isinstance(root, Table) else ()
    return next((kind for kind in KINDS if kind.key in keys), None)
