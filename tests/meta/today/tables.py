"""The calls of the shipped operator tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from gradconform.program.library import load_library
from gradconform.program.parse import Template
from gradconform.spec.corpus import operator_files

from .functions import Function, of_tables


@cache
def _templates() -> tuple[Template, ...]:
    return load_library(operator_files())


def calls(dtypes: tuple[str, ...]) -> Iterator[Function]:
    """All calls of the tables, in these dtypes."""
    return of_tables(_templates(), dtypes)
